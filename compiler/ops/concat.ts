/** Joins tensors along one axis; all other axes are equal. */

import { addDims } from '../graph/dims.ts';
import { type Dim, denseStrides, formatShape, type NodeOf, sameDim, sizeOf } from '../graph/types.ts';
import { perElement } from './costs.ts';
import { floats } from './examples.ts';
import { defineOp } from './op.ts';
import { accept, firstOf, refuse, refuseAxes, refuseMixed } from './shapes.ts';
import { unsliced } from './slices.ts';
import type { Cut } from './strips.ts';
import { walk } from './tensors.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    concat: { readonly axis: number };
  }
  interface OpArities {
    concat: '1+';
  }
}

function concatStrips(cut: Cut, { inputs, attrs }: NodeOf<'concat'>): number | undefined {
  if (cut.axis === attrs.axis) return undefined;
  return cut.b.add(
    'concat',
    inputs.map((id) => cut.strip(id, cut.axis)),
    attrs,
  );
}

export const concat = defineOp<'concat'>({
  name: 'concat',
  arity: '1+',
  shape(inputs, { axis }) {
    if (inputs.length === 0) return refuse('cannot concatenate nothing');
    const first = inputs[0]!;
    const refusal = firstOf(
      refuseAxes('concatenate along', first, [axis]),
      refuseMixed('concatenate', inputs),
    );
    if (refusal) return refusal;
    let total: Dim = first.shape[axis]!;
    for (const [input, { shape }] of inputs.entries()) {
      if (input === 0) continue;
      const pair = `cannot concatenate ${formatShape(first.shape)} and ${formatShape(shape)} along axis ${axis}`;
      const blame = (at: number) => ({
        blame: [
          { input: 0, axis: at },
          { input, axis: at },
        ],
      });
      if (shape.length !== first.shape.length)
        return refuse(`${pair}: numbers of axes differ`, { code: 'Z302', blame: [{ input: 0 }, { input }] });
      const other = shape.findIndex((d, i) => i !== axis && !sameDim(d, first.shape[i]!));
      if (other >= 0) return refuse(`${pair}: axis ${other} differs`, blame(other));
      const sum = addDims(total, shape[axis]!);
      if (sum === undefined)
        return refuse(`${pair}: their lengths cannot be added before sizes are known`, blame(axis));
      total = sum;
    }
    return accept({ dtype: first.dtype, shape: first.shape.map((d, i) => (i === axis ? total : d)) });
  },
  gradient(b, node, dy, wanted) {
    const { axis } = node.attrs;
    let start = 0;
    return node.inputs.map((input, i) => {
      const { shape } = b.type(input);
      const from = start;
      const length = shape[axis]!;
      if (typeof length !== 'number') throw new Error('the gradient of concat needs numeric sizes');
      start += length;
      if (!wanted[i]) return null;
      return b.add('slice', [dy], {
        starts: shape.map((_, a) => (a === axis ? from : 0)),
        ends: shape.map((d, a) => (a === axis ? from + length : d)),
      });
    });
  },
  reference(inputs, { axis }, shape) {
    const data = new Float64Array(sizeOf(shape));
    const strides = denseStrides(shape);
    let offset = 0;
    for (const x of inputs) {
      walk(
        x.shape,
        strides,
        (from, to) => {
          data[to] = x.data[from]!;
        },
        offset,
      );
      offset += x.shape[axis]! * strides[axis]!;
    }
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: unsliced,
    half: 'activation',
    layout: 'dense',
    behind: true,
    strips: concatStrips,
  },
  language: { written: (operands, { axis }) => `concat(${operands.join(', ')}, axis = ${axis})` },
  examples: [
    {
      name: 'three pieces',
      inputs: [floats([2, 1, 3]), floats([2, 4, 3]), floats([2, 2, 3])],
      attrs: { axis: 1 },
    },
    { name: 'along the last axis', inputs: [floats([2, 3, 4]), floats([2, 3, 8])], attrs: { axis: 2 } },
  ],
  cost: perElement(0),
  tolerance: { rtol: 0, atol: 0 },
});
