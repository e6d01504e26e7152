// What is around nginx: key files and lists, an identity provider, an authorization service, an
// application, the clock. Whatever changes is a History, for the oracle.

import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { execFileSync } from 'node:child_process';
import { FaultProxy } from './faults.mjs';
import { History, now } from './history.mjs';
import { Key, Secret } from './tokens.mjs';

/** How many keys of a source are remembered after they were taken out. */
const RETIRED = 3;

/** A key set that changes. `history` has its kids; null stands for a source that is broken. */
export class KeySource {
    constructor(name, alg, publish = () => {}) {
        Object.assign(this, { name, alg, publish, made: 0 });
        this.keys = [this.make()];
        this.retired = [];
        this.history = new History(new Set(this.keys.map((key) => key.kid)));
    }

    make() {
        this.made += 1;
        return new Key(this.alg, `${this.name}-${this.made}`);
    }

    text() {
        return JSON.stringify({ keys: this.keys.map((key) => key.jwk()) });
    }

    /** Every key whose tokens clients may have. */
    known() {
        return [...this.keys, ...this.retired];
    }

    async put(keys) {
        const gone = this.keys.filter((key) => !keys.includes(key));
        this.keys = keys;
        this.retired = [...gone, ...this.retired].slice(0, RETIRED);
        await this.history.change(new Set(keys.map((key) => key.kid)), () => this.publish(this.text()));
    }

    /** One step of a rotation: a new key beside the old one, or the old one taken out. */
    async rotate() {
        await this.put(this.keys.length > 1 ? [this.keys.at(-1)] : [...this.keys, this.make()]);
    }

    /** The earliest time of which keys may count at `at`, if they count for `time`, and longer while the source is broken. */
    reach(at, time) {
        let from = at - time;
        for (const span of [...this.history.spans].reverse()) {
            if (span.value === null && span.from <= at && span.to >= from) {
                from = Math.min(from, span.from - time);
            }
        }
        return from;
    }

    /** Breaks the source for some time. */
    async damage(text, pause) {
        await this.history.change(null, () => this.publish(text));
        await pause();
        await this.put(this.keys);
    }
}

/** A list of revoked names. `history` has them; null stands for a list that is broken. */
class RevocationList {
    constructor(publish) {
        this.publish = publish;
        this.names = new Set(['always']);
        this.history = new History(this.names);
    }

    async put(names) {
        this.names = names;
        const list = Object.fromEntries([...names].map((name) => [name, null]));
        await this.history.change(names, () => this.publish(JSON.stringify(list)));
    }

    async toggle(name) {
        const names = new Set(this.names);
        if (!names.delete(name)) {
            names.add(name);
        }
        await this.put(names);
    }

    async damage(text, pause) {
        await this.history.change(null, () => this.publish(text));
        await pause();
        await this.put(this.names);
    }
}

export class World {
    constructor(dir, random) {
        this.dir = dir;
        this.random = random;
        this.clock = new History(0);
        this.late = [];
        /** Sessions that the authorization service knows: whether it lets them in. */
        this.sessions = {};
        for (let i = 0; i < 8; i++) {
            this.sessions[`steady-${i}`] = new History(true);
            this.sessions[`stranger-${i}`] = new History(false);
            this.sessions[`flip-${i}`] = new History(i % 2 === 0);
        }
        this.revoked = new RevocationList((text) => this.replace('revoked.json', text));

        const file = (name) => (text) => this.replace(`keys/${name}.json`, text);
        // Never rotated: for the raw load, and what is not about keys.
        this.fixed = new KeySource('fixed', 'RS256', file('fixed'));
        this.file = new KeySource('file', 'ES256', file('file'));
        this.request = new KeySource('request', 'ES256');
        this.corp = new KeySource('corp', 'EdDSA');
        this.partner = new KeySource('partner', 'ES256');
        this.rotating = [this.file, this.request, this.corp, this.partner];
        this.secret = new Secret();
        this.clients = [0, 1, 2].map((i) => new Key('ES256', `client-${i}`));
        /** Signs what must never be accepted. */
        this.forgers = Object.fromEntries(['ES256', 'RS256', 'EdDSA'].map((alg) => [alg, new Key(alg, 'forger')]));
    }

    /** Notes that this process was late: its services were, too. */
    noteLate(due, late) {
        if (late > LATE) {
            this.late.push({ from: due, to: due + late });
        }
    }

    /** Whether a service may have responded too late, because the machine is busy. */
    wasLate(from, to) {
        return this.late.some((time) => time.from <= to && time.to >= from);
    }

    path(name) {
        return `${this.dir}/${name}`;
    }

    /** Others read the file as it was, or as it is then. No text: there is no file. */
    replace(name, text) {
        if (text === undefined) {
            fs.rmSync(this.path(name), { force: true });
            return;
        }
        fs.writeFileSync(this.path(`${name}.new`), text);
        fs.renameSync(this.path(`${name}.new`), this.path(name));
    }

    async start() {
        fs.mkdirSync(this.path('keys'));
        for (const source of [this.fixed, ...this.rotating]) {
            await source.put(source.keys);
        }
        this.replace('keys/secret.json', JSON.stringify(this.secret.jwk()));
        await this.revoked.put(this.revoked.names);
        await this.moveClock(0);
        this.certificate();

        this.proxies = {};
        await this.service('requested', http, this.keyPages(this.request), 200);
        await this.service('corp', https, this.keyPages(this.corp), 200);
        await this.service('partner', http, this.keyPages(this.partner, true), 100);
        await this.service('authorization', http, (request, response) => this.authorize(request, response), 10);
        // nginx's way to the application is never broken.
        http.createServer((request, response) => this.apply(request, response)).listen(this.path('application'));
        this.partnerIssuer = `http://127.0.0.1:${this.proxies.partner.port}`;
    }

    /** A service on a Unix socket, and a proxy in front of it. */
    async service(name, protocol, respond, cut) {
        const proxy = new FaultProxy(name, this.path(name), this.random, this.late, cut);
        const options = protocol === https ? { cert: this.read('tls.crt'), key: this.read('tls.key') } : {};
        const server = protocol.createServer(options, (request, response) => {
            if (proxy.mode.value === 'sick') {
                this.failSickly(name, response);
            } else {
                respond(request, response);
            }
        });
        // nginx keeps connections to it as long as it likes.
        server.keepAliveTimeout = 3_600_000;
        await new Promise((done) => server.listen(proxy.target, done));
        await proxy.listen();
        this.proxies[name] = proxy;
    }

    read(name) {
        return fs.readFileSync(this.path(name));
    }

    certificate() {
        const options = ['-newkey', 'rsa:2048', '-nodes', '-days', '3', '-subj', '/CN=localhost',
            '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', this.path('tls.key'), '-out', this.path('tls.crt')];
        // Made a day ago: nginx's clock will be set back.
        const env = { ...process.env, LD_PRELOAD: faketime(), FAKETIME: '-1d' };
        execFileSync('openssl', ['req', '-x509', ...options], { env, stdio: 'ignore' });
    }

    failSickly(name, response) {
        const page = '<html><body>Something went wrong</body></html>';
        const statuses = [500, 503, 404, 302, 304, 400];
        // For keys a page with 200 is none; of the authorization service it would be a yes.
        response.statusCode = this.random.pick(name === 'authorization' ? statuses : [...statuses, 200]);
        response.setHeader('Content-Type', 'text/html');
        response.setHeader('Location', '/elsewhere');
        response.end(response.statusCode === 304 ? undefined : page);
    }

    keyPages(source, isDiscovered) {
        return (request, response) => {
            const issuer = this.partnerIssuer;
            const document = JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks` });
            const isDocument = isDiscovered && request.url.includes('/.well-known/');
            response.setHeader('Content-Type', 'application/json');
            response.end(isDocument ? document : source.text());
        };
    }

    /** The authorization service. It knows sessions, and looks into bodies. */
    async authorize(request, response) {
        const body = await bodyOf(request);
        if (!body) {
            return;
        }
        const session = request.headers['x-session'];
        const isKnown = this.sessions[session]?.value === true || this.letsEverybodyIn;
        if (request.url.includes('/introspect')) {
            response.setHeader('Content-Type', 'application/json');
            response.end(JSON.stringify(isKnown ? { active: true, sub: session } : { active: false }));
            return;
        }
        let isGranted = isKnown;
        if (request.url.includes('/body')) {
            // What matters is at both ends, so that a body that is cut says no.
            isGranted = isKnown && body.toString().startsWith('{"grant":"yes"') && body.toString().endsWith('"end":1}');
        }
        response.statusCode = isGranted ? 200 : 403;
        response.setHeader('X-User', session ?? '');
        response.end('x'.repeat(this.random.pick([0, 10, 5000])));
    }

    /** The application tells what it gets. */
    async apply(request, response) {
        const body = await bodyOf(request);
        if (!body) {
            return;
        }
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify({ user: request.headers['x-user'] ?? null, body: digest(body) }));
    }

    /** How far nginx's clock is ahead of the real time. */
    async moveClock(seconds) {
        await this.clock.change(seconds, () => this.replace('clock', `${seconds < 0 ? '' : '+'}${seconds}\n`));
    }

    /** Seconds since 1970 by nginx's clock. */
    time() {
        return Math.floor(Date.now() / 1000) + this.clock.value;
    }

    /**
     * The seconds since 1970 that nginx may have seen from `from` to `to`. It reads the clock once in
     * each turn of its event loop, and a turn takes long on a busy machine.
     */
    times(from, to) {
        const offsets = this.clock.during(from - TURN, to);
        const zero = (Date.now() - now()) / 1000;
        const [first, last] = [from - TURN, to].map((time) => zero + time / 1000);
        return { first: first + Math.min(...offsets) - 1, last: last + Math.max(...offsets) };
    }
}

/** How many milliseconds services may be late without being so for nginx, which waits for five seconds. */
const LATE = 700;

/** How many milliseconds a turn of a worker's event loop takes at most. */
export const TURN = 5000;

/** The library that gives processes another clock. */
export function faketime() {
    for (const folder of fs.readdirSync('/usr/lib')) {
        const library = `/usr/lib/${folder}/faketime/libfaketime.so.1`;
        if (fs.existsSync(library)) {
            return library;
        }
    }
    throw new Error('no libfaketime: scripts/setup soak');
}

export const digest = (body) => crypto.createHash('sha256').update(body).digest('hex');

/** The body, or nothing if it broke off. */
async function bodyOf(request) {
    const parts = [];
    try {
        for await (const part of request) {
            parts.push(part);
        }
    } catch {
        return undefined;
    }
    return Buffer.concat(parts);
}
