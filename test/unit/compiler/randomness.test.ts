/** Random numbers in models: the same for any chunk, step after step others, none in evaluation, never stored. */
import { describe, expect, it } from 'vitest';
import { cutAtGather } from '../../../compiler/autodiff/chunk.ts';
import { compileGraph } from '../../../compiler/compile.ts';
import { traceEntry } from '../../../compiler/model/index.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { randomInput } from '../../../compiler/ops/philox.ts';
import { discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import { chunkByChunk, type StepComputation, wholeBatch } from '../../../runtime/reference/computation.ts';
import {
  batchValues,
  fixtureModel,
  traceTraining,
  trainableOf,
  weightValues,
} from '../../support/models/training-models.ts';

const model = fixtureModel('random.zoo#random');
const batch = 8;
const trained = model.weights.filter((w) => w.kind === 'param');
const params = new Map<string, RefTensor>(
  [...weightValues(model)].map(([name, data]) => {
    const { shape } = model.weights.find((w) => w.name === name)!;
    return [name, { shape, data: Float64Array.from(data) }];
  }),
);

function inChunks(chunk: number): StepComputation {
  const whole = traceTraining(model, batch);
  if (chunk === batch) return wholeBatch(whole, trained);
  const graphs = cutAtGather(whole, traceTraining(model, chunk), { trainable: trainableOf(model) });
  return chunkByChunk(graphs, { batch, chunk }, trained);
}

function run(computation: StepComputation, seed = 1, step = 0): Promise<ReadonlyMap<string, RefTensor>> {
  return computation(batchValues(model, batch), params, { seed, step });
}

describe('dropout, drop_path and random', () => {
  it('give the same gradients for any chunk', async () => {
    const expected = await run(inChunks(batch));
    for (const chunk of [1, 2, 4])
      for (const [name, { data }] of await run(inChunks(chunk))) {
        const wanted = expected.get(name)!.data;
        const size = Math.max(...wanted.map(Math.abs), 1e-12);
        data.forEach((v, i) => {
          expect(Math.abs(v - wanted[i]!) / size, `${name}[${i}], chunk ${chunk}`).toBeLessThan(1e-11);
        });
      }
  });

  it('differ from step to step and from seed to seed, and repeat', async () => {
    const whole = inChunks(batch);
    const loss = async (seed: number, step: number) => (await run(whole, seed, step)).get('loss')!.data[0]!;
    const losses = [await loss(1, 0), await loss(1, 1), await loss(2, 0)];
    expect(new Set(losses).size).toBe(3);
    expect(await loss(1, 1)).toBe(losses[1]);
  });

  it('are not there in evaluation', () => {
    const traced = traceEntry(model, 'loss', { batch });
    if (!traced.ok) throw new Error('the model does not trace');
    expect(traced.value.nodes.some((n) => n.op === 'uniform' || n.op === 'where')).toBe(false);
    expect(traced.value.nodes.some((n) => n.op === 'input' && n.attrs.name === randomInput)).toBe(false);
  });

  it.each([lavapipeProfile, discreteProfile])('of whole activations are never stored: %#', (profile) => {
    const graph = traceTraining(model, batch);
    const large = graph.nodes.filter((n) => n.op === 'uniform' && n.type.shape.length > 2);
    expect(large.length).toBeGreaterThan(5);
    let last = graph;
    compileGraph(graph, {
      model: 'random',
      entry: 'loss',
      batch,
      mode: 'train',
      profile,
      gradients: trainableOf(model),
      observe: (_pass, passed) => {
        last = passed;
      },
    });
    const stored = last.nodes.filter((n) => n.op === 'uniform');
    const elements = (shape: readonly unknown[]) => shape.filter((d) => d !== 1).length;
    expect(stored.filter((n) => elements(n.type.shape) > 1)).toEqual([]);
  });
});
