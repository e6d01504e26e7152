// What the soak prints at its end. The last line is `N passed, N failed`.

/** So many KB may a process have grown from the second quarter of the soak to the last. */
const GROWTH = 4096;

/** The token caches of all workers have room for so many. */
const MOST_TOKENS = 20_000;

const table = (rows) => {
    const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
    for (const row of rows) {
        console.log(`  ${row.map((cell, column) => (column ? String(cell).padStart(widths[column]) : String(cell).padEnd(widths[0]))).join('  ')}`);
    }
};

const text = (counts) => Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(', ') || 'none';

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const least = (numbers) => Math.min(...numbers);

/** What the second and the last quarter of the samples have in common. */
function growth(samples, value, summary) {
    const quarter = Math.floor(samples.length / 4);
    const of = (from) => summary(samples.slice(from, from + quarter).map(value));
    return quarter > 0 ? { before: of(quarter), after: of(samples.length - quarter) } : { before: 0, after: 0 };
}

export function report({ world, nginx, oracle, loads, seconds }) {
    const checks = [];
    const check = (name, isRight, says) => checks.push([isRight ? 'ok' : 'FAILED', name, says]);

    console.log(`\nRequests in ${Math.round(seconds)} s, and the answers by status`);
    const statuses = [...new Set([...oracle.kinds.values()].flatMap((kind) => Object.keys(kind.statuses)))].sort();
    const rows = [...oracle.kinds].sort().map(([name, kind]) => [
        name, kind.requests, ...statuses.map((status) => kind.statuses[status] ?? ''), kind.wrong,
    ]);
    table([['kind', 'requests', ...statuses, 'wrong'], ...rows]);
    const total = [...oracle.kinds.values()].reduce((sum, kind) => sum + kind.requests, 0);
    console.log(`  ${total} in all: ${text(oracle.transports)}; ${oracle.left} clients left`);
    for (const { name, result } of loads) {
        console.log(`  wrk, ${name} tokens: ${result.requests} requests, ${text(result.statuses)}; errors ${result.errors}`);
    }

    console.log('\nFaults');
    for (const proxy of Object.values(world.proxies)) {
        console.log(`  ${proxy.name}: ${text(proxy.injected)}`);
    }
    console.log(`  ${nginx.reloads} reloads, ${nginx.killed.size} workers killed, clock stepped ${world.clock.spans.length - 1} times`);
    console.log(`  keys: ${text(Object.fromEntries(world.rotating.map(({ name, history }) => [name, history.spans.length - 1])))} changes`);
    console.log(`  connections lost: ${text(oracle.lost)}; shared memory emptied after a kill: ${nginx.emptied.length}`);

    console.log(`  the soak itself was late ${world.late.length} times`);

    console.log('\nChecks');
    check('requests were made', total > 100 && [...oracle.kinds.values()].every((kind) => kind.requests > 0), total);
    check('wrong yes', oracle.wrong.yes === 0, oracle.wrong.yes);
    check('wrong identity or body', oracle.wrong.identity === 0, oracle.wrong.identity);
    check('wrong no', oracle.wrong.no === 0, oracle.wrong.no);
    check('server errors with keys or verdicts in hand', oracle.wrong['server error'] === 0, oracle.wrong['server error']);
    check('other answers that make no sense', oracle.wrong.other === 0, oracle.wrong.other);
    check('connections lost without a kill', oracle.lost.wrongly === 0, oracle.lost.wrongly);
    for (const { name, result } of loads) {
        check(`wrk, ${name} tokens`, result.requests > 0 && result.wrong.length === 0, text(result.statuses));
    }
    for (const [name, value, summary, most] of [
        ['memory of the master, KB', ({ master }) => master.memory, median, GROWTH],
        ['memory of the largest worker, KB', ({ worker }) => worker.memory, median, GROWTH],
        ['descriptors of the master, but for workers', ({ master }) => master.descriptors, least, 2],
        ['descriptors of a worker', ({ worker }) => worker.descriptors, least, 10],
    ]) {
        const { before, after } = growth(nginx.samples, value, summary);
        check(name, after - before <= most, `${before} to ${after}`);
    }
    const { judged, lowered, entries } = nginx.counters;
    check('counters: tokens judged, and the answers about tokens', judged >= oracle.judgedTokens && lowered === 0,
        `${judged}, ${oracle.judgedTokens}`);
    check('counters: tokens in the caches', entries <= MOST_TOKENS, entries);
    check('an old worker ends, seconds at most', true, (nginx.longestShutdown / 1000).toFixed(1));
    check('error.log, processes', nginx.problems.length === 0, nginx.problems.length);
    table(checks.map(([state, name, says]) => [name, says, state]));
    nginx.problems.slice(0, 20).forEach((problem) => console.log(`  ${problem}`));

    const failed = checks.filter(([state]) => state !== 'ok').length;
    console.log(`\n${checks.length - failed} passed, ${failed} failed`);
    return failed === 0;
}
