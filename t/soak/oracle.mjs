// Compares each answer with what it had to be, and counts.

import { now } from './history.mjs';

/** So many of the wrong answers of a sort are shown. */
const SHOWN = 10;

export class Oracle {
    constructor(nginx) {
        this.nginx = nginx;
        this.kinds = new Map();
        this.transports = {};
        this.wrong = { yes: 0, no: 0, 'server error': 0, identity: 0, other: 0 };
        this.lost = { 'to a kill': 0, 'and sent again': 0, wrongly: 0 };
        this.left = 0;
        /** Answers that tell the outcome of a token. */
        this.judgedTokens = 0;
        this.examples = [];
        this.waiting = [];
        this.begin = now();
    }

    /** An answer. It is judged when the log of that time has been read. */
    note(answer) {
        this.waiting.push(answer);
    }

    judgeAll(until = Infinity) {
        const ready = this.waiting.filter(({ to }) => to < until);
        this.waiting = this.waiting.filter(({ to }) => to >= until);
        ready.forEach((answer) => this.judge(answer));
    }

    judge({ kind, path, transport, request, response, from, to }) {
        const counts = this.kinds.get(kind) ?? { requests: 0, statuses: {}, wrong: 0 };
        this.kinds.set(kind, counts);
        counts.requests += 1;
        const { status } = response;
        counts.statuses[status] = (counts.statuses[status] ?? 0) + 1;
        this.transports[transport] = (this.transports[transport] ?? 0) + 1;

        if (!['', 'disabled'].includes(response.headers['x-status'] ?? '')) {
            this.judgedTokens += 1;
        }

        const right = [...request.expect(from, to)].sort();
        let what;
        if (!right.includes(status)) {
            what = status < 300 ? 'yes' : status < 500 ? 'no' : 'server error';
            what = status < 300 || status >= 400 ? what : 'other';
        } else if (status === 200) {
            what = this.identity(request, response);
        }
        if (what) {
            counts.wrong += 1;
            const seconds = (time) => ((time - this.begin) / 1000).toFixed(3);
            this.complain(what, `wrong ${what}: ${kind} ${path} by ${transport}: ${status}, right: ${right.join(' or ')}; `
                + `${seconds(from)} to ${seconds(to)} s (${Math.round(from)} ms); ${request.explain?.() ?? ''}; $jwt_status ${response.headers['x-status'] ?? ''}, `
                + `$auth_request_cache_status ${response.headers['x-cache'] ?? ''}; ${JSON.stringify(request.headers).slice(0, 400)}`);
        }
    }

    /** Whether the application was told of another user, or got another body. */
    identity(request, response) {
        let told;
        try {
            told = JSON.parse(response.body);
        } catch {
            return 'other';
        }
        const users = [request.user].flat();
        const isUser = request.isReplay || users.includes(told.user);
        return isUser && (!request.digest || request.digest === told.body) ? undefined : 'identity';
    }

    /** A connection that ended without a response: whether the request may be sent again. */
    noteLost(answer, error, from) {
        if (this.nginx.wasKillBetween(from - 1000, now())) {
            this.lost['to a kill'] += 1;
            return error.isIdle;
        }
        // An old worker closes connections that are idle.
        if (error.isIdle && this.nginx.wasReloadBetween(from - 30_000, now())) {
            this.lost['and sent again'] += 1;
            return true;
        }
        this.lost.wrongly += 1;
        this.complain('lost', `lost: ${answer.kind} ${answer.path} by ${answer.transport}: ${error.message}, `
            + `${((from - this.begin) / 1000).toFixed(3)} to ${((now() - this.begin) / 1000).toFixed(3)} s`);
        return false;
    }

    complain(sort, text) {
        this.wrong[sort] += 1;
        if (this.examples.filter((example) => example.sort === sort).length < SHOWN) {
            this.examples.push({ sort, text });
            console.log(text);
        }
    }
}
