/**
 * Layer norms between products: how many kernels a transformer layer takes, and where the norm keeps its own.
 */
import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { executeReference } from '../../../compiler/graph/reference.ts';
import { verify } from '../../../compiler/graph/verify.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { runPasses } from '../../../compiler/passes/index.ts';
import { appleProfile, discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import { benchCases, modelOf, planCase } from '../../../zoo/bench/cases.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { compileEntry } from '../../../zoo/run/entry.ts';

const profiles = [lavapipeProfile, appleProfile, discreteProfile];
const vision = benchCases.find((c) => c.name === 'image-b8')!;
const text = benchCases.find((c) => c.name === 'text-b8')!;

/** Labels of the kernels that run for one layer of a plan. */
function kernelsOf(steps: readonly { readonly label: string }[], layer: number): string[] {
  const path = new RegExp(`resblocks\\.${layer}\\.`);
  return steps.map((s) => s.label).filter((label) => path.test(label));
}

describe('a layer of a transformer, in inference,', () => {
  for (const profile of profiles)
    it(`takes at most 6 kernels with the schedules of ${profile.name}`, () => {
      for (const [test, batch] of [
        [vision, 1],
        [vision, 8],
        [text, 8],
      ] as const) {
        const { steps } = planCase(nodeHost(), { ...test, batch }, profile);
        // The first layer's first norm reads what is no product.
        expect(kernelsOf(steps, 0).length).toBeLessThanOrEqual(6);
        for (let layer = 1; layer < 11; layer++) expect(kernelsOf(steps, layer)).toHaveLength(5);
        // Software adapters copy what the last layer's norm and the pooled token read.
        expect(kernelsOf(steps, 11).length).toBeLessThanOrEqual(6);
      }
    });

  it('keeps both layer norms where the device binds fewer buffers than the products then need', () => {
    const limits = { ...lavapipeProfile.limits, maxStorageBuffersPerShaderStage: 6 };
    const { steps, requires } = planCase(nodeHost(), vision, { ...lavapipeProfile, limits });
    expect(requires.maxStorageBuffersPerShaderStage).toBeLessThanOrEqual(6);
    expect(kernelsOf(steps, 3)).toHaveLength(7);
  });
});

describe('a layer norm keeps its kernel', () => {
  const test = benchCases.find((c) => c.name === 'train-small')!;
  const norms = (steps: readonly { readonly label: string }[]) =>
    steps.filter((s) => /layer_norm(?!_grad)/.test(s.label)).length;

  it('in training, where the gradients of weights read what it makes', () => {
    // Two in each of 6 + 4 layers, ln_pre, ln_post and ln_final.
    expect(norms(planCase(nodeHost(), test, lavapipeProfile).steps)).toBe(23);
  });

  it('in mixed precision', () => {
    const request = { entry: 'encode_image', batch: 8, mode: 'eval', gradients: false } as const;
    const plan = compileEntry(
      modelOf(nodeHost(), vision),
      { ...request, precision: 'mixed' },
      lavapipeProfile,
    );
    expect(norms(plan.steps)).toBe(26);
  });
});

describe('the pass', () => {
  it('keeps the meaning of the graph', () => {
    const b = createBuilder();
    const param = (name: string, shape: number[]) => b.add('param', [], { name, shape, role: 'param' });
    const product = (x: number, w: number) =>
      b.add('matmul', [x, w], { transposeA: false, transposeB: true });
    const x = product(
      b.add('input', [], { name: 'a', dtype: 'f32', shape: [2, 3, 8] }),
      param('u', [128, 8]),
    );
    const norm = b.add('layer_norm', [x, param('gain', [128]), param('shift', [128])], { eps: 1e-5 });
    const y = b.add('add', [product(norm, param('w', [5, 128])), param('bias', [5])], {});
    const graph = verify(b.finish([{ name: 'y', node: y }]));
    const folded = runPasses(graph, discreteProfile, { fixedWeights: true });
    expect(folded.nodes.map((n) => n.op)).not.toContain('layer_norm');
    expect(runPasses(graph, discreteProfile).nodes.map((n) => n.op)).toContain('layer_norm');
    const values = (shape: readonly number[]): RefTensor => ({
      shape,
      data: Float64Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) =>
        Math.sin(i * 1.7 + shape.length),
      ),
    });
    const inputs = new Map([['a', values([2, 3, 8])]]);
    const sizes = { u: [128, 8], gain: [128], shift: [128], w: [5, 128], bias: [5] };
    const params = new Map(Object.entries(sizes).map(([name, shape]) => [name, values(shape)]));
    const [want, got] = [graph, folded].map((g) => executeReference(g, { inputs, params }).get('y')!.data);
    // Sums of doubles in another order.
    for (const [i, value] of want!.entries()) expect(got![i]).toBeCloseTo(value, 12);
  });
});
