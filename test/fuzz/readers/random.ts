/** Random draws (mulberry32) of an input, a function of run, reader and number: every input can be made again. */
export class Random {
  #state: number;

  constructor(seed: number, name: string, n: number) {
    // FNV-1a.
    let state = 0x811c9dc5;
    for (const c of `${seed} ${name} ${n}`) state = Math.imul(state ^ c.charCodeAt(0), 0x01000193);
    this.#state = state >>> 0;
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}
