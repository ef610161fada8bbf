/**
 * Chunked training: the gradient is that of the whole batch for every chunk, and memory grows with the batch,
 * not with its square.
 */
import { describe, expect, it } from 'vitest';
import { type ChunkedGraphs, cutAtGather } from '../../../compiler/autodiff/chunk.ts';
import { stripOf, tileRows } from '../../../compiler/autodiff/tile-rows.ts';
import { compileChunked } from '../../../compiler/compile-chunked.ts';
import { builderFrom } from '../../../compiler/graph/create-builder.ts';
import { executeReference } from '../../../compiler/graph/reference.ts';
import { type Graph, numericShape, sizeOf } from '../../../compiler/graph/types.ts';
import { verify } from '../../../compiler/graph/verify.ts';
import type { Model } from '../../../compiler/model/types.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import type { Plan } from '../../../compiler/plan/types.ts';
import { verifyPlan } from '../../../compiler/plan/verify.ts';
import { discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import { chunkByChunk, type StepComputation, wholeBatch } from '../../../runtime/reference/computation.ts';
import { ReferenceTrainSession } from '../../../runtime/reference/session.ts';
import {
  batchValues,
  fixtureModel,
  noise,
  traceTraining,
  trainableOf,
  weightValues,
} from '../../support/models/training-models.ts';
import { imagesOf, pairs, tokensOf } from '../../support/training/batches.ts';
import { adamw } from '../../support/training/optimizers.ts';

const update = { rule: adamw, weightDecay: 0.2, decayMinDims: 2 };

function settingsOf(model: Model, frozen?: RegExp) {
  return {
    ...update,
    trainable: trainableOf(model).filter((name) => frozen?.test(name) !== true),
    clamps: [{ weight: 'logit_scale', min: 0, max: Math.log(100) }],
  };
}

function floats(model: Model) {
  return model.weights.filter((w) => w.dtype !== 'i64');
}

function cut(
  model: Model,
  batch: number,
  chunk: number,
  objective = 'contrastive',
  strips?: number,
  trainable = trainableOf(model),
) {
  return cutAtGather(traceTraining(model, batch, objective), traceTraining(model, chunk, objective), {
    trainable,
    ...(strips === undefined ? {} : { strips }),
  });
}

function computation(
  model: Model,
  batch: number,
  chunk: number,
  objective: string,
  frozen?: RegExp,
): StepComputation {
  const { trainable } = settingsOf(model, frozen);
  const trained = floats(model).filter((w) => trainable.includes(w.name));
  if (chunk === batch) return wholeBatch(traceTraining(model, batch, objective), trained);
  const graphs = cut(model, batch, chunk, objective, undefined, trainable);
  return chunkByChunk(graphs, { batch, chunk }, trained);
}

/** All state behind three optimizer steps on different batches, and what they reported. */
async function train(model: Model, batch: number, chunk: number, objective: string, frozen?: RegExp) {
  const session = new ReferenceTrainSession(
    computation(model, batch, chunk, objective, frozen),
    floats(model),
    settingsOf(model, frozen),
  );
  for (const [name, values] of weightValues(model)) session.writeState(name, values);
  const reported: number[] = [];
  for (let step = 0; step < 3; step++) {
    const hyper = {
      lr: 1e-2,
      biasCorrection1: 1 - 0.9 ** (step + 1),
      biasCorrection2: 1 - 0.98 ** (step + 1),
      clipNorm: 1,
      random: { seed: 0, step },
    };
    const { loss, gradNorm } = await session.step(batchValues(model, batch, step), hyper);
    reported.push(loss, gradNorm);
  }
  const state = new Map<string, ArrayLike<number>>();
  for (const { name } of session.state) state.set(name, await session.readState(name));
  return { state, reported };
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [worst, scale] = [0, 1e-6];
  for (let i = 0; i < a.length; i++) {
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    scale = Math.max(scale, Math.abs(b[i]!));
  }
  return worst / scale;
}

describe('training in chunks', () => {
  it.each([
    ['mini', 'contrastive', undefined],
    ['mini', 'centred', undefined],
    ['mini_sigmoid', 'sigmoid_loss', undefined],
    ['mini_counted', 'counted', undefined],
    ['mini', 'contrastive', /^visual/],
    ['mini', 'contrastive', /^(?!visual|logit_scale)/],
    ['mini', 'contrastive', /^(?!logit_scale)/],
  ])('takes the steps of the whole batch: %s with %s, frozen %s', async (name, objective, frozen) => {
    const model = fixtureModel(`pairs.zoo#${name}`);
    const whole = await train(model, 16, 16, objective, frozen);
    expect(whole.reported.every((x) => Number.isFinite(x) && x !== 0)).toBe(true);
    for (const chunk of [8, 2]) {
      const parts = await train(model, 16, chunk, objective, frozen);
      expect(distance(parts.reported, whole.reported), `what chunk ${chunk} reports`).toBeLessThan(1e-11);
      for (const [weight, values] of whole.state)
        expect(distance(parts.state.get(weight)!, values), `${weight} at chunk ${chunk}`).toBeLessThan(1e-10);
    }
  });

  it('moves statistics of batch norm once for each chunk, and not while features are made', async () => {
    const model = fixtureModel('pairs.zoo#mini_resnet');
    const graphs = cut(model, 6, 2);
    const moved = (graph: Graph) => graph.outputs.filter((o) => o.name.startsWith('buffer.')).length;
    expect(moved(graphs.encode)).toBe(0);
    expect(moved(graphs.backward!)).toBe(floats(model).filter((w) => w.kind === 'buffer').length);
    const { state } = await train(model, 6, 2, 'contrastive');
    expect(state.get('visual.bn1.running_mean')).not.toEqual(
      Float64Array.from(weightValues(model).get('visual.bn1.running_mean')!),
    );
    // One chunk of all moves the statistics the way whole batches do.
    const params = new Map<string, RefTensor>(
      floats(model).map((w) => [
        w.name,
        { shape: w.shape, data: Float64Array.from(weightValues(model).get(w.name)!) },
      ]),
    );
    const still = { seed: 0, step: 0 };
    const batch = batchValues(model, 4);
    const results = await computation(model, 4, 2, 'contrastive')(batch, params, still);
    const half = traceTraining(model, 2);
    const second = wholeBatch(half, []);
    const [images, tokens] = [imagesOf(batch), tokensOf(batch)];
    const halves = [0, 1].map((c) =>
      pairs(
        images.slice((c * images.length) / 2, ((c + 1) * images.length) / 2),
        tokens.slice((c * tokens.length) / 2, ((c + 1) * tokens.length) / 2),
      ),
    );
    const first = await second(halves[0]!, params, still);
    for (const [name, value] of first)
      if (name.startsWith('buffer.')) params.set(name.slice('buffer.'.length), value);
    const after = await second(halves[1]!, params, still);
    const name = 'buffer.visual.layer2.0.bn2.running_var';
    expect(distance(results.get(name)!.data, after.get(name)!.data)).toBeLessThan(1e-12);
  });

  it('refuses objectives that use features before they are gathered', () => {
    const model = fixtureModel('pairs.zoo#mini');
    expect(() => cut(model, 8, 4, 'ungathered')).toThrow(/Z614.*cannot be computed in chunks/);
  });

  it('refuses objectives that gather values without a row for each pair', () => {
    const model = fixtureModel('pairs.zoo#mini');
    expect(() => cut(model, 8, 4, 'columns')).toThrow(/Z614.*rows are not those of the batch/);
  });
});

/** The loss over gathered features alone, without gradients. */
function lossGraph(objective: string, pairs: number): Graph {
  const model = fixtureModel(`pairs.zoo#${objective === 'sigmoid_loss' ? 'mini_sigmoid' : 'mini'}`);
  const { loss } = cut(model, pairs, 1, objective, Number.MAX_SAFE_INTEGER);
  return builderFrom(loss).finish(loss.outputs.filter((o) => o.name === 'loss'));
}

function evaluate(graph: Graph): Map<string, { data: Float64Array }> {
  const tensor = (shape: readonly number[], seed: number) => ({
    shape,
    data: Float64Array.from(noise(sizeOf(shape), seed)),
  });
  const inputs = new Map<string, ReturnType<typeof tensor>>();
  const params = new Map<string, ReturnType<typeof tensor>>();
  for (const node of graph.nodes) {
    if (node.op === 'input')
      inputs.set(
        node.attrs.name,
        tensor(numericShape(node.type), node.attrs.name.length + Number(node.attrs.name.at(-1))),
      );
    if (node.op === 'param') params.set(node.attrs.name, tensor([], 5));
  }
  return executeReference(verify(graph), { inputs, params });
}

const largest = (graph: Graph) => Math.max(...graph.nodes.map((n) => sizeOf(numericShape(n.type))));

describe('a loss in strips', () => {
  it.each(['contrastive', 'sigmoid_loss', 'written_out'])(
    '%s has the value of the whole, for odd sizes',
    (objective) => {
      const whole = lossGraph(objective, 37);
      const limit = 37 * 8;
      const strips = tileRows(whole, limit);
      expect(largest(whole)).toBe(37 * 37);
      expect(largest(strips)).toBeLessThanOrEqual(limit);
      expect(
        new Set(strips.nodes.map((n) => stripOf(n.origin.path)).filter((s) => s !== undefined)).size,
      ).toBe(5);
      const [a, b] = [evaluate(strips), evaluate(whole)];
      expect(distance(a.get('loss')!.data, b.get('loss')!.data)).toBeLessThan(1e-13);
    },
  );

  it.each(['contrastive', 'sigmoid_loss', 'written_out'])(
    '%s has the gradients of the whole',
    (objective) => {
      const model = fixtureModel(`pairs.zoo#${objective === 'sigmoid_loss' ? 'mini_sigmoid' : 'mini'}`);
      const losses = [37 * 8, Number.MAX_SAFE_INTEGER].map(
        (strips) => cut(model, 37, 1, objective, strips).loss,
      );
      const [a, b] = losses.map(evaluate);
      expect(largest(losses[0]!)).toBeLessThanOrEqual(37 * 8);
      expect([...a!.keys()].sort()).toEqual([...b!.keys()].sort());
      for (const [name, { data }] of b!) expect(distance(a!.get(name)!.data, data), name).toBeLessThan(1e-12);
    },
  );

  it('leaves an objective whole that needs all pairs at once', () => {
    const whole = lossGraph('centred', 37);
    expect(tileRows(whole, 37 * 8)).toBe(whole);
  });
});

function planOf(batch: number, chunk: number, profile = discreteProfile): Plan {
  const model = fixtureModel('pairs.zoo#mini');
  return compileChunked(traceTraining(model, batch), traceTraining(model, chunk), {
    model: 'mini',
    entry: 'loss',
    batch,
    chunk,
    mode: 'train',
    profile,
    training: settingsOf(model),
  });
}

describe('plans in chunks', () => {
  it.each([
    ['GPU', discreteProfile],
    ['software adapter', lavapipeProfile],
  ])('take memory in proportion to the batch on a %s', (_, profile) => {
    const [small, large] = [32768, 65536].map((batch) => planOf(batch, 64, profile));
    expect(large!.memory.features / small!.memory.features).toBe(2);
    expect(large!.memory.total / small!.memory.total).toBeLessThan(2);
    expect(large!.memory.total).toBeLessThan((65536 * 65536 * 4) / 16);
    expect(large!.requires.maxStorageBufferBindingSize).toBeLessThanOrEqual(128 * 2 ** 20);
  });

  it('share pipelines among the strips of a loss', () => {
    const plan = planOf(32768, 64);
    const loss = plan.sections!.find((s) => s.name === 'loss')!;
    const steps = plan.steps.slice(loss.first, loss.end);
    expect(steps.length).toBeGreaterThan(1000);
    expect(new Set(steps.map((s) => s.pipeline)).size).toBeLessThan(80);
  });

  it('repeat encoders for every chunk, loss and update once', () => {
    const plan = planOf(64, 16);
    expect(plan).toMatchObject({ batch: 64, chunk: 16 });
    expect(plan.inputs.map((s) => [s.name, s.shape[0]])).toEqual([
      ['images', 16],
      ['tokens', 16],
    ]);
    expect(plan.sections!.map((s) => `${s.name} ${s.repeat}`)).toEqual([
      'encode 4',
      'loss 1',
      'backward 4',
      'update 1',
    ]);
    const flops = plan.sections!.map(
      (s) => s.repeat * plan.steps.slice(s.first, s.end).reduce((sum, step) => sum + step.flops, 0),
    );
    expect(plan.flops).toBe(flops.reduce((a, b) => a + b));
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  it('are refused when a section skips steps, repeats too often, or a copy leaves its buffer', () => {
    const plan = planOf(64, 16);
    const damage = (change: (sections: { [key: string]: unknown }[]) => void) => {
      const copy = structuredClone(plan) as Plan & { sections: { [key: string]: unknown }[] };
      change(copy.sections as never);
      return () => verifyPlan(copy, discreteProfile);
    };
    expect(damage(() => {})).not.toThrow();
    expect(damage((s) => (s[1]!.first = 1))).toThrow(/section loss is wrong/);
    expect(damage((s) => s.pop())).toThrow(/leave steps out/);
    expect(damage((s) => (s[0]!.repeat = 5))).toThrow(/repeats 5 times/);
    expect(damage((s) => ((s[0]!.after as { bytes: number }[])[0]!.bytes = 1e9))).toThrow(/passes the end/);
    expect(damage((s) => (s[1]!.clears = [99]))).toThrow(/clears a buffer that is none/);
  });
});

describe('the cut', () => {
  it('goes through an encoder again that moves statistics, though nothing in it is trained', () => {
    const { trained, backward } = cut(fixtureModel('pairs.zoo#mini_resnet'), 4, 2, 'contrastive', undefined, [
      'logit_scale',
    ]);
    expect(trained.size).toBe(0);
    expect(backward!.outputs.every((o) => o.name.startsWith('buffer.'))).toBe(true);
    expect(backward!.nodes.flatMap((n) => (n.op === 'input' ? [n.attrs.name] : []))).toEqual(['images']);
  });

  it('leaves frozen encoders out of the second pass', () => {
    const model = fixtureModel('pairs.zoo#mini');
    const graphs: ChunkedGraphs = cutAtGather(traceTraining(model, 8), traceTraining(model, 2), {
      trainable: ['logit_scale'],
    });
    expect(graphs.backward).toBeUndefined();
    expect(graphs.loss.outputs.map((o) => o.name)).toContain('grad.logit_scale');
  });
});
