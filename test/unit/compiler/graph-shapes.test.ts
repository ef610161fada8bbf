/**
 * Shape rules: what they refuse and in which words, and arithmetic with open dimensions.
 */

import { describe, expect, test } from 'vitest';
import { ShapeMismatch } from '../../../compiler/graph/builder.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import {
  addDims,
  divideDims,
  multiplyDims,
  sameElements,
  subtractDims,
} from '../../../compiler/graph/dims.ts';
import { einsum } from '../../../compiler/graph/einsum.ts';
import type { ShapeError } from '../../../compiler/graph/shape-error.ts';
import { type Dim, formatShape } from '../../../compiler/graph/types.ts';
import type { OpAttributes, OpName } from '../../../compiler/ops/attributes.ts';
import { ops } from '../../../compiler/ops/index.ts';

const B: Dim = { symbol: 'B', mul: 1 };
const b = createBuilder();
const f32 = (...shape: Dim[]) => b.add('input', [], { name: `f${formatShape(shape)}`, dtype: 'f32', shape });
const i32 = (...shape: Dim[]) => b.add('input', [], { name: `i${formatShape(shape)}`, dtype: 'i32', shape });

function refusal(make: () => unknown): ShapeError {
  try {
    make();
  } catch (error) {
    if (error instanceof ShapeMismatch) return error.error;
    throw error;
  }
  throw new Error('the shape rule did not refuse');
}

function shapeOf<K extends OpName>(op: K, inputs: number[], attrs: OpAttributes[K]): string {
  return formatShape(b.type(b.add(op, inputs, attrs)).shape);
}

const plain = { transposeA: false, transposeB: false };
const full = { causal: false, scale: 1 };

describe('refusals lead with the fact', () => {
  test.each<[() => unknown, string, string?]>([
    [
      () => b.add('add', [f32(B, 50, 768), f32(B, 50, 512)], {}),
      'cannot add [B, 50, 768] and [B, 50, 512]: axis 2 differs',
    ],
    [
      () => b.add('sub', [f32(B, 50, 768), f32(512)], {}),
      'cannot subtract [B, 50, 768] and [512]: axis 2 is 768 on the left, axis 0 is 512 on the right',
    ],
    [() => b.add('mul', [f32(B, 3), f32(4, 3)], {}), 'cannot multiply [B, 3] and [4, 3]: axis 0 differs'],
    [() => b.add('add', [f32(3), i32(3)], {}), 'cannot add f32[3] and i32[3]: element types differ', 'Z303'],
    [() => b.add('exp', [i32(3)], {}), 'cannot take exp of i32[3]: it holds integers', 'Z303'],
    [() => b.add('softmax', [f32()], {}), 'softmax needs an axis [..., W], got []', 'Z302'],
    [
      () => b.add('sum', [f32(3, 4)], { axes: [2], keep: false }),
      'cannot sum axis 2 of [3, 4]: it has 2 axes',
      'Z302',
    ],
    [
      () => b.add('mean', [f32(3, 4)], { axes: [1, -1], keep: false }),
      'cannot average axes [1, 1] of [3, 4]: an axis is named twice',
      'Z302',
    ],
    [
      () => b.add('matmul', [f32(B, 50, 768), f32(512, 10)], plain),
      'cannot multiply [B, 50, 768] @ [512, 10]: inner axes are 768 and 512',
    ],
    [
      () => b.add('matmul', [f32(B, 50, 768), f32(512, 10)], { transposeA: false, transposeB: true }),
      'cannot multiply [B, 50, 768] @ [512, 10].T: inner axes are 768 and 10',
    ],
    [
      () => b.add('matmul', [f32(3), f32(3, 4)], plain),
      'a matrix product needs at least 2 axes, got [3]',
      'Z302',
    ],
    [
      () => b.add('matmul', [f32(2, 3, 4), f32(5, 4, 3)], plain),
      'cannot multiply batches of matrices [2] and [5]: axis 0 differs',
    ],
    [
      () => b.add('layer_norm', [f32(B, 50, 768), f32(512), f32(768)], { eps: 1e-5 }),
      'cannot normalise [B, 50, 768] with a weight of [512]: it must be [768]',
    ],
    [
      () => b.add('attention', [f32(B, 8, 50, 64), f32(B, 77, 512), f32(B, 8, 77, 64)], full),
      'argument `k` of attention needs 4 axes [B, H, S, D], got [B, 77, 512]',
      'Z302',
    ],
    [
      () => b.add('attention', [f32(B, 8, 50, 64), f32(B, 8, 77, 32), f32(B, 8, 77, 32)], full),
      'cannot attend with q [B, 8, 50, 64] and k [B, 8, 77, 32]: axis 3 differs',
    ],
    [
      () =>
        b.add('attention', [f32(1, 1, 5, 2), f32(1, 1, 3, 2), f32(1, 1, 3, 2)], { causal: true, scale: 1 }),
      'causal attention of 5 queries over 3 keys leaves 2 of them without a key',
    ],
    [
      () =>
        b.add('conv2d', [f32(B, 3, 224, 224), f32(768, 4, 32, 32)], {
          stride: 32,
          padding: 0,
          groups: 1,
          dilation: 1,
        }),
      'cannot convolve [B, 3, 224, 224] with filters [768, 4, 32, 32]: the input has 3 channels, the filters take 4',
    ],
    [
      () =>
        b.add('conv2d', [f32(B, 3, 2, 2), f32(8, 3, 3, 3)], {
          stride: 1,
          padding: 0,
          groups: 1,
          dilation: 1,
        }),
      'cannot convolve [B, 3, 2, 2] with filters [8, 3, 3, 3]: the window does not fit into the image',
    ],
    [
      () => b.add('avg_pool', [f32(B, 3, 7, 8)], { kernel: 2 }),
      'cannot pool [B, 3, 7, 8] in windows of 2: 7 is not divisible by 2',
    ],
    [
      () =>
        b.add('batch_norm', [f32(B, 3, 7, 7), f32(3), f32(4), f32(3), f32(3)], {
          eps: 1e-5,
        }),
      'cannot normalise [B, 3, 7, 7] with a bias of [4]: it must be [3]',
    ],
    [
      () => b.add('reshape', [f32(B, 50, 768)], { shape: [B, 50, 700] }),
      'cannot reshape [B, 50, 768] to [B, 50, 700]: numbers of elements differ',
    ],
    [
      () => b.add('transpose', [f32(3, 4)], { perm: [0] }),
      'cannot transpose [3, 4] by [0]: numbers of axes differ',
      'Z302',
    ],
    [
      () => b.add('slice', [f32(B, 50)], { starts: [0, 10], ends: [B, 51] }),
      'cannot take 10:51 of axis 1 of [B, 50]: its length is 50',
    ],
    [
      () => b.add('slice', [f32(B, 50)], { starts: [1, 0], ends: [B, 50] }),
      'cannot take 1:B of axis 0 of [B, 50]: its length is B',
    ],
    [
      () => b.add('expand', [f32(1, 3)], { shape: [2, 4] }),
      'cannot expand [1, 3] to [2, 4]: axis 1 is not 1',
    ],
    [
      () => b.add('concat', [f32(B, 1, 768), f32(B, 49, 512)], { axis: 1 }),
      'cannot concatenate [B, 1, 768] and [B, 49, 512] along axis 1: axis 2 differs',
    ],
    [
      () => b.add('concat', [f32(B, 3), f32(2, 3)], { axis: 0 }),
      'cannot concatenate [B, 3] and [2, 3] along axis 0: their lengths cannot be added before sizes are known',
    ],
    [
      () => b.add('embedding', [f32(9, 4), f32(B, 7)], {}),
      'the ids of embedding must be i32, got f32[B, 7]',
      'Z303',
    ],
    [
      () => b.add('take', [f32(B, 7, 4), i32(7)], { axis: 1 }),
      'the index of take from axis 1 of [B, 7, 4] must be [B], got [7]',
    ],
    [
      () => b.add('constant', [], { value: 0, dtype: 'f32', shape: [3, 0] }),
      'a constant cannot have the shape [3, 0]: every axis needs a size of at least 1',
    ],
  ])('%#', (make, message, code) => {
    const error = refusal(make);
    expect(error.message).toBe(message);
    expect(error.code).toBe(code);
  });

  test('and blame inputs, axes and sizes', () => {
    expect(refusal(() => b.add('add', [f32(B, 50, 768), f32(512)], {})).blame).toEqual([
      { input: 0, axis: 2, dim: 768 },
      { input: 1, axis: 0, dim: 512 },
    ]);
    const weights = { transposeA: false, transposeB: true };
    expect(refusal(() => b.add('matmul', [f32(B, 768), f32(10, 512)], weights)).blame).toEqual([
      { input: 0, axis: 1, dim: 768 },
      { input: 1, axis: 1, dim: 512 },
    ]);
  });
});

describe('open dimensions', () => {
  test('pass through the ops of a tower', () => {
    expect(
      shapeOf('conv2d', [f32(B, 3, 224, 224), f32(768, 3, 32, 32)], {
        stride: 32,
        padding: 0,
        groups: 1,
        dilation: 1,
      }),
    ).toBe('[B, 768, 7, 7]');
    expect(
      shapeOf('conv2d', [f32(B, 3, 224, 224), f32(32, 3, 3, 3)], {
        stride: 2,
        padding: 1,
        groups: 1,
        dilation: 1,
      }),
    ).toBe('[B, 32, 112, 112]');
    expect(shapeOf('reshape', [f32(B, 7, 7, 768)], { shape: [{ symbol: 'B', mul: 49 }, 768] })).toBe(
      '[49*B, 768]',
    );
    expect(shapeOf('matmul', [f32(B, 50, 768), f32(512, 768)], { transposeA: false, transposeB: true })).toBe(
      '[B, 50, 512]',
    );
    expect(shapeOf('slice', [f32(B, 50, 768)], { starts: [0, 0, 0], ends: [B, 1, 768] })).toBe('[B, 1, 768]');
    expect(shapeOf('take', [f32(B, 77, 512), i32(B)], { axis: 1 })).toBe('[B, 512]');
    expect(shapeOf('argmax', [i32(B, 77)], { axis: 1 })).toBe('[B]');
    expect(shapeOf('concat', [f32(B, 1, 8), f32(B, 49, 8)], { axis: 1 })).toBe('[B, 50, 8]');
  });

  test('add and divide exactly or not at all', () => {
    const twelve: Dim = { symbol: 'B', mul: 12 };
    expect(divideDims(twelve, 4)).toEqual({ symbol: 'B', mul: 3 });
    expect(divideDims(twelve, B)).toBe(12);
    expect(divideDims(twelve, 5)).toBeUndefined();
    expect(divideDims(7, B)).toBeUndefined();
    expect(multiplyDims([B, 3, 4])).toEqual(twelve);
    expect(multiplyDims([B, { symbol: 'N', mul: 1 }])).toBeUndefined();
    expect(addDims(twelve, B)).toEqual({ symbol: 'B', mul: 13 });
    expect(addDims(twelve, 1)).toBeUndefined();
    expect(subtractDims(twelve, twelve)).toBe(0);
    expect(sameElements([B, { symbol: 'N', mul: 2 }], [{ symbol: 'N', mul: 1 }, 2, B])).toBe(true);
    expect(sameElements([B, B], [B])).toBe(false);
  });
});

describe('einsum', () => {
  const opsOf = (make: () => number, builder = b): string[] => {
    const graph = builder.finish([{ name: 'y', node: make() }]);
    return graph.nodes.filter((n) => n.op !== 'input').map((n) => n.op);
  };

  test('needs no copies for attention scores and their product with values', () => {
    const q = { node: f32(B, 8, 50, 64), axes: ['b', 'h', 'i', 'd'] };
    const k = { node: f32(B, 8, 77, 64), axes: ['b', 'h', 'j', 'd'] };
    const p = { node: f32(B, 8, 50, 77), axes: ['b', 'h', 'i', 'j'] };
    expect(opsOf(() => einsum(b, [q, k], ['b', 'h', 'i', 'j']))).toEqual(['matmul']);
    expect(opsOf(() => einsum(b, [p, k], ['b', 'h', 'i', 'd']))).toEqual(['matmul']);
    expect(opsOf(() => einsum(b, [k, p], ['b', 'h', 'i', 'd']))).toEqual(['matmul']);
  });

  test('joins axes of a batch with one weight', () => {
    const x = { node: f32(B, 50, 768), axes: ['b', 't', 'c'] };
    const w = { node: f32(512, 768), axes: ['o', 'c'] };
    expect(opsOf(() => einsum(b, [x, w], ['b', 't', 'o']))).toEqual(['reshape', 'matmul', 'reshape']);
  });

  test.each<[() => number, string]>([
    [
      () =>
        einsum(
          b,
          [
            { node: f32(3, 4), axes: ['i', 'j'] },
            { node: f32(5, 6), axes: ['j', 'k'] },
          ],
          ['i', 'k'],
        ),
      'axis j of einsum cannot be both 4 and 5',
    ],
    [() => einsum(b, [{ node: f32(3, 3), axes: ['i', 'i'] }], ['i']), 'axis i stands twice in [i, i]'],
    [() => einsum(b, [{ node: f32(3), axes: ['i'] }], ['k']), 'no operand of einsum has an axis k'],
    [() => einsum(b, [{ node: f32(3, 4), axes: ['i'] }], ['i']), '[i] names 1 axes of [3, 4], which has 2'],
  ])('refuses %#', (make, message) => {
    expect(refusal(make).message).toBe(message);
  });
});

test('every op is found under its own name', () => {
  for (const [name, definition] of Object.entries(ops)) expect(definition.name).toBe(name);
});
