// The soak: scripts/soak starts it. See docs/reliability.md.

import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Client, Lost, TRANSPORTS } from './client.mjs';
import { FAULTS } from './faults.mjs';
import { now, Random, sleep } from './history.mjs';
import { Load } from './load.mjs';
import { Nginx } from './nginx.mjs';
import { Oracle } from './oracle.mjs';
import { report } from './report.mjs';
import { scenarios } from './scenarios.mjs';
import { World } from './world.mjs';

/** So many clients send checked requests, one after another each. */
const CLIENTS = 32;

/** What makes answers wrong on purpose, to see that the oracle notices: see docs/reliability.md. */
const SABOTAGE = {
    'forged-key': ({ world }) => {
        // nginx trusts the forgers, and the oracle does not know.
        for (const source of [world.file, world.request, world.corp]) {
            const text = source.text.bind(source);
            source.text = () => JSON.stringify({ keys: [...JSON.parse(text()).keys, { ...world.forgers[source.alg].jwk(), kid: undefined }] });
        }
    },
    'lost-key': ({ world }) => {
        // A key that counts is not published.
        world.partner.text = () => JSON.stringify({ keys: [] });
    },
    'service': ({ world }) => {
        world.letsEverybodyIn = true;
    },
    'dead': ({ world }) => {
        // A fault that the oracle does not know of.
        world.proxies.authorization.secretShare = 0.3;
    },
    'kill': ({ nginx }) => setInterval(() => nginx.current().length && process.kill(nginx.current()[0], 'SIGSEGV'), 5000),
};

// `only` is part of the names of the scenarios that run, for a closer look at some.
const [minutes, nginxBinary, module, seed, sabotage, only = ''] = process.argv.slice(2);
if (sabotage && !SABOTAGE[sabotage]) {
    throw new Error(`unknown sabotage ${sabotage}: ${Object.keys(SABOTAGE).join(', ')}`);
}
const random = new Random(Number(seed));
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nginx-auth-soak-'));
fs.chmodSync(dir, 0o755);

const world = new World(dir, random);
const nginx = new Nginx(world, nginxBinary, module);
const oracle = new Oracle(nginx);
let isOver = false;
let loads = [];

async function freePort() {
    const server = net.createServer();
    const port = await new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
    await new Promise((done) => server.close(done));
    return port;
}

/** Does something again and again, with a pause of some milliseconds before each time. */
async function repeat(least, most, act) {
    for (;;) {
        const until = now() + random.between(least, most);
        while (now() < until) {
            if (isOver) {
                return;
            }
            await sleep(Math.min(200, until - now()));
        }
        await act();
    }
}

/** A list that is gone through in random order, again and again. */
function deck(cards) {
    let left = [];
    return () => {
        left = left.length > 0 ? left : [...cards];
        return left.splice(random.below(left.length), 1)[0];
    };
}

/** All that happens to nginx and around it. Each resolves when the soak is over. */
function schedule(requests) {
    const pause = (least, most) => () => sleep(random.between(least, most));
    const unreadable = () => random.pick([undefined, '', '{"keys":', '<html></html>', '[]', '\0'.repeat(100)]);
    const faults = Object.values(world.proxies).map((proxy) => {
        const next = deck(Object.keys(FAULTS));
        // Between two faults there is time for everything to be as before, which is compared as well.
        return repeat(8000, 20_000, async () => {
            const fault = next();
            await proxy.set(fault);
            // Longer than nginx waits.
            await (fault === 'hang' ? pause(5500, 8000) : pause(500, 4000))();
            await proxy.set('pass');
        });
    });
    let nextReload = 0;
    return [
        ...faults,
        repeat(2000, 5000, () => world.file.rotate()),
        // nginx has these keys for seconds, so that they stay for longer.
        ...[world.request, world.corp, world.partner].map((source) => repeat(6000, 12_000, () => source.rotate())),
        repeat(8000, 12_000, async () => world.file.damage(unreadable(), pause(300, 1500))),
        repeat(1000, 2000, () => world.revoked.toggle(`name-${random.below(4)}`)),
        repeat(10_000, 15_000, () => world.revoked.damage(unreadable(), pause(300, 1500))),
        repeat(300, 800, () => {
            const session = world.sessions[`flip-${random.below(8)}`];
            return session.change(!session.value);
        }),
        // Ahead and back, by more and by less than proofs and nonces live.
        repeat(8000, 14_000, () => world.moveClock(random.pick([0, 0, 30, -30, 90, -90, 300, -300]))),
        repeat(5000, 9000, () => nginx.kill(random)),
        repeat(20, 20, async () => {
            // A quarter of each minute without: workers that get older.
            const isQuiet = (now() - oracle.begin) % 60_000 > 45_000;
            if (!isQuiet && now() >= nextReload) {
                nextReload = now() + 1000;
                await nginx.reload();
                nginx.sample();
            }
        }),
        repeat(5000, 5000, () => readCounters(requests)),
        repeat(200, 200, () => {
            const from = now();
            nginx.look();
            nginx.readLog();
            oracle.judgeAll(from);
            if (nginx.hasEnded) {
                nginx.problems.push('the master process has ended');
                isOver = true;
            }
        }),
    ];
}

async function client(kinds, requests) {
    const run = { world, nginx, random, nonces: {}, primed: requests.primed };
    while (!isOver) {
        const scenario = random.pick(kinds);
        const transport = random.pick(TRANSPORTS);
        run.origin = requests.origin(transport);
        if (random.chance(0.03)) {
            await leave(scenario, transport, run, requests);
            continue;
        }
        let request = scenario.make(run);
        while (request) {
            request = await exchange(scenario, transport, run, request, requests);
        }
        await sleep(random.between(0, 20) + 4 * lateness);
    }
}

/** By how many milliseconds timers are late on average. Clients pause for longer then. */
let lateness = 0;
let due = now() + 50;
setInterval(() => {
    const late = Math.max(0, now() - due);
    lateness = 0.8 * lateness + 0.2 * late;
    world.noteLate(due, late);
    due = now() + 50;
}, 50).unref();

/** Sends a request, and notes its answer for the oracle. Returns the request that follows, if one does. */
async function exchange(scenario, transport, run, request, requests) {
    const answer = { kind: scenario.kind, path: scenario.path, transport, request, from: now() };
    request.from = answer.from;
    // What no application must ever see.
    request.headers = { [run.random.pick(['X-User', 'x-user', 'X_User', 'X.User'])]: 'mallory', ...request.headers };
    try {
        answer.response = await requests.send(transport, scenario.path, request);
    } catch (error) {
        if (!(error instanceof Lost)) {
            throw error;
        }
        const isAgain = oracle.noteLost(answer, error, answer.from);
        // Another request of this kind: the proof of this one may have been used.
        return isAgain && !isOver ? scenario.make(run) : undefined;
    }
    answer.to = now();
    oracle.note(answer);
    return scenario.then?.(run, request, answer.response);
}

/** A client that does not wait for the response. */
async function leave(scenario, transport, run, requests) {
    oracle.left += 1;
    const wait = random.between(0, 50);
    if (random.chance(0.2)) {
        const { plain, tls } = nginx.ports;
        const begun = ['GET / HT', '\x16\x03\x01\x02\x00\x01\x00\x01', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0'];
        requests.knock(random.pick([plain, tls]), random.pick(begun), wait);
    } else {
        await requests.send(transport, scenario.path, scenario.make(run), wait).catch(() => {});
    }
}

/** Waits until nginx has the keys of all issuers. */
async function ready(requests, kinds) {
    const run = { world, nginx, random, nonces: {}, primed: {}, origin: requests.origin(TRANSPORTS[0]) };
    for (const scenario of kinds.filter(({ kind }) => kind.startsWith('issuer') && !kind.includes('wrong'))) {
        for (let tries = 0; ; tries++) {
            const request = scenario.make(run);
            const { status } = await requests.send(TRANSPORTS[0], scenario.path, request).catch(() => ({}));
            if (status === 200) {
                break;
            }
            if (tries > 300) {
                throw new Error(`no keys for ${scenario.kind}\n${fs.readFileSync(world.path('error.log'))}`);
            }
            await sleep(100);
        }
    }
}

async function main() {
    await world.start();
    await nginx.start({ plain: await freePort(), tls: await freePort() });
    const requests = new Client(nginx.ports, world.read('tls.crt'));
    requests.primed = {};
    const all = scenarios(world);
    const kinds = all.filter(({ kind }) => kind.includes(only));
    await ready(requests, all);
    // The verdict that wrk is to find in the cache.
    const verdict = { headers: { 'X-Session': 'steady-0' } };
    while ((await requests.send(TRANSPORTS[0], '/load/verdict', verdict)).headers['x-cache'] !== 'HIT') {
        await sleep(100);
    }

    SABOTAGE[sabotage]?.({ world, nginx });
    oracle.begin = now();
    const seconds = minutes * 60;
    loads = Load.all(world);
    loads.forEach((load) => load.start(nginx.ports.plain, seconds));
    const tasks = [...schedule(requests), ...Array.from({ length: CLIENTS }, () => client(kinds, requests))];
    setTimeout(() => {
        isOver = true;
    }, seconds * 1000).unref();
    process.on('SIGINT', () => {
        isOver = true;
        loads.forEach((load) => load.stop());
    });
    await Promise.all(tasks);
    await Promise.all(loads.map((load) => load.ended));
    await settle(requests);
    return report({ world, nginx, oracle, loads, seconds });
}

/** A worker may be killed that has just begun to respond. */
async function readCounters(requests) {
    const answer = await requests.send(TRANSPORTS[1], '/status', {}).catch(() => undefined);
    if (answer?.status === 200) {
        nginx.readCounters(JSON.parse(answer.body));
    }
}

/** Lets old workers end, and judges what is left. */
async function settle(requests) {
    for (const proxy of Object.values(world.proxies)) {
        await proxy.set('pass');
    }
    const until = now() + 40_000;
    do {
        await sleep(200);
        nginx.look();
    } while (now() < until && [...nginx.workers.values()].some(({ old }) => old !== Infinity));
    await readCounters(requests);
    await nginx.stop();
    nginx.readLog();
    oracle.judgeAll();
}

const passed = await main().catch((error) => {
    console.error(error);
    loads.forEach((load) => load.stop());
    nginx.process?.kill('SIGTERM');
    return false;
});
if (passed || process.env.SOAK_LEAVE === undefined) {
    fs.rmSync(dir, { recursive: true, force: true });
} else {
    console.log(`left in ${dir}`);
}
process.exit(passed ? 0 : 1);
