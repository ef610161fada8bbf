/**
 * Einstein sums of any number of operands, lowered to products with as few copies as possible.
 *
 * Axes fall into four groups: batch (in both operands and the result), rows (first operand and result),
 * columns (second operand and result), inner (both operands, summed). Each group becomes one axis of a matrix
 * product. Whether an operand is stored rows-first or inner-first costs nothing (transpose flags); anything
 * else costs a transpose, and the orders of axes within the groups are chosen so that the fewest elements are
 * moved. More than two operands are multiplied in pairs, first those whose product is smallest.
 */

import { Expressions } from '../ops/expressions.ts';
import { type Builder, ShapeMismatch } from './builder.ts';
import { elementsOf, multiplyDims } from './dims.ts';
import type { ShapeError } from './shape-error.ts';
import { type Dim, formatDim, formatShape, sameDim } from './types.ts';

export interface EinsumOperand {
  readonly node: number;
  /** One name for each axis. */
  readonly axes: readonly string[];
}

/**
 * The sum over all axes that are not in `out`. Throws `ShapeMismatch` if sizes disagree, an axis is repeated
 * within an operand, or `out` names an axis that no operand has; blamed inputs are numbers of operands.
 */
export function einsum(b: Builder, operands: readonly EinsumOperand[], out: readonly string[]): number {
  const sizes = axisSizes(b, operands, out);
  const lowering = new Lowering(b, sizes);
  const [first, second] = lowering.pairs(operands, out);
  if (first === undefined) return mismatch('einsum needs an operand');
  if (second === undefined) return lowering.permute(lowering.sumAllBut(first, out), out);
  return lowering.pair(first, second, out);
}

function mismatch(message: string, detail: Omit<ShapeError, 'message'> = {}): never {
  throw new ShapeMismatch({ message, ...detail });
}

function axisSizes(b: Builder, operands: readonly EinsumOperand[], out: readonly string[]): Map<string, Dim> {
  const sizes = new Map<string, { dim: Dim; input: number; axis: number }>();
  for (const [input, { node, axes }] of operands.entries()) {
    const { shape } = b.type(node);
    if (axes.length !== shape.length)
      mismatch(
        `[${axes.join(', ')}] names ${axes.length} axes of ${formatShape(shape)}, which has ${shape.length}`,
        {
          code: 'Z302',
          blame: [{ input }],
        },
      );
    for (const [axis, name] of axes.entries()) {
      const dim = shape[axis]!;
      const known = sizes.get(name);
      if (known?.input === input)
        mismatch(`axis ${name} stands twice in [${axes.join(', ')}]`, {
          code: 'Z302',
          blame: [{ input, axis }],
        });
      if (known && !sameDim(known.dim, dim))
        mismatch(`axis ${name} of einsum cannot be both ${formatDim(known.dim)} and ${formatDim(dim)}`, {
          blame: [known, { input, axis, dim }],
        });
      sizes.set(name, { dim, input, axis });
    }
  }
  for (const [i, name] of out.entries()) {
    if (!sizes.has(name)) mismatch(`no operand of einsum has an axis ${name}`, { code: 'Z302' });
    if (out.indexOf(name) !== i) mismatch(`axis ${name} stands twice in the result`, { code: 'Z302' });
  }
  return new Map([...sizes].map(([name, { dim }]) => [name, dim]));
}

/** A choice of the order of axes in each group. */
interface Plan {
  readonly batch: readonly string[];
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly inner: readonly string[];
}

class Lowering {
  private readonly e: Expressions;
  private readonly sizes: ReadonlyMap<string, Dim>;

  constructor(b: Builder, sizes: ReadonlyMap<string, Dim>) {
    this.e = new Expressions(b);
    this.sizes = sizes;
  }

  private shape(axes: readonly string[]): Dim[] {
    return axes.map((a) => this.sizes.get(a)!);
  }

  /** Several axes as one. */
  private merged(axes: readonly string[]): Dim {
    const shape = this.shape(axes);
    return (
      multiplyDims(shape) ??
      mismatch(`einsum cannot join the axes ${formatShape(shape)} before sizes are known`)
    );
  }

  sumAllBut(x: EinsumOperand, keep: readonly string[]): EinsumOperand {
    const gone = x.axes.flatMap((name, axis) => (keep.includes(name) ? [] : [axis]));
    return { node: this.e.sum(x.node, gone), axes: x.axes.filter((name) => keep.includes(name)) };
  }

  /** The node with its axes in the order `to` (a permutation of its own). */
  permute(x: EinsumOperand, to: readonly string[]): number {
    return this.e.transpose(
      x.node,
      to.map((name) => x.axes.indexOf(name)),
    );
  }

  /** At most two operands with the same product: of more, pairs are multiplied, whose result is smallest first. */
  pairs(operands: readonly EinsumOperand[], out: readonly string[]): readonly EinsumOperand[] {
    if (operands.length <= 2) return operands;
    let best: { pair: readonly EinsumOperand[]; axes: readonly string[]; size: number } | undefined;
    for (const [i, a] of operands.entries())
      for (const b of operands.slice(i + 1)) {
        const others = operands.filter((x) => x !== a && x !== b).flatMap((x) => x.axes);
        const kept = new Set([...a.axes, ...b.axes].filter((n) => out.includes(n) || others.includes(n)));
        const size = this.cost([...kept]);
        if (best === undefined || size < best.size) best = { pair: [a, b], axes: [...kept], size };
      }
    const { pair, axes } = best!;
    const [a, b] = pair as [EinsumOperand, EinsumOperand];
    const product = { node: this.pair(a, b, axes), axes };
    const rest = operands.flatMap((x) => (x === a ? [product] : x === b ? [] : [x]));
    return this.pairs(rest, out);
  }

  /** The sum of products of two operands over all axes that are not in `out`. */
  pair(a: EinsumOperand, b: EinsumOperand, out: readonly string[]): number {
    return this.product(this.sumAllBut(a, [...out, ...b.axes]), this.sumAllBut(b, [...out, ...a.axes]), out);
  }

  private product(a: EinsumOperand, b: EinsumOperand, out: readonly string[]): number {
    if (!a.axes.some((name) => b.axes.includes(name) && !out.includes(name))) return this.outer(a, b, out);
    const straight = this.cheapest(a, b, out);
    const swapped = this.cheapest(b, a, out);
    return straight.moved <= swapped.moved
      ? this.build(a, b, out, straight.plan)
      : this.build(b, a, out, swapped.plan);
  }

  /** Nothing is summed: a broadcast product in the order of the result. */
  private outer(a: EinsumOperand, b: EinsumOperand, out: readonly string[]): number {
    const aligned = (x: EinsumOperand) => {
      const node = this.permute(
        x,
        out.filter((name) => x.axes.includes(name)),
      );
      return this.e.reshape(
        node,
        out.map((name) => (x.axes.includes(name) ? this.sizes.get(name)! : 1)),
      );
    };
    return this.e.mul(aligned(a), aligned(b));
  }

  /** Elements a transpose moves; symbols count as 64, a usual batch. */
  private cost(axes: readonly string[]): number {
    const { coefficient, symbols } = elementsOf(this.shape(axes));
    return coefficient * 64 ** symbols.length;
  }

  private cheapest(
    a: EinsumOperand,
    b: EinsumOperand,
    out: readonly string[],
  ): { plan: Plan; moved: number } {
    const pick = (from: readonly string[], group: readonly string[]) => from.filter((n) => group.includes(n));
    const batch = out.filter((n) => a.axes.includes(n) && b.axes.includes(n));
    const rows = out.filter((n) => a.axes.includes(n) && !b.axes.includes(n));
    const columns = out.filter((n) => b.axes.includes(n) && !a.axes.includes(n));
    const inner = a.axes.filter((n) => b.axes.includes(n) && !out.includes(n));
    let best: { plan: Plan; moved: number } | undefined;
    for (const batchOrder of [batch, pick(a.axes, batch), pick(b.axes, batch)])
      for (const rowOrder of [rows, pick(a.axes, rows)])
        for (const columnOrder of [columns, pick(b.axes, columns)])
          for (const innerOrder of [inner, pick(b.axes, inner)]) {
            const plan = { batch: batchOrder, rows: rowOrder, columns: columnOrder, inner: innerOrder };
            const moved = this.movedBy(plan, a, b, out);
            if (best === undefined || moved < best.moved) best = { plan, moved };
          }
    return best!;
  }

  private movedBy(plan: Plan, a: EinsumOperand, b: EinsumOperand, out: readonly string[]): number {
    const { batch, rows, columns, inner } = plan;
    const own = (x: EinsumOperand, group: readonly string[]) =>
      this.isStored(x, [...batch, ...group, ...inner]) || this.isStored(x, [...batch, ...inner, ...group])
        ? 0
        : this.cost(x.axes);
    const result = [...batch, ...rows, ...columns];
    return own(a, rows) + own(b, columns) + (result.every((n, i) => n === out[i]) ? 0 : this.cost(out));
  }

  /** Is this the order of x's axes, but for axes of length 1, which lie anywhere? */
  private isStored(x: EinsumOperand, order: readonly string[]): boolean {
    const long = (axes: readonly string[]) => axes.filter((n) => this.sizes.get(n) !== 1);
    const own = long(x.axes);
    return long(order).every((n, i) => n === own[i]);
  }

  private build(a: EinsumOperand, b: EinsumOperand, out: readonly string[], plan: Plan): number {
    const { batch, rows, columns, inner } = plan;
    const left = this.matrix(a, batch, rows, inner);
    const right = this.matrix(b, batch, columns, inner);
    const product = this.e.matmul(left.node, right.node, left.innerFirst, !right.innerFirst);
    const order = [...batch, ...rows, ...columns];
    const split = this.e.reshape(product, this.shape(order));
    return this.permute({ node: split, axes: order }, out);
  }

  /** x as [batch..., group, inner], or [batch..., inner, group] if it is stored so. */
  private matrix(
    x: EinsumOperand,
    batch: readonly string[],
    group: readonly string[],
    inner: readonly string[],
  ): { node: number; innerFirst: boolean } {
    const innerLast = [...batch, ...group, ...inner];
    const innerFirst = !this.isStored(x, innerLast) && this.isStored(x, [...batch, ...inner, ...group]);
    const order = innerFirst ? [...batch, ...inner, ...group] : innerLast;
    const pair = innerFirst
      ? [this.merged(inner), this.merged(group)]
      : [this.merged(group), this.merged(inner)];
    const node = this.isStored(x, order) ? x.node : this.permute(x, order);
    return { node: this.e.reshape(node, [...this.shape(batch), ...pair]), innerFirst };
  }
}
