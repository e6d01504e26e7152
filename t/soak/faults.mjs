// A proxy between nginx and a service, which breaks connections as the schedule says.

import net from 'node:net';
import { History, now } from './history.mjs';

/** What can be wrong with a service. "pass" is nothing. */
export const FAULTS = {
    dead: 'nobody listens',
    hang: 'takes connections and never responds',
    reset: 'resets the connection when a request comes',
    close: 'closes the connection when a request comes',
    garbage: 'responds with what is no response',
    cut: 'breaks the response off',
    sick: 'responds with errors, and with pages in place of what was asked for',
};

// None of these has a status line that is complete, with a header behind it: that would be a response.
const GARBAGE = [
    'SSH-2.0-OpenSSH_9.2\r\n',
    'HTTP/1.1 200',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\nno header line\0at all\r\n\r\n',
    '{"keys":[]}',
    '\x15\x03\x03\x00\x02\x02\x28',
    '\0'.repeat(5000),
];

export class FaultProxy {
    /** `late` has the times when this process was late. A response is cut after at most `cut` bytes. */
    constructor(name, target, random, late, cut) {
        Object.assign(this, { name, target, random, late, cut });
        this.mode = new History('pass');
        this.sockets = new Set();
        this.injected = {};
        /** The share of connections that break without anybody knowing: for `--sabotage dead`. */
        this.secretShare = 0;
    }

    async listen() {
        // Below the ports that the kernel gives to connections, so that none takes it while nobody listens here.
        while (!this.server) {
            this.port = 20000 + this.random.below(12000);
            await this.open().catch(() => {});
        }
    }

    open() {
        const server = net.createServer((socket) => this.serve(socket));
        return new Promise((done, fail) => {
            server.once('error', fail);
            server.listen(this.port, '127.0.0.1', 511, () => {
                this.server = server;
                done();
            });
        });
    }

    /** Breaks the connections that there are, and treats those that come in this way. */
    async set(mode) {
        if (mode !== 'pass') {
            this.injected[mode] = (this.injected[mode] ?? 0) + 1;
        }
        await this.mode.change(mode, async () => {
            for (const socket of this.sockets) {
                socket.destroy();
            }
            if (mode === 'dead') {
                this.server.close();
                this.server = undefined;
            } else if (!this.server) {
                // Another process might have the port for a moment.
                while (!this.server) {
                    await this.open().catch(() => {});
                }
            }
        });
    }

    hold(socket) {
        this.sockets.add(socket);
        socket.on('close', () => this.sockets.delete(socket));
        socket.on('error', () => {});
        return socket;
    }

    serve(socket) {
        this.hold(socket);
        const mode = this.random.chance(this.secretShare) ? 'reset' : this.mode.value;
        const answers = {
            hang: () => {},
            reset: () => socket.resetAndDestroy(),
            close: () => socket.destroy(),
            garbage: () => socket.end(this.random.pick(GARBAGE), 'latin1'),
        };
        if (answers[mode]) {
            socket.once('data', answers[mode]);
            return;
        }
        const service = this.hold(net.connect(this.target));
        socket.on('close', () => service.destroy());
        service.on('close', () => socket.destroySoon());
        socket.pipe(service);
        if (mode !== 'cut') {
            service.pipe(socket);
            return;
        }
        let left = 1 + this.random.below(this.cut);
        service.on('data', (data) => {
            socket.write(data.subarray(0, left));
            left -= data.length;
            if (left <= 0) {
                socket.destroySoon();
                service.destroy();
            }
        });
    }

    /**
     * The times of faults until now, and of those when this process was late. Each has the time in
     * which somebody who pauses after failures may not have asked again: a pause is at most as long as
     * the fault and a second, and 30 seconds.
     */
    troubles() {
        const faults = this.mode.spans.filter(({ value }) => value !== 'pass');
        const list = [];
        for (const { from, to } of [...faults, ...this.late].sort((one, other) => one.from - other.from)) {
            const last = list.at(-1);
            if (last && from <= last.until) {
                last.to = Math.max(last.to, to);
            } else {
                list.push({ from, to });
            }
            const trouble = list.at(-1);
            const length = Math.min(trouble.to, now()) - trouble.from;
            trouble.until = trouble.to + 1.1 * Math.min(30_000, length + 1000) + LAG;
        }
        return list;
    }

    /** Whether who asks this service may have failed from `from` to `to`, or may have paused. */
    hasTrouble(from, to) {
        return this.troubles().some((trouble) => trouble.from <= to && trouble.until >= from);
    }

    /** The earliest time of which a response may count at `at`, if responses count for `time` and longer in troubles. */
    reach(at, time) {
        let from = at - time;
        for (const trouble of this.troubles().reverse()) {
            if (trouble.from <= at && trouble.until >= from) {
                from = Math.min(from, trouble.from - time);
            }
        }
        return from;
    }
}

/** How many milliseconds it takes until an answer counts for whoever has asked, unless this process is late. */
export const LAG = 1500;
