/**
 * Mixed precision against PyTorch in f32 (tolerances: mixed-cases.ts), and training in it: loss scale,
 * overflow, resuming.
 */
import { describe, expect, test } from 'vitest';
import { compileGraph } from '../../compiler/compile.ts';
import { DeviceTrainSession } from '../../runtime/train/session.ts';
import type { StateArray, TrainSession } from '../../runtime/train/types.ts';
import { device } from '../gpu/support/compiled.ts';
import { type GoldenTraining, goldenLoop, goldenTraining } from '../support/golden/golden-training.ts';
import { describeMixed } from './mixed-cases.ts';
import { onAdapter } from './ways.ts';

const on = await device();

describeMixed(onAdapter, ['tiny_vit']);

async function openTraining(
  { graph, settings, train }: GoldenTraining,
  lossScale: number | 'dynamic',
): Promise<TrainSession> {
  const plan = compileGraph(graph, {
    model: 'tiny',
    entry: 'loss',
    batch: train.tensors.get('in.images')!.shape[1]!,
    mode: 'train',
    profile: on!.profile,
    precision: 'mixed',
    training: { ...settings, lossScale },
  });
  return new DeviceTrainSession(await on!.open(plan));
}

/** Steps `[start, end)` over the golden batches, at one rate. */
const steps = (golden: GoldenTraining, session: TrainSession, start: number, end: number) =>
  goldenLoop(golden, session, { kind: 'constant', lr: 5e-4, warmup: 0, total: end }, { start, end });

async function stateOf(session: TrainSession): Promise<Map<string, StateArray>> {
  const state = new Map<string, StateArray>();
  for (const { name } of session.state) state.set(name, await session.readState(name));
  return state;
}

function begin(golden: GoldenTraining, session: TrainSession): void {
  for (const [name, { data }] of golden.train.weights) session.writeState(name, Float32Array.from(data));
}

const scaler = 'loss_scaler';

describe.skipIf(!on)('training in mixed precision', () => {
  test('follows the f32 run of PyTorch while no step overflows', async () => {
    const golden = goldenTraining('tiny_vit');
    const session = await openTraining(golden, 256);
    begin(golden, session);
    const schedule = { kind: 'cosine', lr: 5e-4, warmup: 2, total: 5, floor: 0 } as const;
    const rows = await goldenLoop(golden, session, schedule, { start: 0, end: 5 });
    const want = golden.train.tensors.get('step.loss')!.data;
    // A step moves weights along gradients that are 1e-2 off at most: 5 steps, 5e-2 of what training changed (0.7).
    for (const [i, row] of rows.entries()) {
      expect(row.overflow).toBe(false);
      expect(row.loss_scale).toBe(256);
      expect(Math.abs(row.loss - want[i]!), `loss of step ${i}`).toBeLessThan(3.5e-2);
    }
    session.close();
  });

  test('a step that overflows changes nothing but the scale, which halves', async () => {
    const golden = goldenTraining('tiny_vit');
    const session = await openTraining(golden, 'dynamic');
    begin(golden, session);
    session.writeState(scaler, Float32Array.of(2 ** 30, 5, 7, 1, 0, 0));
    const before = await stateOf(session);
    const [row] = await steps(golden, session, 0, 1);
    expect(row).toMatchObject({ overflow: true, loss_scale: 2 ** 29 });
    const after = await stateOf(session);
    expect(after.get(scaler)).toEqual(Float32Array.of(2 ** 29, 0, 7, 2, 1, 0));
    before.delete(scaler);
    after.delete(scaler);
    expect(after).toEqual(before);
    session.close();
  });

  test('the scale doubles with the 2000th clean step', async () => {
    const golden = goldenTraining('tiny_vit');
    const session = await openTraining(golden, 'dynamic');
    begin(golden, session);
    session.writeState(scaler, Float32Array.of(128, 1998, 1998, 0, 0, 0));
    const rows = await steps(golden, session, 0, 2);
    expect(rows.map((r) => r.loss_scale)).toEqual([128, 256]);
    expect(await session.readState(scaler)).toEqual(Float32Array.of(256, 0, 2000, 0, 0, 1 / 128));
    session.close();
  });

  test('goes on from saved state with the same bits, skipped steps included', async () => {
    const golden = goldenTraining('tiny_vit');
    const whole = await openTraining(golden, 'dynamic');
    begin(golden, whole);
    const rows = await steps(golden, whole, 0, 3);
    expect(rows.some((row) => row.overflow)).toBe(true);
    const saved = await stateOf(whole);
    await steps(golden, whole, 3, 5);
    const resumed = await openTraining(golden, 'dynamic');
    for (const [name, data] of saved) resumed.writeState(name, data);
    await steps(golden, resumed, 3, 5);
    expect(await stateOf(resumed)).toEqual(await stateOf(whole));
    whole.close();
    resumed.close();
  });
});
