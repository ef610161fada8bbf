/**
 * Learning rates by step: linear warm-up, then constant or half a cosine down to zero.
 *
 * Steps count from 0; the rate is set before its step, as PyTorch schedules do.
 */
import type { Quantity, Recipe } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';

/** A recipe's schedule with everything counted in steps. */
export interface Schedule {
  readonly kind: 'cosine' | 'constant';
  readonly lr: number;
  readonly warmup: number;
  /** Where the cosine reaches zero; the last step is one before it. */
  readonly total: number;
}

/** The rate of one step. */
export function learningRate({ kind, lr, warmup, total }: Schedule, step: number): number {
  if (step < warmup) return (lr * (step + 1)) / warmup;
  if (kind === 'constant') return lr;
  const progress = total > warmup ? Math.min(1, (step - warmup) / (total - warmup)) : 1;
  return lr * 0.5 * (1 + Math.cos(Math.PI * progress));
}

/**
 * A quantity in steps.
 * @throws DiagnosticError Z610 for epochs of a source without an end
 */
export function inSteps(quantity: Quantity, batchesPerEpoch: number | undefined): number {
  if (quantity.unit === 'steps') return quantity.value;
  if (batchesPerEpoch === undefined)
    fail('Z610', `${quantity.value} epochs cannot be counted: the data source has no end`, 'count in steps');
  return Math.round(quantity.value * batchesPerEpoch);
}

/**
 * The schedule of a recipe over this data.
 * @param steps length of the run if given on the command line; a recipe's own total stays the cosine's length
 */
export function scheduleOf(recipe: Recipe, batchesPerEpoch: number | undefined, steps?: number): Schedule {
  const { kind, warmup, total } = recipe.schedule;
  const length = total === undefined ? steps : inSteps(total, batchesPerEpoch);
  if (length === undefined)
    fail(
      'Z610',
      `recipe ${recipe.name} does not say how long it trains`,
      'give the schedule a total, or --steps N',
    );
  return { kind, lr: recipe.optimizer.lr, warmup: inSteps(warmup, batchesPerEpoch), total: length };
}
