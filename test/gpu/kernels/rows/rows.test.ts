/**
 * Row kernels against the f64 reference: softmax, log-softmax, layer norm, L2 norm and their gradients.
 *
 * Every kernel runs with both kinds of schedules, over odd and even row lengths and over views: slices,
 * transposed rows, repeated rows, two operands in one storage. Those for software adapters run on the device,
 * where there is one; those for GPUs by their text, and with large numbers and many rows on the device.
 */
import { describe, test } from 'vitest';
import { normalisedLowerings } from '../../../../compiler/kernels/products/normalised.ts';
import { normalizeLowerings } from '../../../../compiler/kernels/rows/normalize.ts';
import { softmaxLowerings } from '../../../../compiler/kernels/rows/softmax.ts';
import type { Lower } from '../../../../compiler/kernels/text/kernel.ts';
import type { OpAttributes } from '../../../../compiler/ops/attributes.ts';
import { opOf } from '../../../../compiler/ops/index.ts';
import { byKind, checkOp, lengths, type Runners, randomInput } from '../../support/check-op.ts';
import { type Layout, openGpu, type TestInput } from '../../support/harness.ts';

const gpu = await openGpu();
const runners = byKind(gpu);
/** Kernels of both kinds on the device, where there is one. */
const device = gpu ?? runners;
const moments = normalisedLowerings.group_moments;
const lowerings = { ...softmaxLowerings, ...normalizeLowerings };
type RowOp = keyof typeof lowerings;

const attrs: { [K in RowOp]: OpAttributes[K] } = {
  softmax: {},
  softmax_grad: {},
  log_softmax: {},
  log_softmax_grad: {},
  layer_norm: { eps: 1e-5 },
  layer_norm_grad: { eps: 1e-5 },
  layer_norm_grad_weight: { eps: 1e-5 },
  l2_normalize: {},
  l2_normalize_grad: {},
};

/** Inputs of an op over rows `[2, 5, width]`; the first may lie in a view. */
function inputsOf(op: RowOp, width: number, extra: Partial<TestInput>): TestInput[] {
  const shape = [2, 5, width];
  const x = randomInput(shape, width, extra, { scale: 3, shift: 0.5 });
  const dy = randomInput(shape, width + 1, extra);
  const weight = randomInput([width], width + 2, {}, { scale: 0.5, shift: 1 });
  const bias = randomInput([width], width + 3);
  switch (op) {
    case 'softmax_grad':
    case 'log_softmax_grad': {
      const forward = op === 'softmax_grad' ? 'softmax' : 'log_softmax';
      const y = opOf(forward).reference([x], {}, shape).data;
      return [{ ...x, data: y.map(Math.fround) }, dy];
    }
    case 'layer_norm':
      return [x, weight, bias];
    case 'layer_norm_grad':
      return [x, weight, dy];
    case 'layer_norm_grad_weight':
    case 'l2_normalize_grad':
      return [x, dy];
    default:
      return [x];
  }
}

function check(op: RowOp, inputs: readonly TestInput[], terms: number, on: Runners = runners): Promise<void> {
  const lower = lowerings[op] as Lower<RowOp>;
  return checkOp<RowOp>({ gpu: on, op, lower, attrs: attrs[op], inputs, terms });
}

const layouts: Record<string, Layout> = {
  'a slice, rows still aligned': { before: [0, 4, 4], after: [1, 0, 8] },
  'a slice, rows unaligned': { before: [0, 0, 3], after: [0, 2, 2] },
  'rows across memory': { order: [2, 0, 1] },
};

describe('row kernels', () => {
  for (const op of Object.keys(lowerings) as RowOp[]) {
    for (const width of lengths) {
      test(`${op} of rows of ${width}`, () => check(op, inputsOf(op, width, {}), Math.max(10, width)));
    }
    for (const [name, layout] of Object.entries(layouts)) {
      test(`${op} of ${name}`, async () => {
        const inputs = inputsOf(op, 52, { layout });
        await check(op, inputs, 52);
        const shared = inputs.map((input) => ({ ...input, share: 'one storage' }));
        if (layout === layouts['a slice, rows still aligned']) await check(op, shared, 52);
      });
    }
  }

  test('rows that repeat one value or one row', async () => {
    const x = randomInput([3, 4, 64], 1);
    const one = randomInput([3, 4, 1], 2).data;
    const flat = Float64Array.from({ length: 768 }, (_, i) => one[Math.floor(i / 64)]!);
    const dy = { shape: [3, 4, 64], data: flat, layout: { repeat: [2] } };
    await check('layer_norm_grad_weight', [x, dy], 64);
    await check('l2_normalize_grad', [x, dy], 64);
    const row = randomInput([64], 3).data;
    const same = Float64Array.from({ length: 768 }, (_, i) => row[i % 64]!);
    await check('softmax', [{ shape: [3, 4, 64], data: same, layout: { repeat: [0, 1] } }], 64);
  });

  test('a large mean does not spoil the variance, large logits do not overflow', async () => {
    const x = randomInput([4, 96], 5, {}, { scale: 1, shift: 30 });
    // 30² - 30² would lose six digits of a variance of 1/3; the mean's own rounding (2e-6) stays within tolerance.
    await check('layer_norm', [x, randomInput([96], 6), randomInput([96], 7)], 96, device);
    const logits = randomInput([4, 96], 8, {}, { scale: 200, shift: 1000 });
    await check('log_softmax', [logits], 96, device);
  });

  test('more rows than one dimension of the grid holds', async () => {
    const rows = 70000;
    const x = randomInput([rows, 3], 9);
    await check('softmax', [x], 3, device);
  });

  test('moments of groups of columns, where no product writes them', async () => {
    for (const shape of [[64], [1, 128], [7, 192], [2, 5, 768]]) {
      const x = randomInput(shape, shape.length, {}, { scale: 3, shift: 40 });
      await checkOp({ gpu: runners, op: 'group_moments', lower: moments, attrs: {}, inputs: [x], terms: 64 });
    }
  });
});
