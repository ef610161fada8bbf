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
  if (init.kind === 'const') out.fill(init.value);
  else if (init.kind === 'normal') fillNormal(out, key, init.std);
  else fillUniform(out, key, init.bound);
  return out;
}
