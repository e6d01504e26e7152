// Raw load by wrk: one that may always do what it asks for, and one that never may. Neither keys nor
// sessions of these change, so that each response is known in advance.

import { spawn } from 'node:child_process';
import { spoil } from './tokens.mjs';

const SCRIPT = `
local threads, requests, last = {}, {}, 0
function setup(thread) threads[#threads + 1] = thread end
function init()
    statuses = ""
    counts = {}
    for line in io.lines(os.getenv("REQUESTS")) do
        local path, name, value = line:match("^(%S+) (%S+) (.*)$")
        requests[#requests + 1] = wrk.format("GET", path, { [name] = value })
    end
end
function request()
    last = last % #requests + 1
    return requests[last]
end
function response(status)
    counts[status] = (counts[status] or 0) + 1
    if counts[status] % 100 == 1 then
        local list = {}
        for name, count in pairs(counts) do list[#list + 1] = name .. "=" .. count end
        statuses = table.concat(list, " ")
    end
end
function done(summary)
    print("requests=" .. summary.requests)
    for _, thread in ipairs(threads) do print("statuses " .. thread:get("statuses")) end
    local e = summary.errors
    print("errors connect=" .. e.connect .. " read=" .. e.read .. " write=" .. e.write .. " timeout=" .. e.timeout)
end
`;

export class Load {
    /** `expected` is a pattern of the statuses that are right. */
    constructor(world, name, expected, requests) {
        Object.assign(this, { world, name, expected, requests });
    }

    static all(world) {
        const claims = { sub: 'load', iss: 'https://filed.example', aud: 'api', exp: world.time() + 10 * 86_400 };
        const good = world.fixed.keys[0].sign(claims);
        const forged = [spoil(good), world.forgers.RS256.sign(claims, { kid: world.fixed.keys[0].kid })];
        const bearer = (path, token) => `${path} Authorization Bearer ${token}`;
        return [
            new Load(world, 'good', /^2/, [bearer('/load/file', good), bearer('/load/issuer', good), '/load/verdict X-Session steady-0']),
            new Load(world, 'forged', /^401$/, forged.flatMap((token) => [bearer('/load/file', token), bearer('/load/issuer', token)])),
        ];
    }

    start(port, seconds) {
        const { world, name } = this;
        world.replace('load.lua', SCRIPT);
        world.replace(`load.${name}`, `${this.requests.join('\n')}\n`);
        const args = ['-n', '19', 'wrk', '-t', '1', '-c', '4', '-d', `${Math.ceil(seconds)}s`, '--timeout', '60s',
            '-s', world.path('load.lua'), `http://127.0.0.1:${port}/`];
        this.process = spawn('nice', args, {
            env: { ...process.env, REQUESTS: world.path(`load.${name}`) }, stdio: ['ignore', 'pipe', 'inherit'],
        });
        let text = '';
        this.process.stdout.on('data', (part) => {
            text += part;
        });
        this.ended = new Promise((done) => this.process.on('exit', () => done(this.read(text))));
    }

    stop() {
        this.process?.kill('SIGINT');
    }

    read(text) {
        const statuses = {};
        for (const [, status, count] of text.matchAll(/(\d{3})=(\d+)/g)) {
            statuses[status] = (statuses[status] ?? 0) + Number(count);
        }
        this.result = {
            requests: Number(/requests=(\d+)/.exec(text)?.[1] ?? 0),
            statuses,
            wrong: Object.keys(statuses).filter((status) => !this.expected.test(status)),
            errors: /errors (.*)/.exec(text)?.[1] ?? 'unknown',
        };
        return this.result;
    }
}
