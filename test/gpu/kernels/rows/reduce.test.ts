/**
 * Reductions against the f64 reference: any axes of any layout, whole tensors, argmax with ties.
 *
 * Kernels for software adapters run on the device, where there is one; those for GPUs by their text, and for one large
 * tensor on the device.
 */
import { describe, expect, test } from 'vitest';
import { reduceLowerings } from '../../../../compiler/kernels/rows/reduce.ts';
import {
  byKind,
  checkOp,
  lengths,
  type Runners,
  randomIndices,
  randomInput,
} from '../../support/check-op.ts';
import { type Layout, openGpu, profileOf, runOp, type TestInput } from '../../support/harness.ts';

const gpu = await openGpu();
const runners = byKind(gpu);

async function all(
  input: TestInput,
  axes: readonly number[],
  keep = false,
  on: Runners = runners,
): Promise<void> {
  const terms = axes.reduce((n, axis) => n * input.shape[axis]!, 1);
  const common = { gpu: on, attrs: { axes, keep }, inputs: [input], terms };
  await checkOp({ ...common, op: 'sum', lower: reduceLowerings.sum });
  // A mean is a sum with a factor: the layouts of sums need no second look.
  if (input.layout === undefined) await checkOp({ ...common, op: 'mean', lower: reduceLowerings.mean });
  await checkOp({ ...common, op: 'max', lower: reduceLowerings.max });
}

const layouts: Record<string, Layout> = {
  dense: {},
  sliced: { before: [1, 0, 0, 4], after: [0, 1, 0, 4] },
  unaligned: { before: [0, 0, 1, 3], after: [0, 0, 0, 2] },
  exchanged: { order: [0, 2, 1, 3] },
  'inside out': { order: [3, 1, 2, 0] },
};

const axesOf4 = [[0], [1], [2], [3], [0, 1], [0, 2], [2, 3], [0, 2, 3], [0, 1, 2], [1, 3], [0, 1, 2, 3]];

describe('reductions', () => {
  for (const [name, layout] of Object.entries(layouts)) {
    test(`any axes, ${name}`, async () => {
      const extra = name === 'dense' ? {} : { layout };
      for (const axes of axesOf4) await all(randomInput([3, 2, 5, 8], axes.length, extra), axes);
    });
  }

  for (const length of lengths) {
    test(`rows and columns of ${length}`, async () => {
      await all(randomInput([6, length], length), [1], true);
      await all(randomInput([length, 12], length), [0]);
      await all(randomInput([length, 7], length), [0]);
    });
  }

  test('axes of length 1, and none', async () => {
    await all(randomInput([3, 1, 4], 1), [1]);
    await all(randomInput([1, 1], 2), [0, 1]);
    await all(randomInput([5], 3), []);
  });

  test('bias gradients over many rows, and a large tensor to a scalar', async () => {
    await all(randomInput([64, 50, 192], 4), [0, 1]);
    await all(randomInput([300003], 5), [0], false, gpu ?? runners);
    await all(randomInput([2, 40000], 6), [1]);
    await all(randomInput([4, 16, 1225], 7), [0, 2]);
    // Pieces of 128 rows with a remainder, whole ones, and of two axes; vec4s and scalars.
    for (const shape of [
      [1237, 24],
      [1237, 23],
      [1024, 64],
    ])
      await all(randomInput(shape, 8), [0]);
    await all(randomInput([13, 20, 77], 9), [0, 1]);
  });

  test('long rows of equal values, whose roundings all go one way', async () => {
    const value = Math.fround(0.86655);
    for (const length of [1089, 2048, 4099])
      for (const kind of ['cpu', 'gpu'] as const) {
        const input = { shape: [length], data: new Float64Array(length).fill(value) };
        const type = { dtype: 'f32' as const, shape: [] };
        const attrs = { axes: [0], keep: false };
        const [sum] = await runOp(
          'cpu' in runners ? runners[kind] : runners,
          reduceLowerings.sum,
          'sum',
          attrs,
          [input],
          type,
          profileOf(kind),
        );
        // A quarter of 64 + 4099 / 64 roundings of 2^-24; one chain of 1089 is off by 1.4e-5.
        expect(Math.abs(sum! / (value * length) - 1), `${kind} ${length}`).toBeLessThan(3e-6);
      }
  });

  test('an expanded operand', async () => {
    const one = randomInput([4, 6], 8).data;
    const data = Float64Array.from({ length: 120 }, (_, i) => one[Math.floor(i / 30) * 6 + (i % 6)]!);
    await all({ shape: [4, 5, 6], data, layout: { repeat: [1] } }, [0, 1]);
    await all({ shape: [4, 5, 6], data, layout: { repeat: [1] } }, [1, 2]);
  });

  test('argmax takes the first of equal values, of floats and of token ids', async () => {
    const op = 'argmax' as const;
    const lower = reduceLowerings.argmax;
    for (const axis of [0, 1, 2]) {
      const ids = randomIndices([5, 7, 6], 4, axis);
      const floats = { ...ids, data: ids.data.map((v) => v / 4 - 1), dtype: 'f32' as const };
      const layout = { order: [2, 0, 1], before: [0, 1, 2] };
      for (const input of [ids, floats, { ...ids, layout }, { ...floats, layout }]) {
        await checkOp({ gpu: runners, op, lower, attrs: { axis }, inputs: [input] });
      }
    }
  });

  test.skipIf(!gpu)('reruns give the same bits', async () => {
    const input = randomInput([50000, 8], 10);
    const type = { dtype: 'f32' as const, shape: [8] };
    const run = () =>
      runOp(gpu!, reduceLowerings.sum, 'sum', { axes: [0], keep: false }, [input], type, profileOf('cpu'));
    expect(await run()).toEqual(await run());
  });
});
