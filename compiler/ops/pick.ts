/**
 * The first entries of each row in an order of its positions: x[..., order[..., 0..count]]. The largest k of
 * a row are picked so.
 *
 * The order names each position of the row once (it is an argsort's result), so the gradient writes each
 * entry once: dy where it was picked, else 0. Linear in the row, and nothing is added.
 */

import { formatShape, type TensorType } from '../graph/types.ts';
import { byteSize } from './costs.ts';
import { refuseIndex } from './embedding.ts';
import { type Examples, floats, permutations } from './examples.ts';
import { defineOp, type ShapeResult } from './op.ts';
import { accept, firstOf, refuse, refuseShape } from './shapes.ts';
import { besideLastAxis } from './slices.ts';
import { rowsOf } from './tensors.ts';
import type { Half } from './traits.ts';

interface Picked {
  readonly count: number;
}

declare module './attributes.ts' {
  interface OpAttributes {
    /** (x [..., n], order i32 [..., n]) -> [..., count] */
    pick: { readonly count: number };
    /** (order i32 [..., n], dy [..., k]) -> [..., n] */
    pick_grad: None;
  }
  interface OpArities {
    pick: 2;
    pick_grad: 2;
  }
}

function refuseCount({ shape }: TensorType, { count }: Picked): ShapeResult | undefined {
  const length = shape.at(-1);
  if (typeof length === 'number' && count >= 1 && count <= length) return undefined;
  return refuse(`cannot pick ${count} entries of each row of ${formatShape(shape)}`, {
    blame: [{ input: 0 }],
  });
}

const traits = <H extends Half>(half: H) =>
  ({
    role: 'kernel',
    slices: besideLastAxis,
    half,
    layout: 'dense',
    behind: false,
    strips: 'none',
  }) as const;

const pickExamples: Examples<Picked> = [
  { name: 'some', inputs: [floats([3, 7]), permutations([3, 7])], attrs: { count: 4 } },
  { name: 'three axes', inputs: [floats([2, 3, 5]), permutations([2, 3, 5])], attrs: { count: 2 } },
  { name: 'all', inputs: [floats([6]), permutations([6])], attrs: { count: 6 } },
];

export const pick = defineOp<'pick'>({
  name: 'pick',
  arity: 2,
  shape(inputs, attrs) {
    const x = inputs[0]!;
    const refusal = firstOf(
      refuseIndex('the order of pick', inputs, 1),
      refuseShape('the order of pick', inputs, 1, x.shape),
      refuseCount(x, attrs),
    );
    return refusal ?? accept({ dtype: x.dtype, shape: [...x.shape.slice(0, -1), attrs.count] });
  },
  gradient: (b, node, dy, wanted) => [wanted[0] ? b.add('pick_grad', [node.inputs[1], dy], {}) : null, null],
  reference([x, order], { count }, shape) {
    const { rows, width } = rowsOf(x!.shape);
    const data = new Float64Array(rows * count);
    for (let row = 0; row < rows; row++)
      for (let j = 0; j < count; j++)
        data[row * count + j] = x!.data[row * width + order!.data[row * width + j]!]!;
    return { shape, data };
  },
  traits: traits('activation'),
  language: 'none',
  examples: pickExamples,
  cost: (_inputs, _attrs, result) => ({ flops: 0, bytes: 3 * byteSize(result) }),
  tolerance: { rtol: 0, atol: 0 },
});

export const pickGrad = defineOp<'pick_grad'>({
  name: 'pick_grad',
  arity: 2,
  shape(inputs) {
    const [order, dy] = [inputs[0]!, inputs[1]!];
    const count = dy.shape.at(-1);
    const refusal = firstOf(
      refuseIndex('the order of pick_grad', inputs, 0),
      typeof count === 'number' ? refuseCount(order, { count }) : undefined,
      refuseShape('dy of pick_grad', inputs, 1, [...order.shape.slice(0, -1), count ?? 1]),
    );
    return refusal ?? accept({ dtype: dy.dtype, shape: order.shape });
  },
  gradient: 'made by gradients',
  reference([order, dy], _attrs, shape) {
    const { rows, width } = rowsOf(shape);
    const count = dy!.shape.at(-1)!;
    const data = new Float64Array(rows * width);
    for (let row = 0; row < rows; row++)
      for (let j = 0; j < count; j++)
        data[row * width + order!.data[row * width + j]!] = dy!.data[row * count + j]!;
    return { shape, data };
  },
  traits: traits('activation'),
  language: 'none',
  examples: [
    { name: 'some', inputs: [permutations([3, 7]), floats([3, 4])], attrs: {} },
    { name: 'three axes', inputs: [permutations([2, 3, 5]), floats([2, 3, 2])], attrs: {} },
  ],
  cost: (inputs, _attrs, result) => ({ flops: 0, bytes: byteSize(inputs[0]!) + 2 * byteSize(result) }),
  tolerance: { rtol: 0, atol: 0 },
});
