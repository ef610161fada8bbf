/**
 * Transformer blocks against the f64 reference: by the text of kernels for both kinds of devices, and on the
 * adapter at hand the one whose sizes are all odd (even ones are those of test/golden).
 */
import { describe, expect, it } from 'vitest';
import type { Builder } from '../../../compiler/graph/builder.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { discreteText, type Runner, softwareText } from '../../support/wgsl/text-device.ts';
import { compare, device } from '../support/compiled.ts';

const on = await device();

/** One pre-norm transformer block over [B, T, W], its weights as params, and a scalar loss. */
function blockGraph(batch: number, tokens: number, width: number, heads: number, causal: boolean): Graph {
  const b = createBuilder();
  const param = (name: string, shape: number[]) => b.add('param', [], { name, shape, role: 'param' });
  const linear = (x: number, name: string, out: number, from: number) =>
    b.add(
      'add',
      [
        b.add('matmul', [x, param(`${name}.weight`, [out, from])], { transposeA: false, transposeB: true }),
        param(`${name}.bias`, [out]),
      ],
      {},
    );
  const norm = (x: number, name: string) =>
    b.add('layer_norm', [x, param(`${name}.weight`, [width]), param(`${name}.bias`, [width])], { eps: 1e-5 });
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [batch, tokens, width] });
  const attended = linear(
    attend(b, linear(norm(x, 'ln_1'), 'qkv', 3 * width, width), batch, tokens, width, heads, causal),
    'out',
    width,
    width,
  );
  const y = b.add('add', [x, attended], {});
  const hidden = linear(norm(y, 'ln_2'), 'fc', 4 * width, width);
  const slope = b.add('constant', [], { value: 1.702, dtype: 'f32', shape: [] });
  const gelu = b.add('mul', [hidden, b.add('sigmoid', [b.add('mul', [hidden, slope], {})], {})], {});
  const z = b.add('add', [y, linear(gelu, 'proj', width, 4 * width)], {});
  const loss = b.add('mean', [b.add('mul', [z, z], {})], { axes: [0, 1, 2], keep: false });
  return b.finish([
    { name: 'y', node: z },
    { name: 'loss', node: loss },
  ]);
}

function attend(
  b: Builder,
  qkv: number,
  batch: number,
  tokens: number,
  width: number,
  heads: number,
  causal: boolean,
): number {
  const depth = width / heads;
  const split = b.add('transpose', [b.add('reshape', [qkv], { shape: [batch, tokens, 3, heads, depth] })], {
    perm: [2, 0, 3, 1, 4],
  });
  const part = (i: number) =>
    b.add(
      'reshape',
      [b.add('slice', [split], { starts: [i, 0, 0, 0, 0], ends: [i + 1, batch, heads, tokens, depth] })],
      {
        shape: [batch, heads, tokens, depth],
      },
    );
  const out = b.add('attention', [part(0), part(1), part(2)], { causal, scale: depth ** -0.5 });
  return b.add('reshape', [b.add('transpose', [out], { perm: [0, 2, 1, 3] })], {
    shape: [batch, tokens, width],
  });
}

const weights = ['ln_1', 'qkv', 'out', 'ln_2', 'fc', 'proj'].flatMap((n) => [`${n}.weight`, `${n}.bias`]);

interface Case {
  readonly batch: number;
  readonly tokens: number;
  readonly width: number;
  readonly heads: number;
  readonly causal: boolean;
}

const odd: Case = { batch: 1, tokens: 17, width: 12, heads: 3, causal: false };
const cases: readonly Case[] = [
  { batch: 2, tokens: 7, width: 64, heads: 2, causal: true },
  { batch: 3, tokens: 50, width: 32, heads: 1, causal: false },
  odd,
];
const texts = { cpu: softwareText, gpu: discreteText } as const;

describe('a transformer block equals the f64 reference', () => {
  async function check(on: Runner, c: Case): Promise<void> {
    const graph = blockGraph(c.batch, c.tokens, c.width, c.heads, c.causal);
    const { errors } = await compare(on, on.profile, graph, { gradients: weights });
    expect(errors.get('y')).toBeLessThan(1e-5);
    // Gradients pass through some twenty roundings of sums over up to B·T·W terms.
    for (const name of weights) expect(errors.get(`grad.${name}`), name).toBeLessThan(5e-5);
  }

  it.skipIf(!on)('on the adapter: result, loss and every gradient', () => check(on!, odd));

  for (const kind of ['cpu', 'gpu'] as const) {
    for (const c of cases)
      it(`by the text of ${kind} kernels ${JSON.stringify(c)}: result, loss and every gradient`, () =>
        check(texts[kind], c));

    it(`takes six ${kind} kernels forward: four products, attention, and the norm of what is no product`, async () => {
      const graph = blockGraph(2, 8, 64, 2, false);
      const forward = { ...graph, outputs: graph.outputs.filter((o) => o.name === 'y') };
      const { plan, errors } = await compare(texts[kind], texts[kind].profile, forward);
      expect(plan.steps.map((s) => s.label.replace(/_\d+x\d+$/, ''))).toHaveLength(6);
      expect(errors.get('y')).toBeLessThan(1e-5);
    });
  }
});
