/** Running sums over long rows: one, two and three levels of pieces, in both directions, of any layout. */
import { describe, expect, test } from 'vitest';
import { createBuilder } from '../../../../compiler/graph/create-builder.ts';
import { scanLowerings } from '../../../../compiler/kernels/rows/scan.ts';
import { checkOp, kinds, randomIndices, randomInput } from '../../support/check-op.ts';
import { compare, device } from '../../support/compiled.ts';
import { openGpu } from '../../support/harness.ts';

const gpu = await openGpu();
const on = await device();
const lower = scanLowerings.cumsum;

describe.skipIf(gpu === undefined)('cumsum', () => {
  const rows: readonly [shape: number[], axis: number][] = [
    [[3, 129], 1],
    [[2, 257, 3], 1],
    [[1000, 4], 0],
    [[2, 65536], 1],
    [[20001], 0],
  ];
  test.each(rows)('%j along %i', async (shape, axis) => {
    for (const reverse of [false, true]) {
      const inputs = [randomInput(shape, 3)];
      await checkOp({
        gpu: gpu!,
        op: 'cumsum',
        lower,
        attrs: { axis, reverse },
        inputs,
        terms: shape[axis]!,
      });
    }
  });

  test('of integers, exactly', async () => {
    const inputs = [randomIndices([3, 5000], 1000, 5)];
    await checkOp({ gpu: gpu!, op: 'cumsum', lower, attrs: { axis: 1, reverse: false }, inputs });
  });
});

test.skipIf(!on)('of a transposed operand, forward and backward', async () => {
  const b = createBuilder();
  const x = b.add('param', [], { name: 'x', shape: [300, 5], role: 'param' });
  const y = b.add('cumsum', [b.add('transpose', [x], { perm: [1, 0] })], { axis: 1, reverse: false });
  const loss = b.add('mean', [b.add('mul', [y, y], {})], { axes: [0, 1], keep: false });
  const graph = b.finish([{ name: 'loss', node: loss }]);
  const feeds = new Map([['x', randomInput([300, 5], 7).data]]);
  for (const kind of kinds) {
    const { errors } = await compare(on!, kind, graph, {
      feeds,
      gradients: ['x'],
      precision: 'f32',
      least: 1e-2,
    });
    for (const [name, error] of errors) expect(error, `${kind} ${name}`).toBeLessThan(2e-5);
  }
});
