/**
 * Where weights, gradients and moments lie: flat arenas in one order, so that the optimizer walks them as one
 * array.
 *
 * Trainable weights come first, those with the same rates side by side (what decays in front), then the rest;
 * each starts at an aligned offset. Gradients and moments mirror the trainable part. Where an arena passes the
 * limit of a buffer, it goes on in another.
 */
import { alignUp } from '../graph/dims.ts';
import { sizeOf } from '../graph/types.ts';
import type { WeightRate } from '../optimizers.ts';

export interface WeightInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: 'param' | 'buffer';
  readonly trainable: boolean;
}

export interface Place {
  /** Which of the arena's buffers. */
  readonly part: number;
  /** In bytes. */
  readonly offset: number;
  readonly bytes: number;
}

export interface ArenaLayout {
  readonly places: ReadonlyMap<string, Place>;
  /** Bytes of each part. */
  readonly parts: readonly number[];
}

/** Puts named byte counts one after another, aligned, opening a new part where `limit` would be passed. */
export function layOut(
  items: readonly { readonly name: string; readonly bytes: number }[],
  alignment: number,
  limit: number,
): ArenaLayout {
  const places = new Map<string, Place>();
  const parts: number[] = [];
  for (const { name, bytes } of items) {
    const size = alignUp(Math.max(bytes, 4), alignment);
    const open = parts.length - 1;
    if (open < 0 || parts[open]! + size > limit) parts.push(0);
    const part = parts.length - 1;
    places.set(name, { part, offset: parts[part]!, bytes: size });
    parts[part] = parts[part]! + size;
  }
  return { places, parts };
}

/** Weights in arena order; `rates` are those of a trainable one. */
export function arenaOrder(
  weights: readonly WeightInfo[],
  rates: (w: WeightInfo) => WeightRate,
): WeightInfo[] {
  const groups = new Map<string, { readonly decay: number; readonly weights: WeightInfo[] }>();
  for (const weight of weights.filter((w) => w.trainable)) {
    const { scale, decay } = rates(weight);
    const key = `${scale} ${decay}`;
    const group = groups.get(key) ?? { decay, weights: [] };
    groups.set(key, group);
    group.weights.push(weight);
  }
  const [decaying, others] = [true, false].map((d) => [...groups.values()].filter((g) => g.decay > 0 === d));
  const trained = [...decaying!, ...others!].flatMap((g) => g.weights);
  return [...trained, ...weights.filter((w) => !w.trainable)];
}

export const weightBytes = (w: Pick<WeightInfo, 'shape'>) => 4 * sizeOf(w.shape);
