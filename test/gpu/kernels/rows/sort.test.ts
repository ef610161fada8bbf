/**
 * Sorts of rows of all lengths: one block of counted ranks, runs merged once or several times; ties, NaN,
 * infinities and both zeros; and the gradient of an embedding over few positions and many.
 */
import { describe, expect, test } from 'vitest';
import { embeddingLowerings } from '../../../../compiler/kernels/moves/embedding.ts';
import { sortLowerings } from '../../../../compiler/kernels/moves/sort.ts';
import { checkOp, randomIndices, randomInput } from '../../support/check-op.ts';
import { lowerOne, openGpu, profileOf } from '../../support/harness.ts';

const gpu = await openGpu();
const lower = sortLowerings.argsort;

describe.skipIf(gpu === undefined)('argsort', () => {
  test.each([[[1]], [[5, 257]], [[2, 2, 512]], [[3, 1025]], [[2, 2049]], [[2, 65536]], [[100_003]]])(
    '%j',
    async (shape) => {
      for (const descending of [false, true])
        await checkOp({
          gpu: gpu!,
          op: 'argsort',
          lower,
          attrs: { descending },
          inputs: [randomInput(shape, 3)],
        });
    },
  );

  test.each([[[4, 200]], [[2, 3000]]])('integers with many ties and of either sign, %j', async (shape) => {
    const few = randomIndices(shape, 17, 5);
    const wide = randomIndices(shape, 2 ** 32, 6);
    for (const { data } of [few]) for (const i of data.keys()) data[i]! -= 8;
    for (const { data } of [wide]) for (const i of data.keys()) data[i]! -= 2 ** 31;
    for (const descending of [false, true])
      for (const inputs of [[few], [wide]])
        await checkOp({ gpu: gpu!, op: 'argsort', lower, attrs: { descending }, inputs });
  });

  test.each([[[2, 64]], [[2, 1600]]])('NaN, infinities and both zeros, %j', async (shape) => {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e-38, -1e-38];
    const input = randomInput(shape, 4);
    for (const i of input.data.keys()) if (i % 3 !== 0) input.data[i] = special[(i * 5) % special.length]!;
    for (const descending of [false, true])
      await checkOp({ gpu: gpu!, op: 'argsort', lower, attrs: { descending }, inputs: [input] });
  });

  test('an operand that lies otherwise', async () => {
    const layout = { order: [1, 0], before: [1, 3], after: [2, 0] };
    for (const length of [90, 1700])
      await checkOp({
        gpu: gpu!,
        op: 'argsort',
        lower,
        attrs: { descending: false },
        inputs: [randomInput([3, length], 8, { layout })],
      });
  });
});

describe.skipIf(gpu === undefined)('the gradient of an embedding over', () => {
  test.each([
    [1, 5],
    [257, 7],
    [769, 300],
    [64 * 77, 49_408],
    [12_288, 40_000],
    [3001, 1],
  ])('%i positions of %i rows', async (positions, rows) => {
    const inputs = [randomIndices([positions], rows, 2), randomInput([positions, 4], 3)];
    const lower = embeddingLowerings.embedding_grad;
    await checkOp({ gpu: gpu!, op: 'embedding_grad', lower, attrs: { rows }, inputs, terms: positions });
  });
});

test('few positions are counted in one kernel, runs of many merged two by two', () => {
  const kernelsOf = (positions: number, rows: number) => {
    const inputs = [randomIndices([positions], rows, 2), randomInput([positions, 4], 3)];
    const type = { dtype: 'f32', shape: [rows, 4] } as const;
    const { embedding_grad: grad } = embeddingLowerings;
    const { kernels } = lowerOne(grad, 'embedding_grad', { rows }, inputs, type, profileOf('gpu'));
    return kernels.map(({ name }) => name).filter((name) => name.startsWith('embedding_sort'));
  };
  const merges = (count: number) => new Array<string>(count).fill('embedding_sort_merge');
  expect(kernelsOf(1024, 49_408)).toEqual(['embedding_sort_blocks']);
  expect(kernelsOf(64 * 77, 49_408)).toEqual(['embedding_sort_blocks', ...merges(3)]);
  expect(kernelsOf(65_536, 49_408)).toEqual(['embedding_sort_blocks', ...merges(6)]);
});
