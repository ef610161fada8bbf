/**
 * The random bits of dropout and its kin: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy
 * as 1, 2, 3"), a keyed bijection of counters. Nothing is drawn from a stream, so a number depends only on
 * what it is for, and not on chunks, ranks, restarts or who computes it again.
 *
 * Two steps: the host makes two keys for each sample of a step from (seed, step, number of the sample in the
 * global batch); a kernel counts places in the model and elements of the sample under such a key.
 */
import type { Lane } from './wgsl.ts';

/** Name of the input that holds the keys, i32 `[B, keyWords]`; part of a graph that uses randomness. */
export const randomInput = 'random keys';
/** Words of a row: two of the sample's key, two of the step's, which is equal in all rows. */
export const keyWords = 4;

type Words = readonly [number, number, number, number];

const rounds = 10;
const [multiplier0, multiplier1] = [0xd2511f53, 0xcd9e8d57] as const;
/** The golden ratio and sqrt(3) - 1, by which the key moves on. */
const [weyl0, weyl1] = [0x9e3779b9, 0xbb67ae85] as const;

/** The high 32 bits of a product of two u32. */
function high(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + Math.floor(middle / 65536) + Math.floor(other / 65536)) >>> 0;
}

/** Four random words of a counter (four words) under a key (two). */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < rounds; round++) {
    const [low0, low1] = [Math.imul(multiplier0, c0), Math.imul(multiplier1, c2)];
    const [high0, high1] = [high(multiplier0, c0), high(multiplier1, c2)];
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1 >>> 0, (high0 ^ c3 ^ k1) >>> 0, low0 >>> 0];
    k0 = (k0 + weyl0) >>> 0;
    k1 = (k1 + weyl1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * The keys of a step, i32 `[rows, keyWords]`.
 * @param first number of the first row's sample in the global batch
 */
export function randomKeys(seed: number, step: number, first: number, rows: number): Int32Array {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  // The last word tells keys of samples from those of the whole step.
  const whole = philox([0, step >>> 0, 0, 1], key);
  const keys = new Int32Array(rows * keyWords);
  for (let row = 0; row < rows; row++) {
    const own = philox([(first + row) >>> 0, step >>> 0, 0, 0], key);
    keys.set([own[0], own[1], whole[0], whole[1]], row * keyWords);
  }
  return keys;
}

/** Uniform in [0, 1), a multiple of 2^-24, which f32 holds exactly. */
export function uniformOf(key0: number, key1: number, place: number, element: number): number {
  const words = philox([Math.floor(element / 4) >>> 0, place >>> 0, 0, 0], [key0 >>> 0, key1 >>> 0]);
  return (words[element % 4]! >>> 8) / 2 ** 24;
}

/** WGSL of `philox` and of what kernels call: `random_words` of one element each, or of four in a row. */
export function philoxSource({ lanes }: Lane): string {
  const fraction = '(1.0 / 16777216.0)';
  const four = `fn random_4(key0: vec4<i32>, key1: vec4<i32>, place: u32, element: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(
    random_1(key0.x, key1.x, place, element.x), random_1(key0.y, key1.y, place, element.y),
    random_1(key0.z, key1.z, place, element.z), random_1(key0.w, key1.w, place, element.w));
}
fn random_block(key0: i32, key1: i32, place: u32, element: u32) -> vec4<f32> {
  let words = philox(element / 4u, place, u32(key0), u32(key1));
  return vec4<f32>(words >> vec4<u32>(8u)) * ${fraction};
}
`;
  return `fn philox_high(a: u32, b: u32) -> u32 {
  let middle = (a >> 16u) * (b & 65535u) + (((a & 65535u) * (b & 65535u)) >> 16u);
  let other = (a & 65535u) * (b >> 16u) + (middle & 65535u);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
}
fn philox(block: u32, place: u32, key0: u32, key1: u32) -> vec4<u32> {
  var c0 = block;
  var c1 = place;
  var c2 = 0u;
  var c3 = 0u;
  var k0 = key0;
  var k1 = key1;
  for (var round = 0u; round < ${rounds}u; round += 1u) {
    let low0 = c0 * ${multiplier0}u;
    let low1 = c2 * ${multiplier1}u;
    let high0 = philox_high(c0, ${multiplier0}u);
    let high1 = philox_high(c2, ${multiplier1}u);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += ${weyl0}u;
    k1 += ${weyl1}u;
  }
  return vec4<u32>(c0, c1, c2, c3);
}
fn random_1(key0: i32, key1: i32, place: u32, element: u32) -> f32 {
  let words = philox(element / 4u, place, u32(key0), u32(key1));
  return f32(words[element & 3u] >> 8u) * ${fraction};
}
${lanes === 4 ? four : ''}`;
}
