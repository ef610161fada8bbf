/**
 * Damaged and forged inputs, made from good ones: bytes and numbers set, runs cut, doubled and exchanged, two inputs
 * put together, and what is evil in a format put in.
 */
import { Random } from './random.ts';
import type { Mutation, Reader } from './reader.ts';

/** Larger ones only repeat what smaller ones show, more slowly. */
const mostBytes = 2 ** 18;

const numbers: readonly bigint[] = [
  0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn,
  2n ** 40n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n,
]; // biome-ignore format: a table

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

/** A place, half of the time near the beginning: headers decide most. */
function place(bytes: Uint8Array, random: Random): number {
  const end = random.below(2) === 0 ? Math.min(64, bytes.length) : bytes.length;
  return random.below(end + 1);
}

function run(bytes: Uint8Array, random: Random): readonly [from: number, to: number] {
  const from = place(bytes, random);
  const longest = random.below(4) === 0 ? bytes.length : 16;
  return [from, Math.min(bytes.length, from + 1 + random.below(longest))];
}

function set(bytes: Uint8Array, at: number, value: Uint8Array): Uint8Array {
  return joined(bytes.subarray(0, at), value, bytes.subarray(at + value.length));
}

function number(random: Random): Uint8Array {
  const out = Buffer.alloc(8);
  const value = random.pick(numbers);
  if (random.below(4) === 0) out.writeBigUInt64BE(value);
  else out.writeBigUInt64LE(value);
  return out.subarray(0, random.pick([1, 2, 4, 8]));
}

const general: readonly Mutation[] = [
  (bytes, random) => set(bytes, place(bytes, random), Uint8Array.of(random.below(256))),
  (bytes, random) => {
    if (bytes.length === 0) return bytes;
    const at = Math.min(place(bytes, random), bytes.length - 1);
    return set(bytes, at, Uint8Array.of(bytes[at]! ^ (1 << random.below(8))));
  },
  (bytes, random) => set(bytes, place(bytes, random), number(random)),
  (bytes, random) => {
    const [from, to] = run(bytes, random);
    return joined(bytes.subarray(0, from), bytes.subarray(to));
  },
  (bytes, random) => {
    const [from, to] = run(bytes, random);
    const part = bytes.subarray(from, to);
    const times = random.below(16) === 0 ? 1 + random.below(1000) : 1;
    const fits = Math.min(times, Math.ceil(mostBytes / Math.max(1, part.length)));
    return joined(bytes.subarray(0, to), ...Array<Uint8Array>(fits).fill(part), bytes.subarray(to));
  },
  (bytes, random) => {
    const [from, to] = run(bytes, random);
    const at = place(bytes, random);
    return joined(bytes.subarray(0, at), bytes.subarray(from, to), bytes.subarray(at));
  },
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => bytes.subarray(place(bytes, random)),
];

function withToken(bytes: Uint8Array, random: Random, tokens: readonly Uint8Array[]): Uint8Array {
  const token = random.pick(tokens);
  const [from, to] = run(bytes, random);
  const kept = random.below(2) === 0 ? from : to;
  return joined(bytes.subarray(0, from), token, bytes.subarray(kept));
}

function spliced(bytes: Uint8Array, random: Random, seeds: readonly Uint8Array[]): Uint8Array {
  const other = random.pick(seeds);
  return joined(bytes.subarray(0, place(bytes, random)), other.subarray(place(other, random)));
}

/** Lengths at which what grows with their square, or faster, is told from what does not. */
const pumped = [2 ** 15, 2 ** 16, 2 ** 17] as const;
/** One of so many inputs: long ones cost the time of many short ones. */
const pumpEvery = 150;

/** A piece again and again, at some place. */
function pump(bytes: Uint8Array, random: Random, tokens: readonly Uint8Array[]): Uint8Array {
  const [from, to] = run(bytes, random);
  const own = bytes.subarray(from, Math.min(to, from + 1 + random.below(8)));
  const piece = random.below(3) === 0 || tokens.length === 0 ? own : random.pick(tokens).subarray(0, 16);
  const long = piece.length === 0 ? piece : Buffer.alloc(random.pick(pumped), piece);
  return joined(bytes.subarray(0, from), long, bytes.subarray(from));
}

/** Makes the inputs of a reader by number; the first ones are its seeds as they are. */
export function inputsOf(
  reader: Reader,
  seeds: readonly Uint8Array[],
  seed: number,
): (n: number) => Uint8Array {
  const tokens = reader.tokens.map((token) => (typeof token === 'string' ? Buffer.from(token) : token));
  const own = reader.mutations ?? [];
  return (n) => {
    if (n < seeds.length) return seeds[n]!;
    const random = new Random(seed, reader.name, n);
    let bytes = random.pick(seeds);
    if (n % pumpEvery === 0) return pump(bytes, random, tokens);
    for (let times = 1 + random.below(random.pick([1, 1, 2, 6])); times > 0; times--) {
      const way = random.below(8);
      if (way < 3 && own.length > 0) bytes = random.pick(own)(bytes, random);
      else if (way < 5 && tokens.length > 0) bytes = withToken(bytes, random, tokens);
      else if (way === 5) bytes = spliced(bytes, random, seeds);
      else bytes = random.pick(general)(bytes, random);
    }
    return bytes.subarray(0, mostBytes);
  };
}
