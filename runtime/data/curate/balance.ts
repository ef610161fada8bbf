/**
 * Which pairs are kept: a query that c pairs match keeps each of them with probability t / max(c, t), and a pair
 * stays where one of its queries keeps it. Decided by a hash of key and seed, so whoever asks gets the same answer.
 */
import { hash } from 'node:crypto';

export class Balance {
  readonly #counts: Float64Array;
  readonly #perQuery: number;
  readonly #seed: number;

  /**
   * @param counts of pairs that match each query
   * @param perQuery t: queries that fewer pairs match keep all of them
   */
  constructor(counts: Float64Array, perQuery: number, seed: number) {
    this.#counts = counts;
    this.#perQuery = perQuery;
    this.#seed = seed;
  }

  /** The probability that none of these queries keeps a pair. */
  dropped(queries: readonly number[]): number {
    let none = 1;
    for (const query of queries) none *= 1 - this.#perQuery / Math.max(this.#counts[query]!, this.#perQuery);
    return none;
  }

  keeps(key: string, queries: readonly number[]): boolean {
    const dropped = this.dropped(queries);
    return dropped === 0 || (dropped < 1 && unit(this.#seed, key) >= dropped);
  }
}

/** Uniform in [0, 1), with 53 bits. */
function unit(seed: number, key: string): number {
  const bits = hash('sha256', `${seed} ${key}`, 'buffer').readBigUInt64LE() >> 11n;
  return Number(bits) / 2 ** 53;
}
