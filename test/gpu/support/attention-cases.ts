/** Attention of awkward sizes in mixed precision, for tests of its kernels by subgroup matrices. */

import type { Precision } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import type { Plan } from '../../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../../compiler/profile.ts';
import type { Heads as AttentionHeads } from '../../../runtime/selftest/cases.ts';
import { compareGraph } from '../../../runtime/selftest/compare.ts';
import type { Device } from '../../../runtime/types.ts';

/** Heads, and of which operands gradients are wanted; of all without it. */
export interface Heads extends AttentionHeads {
  readonly wanted?: string;
}

const self = (tokens: number, width: number, causal: boolean, batch = 1, heads = 1): Heads => ({
  batch,
  heads,
  queries: tokens,
  keys: tokens,
  width,
  causal,
});

export const attentionCases: readonly Heads[] = [
  self(1, 64, false, 3),
  self(7, 13, true, 1, 3),
  self(50, 64, false, 1, 3),
  self(77, 64, true),
  self(77, 80, false),
  self(257, 64, true),
  self(130, 22, false),
  { ...self(19, 40, true), keys: 43, heads: 2 },
  { ...self(1, 64, false), keys: 50, batch: 3 },
  { ...self(41, 32, false), keys: 9 },
  { ...self(35, 32, false), wanted: '' },
  { ...self(33, 32, true), wanted: 'q' },
  { ...self(33, 32, true), wanted: 'kv' },
  { ...self(33, 32, false), wanted: 'qv' },
  { ...self(33, 32, false), wanted: 'k' },
];

/** What a software driver compiles in seconds: a head in one kernel, and tiles where memory is scarce. */
export const executedCases: readonly Heads[] = [{ ...self(7, 13, true, 1, 3), keys: 13 }];
export const executedTiles: readonly Heads[] = [
  { ...self(15, 12, true, 3), keys: 20 },
  { ...self(20, 8, false), wanted: 'kv' },
];

/** Results are seen as sums of their rows; `loss` weighs every element. */
function attentionGraph(cases: readonly Heads[], precision: Precision = 'mixed') {
  const b = createBuilder();
  const half = b.add('constant', [], { value: 0.5, dtype: 'f32', shape: [] });
  const gradients: string[] = [];
  const outputs: { name: string; node: number }[] = [];
  const terms = cases.map(({ batch, heads, queries, keys, width, causal, wanted = 'qkv' }, i) => {
    const operand = (name: string, rows: number) => {
      const shape = [batch, heads, rows, width];
      if (wanted.includes(name)) gradients.push(`${name}${i}`);
      return b.add('mul', [b.add('param', [], { name: `${name}${i}`, shape, role: 'param' }), half], {});
    };
    const operands = [operand('q', queries), operand('k', keys), operand('v', keys)];
    // Scores of up to about 4, so that weights differ by much.
    const y = b.add('attention', operands, { causal, scale: 4 / Math.sqrt(width) });
    const shape = [batch, heads, queries, width];
    const r = b.add('input', [], { name: `r${i}`, dtype: 'f32', shape });
    outputs.push({
      name: `y${i}`,
      node: precision === 'mixed' ? b.add('sum', [y], { axes: [-1], keep: true }) : y,
    });
    return b.add('sum', [b.add('mul', [y, r], {})], { axes: [0, 1, 2, 3], keep: false });
  });
  const loss = terms.reduce((sum, term) => b.add('add', [sum, term], {}));
  return { graph: b.finish([...outputs, { name: 'loss', node: loss }]), gradients };
}

/** Errors of results and gradients in units of what is allowed: of 11 bits, or in f32 of 2e-5. */
export async function compareAttention(
  on: Pick<Device, 'open'>,
  profile: DeviceProfile,
  cases: readonly Heads[],
  precision: Precision = 'mixed',
): Promise<{ plan: Plan; lowered: Graph; excess: Map<string, number>; values: Map<string, unknown> }> {
  const { graph, gradients } = attentionGraph(cases, precision);
  const compared = await compareGraph(on, profile, graph, { gradients, precision, least: 0.1 });
  const allowed = (name: string) =>
    precision === 'f32' ? 2e-5 : (name.startsWith('grad.') ? 6 : 3) * 2 ** -11;
  const excess = [...compared.errors].flatMap(([name, error]) =>
    name === 'loss' ? [] : [[name, error / allowed(name)] as const],
  );
  return { ...compared, excess: new Map(excess), values: new Map(compared.values) };
}
