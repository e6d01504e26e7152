// The requests: for each kind of location what is sent, and which statuses are right, as the world
// was while the request ran. A scenario has
//
//   kind     a name for the report
//   path     the location
//   make     (run) => { headers, body, method, expect, user, strict }; `run` has the world, nginx and
//            random numbers. `expect(from, to)` returns the set of right statuses for a request that
//            ran from `from` to `to`. `user` is what the application must be told with a 200.
//   then     (run, request, response) => another request that follows, or nothing

import crypto from 'node:crypto';
import { LAG } from './faults.mjs';
import { now } from './history.mjs';
import { spoil, unsigned } from './tokens.mjs';
import { digest, TURN } from './world.mjs';

const OK = 200;

/** Tokens by all that they depend on, so that most of them come again. */
const tokens = new Map();

function token(run, key, claims, lifetime) {
    // A claim that a token lacks is undefined here, which JSON would leave out.
    const id = JSON.stringify([key.kid, claims, lifetime], (_, value) => value ?? null);
    const time = run.world.time();
    let entry = tokens.get(id);
    // A token with a short life goes on being used for a while when it has expired.
    if (!entry || time > entry.exp + 15 || time < entry.made - 15) {
        entry = { made: time, exp: time + lifetime, iat: time - 900 };
        entry.sub = claims.sub;
        entry.text = key.sign({ iat: entry.iat, exp: entry.exp, ...claims });
        tokens.set(id, entry);
        if (tokens.size > 5000) {
            tokens.delete(tokens.keys().next().value);
        }
    }
    return entry;
}

/** The statuses for a token by its times: those of `others` unless it has expired, 401 if it may have. */
function byTime(run, entry, from, to, others) {
    const { first, last } = run.world.times(from, to);
    const statuses = new Set();
    if (entry.exp > first) {
        others().forEach((status) => statuses.add(status));
    }
    if (entry.exp <= last) {
        statuses.add(401);
    }
    return statuses;
}

const always = (...statuses) => () => new Set(statuses);
const bearer = (text) => ({ Authorization: `Bearer ${text}` });

/** What is refused whatever keys there are. */
function hopeless(run, claims) {
    const { random, world } = run;
    const made = {
        none: () => ({}),
        garbage: () => bearer(random.pick(['garbage', 'a.b.c', '', 'e30.e30.e30', '..', 'x'.repeat(3000)])),
        unsigned: () => bearer(unsigned({ exp: world.time() + 300, ...claims })),
        expired: () => bearer(world.fixed.keys[0].sign({ exp: world.time() - 3600, ...claims })),
    };
    return { headers: made[random.pick(Object.keys(made))](), expect: always(401) };
}

/** A token that no key of the source has signed: by a stranger, by the key of another issuer, or damaged. */
function forge(run, keys, claims, foreign) {
    const { random, world } = run;
    const [stranger, key] = [world.forgers[keys.alg], random.pick(keys.known())];
    // It does not expire while nginx's clock is moved: that would be said before anything about keys.
    const exp = world.time() + 86_400;
    const bySomebody = (signer, header) => signer.sign({ exp, ...claims }, header);
    const ways = [
        () => bySomebody(stranger, { kid: key.kid }),
        () => bySomebody(stranger),
        () => bySomebody(foreign ?? stranger),
        () => spoil(key.sign({ exp, ...claims })),
    ];
    return { exp: Infinity, text: random.pick(ways)() };
}

/**
 * A location whose keys are a source that changes.
 *
 *   keep     for how long a key may count when it was taken out: milliseconds, or Infinity
 *   learn    for how long a new key may be unknown; 0: the source is asked for each request
 *   claims   of its tokens
 *   proxy    through which nginx gets the keys
 *   mayFail  whether there may be no keys to be had, if that proxy has trouble
 *   foreign  a key of another issuer
 */
function keyed({ kind, path, source, keep = 0, learn = 0, claims = {}, proxy, mayFail, foreign }) {
    /** The statuses for a token of this key as far as keys go. No key: a forged token. */
    const byKeys = (world, key, from, to) => {
        const keys = source(world);
        const through = proxy && world.proxies[proxy];
        const reach = (time) => (time > 0 && time < Infinity ? (through ?? keys).reach(from, time) : from - time);
        const accepted = keys.history.during(reach(keep), to).filter((kids) => kids?.has(key?.kid));
        const statuses = new Set(accepted.map(() => OK));
        for (const kids of keys.history.during(reach(learn), to)) {
            statuses.add(kids === null ? 500 : kids.has(key?.kid) ? OK : 401);
        }
        if (!through) {
            return statuses;
        }
        const isLate = world.wasLate(reach(learn), to);
        if (learn === 0) {
            const modes = through.mode.during(from, to);
            const mayBreak = modes.length > 1 || isLate;
            return modes.includes('pass') ? (mayBreak ? statuses.add(500) : statuses) : new Set([500]);
        }
        return mayFail && (isLate || through.hasTrouble(from, to)) ? statuses.add(500) : statuses;
    };
    return {
        kind, path,
        make(run) {
            const { random, world } = run;
            const about = { sub: `user-${random.below(5)}`, ...claims };
            if (random.chance(0.15)) {
                return hopeless(run, about);
            }
            const keys = source(world);
            // Mostly a key that is in the set, and one that was there before.
            const key = random.chance(0.75) ? random.pick(random.chance(0.6) ? keys.keys : keys.known()) : undefined;
            const entry = key ? token(run, key, about, random.chance(0.2) ? 5 : 600) : forge(run, keys, about, foreign?.(world));
            return {
                headers: bearer(entry.text), user: about.sub,
                expect: (from, to) => byTime(run, entry, from, to, () => byKeys(world, key, from, to)),
                explain: () => explain(keys, key),
            };
        },
    };
}

/** When the key was in the set, for the report of a wrong answer. */
function explain(keys, key) {
    const spans = (keys.history.spans ?? []).filter(({ value }) => value?.has(key?.kid));
    const times = spans.map(({ from, to }) => `${Math.round(from)} to ${Math.round(to)} ms`);
    return `key ${key?.kid} in the set from ${times.join(', ')}`;
}

/** A location with the fixed keys, where `judge` says what becomes of a good token with these claims. */
function fixed({ kind, path, make }) {
    return {
        kind, path,
        make(run) {
            const { random, world } = run;
            const about = make(run);
            if (random.chance(0.1)) {
                return hopeless(run, about.claims);
            }
            const entry = token(run, world.fixed.keys[0], about.claims, 600);
            if (random.chance(0.1)) {
                return { headers: bearer(spoil(entry.text)), expect: always(...(about.forged ?? [401])) };
            }
            const expect = (from, to) => byTime(run, entry, from, to, () => about.judge(from, to));
            return { headers: bearer(entry.text), user: about.claims.sub, expect };
        },
    };
}

const rules = fixed({
    kind: 'rules', path: '/rules',
    make({ random }) {
        const claims = { sub: `user-${random.below(5)}`, iss: 'soak', groups: ['other', 'staff'], scope: 'read write' };
        const flaws = [
            [{}, OK], [{}, OK], [{}, OK],
            [{ iss: 'soak ' }, 401], [{ groups: ['staff,other'] }, 403], [{ groups: 'staff2' }, 403],
            [{ groups: undefined }, 403], [{ scope: 'read' }, 403], [{ scope: 'readwrite' }, 403], [{ iat: undefined }, 401],
            [{ iat: 1e9 }, 401],
        ];
        const [flaw, status] = random.pick(flaws);
        return { claims: { ...claims, ...flaw }, judge: always(status) };
    },
});

const revoked = fixed({
    kind: 'revocation', path: '/revoked',
    make({ random, world }) {
        const sub = random.pick(['free', 'always', 'name-0', 'name-1', 'name-2', 'name-3']);
        const judge = (from, to) => world.revoked.history.during(from, to)
            .map((names) => (names === null ? 500 : names.has(sub) ? 401 : OK));
        return { claims: { sub }, judge };
    },
});

const nested = {
    kind: 'nested', path: '/nested',
    make(run) {
        const { random, world } = run;
        const sub = `user-${random.below(5)}`;
        const inner = token(run, world.fixed.keys[0], { sub }, 600);
        const id = `nested ${inner.text}`;
        // One text, so that it is cached.
        const outer = tokens.get(id) ?? world.secret.encrypt(inner.text);
        tokens.set(id, outer);
        const bad = [
            () => spoil(outer), () => inner.text, () => world.secret.encrypt(spoil(inner.text)),
            () => world.secret.encrypt(unsigned({ sub })), () => world.secret.encrypt('{"sub":"user-1"}'),
        ];
        if (random.chance(0.3)) {
            return { headers: bearer(random.pick(bad)()), expect: always(401) };
        }
        return { headers: bearer(outer), user: sub, expect: (from, to) => byTime(run, inner, from, to, always(OK)) };
    },
};

/* DPoP: proofs that fit, that another key made, that are for something else, that are old, that come twice. */
function dpop(kind, path, hasNonces) {
    const build = (run, options = {}) => {
        const { random, world } = run;
        const sub = `user-${random.below(5)}`;
        const client = options.client ?? random.pick(world.clients);
        const entry = options.entry ?? token(run, world.fixed.keys[0], { sub, cnf: { jkt: client.thumbprint() } }, 600);
        const iat = world.time();
        const claims = { htm: 'GET', htu: `${run.origin}${path}`, iat, nonce: hasNonces ? run.nonces[client.kid] : undefined };
        let expect = (from, to) => byTime(run, entry, from, to, () => {
            const { first, last } = run.world.times(from, to);
            const statuses = new Set();
            if (iat >= last - 59 && iat <= first + 59) {
                return statuses.add(OK);
            }
            // The clock was moved between the proof and the request.
            return statuses.add(401).add(OK);
        });
        let text = entry.text;
        let prover = client;
        const never = always(401);
        const faults = [
            () => { claims.htm = 'POST'; },
            () => { claims.htu = `${run.origin}/elsewhere`; },
            () => { claims.iat -= 900; },
            () => { claims.iat += 900; },
            () => { claims.ath = 'a'.repeat(43); },
            () => { prover = world.clients.find((other) => other !== client); },
            () => { text = spoil(text); },
        ];
        const isGood = options.isGood ?? random.chance(0.75);
        if (!isGood) {
            random.pick(faults)();
            expect = never;
        }
        const headers = { Authorization: `DPoP ${text}`, DPoP: prover.prove(claims, text) };
        if (isGood && !options.entry && random.chance(0.1)) {
            // A stolen token.
            return { headers: random.chance(0.5) ? bearer(text) : { Authorization: headers.Authorization }, expect: never };
        }
        if (isGood && hasNonces) {
            // Whoever has no nonce that counts is told one.
            const before = expect;
            expect = (from, to) => (options.isSecond && !run.nginx.wasEmptiedBetween(from - 10_000, to)
                && world.clock.during(from - TURN - 1000, to).length === 1 ? before(from, to) : before(from, to).add(401));
        }
        return { headers, expect, user: entry.sub, isGood, client, entry };
    };
    return {
        kind, path, build,
        make: (run) => build(run),
        then(run, request, response) {
            if (request.client && response.headers['dpop-nonce']) {
                run.nonces[request.client.kid] = response.headers['dpop-nonce'];
            }
            if (!request.isGood) {
                return undefined;
            }
            if (response.status === OK) {
                // Once more: the proof was used.
                const isLost = (from, to) => run.nginx.wasEmptiedBetween(request.from, to);
                return { headers: request.headers, isReplay: true,
                    expect: (from, to) => new Set(isLost(from, to) ? [401, OK] : [401]) };
            }
            if (hasNonces && response.status === 401 && !request.isSecond && response.headers['dpop-nonce']) {
                return { ...build(run, { ...request, isGood: true, isSecond: true }), isSecond: true };
            }
            return undefined;
        },
    };
}

/* auth_request. */

/** What the authorization service, or the lack of it, makes of a session at some moment between these two. */
function serviceStatuses(world, session, from, to, failure = () => 500) {
    const statuses = new Set();
    const modes = world.proxies.authorization.mode.during(from, to);
    if (modes.length > 1) {
        // A change closes the connections that there are.
        statuses.add(500);
    }
    if (world.wasLate(from, to)) {
        statuses.add(500).add(failure('hang'));
    }
    for (const mode of modes) {
        if (mode === 'pass') {
            const known = world.sessions[session]?.during(from, to) ?? [false];
            known.forEach((isKnown) => statuses.add(isKnown ? OK : 403));
        } else {
            statuses.add(failure(mode));
        }
    }
    return statuses;
}

const anySession = ({ random }) => `${random.pick(['steady', 'steady', 'flip', 'stranger'])}-${random.below(8)}`;

function checked(kind, path, failure) {
    return {
        kind, path,
        make(run) {
            const session = anySession(run);
            return {
                headers: { 'X-Session': session },
                user: path === '/open' ? [session, null] : session,
                expect: (from, to) => serviceStatuses(run.world, session, from, to, failure),
            };
        },
    };
}

/* auth_request_on_error allow: no connection, and no response in time. Where the connection closes, a client might have done it. */
const openOnError = checked('on_error allow', '/open', (mode) => (['dead', 'hang'].includes(mode) ? OK : 500));

const verdict = {
    kind: 'verdict cache', path: '/verdict',
    make(run) {
        const session = anySession(run);
        return {
            headers: { 'X-Session': session }, user: session,
            expect(from, to) {
                const statuses = serviceStatuses(run.world, session, from, to);
                // Two seconds, and what the verdict takes on its way into the cache.
                for (const isKnown of run.world.sessions[session].during(from - 2000 - LAG, to)) {
                    statuses.add(isKnown ? OK : 403);
                }
                // Somebody may have begun to ask before this request, which waits for the outcome.
                if (run.world.wasLate(from - LAG, to)
                    || run.world.proxies.authorization.mode.during(from - LAG, to).some((mode) => mode !== 'pass')) {
                    statuses.add(500);
                }
                return statuses;
            },
        };
    },
};

/** Verdicts that are kept for longer than the soak: once they are there, no fault of the service matters. */
const verdictKept = {
    kind: 'verdict in hand', path: '/verdict-kept',
    make(run) {
        const { world, nginx, random, primed } = run;
        const isKnown = random.chance(0.85);
        const session = `${isKnown ? 'steady' : 'stranger'}-${random.below(3)}`;
        // The location of each server has its own verdicts.
        const id = `${run.origin} ${session}`;
        return {
            headers: { 'X-Session': session }, user: session, id,
            expect(from, to) {
                const isInHand = primed[id] < from && !nginx.wasEmptiedBetween(primed[id], to);
                const statuses = serviceStatuses(world, session, from, to);
                return isInHand ? new Set([OK]) : isKnown ? statuses.add(OK) : statuses;
            },
        };
    },
    then(run, request, response) {
        const { id } = request;
        const wasEmptied = (from) => run.nginx.wasEmptiedBetween(from, now());
        // A response that broke off behind its header lets in, and is not kept: only a hit proves that it was.
        if (response.headers['x-cache'] === 'HIT' && !wasEmptied(request.from - 2000)) {
            if (!(run.primed[id] > 0) || wasEmptied(run.primed[id])) {
                run.primed[id] = now();
            }
        }
        return undefined;
    },
};

const bodies = {
    kind: 'bodies', path: '/body',
    make(run) {
        const { random, world } = run;
        const session = random.chance(0.8) ? `steady-${random.below(8)}` : `stranger-${random.below(8)}`;
        const grant = random.chance(0.7) ? 'yes' : 'no';
        const length = random.pick([10, 1000, 20_000, 60_000, 70_000, 200_000]);
        const body = `{"grant":"${grant}","filler":"${crypto.randomBytes(length).toString('hex').slice(0, length)}","end":1}`;
        const isLarge = body.length > 64 * 1024;
        return {
            method: 'POST', body, session,
            headers: { 'X-Session': session, 'Content-Type': 'application/json' },
            user: session, digest: digest(body),
            expect(from, to) {
                if (isLarge) {
                    return new Set([413]);
                }
                const statuses = serviceStatuses(world, session, from, to);
                if (grant === 'no' && statuses.delete(OK)) {
                    statuses.add(403);
                }
                return statuses;
            },
        };
    },
};

/* A good token and the service as well; a good token or the service. */
const both = {
    kind: 'token and service', path: '/both',
    make(run) {
        const { random, world } = run;
        const session = anySession(run);
        const entry = token(run, world.fixed.keys[0], { sub: 'both' }, 600);
        const isGood = random.chance(0.8);
        const expect = (from, to) => (isGood ? serviceStatuses(world, session, from, to) : [401]);
        return {
            headers: { ...bearer(isGood ? entry.text : spoil(entry.text)), 'X-Session': session },
            user: session, expect: (from, to) => byTime(run, entry, from, to, () => expect(from, to)),
        };
    },
};

const either = {
    kind: 'token or service', path: '/either',
    make(run) {
        const { random, world } = run;
        const session = anySession(run);
        const entry = token(run, world.fixed.keys[0], { sub: 'either' }, 600);
        const isGood = random.chance(0.6);
        const without = (from, to) => {
            const statuses = serviceStatuses(world, session, from, to);
            // Both refuse; nginx says which one the client is told of.
            return statuses.has(403) ? statuses.add(401) : statuses;
        };
        const expect = (from, to) => (isGood ? byTime(run, entry, from, to, always(OK)) : new Set());
        return {
            headers: { ...bearer(isGood ? entry.text : spoil(entry.text)), 'X-Session': session },
            user: ['either', session],
            expect(from, to) {
                const statuses = expect(from, to);
                const mayNeedService = !isGood || statuses.delete(401);
                return mayNeedService ? new Set([...statuses, ...without(from, to)]) : statuses;
            },
        };
    },
};

const corp = { iss: 'https://corp.example', aud: 'api' };
/** Keys of an issuer: `refresh`, a look of each worker each second, and the fetch. */
const FETCHED = 2000 + 1000 + LAG;
const CACHED = 2000 + LAG;
/** `auth_jwt_key_cache 2s` of a file, and the turn of the event loop in which the time is read. */
const LOOKED = 2000 + LAG;

export const scenarios = (world) => [
    keyed({ kind: 'key file', path: '/file', source: () => world.file }),
    keyed({ kind: 'key file, cached', path: '/file-cached', source: () => world.file, keep: LOOKED, learn: LOOKED }),
    keyed({ kind: 'key file, stale', path: '/file-stale', source: () => world.file, keep: Infinity, learn: LOOKED }),
    keyed({ kind: 'key request', path: '/request', source: () => world.request, proxy: 'requested' }),
    keyed({ kind: 'key request, cached', path: '/request-cached', source: () => world.request, proxy: 'requested',
        keep: CACHED, learn: CACHED, mayFail: true }),
    keyed({ kind: 'key request, stale', path: '/request-stale', source: () => world.request, proxy: 'requested',
        keep: Infinity, learn: CACHED, mayFail: true }),
    keyed({ kind: 'issuer over TLS', path: '/issuers', source: () => world.corp, proxy: 'corp',
        keep: FETCHED, learn: FETCHED, claims: corp, foreign: () => world.partner.keys.at(-1) }),
    keyed({ kind: 'issuer, discovered', path: '/issuers', source: () => world.partner, proxy: 'partner',
        keep: FETCHED, learn: FETCHED, claims: { iss: world.partnerIssuer, aud: 'api' }, foreign: () => world.corp.keys.at(-1) }),
    keyed({ kind: 'issuer, key file', path: '/issuers', source: () => world.fixed,
        claims: { iss: 'https://filed.example', aud: ['x', 'api'] }, foreign: () => world.corp.keys.at(-1) }),
    keyed({ kind: 'issuer, wrong aud', path: '/issuers', source: () => ({ ...world.fixed, history: NOBODY,
        known: () => world.fixed.known() }), claims: { iss: 'https://filed.example', aud: 'other' } }),
    nested, rules, revoked, dpop('DPoP', '/dpop', false), dpop('DPoP, nonces', '/nonce', true),
    checked('service', '/service'), checked('service, kept alive', '/kept-alive'), checked('introspection', '/introspection'),
    openOnError, verdict, verdictKept, bodies, both, either,
];

/** A history in which no key counts. */
const NOBODY = { during: () => [new Set()] };
