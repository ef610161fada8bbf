/**
 * Arithmetic of i32 tensors: the same numbers on the reference and by the kernels of both kinds of devices,
 * up to the ends of the range, where sums and products wrap around.
 */
import { describe, expect, test } from 'vitest';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { executeReference } from '../../../compiler/graph/reference.ts';
import type { TensorType } from '../../../compiler/graph/types.ts';
import { embeddingLowerings } from '../../../compiler/kernels/moves/embedding.ts';
import { mapLowerings } from '../../../compiler/kernels/moves/map.ts';
import type { Lower } from '../../../compiler/kernels/text/kernel.ts';
import type { ElementwiseOp } from '../../../compiler/ops/attributes.ts';
import { opOf } from '../../../compiler/ops/index.ts';
import { elementwiseOps, isTernary, isUnary } from '../../../compiler/ops/map-program.ts';
import { checkOp, kinds } from '../support/check-op.ts';
import { compare, device } from '../support/compiled.ts';
import { openGpu, type TestInput } from '../support/harness.ts';

const gpu = await openGpu();

const [least, most] = [-(2 ** 31), 2 ** 31 - 1];
/** Both ends, what f32 cannot hold, zeros, both signs. */
const numbers = [
  least,
  least + 1,
  -(2 ** 24) - 1,
  -77,
  -2,
  -1,
  0,
  1,
  2,
  3,
  49407,
  2 ** 24 + 1,
  2 ** 30 + 1,
  most,
];

function integers(shape: readonly number[], pick: (i: number) => number): TestInput {
  const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => numbers[pick(i)]!);
  return { shape, data, dtype: 'i32' };
}

const n = numbers.length;

/** Types of an op's operands where all of them are integers, but for a mask in front of two values. */
function integerTypes(op: ElementwiseOp): TensorType[] {
  const { arity } = opOf(op);
  const types = Array.from({ length: arity as number }, (): TensorType => ({ dtype: 'i32', shape: [4] }));
  return isTernary(op) ? [{ dtype: 'f32', shape: [4] }, ...types.slice(1)] : types;
}

/** Every pair of numbers, as whole vec4s and as single elements; a row that repeats; one number. */
const pairs: readonly (readonly [string, TestInput, TestInput])[] = [
  ['vec4s', integers([n, 16], (i) => Math.floor(i / 16) % n), integers([n, 16], (i) => (i % 16) % n)],
  ['elements', integers([n, n], (i) => Math.floor(i / n)), integers([n, n], (i) => i % n)],
  ['a row', integers([3, 8], (i) => i % n), integers([8], (i) => (3 * i) % n)],
  ['one divisor', integers([n], (i) => i), { shape: [], data: Float64Array.of(-3), dtype: 'i32' }],
];

describe.skipIf(gpu === undefined)('every elementwise op on i32', () => {
  for (const op of elementwiseOps) {
    if (!opOf(op).shape(integerTypes(op), {}).ok) continue;
    test(`${op} is exact`, async () => {
      const lower = mapLowerings[op] as Lower<typeof op>;
      for (const [, x, y] of pairs) {
        const mask: TestInput = { shape: x.shape, data: x.data.map((v) => v % 2) };
        const inputs = isUnary(op) ? [x] : isTernary(op) ? [mask, x, y] : [x, y];
        await checkOp({ gpu: gpu!, op, lower, attrs: {}, inputs });
      }
    });
  }

  test('covers what the language has', () => {
    const accepted = elementwiseOps.filter((op) => opOf(op).shape(integerTypes(op), {}).ok);
    const arithmetic = ['neg', 'abs', 'sign', 'add', 'sub', 'mul', 'div', 'maximum', 'minimum', 'mod'];
    const comparisons = ['equal', 'not_equal', 'less', 'less_equal', 'greater', 'greater_equal'];
    expect(accepted).toEqual([...arithmetic, ...comparisons, 'where']);
  });

  test('quotients and remainders floor', () => {
    const b = createBuilder();
    const input = (name: string) => b.add('input', [], { name, dtype: 'i32', shape: [5] });
    const [x, y] = [input('x'), input('y')];
    const graph = b.finish([
      { name: 'quotient', node: b.add('div', [x, y], {}) },
      { name: 'rest', node: b.add('mod', [x, y], {}) },
    ]);
    const feed = (...values: number[]) => ({ shape: [5], data: Float64Array.from(values) });
    const inputs = new Map([
      ['x', feed(7, -7, 7, -7, 5)],
      ['y', feed(3, 3, -3, -3, 0)],
    ]);
    const results = executeReference(graph, { inputs, params: new Map() });
    expect([...results.get('quotient')!.data]).toEqual([2, -3, -3, 2, 0]);
    expect([...results.get('rest')!.data]).toEqual([1, 2, -2, -1, 0]);
  });
});

describe.skipIf(gpu === undefined)('integers that move', () => {
  test('rows of a table of integers are looked up as they are', async () => {
    const table = integers([n, 4], (i) => Math.floor(i / 4));
    const ids: TestInput = { shape: [3], data: Float64Array.of(13, 2, 12), dtype: 'i32' };
    await checkOp({
      gpu: gpu!,
      op: 'embedding',
      lower: embeddingLowerings.embedding,
      attrs: {},
      inputs: [table, ids],
    });
  });

  test.each(kinds)('transposed, joined and shifted ids name the same rows by %s schedules', async (kind) => {
    const b = createBuilder();
    const table = b.add('param', [], { name: 'table', shape: [29, 8], role: 'param' });
    const tokens = b.add('input', [], { name: 'tokens', dtype: 'i32', shape: [8, 4] });
    const turned = b.add('reshape', [b.add('transpose', [tokens], { perm: [1, 0] })], { shape: [32] });
    const constant = (value: number) => b.add('constant', [], { value, dtype: 'i32', shape: [] });
    const shifted = b.add('mod', [b.add('mul', [turned, constant(7)], {}), constant(29)], {});
    const joined = b.add('neg', [b.add('concat', [turned, b.add('neg', [shifted], {})], { axis: 0 })], {});
    const ids = b.add('abs', [joined], {});
    const graph = b.finish([{ name: 'rows', node: b.add('embedding', [table, ids], {}) }]);
    const { errors } = await compare((await device())!, kind, graph);
    expect(errors.get('rows')).toBe(0);
  });
});
