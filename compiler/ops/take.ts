/**
 * One position of an axis, chosen for each element of the axes before it: x[b, index[b], ...]. The text tower
 * takes the end-of-text feature so, and cross-entropy the score of the right class. The gradient puts dy back
 * among zeros.
 */

import { formatShape, type NodeOf, numericShape, sizeOf } from '../graph/types.ts';
import { byteSize } from './costs.ts';
import { refuseIndex } from './embedding.ts';
import { floats, integers } from './examples.ts';
import { Expressions } from './expressions.ts';
import { axesBut } from './language.ts';
import { defineOp } from './op.ts';
import { accept, firstOf, reducedShape, refuse, refuseAxes, refuseShape } from './shapes.ts';
import { besideAxis } from './slices.ts';
import type { Cut } from './strips.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** (x, index i32 = x.shape[..axis]) -> x without `axis`: x[b, index[b], ...]. */
    take: { readonly axis: number };
    /** (index, dy) -> zeros with dy at the taken places; `size` is the length of the taken axis. */
    take_grad: { readonly axis: number; readonly size: number };
  }
  interface OpArities {
    take: 2;
    take_grad: 2;
  }
}

function checked(index: number, size: number): number {
  if (!Number.isInteger(index) || index < 0 || index >= size)
    throw new Error(`index ${index} is outside an axis of ${size}`);
  return index;
}

function takeStrips(cut: Cut, { inputs, attrs }: NodeOf<'take'>): number {
  const [x, index] = inputs;
  const before = cut.axis < attrs.axis;
  const picked = before ? cut.strip(index, cut.axis) : cut.whole(index);
  return cut.b.add('take', [cut.strip(x, before ? cut.axis : cut.axis + 1), picked], attrs);
}

/** Along the taken axis a strip has dy where the index falls into it. */
function takeGradStrips(cut: Cut, { inputs, attrs, type }: NodeOf<'take_grad'>): number | undefined {
  const [index, dy] = inputs;
  const { axis } = attrs;
  if (cut.axis !== axis) {
    const before = cut.axis < axis;
    const own = before
      ? [cut.strip(index, cut.axis), cut.strip(dy, cut.axis)]
      : [cut.whole(index), cut.strip(dy, cut.axis - 1)];
    return cut.b.add('take_grad', own, attrs);
  }
  if (cut.start === undefined) return undefined;
  const e = new Expressions(cut.b);
  const at = e.add(
    cut.b.add('iota', [], { length: cut.length }),
    cut.b.add('constant', [], { value: cut.start, dtype: 'i32', shape: [] }),
  );
  const standing = (only: (own: number) => boolean) =>
    numericShape(type).map((n, own) => (only(own) ? n : 1));
  const here = e.binary(
    'equal',
    e.reshape(
      cut.whole(index),
      standing((own) => own < axis),
    ),
    e.reshape(
      at,
      type.shape.map((_, own) => (own === axis ? cut.length : 1)),
    ),
  );
  const kept = e.reshape(
    cut.whole(dy),
    standing((own) => own !== axis),
  );
  return e.where(here, kept, e.scalar(kept, 0));
}

export const take = defineOp<'take'>({
  name: 'take',
  arity: 2,
  shape(inputs, { axis }) {
    const x = inputs[0]!;
    const refusal =
      firstOf(refuseAxes('take from', x, [axis]), refuseIndex('the index of take', inputs, 1)) ??
      refuseShape(
        `the index of take from axis ${axis} of ${formatShape(x.shape)}`,
        inputs,
        1,
        x.shape.slice(0, axis),
      );
    return refusal ?? accept({ dtype: x.dtype, shape: reducedShape(x.shape, [axis], false) });
  },
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null, null];
    const { axis } = node.attrs;
    const size = b.type(node.inputs[0]).shape[axis]!;
    if (typeof size !== 'number') throw new Error('the gradient of take needs numeric sizes');
    return [b.add('take_grad', [node.inputs[1], dy], { axis, size }), null];
  },
  reference([x, index], { axis }, shape) {
    const size = x!.shape[axis]!;
    const inner = sizeOf(x!.shape.slice(axis + 1));
    const data = new Float64Array(sizeOf(shape));
    index!.data.forEach((at, outer) => {
      const start = (outer * size + checked(at, size)) * inner;
      data.set(x!.data.subarray(start, start + inner), outer * inner);
    });
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: besideAxis,
    half: 'activation',
    layout: 'dense',
    behind: false,
    strips: takeStrips,
  },
  language: {
    word: {
      about: 'the entry of an axis that an index names, for each element before it',
      shapes: '[A..., n, C...], i32 [A...] -> [A..., C...]',
      gradient: 'to the entry taken',
      source: 'torch.take_along_dim of one entry',
      operands: ['x', 'index'],
      settings: { axis: { kind: 'axis' } },
      sources: ([x], { axis }) => axesBut(x!, axis),
    },
  },
  examples: [
    { name: 'middle axis', inputs: [floats([3, 5, 2]), integers([3], 5)], attrs: { axis: 1 } },
    { name: 'last axis', inputs: [floats([3, 4]), integers([3], 4)], attrs: { axis: 1 } },
    { name: 'of four axes', inputs: [floats([2, 3, 5, 4]), integers([2, 3], 5)], attrs: { axis: 2 } },
  ],
  cost: (inputs, _attrs, result) => ({ flops: 0, bytes: 2 * byteSize(result) + byteSize(inputs[1]) }),
  tolerance: { rtol: 0, atol: 0 },
});

export const takeGrad = defineOp<'take_grad'>({
  name: 'take_grad',
  arity: 2,
  shape(inputs, { axis, size }) {
    const dy = inputs[1]!;
    if (axis > dy.shape.length)
      return refuse(`cannot put ${formatShape(dy.shape)} back on axis ${axis}`, { blame: [{ input: 1 }] });
    const refusal = firstOf(
      refuseIndex('the index of take_grad', inputs, 0),
      refuseShape('the index of take_grad', inputs, 0, dy.shape.slice(0, axis)),
    );
    const shape = [...dy.shape.slice(0, axis), size, ...dy.shape.slice(axis)];
    return refusal ?? accept({ dtype: dy.dtype, shape });
  },
  gradient: 'made by gradients',
  reference([index, dy], { axis, size }, shape) {
    const inner = sizeOf(shape.slice(axis + 1));
    const data = new Float64Array(sizeOf(shape));
    index!.data.forEach((at, outer) => {
      data.set(
        dy!.data.subarray(outer * inner, (outer + 1) * inner),
        (outer * size + checked(at, size)) * inner,
      );
    });
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: besideAxis,
    half: 'activation',
    layout: 'any',
    behind: false,
    strips: takeGradStrips,
  },
  language: 'none',
  examples: [
    { name: 'middle axis', inputs: [integers([3], 5), floats([3, 2])], attrs: { axis: 1, size: 5 } },
    { name: 'of four axes', inputs: [integers([2, 3], 5), floats([2, 3, 4])], attrs: { axis: 2, size: 5 } },
  ],
  cost: (inputs, _attrs, result) => ({
    flops: 0,
    bytes: byteSize(inputs[0]) + byteSize(inputs[1]) + byteSize(result),
  }),
  tolerance: { rtol: 0, atol: 0 },
});
