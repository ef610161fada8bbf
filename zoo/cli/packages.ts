/**
 * MODEL and `--weights` together: an exported folder is a model with its weights, everything else needs `--weights`.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Model } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { openWeights, type WeightSource } from '../weights.ts';
import { loadModel } from './models.ts';

export interface LoadedModel {
  readonly model: Model;
  readonly weights: WeightSource;
}

/** The model file of an exported folder; undefined for any other reference. */
function exportedModel(reference: string): string | undefined {
  if (statSync(reference, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  const path = join(reference, 'model.zoo');
  if (!existsSync(path)) {
    fail('Z704', `${reference} is a folder without model.zoo`, 'zooc export makes such folders');
  }
  return path;
}

/** Loads the model and opens its weights; close them when done. */
export async function loadModelWithWeights(
  reference: string,
  weights: string | undefined,
  settings: readonly string[],
): Promise<LoadedModel> {
  const exported = exportedModel(reference);
  const source = weights ?? (exported === undefined ? undefined : reference);
  if (source === undefined) {
    fail('Z703', `${reference} needs weights`, '--weights FILE, or an exported folder as MODEL');
  }
  const model = loadModel(exported ?? reference, settings);
  return { model, weights: await openWeights(model, source) };
}
