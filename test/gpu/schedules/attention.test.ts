/**
 * Every schedule of attention, and the one kernel of GPUs: forward and backward, causal or not, against the
 * f64 reference, and the same bits as the other schedules. All run on the cases below 100 tokens by the text of
 * their kernels, where bits are compared; on the device every schedule occurs once, over 1, 7, 197 and 577 tokens, and
 * kernels/attention.test.ts has more lengths and the kernel of GPUs.
 *
 * Lengths are 1, a prime, those of the published towers (50, 77, 197) and 577, which is more rows than any
 * tile; widths go from 32 to 128. All cases are one graph, so that their pipelines compile side by side.
 */
import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import type { Heads } from '../../../runtime/selftest/cases.ts';
import { randomNumbers } from '../../support/random.ts';
import { compare, device } from '../support/compiled.ts';
import { byText, casesOf, expectAllRan, onDevice, trySchedules } from '../support/every-schedule.ts';

const on = await device();

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

const cases = [...chosen, ...drawn(casesOf(500))];
/** Longer than a tile, and what the text can do in a second. */
const byTheirText = cases.filter(({ queries }) => queries < 100);
const onTheDevice = cases.filter(({ queries }) => [1, 7, 197, 577].includes(queries));

const work = (some: readonly Heads[]) => ({
  graph: attentionGraph(some),
  gradients: some.flatMap((_, i) => [`q${i}`, `k${i}`, `v${i}`]),
  // Sums of up to 577 products and exponentials in f32. Gradients are of the order of 1; those of the scores of one key are 0.
  tolerance: 1e-5,
  least: 1,
});

describe('schedules of attention', () => {
  it('give what the reference gives, forward and backward, and one another’s bits, by their text', async () => {
    const target = byText('software');
    const tallies = await trySchedules(target, 'attention', work(byTheirText));
    // Forward, and the gradients of q, k and v.
    expectAllRan(target, 'attention', tallies, 4 * byTheirText.length);
    for (const { unfit } of tallies.values()) expect(unfit).toEqual([]);
  });

  it.skipIf(!on)('give it on the device', async () => {
    const target = onDevice(on!, 'software');
    expectAllRan(target, 'attention', await trySchedules(target, 'attention', work(onTheDevice)), 1);
  });

  it('are one on GPUs, which gives it as well, by its text', async () => {
    const { on: text, profile } = byText('staged');
    const some = work(byTheirText);
    const { errors } = await compare(text, profile, some.graph, some);
    for (const [name, error] of errors) expect(error, name).toBeLessThan(some.tolerance);
  });
});
