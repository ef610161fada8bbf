/**
 * The three gradients of a layer norm that come from one kernel, with a residual behind the first: rows of all lengths
 * that are held in registers and longer ones, as vec4s and one by one; more rows than one turn of the workgroups takes.
 */
import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../../compiler/graph/types.ts';
import { softwareText } from '../../../support/wgsl/text-device.ts';
import { compare, device } from '../../support/compiled.ts';

const on = await device();

function gradients(rows: number, width: number, residual: boolean, bias: boolean): Graph {
  const b = createBuilder();
  const input = (name: string, ...shape: number[]) => b.add('input', [], { name, dtype: 'f32', shape });
  const [x, dy, weight] = [input('x', rows, width), input('dy', rows, width), input('weight', width)];
  const attrs = { eps: 1e-5 };
  const dx = b.add('layer_norm_grad', [x, weight, dy], attrs);
  const more = residual ? b.add('add', [dx, input('more', rows, width)], {}) : dx;
  const sums = { dw: b.add('layer_norm_grad_weight', [x, dy], attrs) };
  const both = bias ? { ...sums, db: b.add('sum', [dy], { axes: [0], keep: false }) } : sums;
  return b.finish(Object.entries({ dx: more, ...both }).map(([name, node]) => ({ name, node })));
}

const shapes = [
  [1, 1],
  [3, 7],
  [5, 1000],
  [40, 36],
  [100, 768],
  [3, 1028],
  [2, 2048],
  // Two turns of 32 invocations a row.
  [3100, 8],
  // Sums of both gradients that workgroup memory has no room for.
  [2, 4096],
] as const;

describe('gradients of a layer norm', () => {
  for (const [rows, width] of shapes)
    it(`of ${rows} rows of ${width} are as the reference's, and the same bits again`, async () => {
      const runner = on && rows * width < 4000 ? on : softwareText;
      for (const [residual, bias] of [
        [true, true],
        [false, false],
      ] as const) {
        const graph = gradients(rows, width, residual, bias);
        const first = await compare(runner, 'gpu', graph, { least: 1e-3 });
        const again = await compare(runner, 'gpu', graph, { least: 1e-3 });
        expect(first.values).toEqual(again.values);
        // The op's own 1e-5, relative to the largest value.
        for (const [name, error] of first.errors) expect(error, name).toBeLessThan(1e-5);
      }
    });

  it('come from two kernels where rows are held in registers', async () => {
    const { plan } = await compare(softwareText, 'gpu', gradients(40, 36, true, true));
    expect(plan.steps).toHaveLength(2);
    expect(plan.pipelines[plan.steps[0]!.pipeline]!.label).toMatch(/^layer_norm_grad_sums_vec4/);
  });
});
