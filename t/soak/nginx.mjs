// The nginx under test: its configuration, its processes, its log.

import fs from 'node:fs';
import { execFileSync, spawn } from 'node:child_process';
import { now, sleep } from './history.mjs';
import { faketime } from './world.mjs';

export const WORKERS = 3;

const TO_APPLICATION = 'proxy_pass http://application;';

function configuration(world, { module, http2 }, ports) {
    const { requested, corp, partner, authorization } = world.proxies;
    const jwt = (name, directives) => `location = /${name} { auth_jwt soak; ${directives} ${TO_APPLICATION} }`;
    const check = (name, directives) => `location = /${name} { ${directives} ${TO_APPLICATION} }`;
    const service = (name, more) => `
        location = /service/${name} {
            internal;
            proxy_connect_timeout 2s;
            proxy_read_timeout 5s;
            proxy_redirect off;
            ${more}
        }`;
    const dpop = 'auth_jwt_key_file keys/fixed.json; auth_jwt_dpop_url $scheme://127.0.0.1:$server_port$request_uri;';
    const cache = 'auth_request_cache verdicts; auth_request_cache_key $http_x_session;';
    const locations = `
        ${jwt('file', 'auth_jwt_key_file keys/file.json;')}
        ${jwt('file-cached', 'auth_jwt_key_file keys/file.json; auth_jwt_key_cache 2s;')}
        ${jwt('file-stale', 'auth_jwt_key_file keys/file.json; auth_jwt_key_cache 2s stale=1h;')}
        ${jwt('request', 'auth_jwt_key_request /service/keys;')}
        ${jwt('request-cached', 'auth_jwt_key_request /service/keys; auth_jwt_key_cache 2s refresh=1s;')}
        ${jwt('request-stale', 'auth_jwt_key_request /service/keys; auth_jwt_key_cache 2s stale=1h;')}
        ${jwt('issuers', 'auth_jwt_trust corp partner filed;')}
        ${jwt('nested', 'auth_jwt_type nested; auth_jwt_key_file keys/fixed.json; auth_jwt_key_file keys/secret.json;')}
        ${jwt('rules', `auth_jwt_key_file keys/fixed.json; auth_jwt_algorithms RS256; auth_jwt_max_age 1h;
            auth_jwt_require_claim iss eq soak; auth_jwt_require_claim .groups any staff error=403;
            auth_jwt_require_scope read write;`)}
        ${jwt('revoked', 'auth_jwt_key_file keys/fixed.json; auth_jwt_revocation_list_sub revoked.json;')}
        ${jwt('dpop', `auth_jwt_binding dpop required; ${dpop}`)}
        ${jwt('nonce', `auth_jwt_binding dpop required; auth_jwt_dpop_nonce on; ${dpop}`)}
        ${check('service', 'auth_request /service/check;')}
        ${check('kept-alive', 'auth_request /service/kept-alive;')}
        ${check('open', 'auth_request /service/check; auth_request_on_error allow;')}
        ${check('verdict', `auth_request /service/check; ${cache} auth_request_cache_valid any 2s;`)}
        ${check('verdict-kept', `auth_request /service/check; ${cache} auth_request_cache_valid 12h;`)}
        ${check('body', 'auth_request /service/body; auth_request_body 64k;')}
        ${check('introspection', `auth_request /service/introspection; auth_request_answer 4k;
            auth_request_set $user $auth_answer_sub; proxy_set_header X-User $user;
            auth_request_require $is_active error=403;`)}
        ${jwt('both', 'auth_jwt_key_file keys/fixed.json; auth_request /service/check;')}
        ${jwt('either', 'satisfy any; auth_jwt_key_file keys/fixed.json; auth_request /service/check;')}
        ${service('keys', `proxy_pass http://127.0.0.1:${requested.port};`)}
        ${service('check', `proxy_pass http://127.0.0.1:${authorization.port};`)}
        ${service('kept-alive', 'proxy_pass http://authorization; proxy_http_version 1.1; proxy_set_header Connection "";')}
        ${service('body', `proxy_pass http://127.0.0.1:${authorization.port}; proxy_method POST;`)}
        ${service('introspection', `proxy_pass http://127.0.0.1:${authorization.port}/introspect;`)}
        location = /load/file { auth_jwt load; auth_jwt_key_file keys/fixed.json; empty_gif; }
        location = /load/issuer { auth_jwt load; auth_jwt_trust filed; empty_gif; }
        location = /load/verdict {
            auth_request /service/check; ${cache} auth_request_cache_valid 12h; empty_gif;
        }
        location = /status { auth_status json; }`;
    const server = `
        auth_jwt_upstream_header X-User sub;
        auth_request_upstream_headers X-User;
        add_header X-Status $jwt_status always;
        add_header X-Cache $auth_request_cache_status always;
        client_max_body_size 1m;
        client_body_buffer_size 16k;
        ${locations}`;
    const fetched = 'audience api; refresh 2s; stale 1d; connect_timeout 2s; read_timeout 5s;';
    return `
load_module ${module};
${process.getuid() === 0 ? 'user root;' : ''}
daemon off;
worker_processes ${WORKERS};
pid nginx.pid;
error_log error.log notice;
${Object.keys(CLOCK).concat('FAKETIME_TIMESTAMP_FILE').map((name) => `env ${name};`).join(' ')}
events { worker_connections 2048; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    auth_jwt_issuer corp {
        issuer https://corp.example; jwks_uri https://127.0.0.1:${corp.port}/jwks;
        ssl_trusted_certificate tls.crt; state_path state; ${fetched}
    }
    auth_jwt_issuer partner { issuer ${world.partnerIssuer}; ${fetched} }
    auth_jwt_issuer filed { issuer https://filed.example; audience api; key_file keys/fixed.json; }
    auth_request_cache_zone verdicts:10m;
    auth_jwt_dpop_zone 32m;
    map $auth_json_active $is_active { volatile; default ""; true 1; }
    upstream application { server unix:${world.path('application')}; }
    upstream authorization { server 127.0.0.1:${authorization.port}; keepalive 4; }
    server { listen 127.0.0.1:${ports.plain}; ${server} }
    server {
        listen 127.0.0.1:${ports.tls} ${http2.listen};
        ${http2.directive}
        ssl_certificate tls.crt;
        ssl_certificate_key tls.key;
        ${server}
    }
}
`;
}

// Timers, and the times of files, keep the real time.
const CLOCK = {
    FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1', NO_FAKE_STAT: '1', FAKETIME_DISABLE_SHM: '1',
};

/** What nginx 1.25 and later have for HTTP/2, and what others have. */
function http2Of(binary) {
    const { stderr } = spawnText(binary, ['-v']);
    const [, major, minor] = /nginx\/(\d+)\.(\d+)/.exec(stderr).map(Number);
    const isNew = major > 1 || minor >= 25;
    return isNew ? { listen: 'ssl', directive: 'http2 on;' } : { listen: 'ssl http2', directive: '' };
}

function spawnText(command, args) {
    return { stderr: execFileSync('sh', ['-c', 'exec "$@" 2>&1', 'sh', command, ...args]).toString() };
}

export class Nginx {
    constructor(world, binary, module) {
        Object.assign(this, { world, binary, module });
        /** Workers that were killed, and when. */
        this.killed = new Map();
        /** Workers: when they were first seen, and when a reload made them old. */
        this.workers = new Map();
        this.reloads = 0;
        this.reloadTimes = [];
        this.longestShutdown = 0;
        /** When shared memory was found damaged and emptied: a worker was killed while it changed it. */
        this.emptied = [];
        this.counters = { judged: 0, lowered: 0, entries: 0 };
        this.problems = [];
        this.samples = [];
        this.logged = 0;
    }

    async start(ports) {
        this.ports = ports;
        const { world, module } = this;
        world.replace('nginx.conf', configuration(world, { module, http2: http2Of(this.binary) }, ports));
        const environment = {
            ...process.env, ...CLOCK, LD_PRELOAD: faketime(), FAKETIME_TIMESTAMP_FILE: world.path('clock'),
        };
        const args = ['-p', `${world.dir}/`, '-c', 'nginx.conf', '-e', 'error.log'];
        this.process = spawn(this.binary, args, { env: environment, stdio: 'ignore' });
        this.ended = new Promise((done) => this.process.on('exit', done));
        this.ended.then(() => {
            this.hasEnded = true;
        });
        while (this.children().length < WORKERS) {
            if (this.hasEnded) {
                throw new Error(`nginx has ended:\n${fs.readFileSync(world.path('error.log'))}`);
            }
            await sleep(50);
        }
        this.look();
    }

    async stop() {
        this.process.kill('SIGTERM');
        await this.ended;
    }

    children() {
        const pid = this.process.pid;
        return readProc(`${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
    }

    /** Notes which workers there are. */
    look() {
        const children = new Set(this.children());
        for (const pid of children) {
            if (!this.workers.has(pid)) {
                this.workers.set(pid, { since: now(), old: Infinity });
            }
        }
        for (const [pid, { old }] of this.workers) {
            const age = now() - old;
            if (!children.has(pid)) {
                this.workers.delete(pid);
            } else if (age > SHUTDOWN) {
                this.problems.push(`worker ${pid} is there ${Math.round(age / 1000)} s after its reload`);
                this.workers.delete(pid);
            }
            if (age > 0) {
                this.longestShutdown = Math.max(this.longestShutdown, age);
            }
        }
    }

    /** Workers that no reload has made old. */
    current() {
        return [...this.workers].filter(([, worker]) => worker.old === Infinity).map(([pid]) => pid);
    }

    /** Reloads, and waits until there are new workers. */
    async reload() {
        this.look();
        const old = new Set(this.current());
        this.reloadTimes.push(now());
        this.process.kill('SIGHUP');
        const from = now();
        for (;;) {
            await sleep(20);
            this.look();
            if (this.current().filter((pid) => !old.has(pid)).length >= WORKERS) {
                break;
            }
            if (now() - from > 60_000) {
                this.problems.push('a reload has made no new workers within a minute');
                return;
            }
        }
        // nginx tells the old ones right after it has started the new ones.
        for (const [pid, worker] of this.workers) {
            if (old.has(pid)) {
                worker.old = now();
            }
        }
        this.reloads += 1;
    }

    kill(random) {
        this.look();
        const pid = random.pick([...this.workers.keys()]);
        if (pid !== undefined) {
            this.killed.set(pid, now());
            try {
                process.kill(pid, 'SIGKILL');
            } catch {
                this.killed.delete(pid);
            }
        }
    }

    wasKillBetween(from, to) {
        return [...this.killed.values()].some((time) => time >= from && time <= to);
    }

    wasReloadBetween(from, to) {
        return this.reloadTimes.some((time) => time >= from && time <= to);
    }

    /** The log is read somewhat later than it is written. */
    wasEmptiedBetween(from, to) {
        return this.emptied.some((time) => time >= from && time <= to + 2000);
    }

    /** Reads the counters, which go on over reloads and kills. */
    readCounters(page) {
        const sum = (name) => page[name].samples.reduce((total, sample) => total + sample.value, 0);
        const judged = sum('nginx_auth_jwt_requests_total');
        const lowered = this.counters.lowered + (judged < this.counters.judged ? 1 : 0);
        this.counters = { judged, lowered, entries: sum('nginx_auth_jwt_token_cache_entries') };
    }

    /** Memory and descriptors, of the master and of the worker that has most. */
    sample() {
        const workers = this.current().map((pid) => usage(pid)).filter(Boolean);
        const master = usage(this.process.pid);
        // Two descriptors are for each of its workers, of which there are some that end.
        const own = master && master.descriptors - 2 * this.children().length;
        if (master && workers.length > 0) {
            const most = (what) => Math.max(...workers.map((worker) => worker[what]));
            this.samples.push({
                at: now(), master: { ...master, descriptors: own },
                worker: { memory: most('memory'), descriptors: most('descriptors') },
            });
        }
    }

    /** Reads the new lines of error.log. */
    readLog() {
        const text = fs.readFileSync(this.world.path('error.log'));
        const end = text.lastIndexOf('\n') + 1;
        const lines = text.subarray(this.logged, end).toString('latin1').split('\n');
        this.logged = end;
        for (const line of lines) {
            this.judgeLine(line);
        }
    }

    judgeLine(line) {
        const [, level, text] = /^\S+ \S+ \[(\w+)\] \d+#\d+: (.*)$/.exec(line) ?? [];
        if (/nginx-auth: the zone .*, dropping all of its entries/.test(text)) {
            this.emptied.push(now());
        }
        const exit = /process (\d+) exited (on signal (\d+)|with code (\d+))/.exec(text);
        if (exit) {
            const [, pid, how, signal, code] = exit;
            if (code !== '0' && !(signal === '9' && this.killed.has(Number(pid)))) {
                this.problems.push(`worker process ${pid} exited ${how}`);
            }
            return;
        }
        // What nginx says of a mutex that a killed worker held.
        const locked = /shared memory zone .* was locked by (\d+)/.exec(text);
        if (locked && this.killed.has(Number(locked[1]))) {
            return;
        }
        if (['alert', 'crit', 'emerg'].includes(level)) {
            this.problems.push(`error.log: ${line}`);
        }
    }
}

/** How long an old worker may take to end. */
const SHUTDOWN = 30_000;

function readProc(name) {
    try {
        return fs.readFileSync(`/proc/${name}`, 'latin1');
    } catch {
        return '';
    }
}

/** The memory of a process in KB that it shares with no file, and its descriptors. */
function usage(pid) {
    const memory = Number(/^RssAnon:\s+(\d+)/m.exec(readProc(`${pid}/status`))?.[1]);
    try {
        return memory ? { memory, descriptors: fs.readdirSync(`/proc/${pid}/fd`).length } : undefined;
    } catch {
        return undefined;
    }
}
