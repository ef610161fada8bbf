/**
 * Rows of a table by number, and the gradient: rows of dy added where they were read. An id outside the table
 * is an error of the data, checked where data enters; the reference refuses it too.
 */

import { formatShape, type NodeOf, sizeOf, type TensorType } from '../graph/types.ts';
import { byteSize, elements } from './costs.ts';
import { floats, integers } from './examples.ts';
import { defineOp, type ShapeResult } from './op.ts';
import { accept, firstOf, isFloat, refuse, refuseRank, refuseShape } from './shapes.ts';
import { summing } from './slices.ts';
import type { Cut } from './strips.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** (table [V, W], ids i32 [...]) -> [..., W] */
    embedding: None;
    /** (ids, dy [..., W]) -> [V, W], deterministic. */
    embedding_grad: { readonly rows: number };
  }
  interface OpArities {
    embedding: 2;
    embedding_grad: 2;
  }
}

/** Refuses numbers that are not integers where rows or positions are named. */
export function refuseIndex(
  what: string,
  inputs: readonly TensorType[],
  input: number,
): ShapeResult | undefined {
  const type = inputs[input]!;
  if (!isFloat(type)) return undefined;
  return refuse(`${what} must be i32, got ${type.dtype}${formatShape(type.shape)}`, {
    code: 'Z303',
    blame: [{ input }],
  });
}

function checked(id: number, rows: number): number {
  if (!Number.isInteger(id) || id < 0 || id >= rows)
    throw new Error(`id ${id} is outside a table of ${rows} rows`);
  return id;
}

/** A range of the ids; of the rows' entries it is one of the table. */
function embeddingStrips(cut: Cut, { inputs, type }: NodeOf<'embedding'>): number {
  const [table, ids] = inputs;
  const within = cut.axis === type.shape.length - 1;
  const own = within ? [cut.strip(table, 1), cut.whole(ids)] : [cut.whole(table), cut.strip(ids, cut.axis)];
  return cut.b.add('embedding', own, {});
}

export const embedding = defineOp<'embedding'>({
  name: 'embedding',
  arity: 2,
  shape(inputs) {
    const refusal = firstOf(
      refuseRank('the table of embedding', inputs, 0, '[V, W]'),
      refuseIndex('the ids of embedding', inputs, 1),
    );
    const [table, ids] = [inputs[0]!, inputs[1]!];
    return refusal ?? accept({ dtype: table.dtype, shape: [...ids.shape, table.shape[1]!] });
  },
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null, null];
    const rows = b.type(node.inputs[0]).shape[0]!;
    if (typeof rows !== 'number') throw new Error('the rows of an embedding must be a number');
    return [b.add('embedding_grad', [node.inputs[1], dy], { rows }), null];
  },
  reference([table, ids], _attrs, shape) {
    const [rows, width] = table.shape as [number, number];
    const data = new Float64Array(sizeOf(shape));
    ids.data.forEach((id, i) => {
      const at = checked(id, rows) * width;
      data.set(table.data.subarray(at, at + width), i * width);
    });
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: () => ({ sliced: [1], ownWindows: true }),
    half: 'activation',
    layout: 'dense',
    behind: false,
    strips: embeddingStrips,
  },
  language: {
    word: {
      about: 'rows of a table by ids',
      shapes: '[V, W], i32 [...] -> [..., W]',
      gradient: 'of the table: rows add up',
      source: 'torch.nn.functional.embedding',
      operands: ['table', 'ids'],
      settings: {},
      sources: ([, ids]) => [...ids!.shape.map((_, axis) => [1, axis] as const), [0, 1]],
    },
  },
  examples: [{ name: 'repeated ids', inputs: [floats([5, 3]), integers([2, 4], 5)], attrs: {} }],
  // Only the rows that are named move.
  cost: (inputs, _attrs, result) => ({ flops: 0, bytes: 2 * byteSize(result) + byteSize(inputs[1]!) }),
  tolerance: { rtol: 0, atol: 0 },
});

export const embeddingGrad = defineOp<'embedding_grad'>({
  name: 'embedding_grad',
  arity: 2,
  shape(inputs, { rows }) {
    const [ids, dy] = [inputs[0]!, inputs[1]!];
    const width = dy.shape.at(-1);
    const refusal = refuseIndex('the ids of embedding_grad', inputs, 0);
    if (refusal) return refusal;
    if (width === undefined) return refuseRank('dy of embedding_grad', inputs, 1, '[..., W]')!;
    return (
      refuseShape('dy of embedding_grad', inputs, 1, [...ids.shape, width]) ??
      accept({ dtype: dy.dtype, shape: [rows, width] })
    );
  },
  gradient: 'made by gradients',
  reference([ids, dy], { rows }, shape) {
    const width = shape[1]!;
    const data = new Float64Array(rows * width);
    ids!.data.forEach((id, i) => {
      const at = checked(id, rows) * width;
      for (let j = 0; j < width; j++) data[at + j]! += dy!.data[i * width + j]!;
    });
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: summing,
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: 'none',
  examples: [{ name: 'repeated ids', inputs: [integers([2, 4], 5), floats([2, 4, 3])], attrs: { rows: 5 } }],
  cost: (inputs, _attrs, result) => ({
    flops: elements(inputs[1]),
    bytes: byteSize(inputs[0]) + byteSize(inputs[1]) + byteSize(result),
  }),
  // A row is the sum of as many gradients as its id occurs.
  tolerance: { rtol: 1e-6, atol: 2e-6, perSqrtK: true },
});
