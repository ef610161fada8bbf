/**
 * MODEL and `--weights` together: an exported folder is a model with its weights,
 * everything else needs `--weights`.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Model } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { isPackage, loadPackage } from '../export/index.ts';
import { openWeights, type WeightSource } from '../weights/weights.ts';
import { loadModel } from './models.ts';

interface LoadedModel {
  readonly model: Model;
  readonly weights: WeightSource;
}

/**
 * What to load for a folder: a verified package's model, or the model of a run folder; undefined
 * for any other reference.
 */
async function folderModel(reference: string): Promise<string | undefined> {
  if (statSync(reference, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  if (isPackage(reference)) return (await loadPackage(reference)).reference;
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
  const inFolder = await folderModel(reference);
  const source = weights ?? (inFolder === undefined ? undefined : reference);
  if (source === undefined) {
    fail('Z703', `${reference} needs weights`, '--weights FILE, or an exported folder as MODEL');
  }
  const model = loadModel(inFolder ?? reference, settings);
  return { model, weights: await openWeights(model, source) };
}
