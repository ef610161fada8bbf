/**
 * Every schedule of attention, and the one kernel of GPUs: forward and backward, causal or not, against the
 * f64 reference, and the same bits as the other schedules.
 *
 * Lengths are 1, a prime, those of the published towers (50, 77, 197) and 577, which is more rows than any
 * tile; widths go from 32 to 128. All cases are one graph, so that their pipelines compile side by side.
 */
import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { randomNumbers } from '../../support/random.ts';
import { compare, device } from '../support/compiled.ts';
import { casesOf, classProfiles, expectAllRan, type Tallies, tryAll } from '../support/every-schedule.ts';

const on = await device();

interface Heads {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly causal: boolean;
}

const self = (length: number, width: number, causal: boolean): Heads => ({
  batch: 1,
  heads: 1,
  queries: length,
  keys: length,
  width,
  causal,
});

const chosen: readonly Heads[] = [
  { ...self(1, 64, false), batch: 2 },
  { ...self(7, 40, true), heads: 3 },
  { ...self(50, 64, false), heads: 2 },
  self(77, 80, true),
  self(197, 128, false),
  self(577, 32, true),
];

/** Odd lengths and widths that are no multiple of 4 as well. */
function drawn(count: number): Heads[] {
  const next = randomNumbers(11);
  const below = (n: number) => Math.floor(next() * n);
  return Array.from({ length: count }, () => {
    const causal = next() < 0.5;
    const queries = 1 + below(90);
    const sizes = { batch: 1 + below(2), heads: 1 + below(2), width: 32 + below(97) };
    return { ...sizes, queries, keys: causal ? queries : 1 + below(90), causal };
  });
}

/** Attention of every case, and the sum of their squares as `loss`. */
function attentionGraph(cases: readonly Heads[]): Graph {
  const b = createBuilder();
  const squares = cases.map(({ batch, heads, queries, keys, width, causal }, i) => {
    const operand = (name: string, rows: number) =>
      b.add('param', [], { name: `${name}${i}`, shape: [batch, heads, rows, width], role: 'param' });
    const [q, k, v] = [operand('q', queries), operand('k', keys), operand('v', keys)];
    const y = b.add('attention', [q, k, v], { causal, scale: 1 / Math.sqrt(width) });
    return b.add('sum', [b.add('mul', [y, y], {})], { axes: [0, 1, 2, 3], keep: false });
  });
  const loss = squares.reduce((sum, square) => b.add('add', [sum, square], {}));
  return b.finish([{ name: 'loss', node: loss }]);
}

describe.skipIf(!on)('schedules of attention', () => {
  const cases = [...chosen, ...drawn(casesOf(500))];
  // Sums of up to 577 products and exponentials in f32. Gradients are of the order of 1; those of the scores of one key are 0.
  const exact = { tolerance: 1e-5, least: 1 };
  const work = (some: readonly Heads[]) => ({
    graph: attentionGraph(some),
    gradients: some.flatMap((_, i) => [`q${i}`, `k${i}`, `v${i}`]),
    ...exact,
  });

  it('give what the reference gives, forward and backward, and one another’s bits', async () => {
    const { software } = classProfiles(on!);
    const tallies: Tallies = new Map();
    await tryAll(on!, software, 'attention', work(cases), tallies);
    // Forward, and the gradients of q, k and v.
    expectAllRan(software, 'attention', tallies, 4 * cases.length);
    for (const { unfit } of tallies.values()) expect(unfit).toEqual([]);
  });

  it('are one on GPUs, which gives it as well', async () => {
    // Compiled for seconds each on software adapters; kernels-attention.test.ts has the other lengths.
    const some = work(cases.filter(({ queries }) => queries === 7 || queries === 577));
    const { errors } = await compare(on!, classProfiles(on!).staged, some.graph, some);
    for (const [name, error] of errors) expect(error, name).toBeLessThan(exact.tolerance);
  });
});
