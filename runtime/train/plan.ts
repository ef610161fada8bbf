/**
 * The plan of a recipe's training step, and the graph it is made from.
 *
 * Made before anything is allocated, for a real device or for a profile alone (`zooc compile --train`).
 */
import { type CompileOptions, compileGraph, planFitting } from '../../compiler/compile.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import { matchesGlob } from '../../compiler/model/globs.ts';
import { traceEntry } from '../../compiler/model/index.ts';
import type { Recipe } from '../../compiler/model/types.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { updateSettings } from './supported.ts';

/** The loss of a whole batch, as trained: numeric shapes, no gradients yet. */
export function traceLoss({ model, batch, objective, freeze }: Recipe): Graph {
  const frozen = (name: string) => freeze.some((pattern) => matchesGlob(pattern, name));
  const traced = traceEntry(model, 'loss', { batch, training: true, frozen, objective });
  if (!traced.ok) throw new DiagnosticError(traced.diagnostics);
  return traced.value;
}

/**
 * One optimizer step as a plan.
 * @throws DiagnosticError Z605 when the device cannot hold it, naming a batch that it can
 */
export function planTraining(
  recipe: Recipe,
  profile: DeviceProfile,
  observe?: CompileOptions['observe'],
): { readonly graph: Graph; readonly plan: VerifiedPlan } {
  const settings = updateSettings(recipe);
  const training = { ...settings, ...(recipe.gradClip === undefined ? {} : { clip: recipe.gradClip }) };
  return planFitting(recipe.batch, (batch) => {
    const graph = traceLoss({ ...recipe, batch });
    const plan = compileGraph(graph, {
      model: recipe.model.name,
      entry: 'loss',
      batch,
      mode: 'train',
      profile,
      training,
      remat: recipe.remat,
      ...(observe === undefined ? {} : { observe }),
    });
    return { graph, plan };
  });
}
