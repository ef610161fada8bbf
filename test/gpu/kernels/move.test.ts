/**
 * Kernels that move values: embedding with tables beyond a binding's limit, take, concat, pad and the
 * gradients.
 */
import { describe, expect, test } from 'vitest';
import { embeddingLowerings } from '../../../compiler/kernels/moves/embedding.ts';
import { moveLowerings } from '../../../compiler/kernels/moves/move.ts';
import { checkOp, kinds, randomIndices, randomInput } from '../support/check-op.ts';
import { lowerOne, openGpu, profileOf, runOp, type TestInput } from '../support/harness.ts';

const gpu = await openGpu();

/** A profile whose bindings hold so few elements that tables must be split. */
const tight = (kind: 'cpu' | 'gpu', elements: number, buffers = 8) =>
  profileOf(kind, { maxStorageBufferBindingSize: 4 * elements, maxStorageBuffersPerShaderStage: buffers });

describe.skipIf(gpu === undefined)('embedding', () => {
  const look = { op: 'embedding', lower: embeddingLowerings.embedding, attrs: {} } as const;

  for (const width of [1, 7, 64]) {
    test(`looks up rows of ${width}`, async () => {
      const table = randomInput([37, width], width);
      await checkOp({ ...look, gpu: gpu!, inputs: [table, randomIndices([3, 5], 37, 1)] });
      const layout = { order: [1, 0], before: [2, 0] };
      await checkOp({ ...look, gpu: gpu!, inputs: [table, randomIndices([3, 5], 37, 2, { layout })] });
    });
  }

  test('reads tables in windows, and in several dispatches where bindings run out', async () => {
    for (const kind of kinds) {
      for (const [width, buffers] of [
        [24, 8],
        [20, 4],
      ] as const) {
        const inputs = [randomInput([500, width], 3), randomIndices([9, 7], 500, 4)];
        const profile = tight(kind, 2000, buffers);
        await checkOp({ ...look, gpu: gpu!, inputs, profile });
      }
    }
  });
});

describe.skipIf(gpu === undefined)('embedding_grad', () => {
  const op = 'embedding_grad' as const;
  const lower = embeddingLowerings.embedding_grad;

  for (const [positions, vocabulary, width] of [
    [1, 1, 4],
    [7, 5, 7],
    [50, 4, 12],
    [231, 400, 8],
    [1540, 50, 32],
  ] as const) {
    test(`${positions} positions, ${vocabulary} rows of ${width}`, () => {
      const inputs = [
        randomIndices([positions], vocabulary, positions),
        randomInput([positions, width], vocabulary),
      ];
      return checkOp({ gpu: gpu!, op, lower, attrs: { rows: vocabulary }, inputs, terms: positions });
    });
  }

  test('one token everywhere, strided gradients, expanded gradients', async () => {
    const ids = { shape: [4, 33], data: new Float64Array(132).fill(3), dtype: 'i32' as const };
    const attrs = { rows: 9 };
    const layout = { order: [1, 0, 2], before: [0, 1, 4] };
    const dy = randomInput([4, 33, 16], 5, { layout });
    await checkOp({ gpu: gpu!, op, lower, attrs, inputs: [ids, dy], terms: 132 });
    const flat = new Float64Array(132 * 16).fill(0.25);
    const same: TestInput = { shape: [4, 33, 16], data: flat, layout: { repeat: [0, 1, 2] } };
    await checkOp({ gpu: gpu!, op, lower, attrs, inputs: [ids, same], terms: 132 });
  });

  test('writes large tables in windows', async () => {
    const inputs = [randomIndices([6, 20], 300, 6), randomInput([6, 20, 24], 7)];
    for (const kind of kinds) {
      const profile = tight(kind, 3000);
      const attrs = { rows: 300 };
      await checkOp({ gpu: gpu!, op, lower, attrs, inputs, profile, terms: 4 });
      const type = { dtype: 'f32' as const, shape: [300, 24] };
      const { kernels, result } = lowerOne(lower, op, attrs, inputs, type, profile);
      const windows = kernels.flatMap((k) => k.args.filter((a) => a.storage === result.storage));
      expect(windows.length).toBeGreaterThan(4);
      for (const { window } of windows) {
        expect(window!.start % 64).toBe(0);
        expect(window!.elements).toBeLessThanOrEqual(3000);
      }
    }
  });

  test('reruns give the same bits', async () => {
    const inputs = [randomIndices([2000], 7, 8), randomInput([2000, 8], 9)];
    const type = { dtype: 'f32' as const, shape: [7, 8] };
    const run = () => runOp(gpu!, lower, op, { rows: 7 }, inputs, type, profileOf('cpu'));
    expect(await run()).toEqual(await run());
  });
});

describe.skipIf(gpu === undefined)('take and its gradient', () => {
  for (const [shape, axis] of [
    [[3, 7, 8], 1],
    [[3, 7, 5], 1],
    [[4, 5, 6], 0],
    [[2, 3, 9], 2],
    [[2, 3, 4, 8], 2],
  ] as const) {
    test(`${shape} along axis ${axis}`, async () => {
      const size = shape[axis]!;
      const index = randomIndices(shape.slice(0, axis), size, axis);
      const layouts = [
        {},
        { before: shape.map(() => 4) },
        { order: shape.map((_, a) => shape.length - 1 - a) },
      ];
      for (const layout of layouts) {
        const x = randomInput(shape, 1, { layout });
        await checkOp({
          gpu: gpu!,
          op: 'take',
          lower: moveLowerings.take,
          attrs: { axis },
          inputs: [x, index],
        });
      }
      const dy = randomInput(
        shape.filter((_, a) => a !== axis),
        2,
      );
      const attrs = { axis, size };
      const lower = moveLowerings.take_grad;
      await checkOp({ gpu: gpu!, op: 'take_grad', lower, attrs, inputs: [index, dy] });
    });
  }
});

describe.skipIf(gpu === undefined)('concat and pad', () => {
  test('concat along each axis, aligned or not, dense or not', async () => {
    const op = 'concat' as const;
    const lower = moveLowerings.concat;
    for (const last of [8, 6]) {
      for (const axis of [0, 1, 2]) {
        const parts = [1, 4, 2].map((n, i) => {
          const shape = [3, 2, last];
          shape[axis] = axis === 2 ? n * 4 : n;
          const layout = [{}, { order: [1, 0, 2] }, { before: [1, 0, 4], after: [0, 0, 4] }][i]!;
          return randomInput(shape, i, { layout });
        });
        await checkOp({ gpu: gpu!, op, lower, attrs: { axis }, inputs: parts });
        const shared = parts.map((p) => ({ ...p, share: 'one storage' }));
        await checkOp({ gpu: gpu!, op, lower, attrs: { axis }, inputs: shared });
      }
    }
    const tokens = [randomIndices([2, 3], 9, 1), randomIndices([2, 5], 9, 2)];
    await checkOp({ gpu: gpu!, op, lower, attrs: { axis: 1 }, inputs: tokens });
  });

  test('concat of an expanded class token, and of more inputs than bindings', async () => {
    const op = 'concat' as const;
    const lower = moveLowerings.concat;
    const row = randomInput([8], 3).data;
    const token: TestInput = {
      shape: [5, 1, 8],
      data: Float64Array.from({ length: 40 }, (_, i) => row[i % 8]!),
      layout: { repeat: [0] },
    };
    await checkOp({ gpu: gpu!, op, lower, attrs: { axis: 1 }, inputs: [token, randomInput([5, 4, 8], 4)] });
    const many = Array.from({ length: 7 }, (_, i) => randomInput([2, i + 1, 4], i));
    for (const kind of kinds) {
      const profile = tight(kind, 1e6, 4);
      await checkOp({ gpu: gpu!, op, lower, attrs: { axis: 1 }, inputs: many, profile });
    }
  });

  test('one channel of an image whose channels lie innermost, beside others and between zeros', async () => {
    // The stride of the axis of length 1 is 1, which is no whole number of vec4s.
    const layout = { order: [0, 2, 3, 1] };
    const one = randomInput([3, 1, 4, 4], 7, { layout });
    const others = randomInput([3, 8, 4, 4], 8);
    for (const inputs of [
      [others, one],
      [one, others],
    ])
      await checkOp({ gpu: gpu!, op: 'concat', lower: moveLowerings.concat, attrs: { axis: 1 }, inputs });
    const attrs = { before: [0, 1, 0, 0], after: [0, 2, 0, 0] };
    await checkOp({ gpu: gpu!, op: 'pad', lower: moveLowerings.pad, attrs, inputs: [one] });
  });

  test('pad puts zeros around views', async () => {
    const op = 'pad' as const;
    const lower = moveLowerings.pad;
    for (const [before, after] of [
      [
        [0, 0, 0],
        [0, 0, 0],
      ],
      [
        [1, 0, 4],
        [0, 2, 4],
      ],
      [
        [0, 3, 1],
        [2, 0, 2],
      ],
      [
        [0, 1, 0],
        [0, 1, 0],
      ],
    ] as const) {
      for (const layout of [{}, { order: [2, 1, 0] }, { before: [0, 1, 4], after: [0, 0, 4] }]) {
        const x = randomInput([3, 5, 8], 5, { layout });
        await checkOp({ gpu: gpu!, op, lower, attrs: { before, after }, inputs: [x] });
      }
    }
    const attrs = { before: [2, 3], after: [1, 3] };
    await checkOp({ gpu: gpu!, op, lower, attrs, inputs: [randomInput([1, 1], 6)] });
  });
});
