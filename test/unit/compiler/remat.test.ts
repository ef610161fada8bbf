/** Rematerialisation: what it clones, that values stay the same to the bit, and how much memory it saves. */
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../../compiler/autodiff/differentiate.ts';
import { rematerialize } from '../../../compiler/autodiff/rematerialize.ts';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { printGraph } from '../../../compiler/graph/print.ts';
import { executeReference } from '../../../compiler/graph/reference.ts';
import { type Graph, numericShape } from '../../../compiler/graph/types.ts';
import { verify } from '../../../compiler/graph/verify.ts';
import { blocksMatching } from '../../../compiler/model/values/globs.ts';
import type { Plan } from '../../../compiler/plan/types.ts';
import { type DeviceProfile, discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import {
  batchValues,
  fixtureModel,
  traceTraining,
  trainableOf,
  weightValues,
} from '../../support/models/training-models.ts';
import { adamw } from '../../support/training/optimizers.ts';

/** Two layers, `y = tanh(x @ w)`, of blocks `a.0` and `a.1`. */
function twoLayers(): Graph {
  const b = createBuilder();
  let x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [3, 4] });
  for (const layer of [0, 1]) {
    b.withOrigin({ path: `a.${layer}` }, () => {
      const w = b.add('param', [], { name: `w${layer}`, shape: [4, 4], role: 'param' });
      const product = b.add('matmul', [x, w], { transposeA: false, transposeB: false });
      const square = b.add('mul', [product, product], {});
      x = b.add('add', [b.add('tanh', [square], {}), x], {});
    });
  }
  return b.finish([{ name: 'loss', node: b.add('sum', [x], { axes: [0, 1], keep: false }) }]);
}

const again = (graph: Graph) => graph.nodes.filter((n) => n.origin.path.endsWith('(again)'));

describe('blocks to compute again', () => {
  it('are the outermost ones that fit a pattern', () => {
    const region = blocksMatching(['**.resblocks.*', '**.attn', 'visual.ln_*']);
    expect(region('visual.transformer.resblocks.3.attn')).toBe('visual.transformer.resblocks.3');
    expect(region('visual.transformer.resblocks.3')).toBe('visual.transformer.resblocks.3');
    expect(region('pool.attn.out_proj')).toBe('pool.attn');
    expect(region('visual.ln_post')).toBe('visual.ln_post');
    expect(region('visual.transformer')).toBeUndefined();
    expect(region('')).toBeUndefined();
  });
});

describe('rematerialisation', () => {
  it('clones the inside of a block just before the backward pass reads it', () => {
    const forward = twoLayers();
    const graph = differentiate(forward, { loss: 'loss', wrt: ['w0', 'w1'] });
    const result = verify(rematerialize(graph, forward.nodes.length, blocksMatching(['a.*'])));
    expect(printGraph(result)).toMatchInlineSnapshot(`
      "%0 = input {name = "x"} : f32[3, 4]
      %1 = param {name = "w0", role = "param"} : f32[4, 4]  # a.0
      %2 = matmul %0, %1 : f32[3, 4]  # a.0
      %3 = mul %2, %2 : f32[3, 4]  # a.0
      %4 = tanh %3 : f32[3, 4]  # a.0
      %5 = add %4, %0 : f32[3, 4]  # a.0
      %6 = param {name = "w1", role = "param"} : f32[4, 4]  # a.1
      %7 = matmul %5, %6 : f32[3, 4]  # a.1
      %8 = mul %7, %7 : f32[3, 4]  # a.1
      %9 = tanh %8 : f32[3, 4]  # a.1
      %10 = add %9, %5 : f32[3, 4]  # a.1
      %11 = sum %10 {axes = [0, 1]} : f32[]
      %12 = constant {value = 1} : f32[]
      %13 = reshape %12 : f32[1, 1]  # (grad)
      %14 = expand %13 : f32[3, 4]  # (grad)
      %15 = recompute %5 : f32[3, 4]  # a.0
      %16 = matmul %15, %6 : f32[3, 4]  # a.1 (again)
      %17 = mul %16, %16 : f32[3, 4]  # a.1 (again)
      %18 = tanh %17 : f32[3, 4]  # a.1 (again)
      %19 = mul %18, %18 : f32[3, 4]  # a.1 (grad)
      %20 = sub %12, %19 : f32[3, 4]  # a.1 (grad)
      %21 = mul %14, %20 : f32[3, 4]  # a.1 (grad)
      %22 = mul %21, %16 : f32[3, 4]  # a.1 (grad)
      %23 = add %22, %22 : f32[3, 4]  # a.1 (grad)
      %24 = matmul %23, %6 {transposeB = true} : f32[3, 4]  # a.1 (grad)
      %25 = matmul %5, %23 {transposeA = true} : f32[4, 4]  # a.1 (grad)
      %26 = add %14, %24 : f32[3, 4]  # a.0 (grad)
      %27 = recompute %0 : f32[3, 4]
      %28 = matmul %27, %1 : f32[3, 4]  # a.0 (again)
      %29 = mul %28, %28 : f32[3, 4]  # a.0 (again)
      %30 = tanh %29 : f32[3, 4]  # a.0 (again)
      %31 = mul %30, %30 : f32[3, 4]  # a.0 (grad)
      %32 = sub %12, %31 : f32[3, 4]  # a.0 (grad)
      %33 = mul %26, %32 : f32[3, 4]  # a.0 (grad)
      %34 = mul %33, %28 : f32[3, 4]  # a.0 (grad)
      %35 = add %34, %34 : f32[3, 4]  # a.0 (grad)
      %36 = matmul %0, %35 {transposeA = true} : f32[4, 4]  # a.0 (grad)
      output loss = %11
      output grad.w0 = %36
      output grad.w1 = %25
      "
    `);
  });

  it.each(['max', 'min'] as const)('finds the %s among the values that are computed again', (op) => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [3, 4] });
    const w = b.add('param', [], { name: 'w', shape: [4, 4], role: 'param' });
    const extreme = b.withOrigin({ path: 'a' }, () => {
      const product = b.add('matmul', [x, w], { transposeA: false, transposeB: false });
      return b.add(op, [product], { axes: [0], keep: false });
    });
    const loss = b.add('sum', [extreme], { axes: [0], keep: false });
    const forward = b.finish([{ name: 'loss', node: loss }]);
    const graph = differentiate(forward, { loss: 'loss', wrt: ['w'] });
    const text = printGraph(verify(rematerialize(graph, forward.nodes.length, blocksMatching(['a']))));
    // Kernels of the forward pass may round otherwise, and nothing would equal their extreme.
    const [, values] = new RegExp(`= ${op} (%\\d+) .* # a \\(again\\)`).exec(text)!;
    expect(text).toContain(` = equal ${values}, `);
  });

  it('changes nothing where no block fits', () => {
    const forward = twoLayers();
    const graph = differentiate(forward, { loss: 'loss', wrt: ['w0', 'w1'] });
    expect(rematerialize(graph, forward.nodes.length, blocksMatching(['b.*']))).toEqual(graph);
  });

  it.each([
    ['tiny_vit', ['**.resblocks.*']],
    ['tiny_vit', ['**.attn', '**.mlp']],
    ['tiny_vit', ['visual']],
    ['tiny_rn', ['visual.layer*.*', '**.resblocks.*']],
  ])('gives %s the same loss, gradients and statistics to the bit with %j', (name, patterns) => {
    const model = fixtureModel(name);
    const forward = traceTraining(model, 2);
    const graph = differentiate(forward, { loss: 'loss', wrt: trainableOf(model) });
    const result = verify(rematerialize(graph, forward.nodes.length, blocksMatching(patterns)));
    expect(again(result).length).toBeGreaterThan(20);
    const values = weightValues(model);
    const batch = batchValues(model, 2);
    const feeds = {
      inputs: new Map(
        forward.nodes.flatMap((n) =>
          n.op === 'input'
            ? [
                [
                  n.attrs.name,
                  {
                    shape: numericShape(n.type),
                    data: Float64Array.from(batch.inputs.get(n.attrs.name)!),
                  },
                ] as const,
              ]
            : [],
        ),
      ),
      params: new Map(
        model.weights
          .filter((w) => values.has(w.name))
          .map((w) => [w.name, { shape: w.shape, data: Float64Array.from(values.get(w.name)!) }]),
      ),
    };
    expect(executeReference(result, feeds)).toEqual(executeReference(graph, feeds));
  });
});

function planOf(layers: number, remat: readonly string[], profile: DeviceProfile): Plan {
  const model = fixtureModel('tiny_vit', [
    { path: 'vision.layers', value: String(layers) },
    { path: 'text.layers', value: '1' },
  ]);
  return compileGraph(traceTraining(model, 16), {
    model: 'm',
    entry: 'loss',
    batch: 16,
    mode: 'train',
    profile,
    remat,
    training: {
      trainable: trainableOf(model),
      rule: adamw,
      weightDecay: 0.2,
      decayMinDims: 2,
      clamps: [],
    },
  });
}

describe('memory of a training step', () => {
  it.each([
    ['GPU', discreteProfile],
    ['software adapter', lavapipeProfile],
  ])('grows by one stored tensor a block on a %s', (_, profile) => {
    const remat = ['**.resblocks.*'];
    // [16 pictures, 17 tokens, 64 channels] f32
    const stored = 16 * 17 * 64 * 4;
    const growth = (patterns: readonly string[]) =>
      (planOf(12, patterns, profile).memory.workspaceLowerBound -
        planOf(8, patterns, profile).memory.workspaceLowerBound) /
      4;
    expect(growth(remat)).toBe(stored);
    expect(growth([])).toBeGreaterThan(10 * stored);
  });

  it('costs less than one more forward pass', () => {
    const plain = planOf(8, [], discreteProfile);
    const remat = planOf(8, ['**.resblocks.*'], discreteProfile);
    expect(remat.flops / plain.flops).toBeGreaterThan(1.15);
    expect(remat.flops / plain.flops).toBeLessThan(4 / 3);
    expect(remat.memory.gradients).toBe(plain.memory.gradients);
  });
});
