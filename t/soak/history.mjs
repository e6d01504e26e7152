// What was true when: values with the time in which they counted. The oracle asks which values a
// request may have met between its start and its end.

/** The time in milliseconds. It is monotonic, and no clock that the soak steps. */
export const now = () => performance.now();

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export class History {
    constructor(value) {
        this.spans = [{ value, from: -Infinity, to: Infinity }];
    }

    get value() {
        return this.spans.at(-1).value;
    }

    /** Changes the value. While `apply` makes the change, the old and the new value both count. */
    async change(value, apply) {
        const old = this.spans.at(-1);
        this.spans.push({ value, from: now(), to: Infinity });
        try {
            await apply?.(value);
        } finally {
            old.to = now();
        }
    }

    /** The values that counted at any moment from `from` to `to`. */
    during(from, to) {
        const values = [];
        for (let i = this.spans.length - 1; i >= 0 && this.spans[i].to >= from; i--) {
            if (this.spans[i].from <= to) {
                values.push(this.spans[i].value);
            }
        }
        return values;
    }
}

/** Random numbers by a seed, so that a run can be repeated as far as its schedule goes (mulberry32). */
export class Random {
    constructor(seed) {
        this.state = seed >>> 0;
    }

    /** From 0 to 1, without 1. */
    next() {
        this.state = (this.state + 0x6d2b79f5) >>> 0;
        let mixed = this.state;
        mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    }

    between(least, most) {
        return least + this.next() * (most - least);
    }

    below(count) {
        return Math.floor(this.next() * count);
    }

    pick(list) {
        return list[this.below(list.length)];
    }

    chance(share) {
        return this.next() < share;
    }
}
