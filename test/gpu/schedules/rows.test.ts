/**
 * Every schedule of row kernels, and the shared rows of GPUs: norms, softmax, reductions, a loss, and their
 * gradients against the f64 reference, and the same bits as the other schedules. All run on all sizes by the text of
 * their kernels; on the device every schedule and every size occurs once.
 */
import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { randomNumbers } from '../../support/random.ts';
import { compare, device } from '../support/compiled.ts';
import { byText, casesOf, expectAllRan, onDevice, trySchedules } from '../support/every-schedule.ts';

const on = await device();

type Size = readonly [rows: number, length: number];

/** One row, one column, less and more rows than a workgroup has invocations, odd and whole vec4s. */
const chosen: readonly Size[] = [
  [1, 1],
  [1, 577],
  [130, 1],
  [37, 19],
  [65, 64],
];

function drawn(count: number): Size[] {
  const next = randomNumbers(23);
  return Array.from({ length: count }, () => [1 + Math.floor(next() * 150), 1 + Math.floor(next() * 150)]);
}

/**
 * All row kernels over one matrix; what they make is weighed by `w` so that gradients differ from place to
 * place.
 */
function addRows(b: ReturnType<typeof createBuilder>, [rows, length]: Size, i: number): number {
  const param = (name: string, shape: number[]) =>
    b.add('param', [], { name: `${name}${i}`, shape, role: 'param' });
  const x = param('x', [rows, length]);
  const w = b.add('input', [], { name: `w${i}`, dtype: 'f32', shape: [rows, length] });
  const labels = b.add('input', [], { name: `labels${i}`, dtype: 'i32', shape: [rows] });
  const both = { axes: [0, 1], keep: false };
  const along = { axes: [1], keep: true };
  const weighed = (y: number) => b.add('mean', [b.add('mul', [y, w], {})], both);
  const logs = b.add('log_softmax', [x], {});
  const parts = [
    weighed(b.add('layer_norm', [x, param('scale', [length]), param('bias', [length])], { eps: 1e-5 })),
    weighed(b.add('softmax', [x], {})),
    weighed(logs),
    weighed(b.add('l2_normalize', [x], {})),
    weighed(b.add('sub', [x, b.add('mean', [x], along)], {})),
    weighed(b.add('mul', [x, b.add('sum', [x], along)], {})),
    b.add('mean', [b.add('take', [logs, labels], { axis: 1 })], { axes: [0], keep: false }),
    b.add('mean', [b.add('max', [w], along)], both),
  ];
  return parts.reduce((sum, part) => b.add('add', [sum, part], {}));
}

function rowsGraph(sizes: readonly Size[]): Graph {
  const b = createBuilder();
  const losses = sizes.map((size, i) => addRows(b, size, i));
  return b.finish([{ name: 'loss', node: losses.reduce((sum, loss) => b.add('add', [sum, loss], {})) }]);
}

const sizes = [...chosen, ...drawn(casesOf(500))];
const work = {
  graph: rowsGraph(sizes),
  gradients: sizes.flatMap((_, i) => [`x${i}`, `scale${i}`, `bias${i}`]),
  // Labels are places in a row: all rows have one.
  integersBelow: 1,
  // Rounding errors of 1e-7, divided by the norm of a row: of 130 rows of one element, some are as small as 0.005.
  tolerance: 1e-4,
};

describe('schedules of rows', () => {
  it('give what the reference gives, forward and backward, and one another’s bits, by their text', async () => {
    const target = byText('software');
    const tallies = await trySchedules(target, 'rows', work);
    // Four forward, as many backward, sums and means.
    expectAllRan(target, 'rows', tallies, 8 * sizes.length);
    for (const { unfit } of tallies.values()) expect(unfit).toEqual([]);
  });

  it.skipIf(!on)('give it on the device', async () => {
    const target = onDevice(on!, 'software');
    expectAllRan(target, 'rows', await trySchedules(target, 'rows', work), 1);
  });

  it('are none on GPUs, where threads share a row, by their text', async () => {
    const { on: text, profile } = byText('staged');
    const { errors } = await compare(text, profile, work.graph, work);
    for (const [name, error] of errors) expect(error, name).toBeLessThan(work.tolerance);
  });
});
