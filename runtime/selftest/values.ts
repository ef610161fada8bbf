/** Values that checks are made with: drawn by fixed generators, so that a failure repeats. */
import type { Builder } from '../../compiler/graph/builder.ts';
import { sizeOf } from '../../compiler/graph/types.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';

/** mulberry32: small, seeded, the same everywhere. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Values in [low, high). */
export function randomTensor(shape: readonly number[], random: () => number, low = -1, high = 1): RefTensor {
  return { shape, data: Float64Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random()) };
}

/** f32 values in [-1, 1) that follow from a seed. */
export function fill(size: number, seed: number): Float64Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float64Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround(state / 2 ** 31 - 1);
  });
}

/** Adds a weight to a graph. */
export function weight(b: Builder, name: string, shape: readonly number[]): number {
  return b.add('param', [], { name, shape, role: 'param' });
}
