/**
 * Short names for building nodes, so that gradient rules read like the formulas they are.
 *
 * No-op views (reshape to the same shape, expand to the same shape, the identity permutation) return their
 * input.
 */
import type { Builder } from '../graph/builder.ts';
import { multiplyDims } from '../graph/dims.ts';
import { type Dim, formatShape, numericShape, sameDim, sameShape } from '../graph/types.ts';
import type { BinaryMapOp, UnaryMapOp } from './attributes.ts';

export class Expressions {
  readonly b: Builder;
  constructor(b: Builder) {
    this.b = b;
  }

  shape(x: number): readonly Dim[] {
    return this.b.type(x).shape;
  }
  rank(x: number): number {
    return this.shape(x).length;
  }

  /** A scalar of x's element type. */
  scalar(like: number, value: number): number {
    return this.b.add('constant', [], { value, dtype: this.b.type(like).dtype, shape: [] });
  }
  unary(op: UnaryMapOp, x: number): number {
    return this.b.add<UnaryMapOp>(op, [x], {});
  }
  binary(op: BinaryMapOp, x: number, y: number): number {
    return this.b.add<BinaryMapOp>(op, [x, y], {});
  }
  /** x where the mask is not 0, else y. */
  where(mask: number, x: number, y: number): number {
    return this.b.add('where', [mask, x, y], {});
  }
  add(x: number, y: number): number {
    return this.binary('add', x, y);
  }
  sub(x: number, y: number): number {
    return this.binary('sub', x, y);
  }
  mul(x: number, y: number): number {
    return this.binary('mul', x, y);
  }
  div(x: number, y: number): number {
    return this.binary('div', x, y);
  }
  neg(x: number): number {
    return this.unary('neg', x);
  }
  /** `factor * x`, and x itself for 1. */
  scale(x: number, factor: number): number {
    return factor === 1 ? x : this.mul(x, this.scalar(x, factor));
  }

  sum(x: number, axes: readonly number[], keep = false): number {
    return axes.length === 0 ? x : this.b.add('sum', [x], { axes, keep });
  }
  reshape(x: number, shape: readonly Dim[]): number {
    return sameShape(this.shape(x), shape) ? x : this.b.add('reshape', [x], { shape });
  }
  expand(x: number, shape: readonly Dim[]): number {
    return sameShape(this.shape(x), shape) ? x : this.b.add('expand', [x], { shape });
  }
  /** `[start, end)` of one axis. */
  part(x: number, axis: number, start: number, end: Dim): number {
    const shape = this.shape(x);
    const starts = shape.map((_, a) => (a === axis ? start : 0));
    return this.b.add('slice', [x], { starts, ends: shape.map((dim, a) => (a === axis ? end : dim)) });
  }
  transpose(x: number, perm: readonly number[]): number {
    return perm.every((p, i) => p === i) ? x : this.b.add('transpose', [x], { perm });
  }
  matmul(a: number, b: number, transposeA = false, transposeB = false): number {
    return this.b.add('matmul', [a, b], { transposeA, transposeB });
  }

  /** `[..., M, K]` as `[P, K]`. */
  flatten(x: number): number {
    const shape = this.shape(x);
    const rows = multiplyDims(shape.slice(0, -1));
    if (rows === undefined) throw new Error(`${formatShape(shape)} cannot be flattened to rows`);
    return this.reshape(x, [rows, shape.at(-1)!]);
  }

  /** Sums x over everything that broadcasting `shape` to x's shape repeated. */
  sumTo(x: number, shape: readonly Dim[]): number {
    const own = this.shape(x);
    const lead = own.length - shape.length;
    const axes = own.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && !sameDim(d, 1)) ? [i] : []));
    return this.reshape(this.sum(x, axes), shape);
  }

  /** Undoes a reduction's shape: `[B]` reduced over axis 1 of `[B, T]` becomes `[B, T]` again. */
  unreduce(x: number, axes: readonly number[], shape: readonly Dim[]): number {
    const kept = shape.map((d, i) => (axes.includes(i) ? 1 : d));
    return this.expand(this.reshape(x, kept), shape);
  }

  /** How many elements a reduction over `axes` of `x` reads for each result; sizes must be numbers. */
  count(x: number, axes: readonly number[]): number {
    const shape = numericShape(this.b.type(x));
    return axes.reduce((n, axis) => n * shape[axis]!, 1);
  }
}

/** Refuses to differentiate what passes make: differentiation comes before them. */
export function madeByPasses(op: string): never {
  throw new Error(`${op} is made by passes, which run behind differentiation: it has no gradient rule`);
}
