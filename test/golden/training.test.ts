/**
 * Five optimizer steps of the f64 reference against PyTorch. The golden run is f32, so what is allowed is about twice
 * its own noise (golden README: loss 1.2e-6, logit_scale 2.3e-7, elements 7e-5, tensors 3e-4 and 1.3e-2).
 */
import { describe, test } from 'vitest';
import { wholeBatch } from '../../runtime/reference/computation.ts';
import { ReferenceTrainSession } from '../../runtime/reference/session.ts';
import { goldenPath } from '../support/golden.ts';
import { checkGoldenTraining, goldenTraining, type TrainingTolerances } from '../support/golden-training.ts';

const transformers: TrainingTolerances = {
  loss: 2.5e-6,
  logitScale: 5e-7,
  element: 1.5e-4,
  moved: 6e-4,
  movedInProjBias: 2.6e-2,
  keyBias: 5e-5,
  statistics: 2.5e-5,
};
/** The ResNet's own noise is larger: loss 4e-5, tensors 1e-3, statistics 1.2e-5. */
const sets: Readonly<Record<string, TrainingTolerances>> = {
  tiny_vit: transformers,
  tiny_vit2: transformers,
  tiny_rn: { ...transformers, loss: 8e-5, moved: 2e-3 },
};

describe('training on the f64 reference', () => {
  for (const [set, tolerances] of Object.entries(sets)) {
    if (goldenPath(`${set}.train.safetensors`) === undefined) {
      console.warn(`${set}: no golden data on this machine`);
      continue;
    }
    test(`${set} meets the golden run`, async () => {
      const golden = goldenTraining(set);
      const stored = [...golden.weights.tensors].filter(([name]) => !name.endsWith('num_batches_tracked'));
      const shapes = stored.map(([name, { shape }]) => ({ name, shape }));
      const trained = shapes.filter((w) => golden.settings.trainable.includes(w.name));
      const session = new ReferenceTrainSession(wholeBatch(golden.graph, trained), shapes, golden.settings);
      await checkGoldenTraining(golden, session, tolerances);
    });
  }
});
