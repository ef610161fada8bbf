/**
 * Five optimizer steps from the golden weights against PyTorch: on the f64 reference within about twice the
 * noise of a float32 run (loss 1.2e-6, logit_scale 2.3e-7, elements 7e-5, tensors 3e-4 and 1.3e-2; a ResNet's
 * is larger: loss 4e-5, tensors 1e-3, statistics 1.2e-5), on the machine's own adapter within what is asked
 * of a float32 device.
 */
import { describe, test } from 'vitest';
import { compileGraph } from '../../compiler/compile.ts';
import { wholeBatch } from '../../runtime/reference/computation.ts';
import { ReferenceTrainSession } from '../../runtime/reference/session.ts';
import { DeviceTrainSession } from '../../runtime/train/session.ts';
import type { TrainSession } from '../../runtime/train/types.ts';
import {
  checkGoldenTraining,
  type GoldenTraining,
  goldenTraining,
  type TrainingTolerances,
} from '../support/golden/golden-training.ts';
import type { Runner } from '../support/wgsl/text-device.ts';
import type { Way } from './ways.ts';

const onReference: TrainingTolerances = {
  loss: 2.5e-6,
  logitScale: 5e-7,
  element: 1.5e-4,
  moved: 6e-4,
  movedInProjBias: 2.6e-2,
  keyBias: 5e-5,
  statistics: 2.5e-5,
};
const onAdapter: TrainingTolerances = {
  loss: 1e-4,
  logitScale: 1e-5,
  element: 4e-4,
  moved: 1e-2,
  movedInProjBias: 1e-1,
  keyBias: 1e-4,
  statistics: 5e-4,
};

const residual = (set: string): boolean => set.endsWith('_rn');

/** @param sets golden sets by name; those that end in `_rn` are residual networks */
export function describeReferenceTraining(sets: readonly string[]): void {
  describe('training on the f64 reference', () => {
    test.each(sets)('%s meets the golden run', async (set) => {
      const golden = goldenTraining(set);
      const stored = golden.train.model.weights.filter((w) => w.dtype !== 'i64');
      const shapes = stored.map(({ name, shape, kind }) => ({ name, shape, kind }));
      const trained = shapes.filter((w) => golden.settings.trainable.includes(w.name));
      const session = new ReferenceTrainSession(wholeBatch(golden.graph, trained), shapes, golden.settings);
      const looser = residual(set) ? { loss: 8e-5, moved: 2e-3 } : {};
      await checkGoldenTraining(golden, session, { ...onReference, ...looser });
    });
  });
}

/** A training session of a golden set on `device`. */
export async function openGoldenSession(
  device: Runner,
  { graph, settings, train }: GoldenTraining,
): Promise<TrainSession> {
  const plan = compileGraph(graph, {
    model: 'tiny',
    entry: 'loss',
    batch: train.tensors.get('in.images')!.shape[1]!,
    mode: 'train',
    profile: device.profile,
    training: settings,
  });
  return new DeviceTrainSession(await device.open(plan));
}

/** As `describeReferenceTraining`. */
export function describeAdapterTraining({ name, on }: Way, sets: readonly string[]): void {
  describe.skipIf(!on)(`training ${name}`, () => {
    test.each(sets)('%s meets the golden run', async (set) => {
      const golden = goldenTraining(set);
      const session = await openGoldenSession(on!, golden);
      const looser = residual(set) ? { loss: 1e-3, element: 5e-4, moved: 2e-2 } : {};
      await checkGoldenTraining(golden, session, { ...onAdapter, ...looser });
      session.close();
    });
  });
}
