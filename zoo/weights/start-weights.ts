/**
 * What training starts from: the weights that the user names, with what the recipe changes about them.
 *
 * `from "M"` says whose weights they are, `init W = ...` what becomes of single ones: resized grids, or fresh
 * values. Whatever does not fit is found by shapes, before a value is read.
 */
import { dirname } from 'node:path';
import { checkWeights, type TensorInfo } from '../../compiler/model/index.ts';
import type { Model, Recipe, StartValue, Weight } from '../../compiler/model/types.ts';
import { fail, refuseAll } from '../../grammar/diagnostics.ts';
import { pinnedSpec } from '../hub/located.ts';
import { isHubName } from '../hub/names.ts';
import { pathFrom, pathIn, refuseBase } from './adapter-file.ts';
import { initialWeight } from './initial-weights.ts';
import { replacedRemarks, replacedWeights } from './replaced.ts';
import { checkResize, resizeGrid } from './resize-grid.ts';
import { finiteWeights, type WeightSource } from './source.ts';
import { openStartFiles } from './start-files.ts';
import { openWeights } from './weights.ts';

/**
 * The weights to open: those named on the command line, or the recipe's file; undefined if there are none, or
 * several.
 */
function startSpec({ from, source }: Recipe, given: string | undefined): string | undefined {
  if (given !== undefined) return given;
  if (from?.kind !== 'file') return undefined;
  return pathIn(dirname(source.path), from.path);
}

/**
 * What a run's folder keeps of where its weights started, for adapters that are made from it; undefined where
 * those were several files.
 */
export function startRecord(recipe: Recipe, given: string | undefined, folder: string): string | undefined {
  const spec = startSpec(recipe, given);
  // A branch may be another commit tomorrow.
  if (spec !== undefined) return pathFrom(folder, isHubName(spec) ? pinnedSpec(spec) : spec);
  return recipe.from === undefined ? `init:${recipe.seed}` : undefined;
}

/**
 * Opens what the weights of a recipe's model start from.
 * @param given the weights named on the command line
 * @param adapterBase the base of an adapter that they are; by default where that says
 * @throws DiagnosticError Z401 where they do not fit, Z402 where they are missing or cannot be
 * resized, Z403, Z410, Z411, Z440 to Z442, Z703 for the base of no adapter; Z435 from `read`
 */
export async function openStart(
  recipe: Recipe,
  given: string | undefined,
  adapterBase?: string,
): Promise<WeightSource> {
  const { model, from, init, seed } = recipe;
  const spec = startSpec(recipe, given);
  const changes = new Map(init.map(({ weight, how }) => [weight, how]));
  if (spec === undefined && from?.kind !== 'files') refuseNothing(recipe);
  if (spec === undefined)
    refuseBase(`no weights are named by --weights or one file of recipe ${recipe.name}`, adapterBase);
  const base = from?.kind === 'model' ? from.model : model;
  const replaced = new Set(changes.keys());
  const source =
    spec === undefined && from?.kind === 'files'
      ? await openStartFiles(recipe, from.files, replaced)
      : await openWeights(base, spec ?? `init:${seed}`, {
          seed,
          ...(base === model ? { replaced } : {}),
          base: adapterBase,
        });
  const remarks = [...source.remarks];
  try {
    if (base !== model) {
      const tensors = tensorsOf(base);
      const { stored, fresh, left } = replacedWeights(model, (name) => tensors.has(name));
      const problems = checkWeights(
        { ...model, weights: stored },
        tensors,
        undefined,
        new Set([...replaced, ...left]),
      );
      refuseAll(problems, [`the file is taken as weights of ${base.name}, which the recipe trains from`]);
      const present = [...left].filter((name) => tensors.has(name));
      remarks.push(...replacedRemarks(base.name, fresh, present));
    }
    for (const weight of model.weights) checkChange(weight, changes.get(weight.name), source);
  } catch (error) {
    await source.close();
    throw error;
  }
  const read = (weight: Weight) => startOf(weight, changes.get(weight.name), source, seed);
  return finiteWeights({ ...source, remarks, read });
}

/** The weights of a model as the tensors of a file that fits it. */
function tensorsOf(model: Model): Map<string, TensorInfo> {
  return new Map(
    model.weights.map(({ name, shape, dtype }) => [name, { shape, dtype: dtype.toUpperCase() }]),
  );
}

/** Without weights there is nothing that `from` or `resize_grid` could mean. */
function refuseNothing({ name, from, init }: Recipe): void {
  const help = 'zooc train ... --weights FILE';
  if (from?.kind === 'model')
    fail('Z402', `recipe ${name} starts from the weights of ${from.model.name}, and none are given`, help);
  const resized = init.find(({ how }) => how.kind === 'resize_grid');
  if (resized !== undefined)
    fail('Z402', `recipe ${name} resizes ${resized.weight}, and no weights are given to start from`, help);
}

function checkChange(weight: Weight, how: StartValue | undefined, source: WeightSource): void {
  if (how?.kind !== 'resize_grid') return;
  const found = source.storedShape(weight);
  if (found === undefined)
    fail('Z402', `there is no ${weight.name} in ${source.description} that could be resized`);
  checkResize(weight.name, found, weight.shape);
}

async function startOf(
  weight: Weight,
  how: StartValue | undefined,
  source: WeightSource,
  seed: number,
): Promise<Float32Array> {
  const { name, shape } = weight;
  if (how === undefined) return source.read(weight);
  if (how.kind !== 'resize_grid') return initialWeight(seed, name, shape, how);
  const from = source.storedShape(weight)!;
  return resizeGrid(name, await source.read({ ...weight, shape: from }), from, shape);
}
