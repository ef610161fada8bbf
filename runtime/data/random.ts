/**
 * Random numbers as a function of a key and an index, never of when they are asked for.
 *
 * Initial weights, the order of an epoch and every augmentation are drawn this way, so a run can be cut,
 * resumed and spread over any number of workers and still see the same numbers. The generator is two rounds
 * of the murmur3 finaliser around a 64-bit key; for one key it is a permutation of the 32-bit indices.
 */
import { crc32 } from './crc32.ts';

/** The murmur3 finaliser: a bijection of 32-bit integers that mixes well. Result in [0, 2^32). */
export function fmix32(value: number): number {
  let h = value;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}

/** Names one stream of random numbers. */
export interface RandomKey {
  readonly a: number;
  readonly b: number;
}

/** Key of the stream named by a seed and any further parts; every part changes all of it. */
export function randomKey(seed: number, ...parts: readonly (number | string)[]): RandomKey {
  let a = fmix32((seed >>> 0) + 0x9e3779b9);
  let b = fmix32(Math.floor(seed / 2 ** 32) ^ a ^ 0x7f4a7c15);
  for (const part of parts) {
    const p = typeof part === 'string' ? crc32(part) : part >>> 0;
    a = fmix32(a + p + 0x9e3779b9);
    b = fmix32(b ^ Math.imul(p, 0x2c1b3c6d) ^ a);
  }
  return { a, b };
}

/** The 32 random bits at `index` of the stream. */
export function randomBits(key: RandomKey, index: number): number {
  return fmix32(fmix32((index + key.a) | 0) ^ key.b);
}

/** Uniform in [0, 1), with 32 bits. */
export function randomUnit(key: RandomKey, index: number): number {
  return randomBits(key, index) / 2 ** 32;
}

/** Uniform whole number in [0, bound). */
export function randomBelow(key: RandomKey, index: number, bound: number): number {
  return Math.floor(randomUnit(key, index) * bound);
}

/** Index drawn with probability in proportion to `weights`. */
export function randomChoice(key: RandomKey, index: number, weights: readonly number[]): number {
  let rest = randomUnit(key, index) * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < weights.length - 1; i++) {
    rest -= weights[i]!;
    if (rest < 0) return i;
  }
  return weights.length - 1;
}

/** A uniformly drawn order of 0 .. count-1 (Fisher and Yates). */
export function randomPermutation(key: RandomKey, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = randomBelow(key, i, i + 1);
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
  return order;
}

/** Enough for pairs of neighbours to show no pattern (`test/unit/data/random-order.test.ts`). */
const rounds = 10;

/**
 * A random order of 0 .. count-1 that takes no memory: the number at any place is computed.
 *
 * A Feistel network over a rectangle of about count fields, with additions in place of exclusive ors; what falls
 * outside of the count goes round again (Black and Rogaway, 2002, "Ciphers with arbitrary finite domains").
 */
export function randomOrder(key: RandomKey, count: number): (place: number) => number {
  const columns = Math.ceil(Math.sqrt(count));
  const rows = Math.ceil(count / columns);
  const keys = Array.from({ length: rounds }, (_, i) => ({
    a: randomBits(key, 2 * i),
    b: randomBits(key, 2 * i + 1),
  }));
  return (place) => {
    let at = place;
    do {
      let column = at % columns;
      let row = Math.floor(at / columns);
      for (let i = 0; i < rounds; i += 2) {
        column = (column + randomBelow(keys[i]!, row, columns)) % columns;
        row = (row + randomBelow(keys[i + 1]!, column, rows)) % rows;
      }
      at = row * columns + column;
    } while (at >= count);
    return at;
  };
}
