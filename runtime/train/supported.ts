/**
 * What this version can train, checked before anything is allocated, and which weights a recipe trains.
 */
import { reachedNames } from '../../compiler/autodiff/differentiate.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import type { Recipe } from '../../compiler/model/types.ts';
import { frozenPattern, isFrozen, matchesGlob } from '../../compiler/model/values/globs.ts';
import { keptPrefixes } from '../../compiler/optimizers.ts';
import { type Diagnostic, DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { weightRates } from './rates.ts';
import type { UpdateSettings } from './types.ts';

function unsupported(
  recipe: Recipe,
  reference: boolean,
  ranks: number,
): { readonly what: string; readonly help: string }[] {
  const found: { what: string; help: string }[] = [];
  if (reference && recipe.precision.kind === 'mixed')
    found.push({
      what: 'precision = mixed(...) on the reference',
      help: '--device webgpu, or precision = f32',
    });
  if (reference && recipe.batchNorm === 'sync' && ranks > 1)
    found.push({ what: 'batch_norm = sync on several ranks of the reference', help: '--device webgpu' });
  if (reference && recipe.wire !== undefined && ranks > 1)
    found.push({
      what: 'wire = f16 on several ranks of the reference',
      help: '--device webgpu, or wire = f32',
    });
  if (reference && recipe.shard !== undefined && ranks > 1)
    found.push({
      what: 'shard = optimizer on several ranks of the reference',
      help: '--device webgpu, or shard = none',
    });
  return found;
}

/**
 * @param reference whether the recipe is to be trained in double precision
 * @param ranks how many train it together
 * @throws DiagnosticError one Z607 for each part of the recipe that this version cannot run
 */
export function checkSupported(recipe: Recipe, reference = false, ranks = 1): void {
  const diagnostics = unsupported(recipe, reference, ranks).map(({ what, help }): Diagnostic => {
    const message = `recipe ${recipe.name}: ${what} is not supported by this version`;
    return { code: 'Z607', severity: 'error', message, help };
  });
  if (diagnostics.length > 0) throw new DiagnosticError(diagnostics);
}

/** Names that a warning lists at most. */
const listed = 40;

/** One warning for trainable weights that the loss does not read; none where there are no such. */
export function unreadWarning(model: string, unread: readonly string[]): Diagnostic[] {
  if (unread.length === 0) return [];
  const one = unread.length === 1;
  const names = unread.slice(0, listed);
  if (unread.length > listed) names.push(`${unread.length - listed} more`);
  return [
    {
      code: 'Z616',
      severity: 'warning',
      message: one
        ? `the loss does not read a trainable weight of ${model}: its gradient is zero, training leaves it as it is`
        : `the loss does not read ${unread.length} trainable weights of ${model}: their gradients are zero, training leaves them as they are`,
      notes: names,
      help: `freeze what is not meant to be trained: freeze "${unread[0]}"`,
    },
  ];
}

/** What a step updates, and the trainable weights that it leaves alone since its loss does not read them. */
interface ReadSettings {
  readonly settings: UpdateSettings;
  readonly unread: readonly string[];
}

/**
 * The settings for a loss. A weight that no gradient reaches stays as it is: without decay, moments and
 * bounds, as in PyTorch, whose optimizers skip weights without a gradient.
 * @param graph with the output `loss`
 * @throws DiagnosticError Z608 when a freeze pattern fits nothing, everything is frozen, or nothing of the
 * rest is read
 */
export function settingsFor(recipe: Recipe, graph: Graph): ReadSettings {
  const settings = updateSettings(recipe);
  const reached = reachedNames(graph, 'loss', settings.trainable);
  const trainable = settings.trainable.filter((name) => reached.has(name));
  if (trainable.length === 0)
    fail('Z608', `recipe ${recipe.name} trains no weight that its loss reads: nothing is left to train`);
  const rates = weightRates(recipe, graph);
  return {
    settings: {
      ...settings,
      ...(rates === undefined ? {} : { rates }),
      trainable,
      clamps: settings.clamps.filter((c) => reached.has(c.weight)),
    },
    unread: settings.trainable.filter((name) => !reached.has(name)),
  };
}

/**
 * The settings of a recipe's updates, before its loss is known.
 * @throws DiagnosticError Z608 when a freeze pattern fits nothing, everything is frozen, or a weight has the name
 * of what is kept of another
 */
export function updateSettings(recipe: Recipe): UpdateSettings {
  const params = recipe.model.weights.filter((w) => w.kind === 'param');
  const idle = recipe.freeze.filter(
    (pattern) => !params.some((w) => matchesGlob(frozenPattern(pattern), w.name)),
  );
  const trainable = params.map((w) => w.name).filter((name) => !isFrozen(recipe.freeze, name));
  const problems = idle.map((pattern) => `freeze "${pattern}" fits no weight of ${recipe.model.name}`);
  if (trainable.length === 0)
    problems.push(`recipe ${recipe.name} freezes every weight: nothing is left to train`);
  const { lr: _, weightDecay, decayMinDims, ...rule } = recipe.optimizer;
  const { precision, clamps, ema } = recipe;
  const averaged = ema === undefined ? {} : { ema };
  problems.push(...takenNames(recipe, trainable, keptPrefixes({ rule, ...averaged })));
  if (problems.length > 0)
    throw new DiagnosticError(problems.map((message) => ({ code: 'Z608', severity: 'error', message })));
  const mixed = precision.kind === 'mixed' ? { lossScale: precision.lossScale } : {};
  return { trainable, rule, weightDecay, decayMinDims, clamps, ...averaged, ...mixed };
}

/** Weights that have the name which checkpoints give to what is kept of another. */
function takenNames({ model }: Recipe, trainable: readonly string[], prefixes: readonly string[]): string[] {
  const names = new Set(model.weights.map((w) => w.name));
  const kept = prefixes.flatMap((prefix) => trainable.map((name) => prefix + name));
  return kept
    .filter((name) => names.has(name))
    .map((name) => `${model.name} has a weight ${name}: so checkpoints call what they keep of another one`);
}

/** Numbers that one array of the host holds. */
const hostArray = 2 ** 32 - 1;

/**
 * Whether each input of a batch fits one array: with chunks, batches may grow past what the host can hold.
 * @throws DiagnosticError Z607
 */
export function checkHostBatch({ name, batch, inputs }: Recipe): void {
  for (const input of inputs.filter(({ table }) => !table)) {
    const most = Math.floor(hostArray / input.sizes.reduce((a, b) => a * b, 1));
    if (batch <= most) continue;
    fail(
      'Z607',
      `recipe ${name}: batch = ${batch} rows of ${input.name} [${input.sizes.join(', ')}] is not supported by this version`,
      `batch = ${most} is the most that one array holds`,
    );
  }
}
