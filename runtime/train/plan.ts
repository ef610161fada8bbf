/**
 * The plan of a recipe's training step, and the graph it is made from.
 *
 * Made before anything is allocated, for a real device or for a profile alone (`zooc compile --train`).
 */
import { type CompileOptions, compileGraph, planFitting } from '../../compiler/compile.ts';
import { compileChunked } from '../../compiler/compile-chunked.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import { traceEntry } from '../../compiler/model/index.ts';
import type { Recipe } from '../../compiler/model/types.ts';
import { isFrozen } from '../../compiler/model/values/globs.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import type { Share } from '../../compiler/shards.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { settingsFor } from './supported.ts';

/**
 * The loss of a whole batch, as trained: numeric shapes, no gradients yet.
 * @param ranks that share statistics of batch norm, where the recipe wants it
 */
export function traceLoss({ model, batch, objective, freeze, batchNorm }: Recipe, ranks = 1): Graph {
  const frozen = (name: string) => isFrozen(freeze, name);
  const named = objective === undefined ? {} : { objective };
  const norm = batchNorm === 'sync' ? { normRanks: ranks } : {};
  const traced = traceEntry(model, 'loss', { batch, training: true, frozen, ...norm, ...named });
  if (!traced.ok) throw new DiagnosticError(traced.diagnostics);
  return traced.value;
}

/** Pairs in a chunk; undefined where the whole batch is one. */
export function chunkSize({ batch, chunk }: Pick<Recipe, 'batch' | 'chunk'>): number | undefined {
  return chunk !== undefined && chunk < batch ? chunk : undefined;
}

interface PlanOptions {
  readonly observe?: CompileOptions['observe'];
  /** The rank whose plan it is, of several. */
  readonly share?: Share;
}

interface TrainingPlan {
  /** The loss of the whole batch, as traced. */
  readonly graph: Graph;
  readonly plan: VerifiedPlan;
  /** Trainable weights that the loss does not read. */
  readonly unread: readonly string[];
}

/**
 * One optimizer step as a plan.
 * @throws DiagnosticError Z605 when the device cannot hold it, naming a batch or chunk that it can; Z614 (the
 * objective cannot be cut into chunks)
 */
export function planTraining(
  recipe: Recipe,
  profile: DeviceProfile,
  { observe, share }: PlanOptions = {},
): TrainingPlan {
  const options = {
    model: recipe.model.name,
    entry: 'loss',
    mode: 'train',
    profile,
    precision: recipe.precision.kind,
    remat: recipe.remat,
    ...(observe === undefined ? {} : { observe }),
  } as const;
  const graph = traceLoss(recipe);
  const { settings, unread } = settingsFor(recipe, graph);
  const training = {
    ...settings,
    ...(recipe.gradClip === undefined ? {} : { clip: recipe.gradClip }),
  };
  const whole = chunkSize(recipe);
  if (whole === undefined)
    return planFitting(recipe.batch, (batch) => {
      const fitting = batch === recipe.batch ? graph : traceLoss({ ...recipe, batch });
      return { graph: fitting, plan: compileGraph(fitting, { ...options, training, batch }), unread };
    });
  const { batch } = recipe;
  const plan = planFitting(
    whole,
    (chunk) =>
      compileChunked(graph, traceLoss({ ...recipe, batch: chunk }, share?.ranks), {
        ...options,
        ...(share === undefined ? {} : { share }),
        ...(recipe.shard === undefined ? {} : { shard: recipe.shard }),
        training,
        batch,
        chunk,
      }),
    { noun: 'chunk', multiple: batch },
  );
  return { graph, plan, unread };
}
