/**
 * Weights as the model's own initialisers say, for `init:SEED` and for training from nothing.
 *
 * Each value is a function of (seed, weight name, index): adding a layer or changing another weight's shape
 * leaves the rest as it was. Normal values come in pairs by Box and Muller's transform in double precision,
 * from the 32-bit draws 2j and 2j+1 of the weight's stream.
 */
import type { Initializer } from '../../compiler/model/types.ts';
import { type RandomKey, randomBits, randomKey } from '../../runtime/data/random.ts';
import { elementCount } from '../../runtime/data/safetensors/header.ts';

function fillNormal(out: Float32Array, key: RandomKey, std: number): void {
  for (let i = 0; i < out.length; i += 2) {
    const radius = std * Math.sqrt(-2 * Math.log((randomBits(key, i) + 0.5) / 2 ** 32));
    const angle = (2 * Math.PI * randomBits(key, i + 1)) / 2 ** 32;
    out[i] = radius * Math.cos(angle);
    if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle);
  }
}

/** Normal, and drawn again in turns of their own where it lies beyond ±2. */
function fillTruncated(out: Float32Array, draw: (turn: number) => RandomKey, std: number): void {
  fillNormal(out, draw(0), std);
  const again = new Float32Array(1);
  for (let i = 0; i < out.length; i++)
    for (let turn = 1; Math.abs(out[i]!) > 2; turn++) {
      const key = draw(turn);
      fillNormal(again, { a: key.a + i, b: key.b }, std);
      out[i] = again[0]!;
    }
}

/** Elements that one output is made of, and outputs that one input has a part in: of `[out, in, ...]`. */
function fans(shape: readonly number[]): { readonly fanIn: number; readonly fanOut: number } {
  const taps = elementCount(shape.slice(2));
  return { fanIn: (shape[1] ?? 1) * taps, fanOut: (shape[0] ?? 1) * taps };
}

/**
 * Rows of `[out, in · ...]` (or columns, if those are fewer) made orthonormal, one after the other in double
 * precision, twice, since once leaves rounding errors of nearly dependent ones.
 */
function fillOrthogonal(out: Float32Array, key: RandomKey, shape: readonly number[], gain: number): void {
  const rows = shape[0]!;
  const columns = out.length / rows;
  const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
  const drawn = new Float32Array(out.length);
  fillNormal(drawn, key, 1);
  const vectors = Array.from({ length: count }, (_, i) =>
    Float64Array.from(drawn.subarray(i * length, (i + 1) * length)),
  );
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  vectors.forEach((v, i) => {
    for (const before of [...vectors.slice(0, i), ...vectors.slice(0, i)]) {
      const along = dot(v, before);
      for (let j = 0; j < length; j++) v[j]! -= along * before[j]!;
    }
    const size = Math.sqrt(dot(v, v));
    for (let j = 0; j < length; j++) v[j]! /= size;
  });
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      out[r * columns + c] = gain * (rows <= columns ? vectors[r]![c]! : vectors[c]![r]!);
}

/** Uniform in [-bound, bound): 24 bits, exact before the scaling. */
function fillUniform(out: Float32Array, key: RandomKey, bound: number): void {
  for (let i = 0; i < out.length; i++) out[i] = bound * ((randomBits(key, i) >>> 8) / 8388608 - 1);
}

/**
 * The initial values of one float32 weight, row-major.
 * @param seed a whole number from 0 to 2^53 - 1
 */
export function initialWeight(
  seed: number,
  name: string,
  shape: readonly number[],
  init: Initializer,
): Float32Array {
  const out = new Float32Array(elementCount(shape));
  const key = randomKey(seed, 'init', name);
  const { fanIn, fanOut } = fans(shape);
  switch (init.kind) {
    case 'const':
      out.fill(init.value);
      break;
    case 'normal':
      fillNormal(out, key, init.std);
      break;
    case 'trunc_normal':
      fillTruncated(out, (turn) => (turn === 0 ? key : randomKey(seed, 'init', name, turn)), init.std);
      break;
    case 'uniform':
      fillUniform(out, key, init.bound);
      break;
    case 'xavier_uniform':
      fillUniform(out, key, Math.sqrt(6 / (fanIn + fanOut)));
      break;
    case 'kaiming_normal':
      fillNormal(out, key, Math.sqrt(2 / fanIn));
      break;
    case 'orthogonal':
      fillOrthogonal(out, key, shape, init.gain);
      break;
  }
  return out;
}
