/**
 * What a recipe changes about the weights that it starts from: resized grids, fresh values, layers that were replaced. Whatever
 * does not fit is found by shapes, before a value is read. Nothing here is Node's.
 */
import { checkWeights, type TensorInfo } from '../../../compiler/model/index.ts';
import type { Model, Recipe, StartValue, Weight } from '../../../compiler/model/types.ts';
import { fail, refuseAll } from '../../../grammar/diagnostics.ts';
import { initialWeight } from '../initial-weights.ts';
import { replacedRemarks, replacedWeights } from '../replaced.ts';
import { checkResize, resizeGrid } from '../resize-grid.ts';
import { finiteWeights, type WeightSource } from '../source.ts';

/** The model whose weights a recipe starts from: its own, or the one behind `from`. */
export function startModel({ model, from }: Pick<Recipe, 'model' | 'from'>): Model {
  return from?.kind === 'model' ? from.model : model;
}

/** How a recipe changes single weights, by name. */
export function startChanges({ init }: Pick<Recipe, 'init'>): Map<string, StartValue> {
  return new Map(init.map(({ weight, how }) => [weight, how]));
}

/**
 * The weights of a recipe's model, from a source with those of `startModel`, which is closed where they do not fit.
 * @throws DiagnosticError Z401 where they do not fit, Z402 where they cannot be resized; Z435 from `read`
 */
export async function startFrom(recipe: Recipe, source: WeightSource): Promise<WeightSource> {
  const { model, seed } = recipe;
  const base = startModel(recipe);
  const changes = startChanges(recipe);
  const replaced = new Set(changes.keys());
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
