/**
 * Workspace memory by liveness: tensors whose lives do not overlap share bytes; and the table of what all
 * buffers take.
 *
 * Largest first, each at the lowest offset free during its whole life (greedy by size: Pisarchyk & Lee,
 * "Efficient memory management for deep neural net inference", 2020). The lower bound is the largest live
 * set.
 */
import { alignUp } from '../graph/dims.ts';
import type { BufferRole, MemoryTable, PlanBuffer } from './types.ts';

interface Lifetime {
  readonly id: number;
  readonly bytes: number;
  /** First and last step that touch it, inclusive. */
  readonly first: number;
  readonly last: number;
}

export interface MemoryPlan {
  readonly places: ReadonlyMap<number, { readonly part: number; readonly offset: number }>;
  readonly parts: readonly number[];
  /** Bytes of the largest set of tensors alive at one step. */
  readonly lowerBound: number;
}

export function planMemory(lifetimes: readonly Lifetime[], alignment: number, limit: number): MemoryPlan {
  const sized = lifetimes.map((l) => ({ ...l, bytes: alignUp(l.bytes, alignment) }));
  const order = [...sized].sort((a, b) => b.bytes - a.bytes || a.first - b.first || a.id - b.id);
  const placed: { life: Lifetime; part: number; offset: number }[] = [];
  const parts: number[] = [];
  const places = new Map<number, { part: number; offset: number }>();
  for (const life of order) {
    const alive = placed.filter((p) => p.life.first <= life.last && life.first <= p.life.last);
    let part = 0;
    let offset = lowestGap(alive, part, life.bytes);
    while (offset + life.bytes > limit && part < placed.length) offset = lowestGap(alive, ++part, life.bytes);
    placed.push({ life, part, offset });
    places.set(life.id, { part, offset });
    parts[part] = Math.max(parts[part] ?? 0, offset + life.bytes);
  }
  return { places, parts, lowerBound: largestLiveSet(sized) };
}

function lowestGap(
  alive: readonly { life: Lifetime; part: number; offset: number }[],
  part: number,
  bytes: number,
): number {
  const taken = alive.filter((p) => p.part === part).sort((a, b) => a.offset - b.offset);
  let offset = 0;
  for (const p of taken) {
    if (p.offset - offset >= bytes) break;
    offset = Math.max(offset, p.offset + p.life.bytes);
  }
  return offset;
}

function largestLiveSet(lifetimes: readonly Lifetime[]): number {
  const change = new Map<number, number>();
  const add = (step: number, bytes: number) => change.set(step, (change.get(step) ?? 0) + bytes);
  for (const { first, last, bytes } of lifetimes) {
    add(first, bytes);
    add(last + 1, -bytes);
  }
  let live = 0;
  let most = 0;
  for (const step of [...change.keys()].sort((a, b) => a - b)) {
    live += change.get(step)!;
    most = Math.max(most, live);
  }
  return most;
}

/** The bytes of a plan's buffers by what they are for. */
export function memoryTable(buffers: readonly PlanBuffer[], workspaceLowerBound: number): MemoryTable {
  const bytes = (...roles: BufferRole[]) =>
    buffers.filter((b) => roles.includes(b.role)).reduce((sum, b) => sum + b.bytes, 0);
  return {
    weights: bytes('weights', 'halves'),
    gradients: bytes('gradients'),
    optimizer: bytes('moment1', 'moment2', 'average'),
    workspace: bytes('workspace'),
    features: bytes('features'),
    io: bytes('io', 'hyper', 'scaler'),
    derived: bytes('derived'),
    staging: bytes('staging'),
    total: buffers.reduce((sum, b) => sum + b.bytes, 0),
    workspaceLowerBound,
  };
}
