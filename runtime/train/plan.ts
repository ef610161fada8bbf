/**
 * The plan of a recipe's training step, and the graph it is made from.
 *
 * Made before anything is allocated, for a real device or for a profile alone (`zooc compile --train`).
 */
import { type CompileOptions, compileGraph, planFitting, type TextLengths } from '../../compiler/compile.ts';
import { compileChunked } from '../../compiler/compile-chunked.ts';
import { stepOf } from '../../compiler/graph/create-builder.ts';
import { cutTexts, describeTail, textsOf } from '../../compiler/graph/strips/cut-texts.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import { traceEntry } from '../../compiler/model/index.ts';
import type { Recipe } from '../../compiler/model/types.ts';
import { isFrozen } from '../../compiler/model/values/globs.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import type { Share } from '../../compiler/shards.ts';
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
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

/**
 * What the steps of a recipe compute of its texts.
 * @param graph the loss that they are steps of, or that of a chunk
 * @throws DiagnosticError Z509 where it depends on what is behind the ends of texts
 */
export function textLengths({ lengths = [], name }: Recipe, graph: Graph): { texts?: TextLengths } {
  const inputs = lengths.length === 0 ? [] : textsOf(graph);
  const context = Math.max(0, ...inputs.map((input) => input.context));
  const least = lengths.filter((length) => length < context);
  if (least.length === 0) return {};
  const shorter = least.map((length) => {
    const cut = cutTexts(stepOf(graph), length);
    if ('nodes' in cut) return cut;
    return fail('Z509', `lengths of recipe ${name}: ${describeTail(cut).message}`);
  });
  return { texts: { texts: { inputs, lengths: [...least, context] }, shorter } };
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
      const texts = textLengths(recipe, fitting);
      const plan = compileGraph(fitting, { ...options, ...texts, training, batch });
      return { graph: fitting, plan, unread };
    });
  const { batch } = recipe;
  const plan = planFitting(
    whole,
    (chunk) => {
      const own = traceLoss({ ...recipe, batch: chunk }, share?.ranks);
      const texts = textLengths(recipe, own);
      return compileChunked(graph, own, {
        ...options,
        ...texts,
        ...(share === undefined ? {} : { share }),
        ...(recipe.shard === undefined ? {} : { shard: recipe.shard }),
        training,
        batch,
        chunk,
      });
    },
    { noun: 'chunk', multiple: batch },
  );
  return { graph, plan, unread };
}
