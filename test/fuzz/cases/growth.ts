/**
 * A random graph while it grows: values to draw operands from, leaves under names that say what their numbers look like, and a
 * limit on sizes, so that thousands of graphs run in minutes.
 */
import type { Builder } from '../../../compiler/graph/builder.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { numericShape, sizeOf } from '../../../compiler/graph/types.ts';
import { Expressions } from '../../../compiler/ops/expressions.ts';
import type { Draw } from '../../support/draw.ts';

/** Largest tensor of a graph, in elements. */
const mostElements = 4000;

export type LeafKind = 'matrix' | 'gain' | 'bias' | 'positive' | 'free';

/** Few sizes, small ones more often; odd ones, multiples of 4, 8 and 64, and their neighbours. */
export const widths = [1, 3, 4, 5, 7, 8, 8, 12, 16, 17, 32, 33, 64, 65];
export const lengths = [1, 2, 3, 3, 4, 5, 7, 8, 17];

export class Growth {
  readonly b: Builder = createBuilder();
  readonly e = new Expressions(this.b);
  readonly draw: Draw;
  /** Float values that later steps may read. */
  readonly values: number[] = [];
  /** i32 values, below some number of rows each. */
  readonly integers: { readonly id: number; readonly below: number }[] = [];
  /** Moved statistics of batch norms. */
  readonly moved: { readonly name: string; readonly node: number }[] = [];
  readonly weights: string[] = [];
  #leaves = 0;

  constructor(draw: Draw) {
    this.draw = draw;
  }

  shape(id: number): number[] {
    return numericShape(this.b.type(id));
  }

  fits(shape: readonly number[]): boolean {
    return sizeOf(shape) <= mostElements;
  }

  input(shape: readonly number[]): number {
    return this.b.add('input', [], { name: `x${this.#leaves++}`, dtype: 'f32', shape });
  }

  weight(kind: LeafKind, shape: readonly number[]): number {
    const name = `${kind}.${this.#leaves++}`;
    this.weights.push(name);
    return this.b.add('param', [], { name, shape, role: 'param' });
  }

  /** A state of the model that no gradient reaches. */
  buffer(kind: LeafKind, shape: readonly number[]): number {
    return this.b.add('param', [], { name: `${kind}.${this.#leaves++}`, shape, role: 'buffer' });
  }

  /** i32 numbers below `below`. */
  indices(shape: readonly number[], below: number): number {
    const known = this.integers.filter((v) => v.below <= below && sameSizes(this.shape(v.id), shape));
    if (known.length > 0 && this.draw.chance(0.5)) return this.draw.pick(known).id;
    const id = this.b.add('input', [], { name: `ids${this.#leaves++}`, dtype: 'i32', shape });
    this.integers.push({ id, below });
    return id;
  }

  /** A value, the younger the more likely; undefined where none is as wanted. */
  value(wanted: (shape: readonly number[], id: number) => boolean = () => true): number | undefined {
    const fitting = this.values.filter((id) => wanted(this.shape(id), id));
    if (fitting.length === 0) return undefined;
    return this.draw.chance(0.6)
      ? fitting.at(-1 - this.draw.below(Math.min(2, fitting.length)))!
      : this.draw.pick(fitting);
  }

  /** Another value of the same shape, if there is one. */
  twin(id: number): number | undefined {
    const shape = this.shape(id);
    const fitting = this.values.filter((other) => other !== id && sameSizes(this.shape(other), shape));
    return fitting.length === 0 ? undefined : this.draw.pick(fitting);
  }
}

export function sameSizes(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}
