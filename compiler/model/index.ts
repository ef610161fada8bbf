/**
 * The model stage's interface: files are checked, models and recipes resolved, entries traced into graphs.
 */
import type { Graph } from '../graph/types.ts';
import { rootOf } from './build/tree.ts';
import { traceRoot } from './trace/trace.ts';
import type { EntryName, Model, Result } from './types.ts';
import { Session } from './values/session.ts';
import type { TraceOptions } from './values/tracer.ts';

export { blocksOf, type Part, partsOf } from './build/structure.ts';
export { checkFile } from './check.ts';
export { inputsOf, isPicture, isText, storedAs, storedName, vocabularyOf } from './inputs.ts';
export { zooPackage } from './modules/imports.ts';
export {
  type MappedName,
  mapName,
  mappedShape,
  mapWeights,
  type NameMap,
  nameRules,
} from './names/names.ts';
export { clipNormalization, sameNormalization } from './normalization.ts';
export { objectiveOf } from './recipes/objective.ts';
export { resolveRecipe } from './recipes/recipe.ts';
export { resolveModel, type TextOverride } from './resolve/resolve.ts';
export { checkWeights, type TensorInfo, type WantedTensor } from './trace/fit.ts';
export { lossEntry } from './trace/objective.ts';
export type { TraceOptions } from './values/tracer.ts';

/**
 * The graph of one entry: numeric shapes with `batch`, otherwise open in `B`. Inputs are the parameters of the
 * entry, outputs what it gives, by name.
 */
export function traceEntry(model: Model, entry: EntryName, options: TraceOptions = {}): Result<Graph> {
  const session = new Session();
  const graph = session.guard(() => traceRoot(rootOf(model), entry, session, options));
  const { diagnostics } = session;
  return graph === undefined || session.hasErrors
    ? { ok: false, diagnostics }
    : { ok: true, value: graph, diagnostics };
}
