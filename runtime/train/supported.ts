/**
 * What this version can train, checked before anything is allocated, and which weights a recipe trains.
 */
import { matchesGlob } from '../../compiler/model/globs.ts';
import type { Recipe } from '../../compiler/model/types.ts';
import { type Diagnostic, DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import type { UpdateSettings } from './types.ts';

function unsupported(recipe: Recipe, reference: boolean): { readonly what: string; readonly help: string }[] {
  const found: { what: string; help: string }[] = [];
  if (reference && recipe.precision.kind === 'mixed')
    found.push({
      what: 'precision = mixed(...) on the reference',
      help: '--device webgpu, or precision = f32',
    });
  if (recipe.data.name === 'webdataset')
    found.push({ what: 'data = webdataset(...)', help: 'data = csv(...) or tensors(...)' });
  if (recipe.evaluate.length > 0)
    found.push({ what: 'evaluate during training', help: 'leave it out and evaluate the trained weights' });
  return found;
}

/**
 * @param reference whether the recipe is to be trained in double precision
 * @throws DiagnosticError one Z607 for each part of the recipe that this version cannot run
 */
export function checkSupported(recipe: Recipe, reference = false): void {
  const diagnostics = unsupported(recipe, reference).map(({ what, help }): Diagnostic => {
    const message = `recipe ${recipe.name}: ${what} is not supported by this version`;
    return { code: 'Z607', severity: 'error', message, help };
  });
  if (diagnostics.length > 0) throw new DiagnosticError(diagnostics);
}

/**
 * The settings of a recipe's updates.
 * @throws DiagnosticError Z608 when a freeze pattern fits nothing or everything is frozen
 */
export function updateSettings(recipe: Recipe): UpdateSettings {
  const params = recipe.model.weights.filter((w) => w.kind === 'param');
  const idle = recipe.freeze.filter((pattern) => !params.some((w) => matchesGlob(pattern, w.name)));
  const trainable = params
    .map((w) => w.name)
    .filter((name) => !recipe.freeze.some((pattern) => matchesGlob(pattern, name)));
  const problems = idle.map((pattern) => `freeze "${pattern}" fits no weight of ${recipe.model.name}`);
  if (trainable.length === 0)
    problems.push(`recipe ${recipe.name} freezes every weight: nothing is left to train`);
  if (problems.length > 0)
    throw new DiagnosticError(problems.map((message) => ({ code: 'Z608', severity: 'error', message })));
  const { beta1, beta2, eps, weightDecay, decayMinDims } = recipe.optimizer;
  const { precision, clamps } = recipe;
  const mixed = precision.kind === 'mixed' ? { lossScale: precision.lossScale } : {};
  return { trainable, beta1, beta2, eps, weightDecay, decayMinDims, clamps, ...mixed };
}

/** Numbers that one array of the host holds. */
const hostArray = 2 ** 32 - 1;

/**
 * Whether each input of a batch fits one array: with chunks, batches may grow past what the host can hold.
 * @throws DiagnosticError Z607
 */
export function checkHostBatch({ name, batch, model: { inputs } }: Recipe): void {
  for (const input of inputs) {
    const most = Math.floor(hostArray / input.sizes.reduce((a, b) => a * b, 1));
    if (batch <= most) continue;
    fail(
      'Z607',
      `recipe ${name}: batch = ${batch} rows of ${input.name} [${input.sizes.join(', ')}] is not supported by this version`,
      `batch = ${most} is the most that one array holds`,
    );
  }
}
