/**
 * Learning rates by step: linear warm-up, then as the kind of the schedule says.
 *
 * Steps count from 0; the rate is set before its step, as PyTorch schedules do.
 */
import type { Quantity, Recipe } from '../../compiler/model/types.ts';
import { type Diagnostic, fail } from '../../grammar/diagnostics.ts';

/** A recipe's schedule with everything counted in steps. */
export type Schedule = {
  /** The base rate, which every other rate is a fraction of. */
  readonly lr: number;
  readonly warmup: number;
  /** The run's length: a descent ends there, and the last step is one before it. */
  readonly total: number;
} & (
  | { readonly kind: 'constant' }
  | { readonly kind: 'cosine' | 'linear'; readonly floor: number }
  | { readonly kind: 'inverse_sqrt'; readonly timescale: number }
  | { readonly kind: 'cooldown'; readonly steps: number; readonly power: number; readonly floor: number }
);

/** Timescale of `inverse_sqrt` without a warm-up, as in transformers. */
const defaultTimescale = 10_000;

/** The rate of one step. */
export function learningRate(schedule: Schedule, step: number): number {
  const { lr, warmup } = schedule;
  if (step < warmup) return (lr * (step + 1)) / warmup;
  return lr * fractionAt(schedule, step);
}

/** What part of the base rate a step behind the warm-up has. */
function fractionAt(schedule: Schedule, step: number): number {
  const { kind, warmup, total } = schedule;
  if (kind === 'constant') return 1;
  if (kind === 'inverse_sqrt') return Math.sqrt(schedule.timescale / (step - warmup + schedule.timescale));
  const { floor } = schedule;
  const between = (left: number) => floor + (1 - floor) * left;
  const begin = kind === 'cooldown' ? total - schedule.steps : warmup;
  const progress = total > begin ? Math.min(1, Math.max(0, (step - begin) / (total - begin))) : 1;
  if (kind === 'cooldown') return between((1 - progress) ** schedule.power);
  return between(kind === 'linear' ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress)));
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
 * @param steps length of the run if given on the command line; a recipe's own total stays that of a descent
 * @throws DiagnosticError Z610 where the length is not known, or shorter than what has to happen in it
 */
export function scheduleOf(recipe: Recipe, batchesPerEpoch: number | undefined, steps?: number): Schedule {
  const { schedule } = recipe;
  const counted = (quantity: Quantity) => inSteps(quantity, batchesPerEpoch);
  const total = schedule.total === undefined ? steps : counted(schedule.total);
  if (total === undefined)
    fail(
      'Z610',
      `recipe ${recipe.name} does not say how long it trains`,
      'give the schedule a total, or --steps N',
    );
  const warmup = counted(schedule.warmup);
  const common = { lr: recipe.optimizer.lr, warmup, total };
  if (schedule.kind === 'inverse_sqrt') {
    const { kind, timescale } = schedule;
    return { kind, ...common, timescale: timescale ? counted(timescale) : warmup || defaultTimescale };
  }
  if (schedule.kind !== 'cooldown') return { ...schedule, ...common };
  const cooldown = counted(schedule.steps);
  if (warmup + cooldown > total)
    fail(
      'Z610',
      `recipe ${recipe.name}: the warm-up of ${warmup} steps and the cooldown of ${cooldown} are longer than the ${total} steps of the run`,
    );
  return { ...schedule, ...common, steps: cooldown };
}

/** Of a warm-up that only the data's length, or that of the command line, shows to be too long; `check` sees the others. */
export function warmupWarning(
  { schedule: { warmup: given, total: whole } }: Pick<Recipe, 'schedule'>,
  { warmup, total }: Schedule,
): Diagnostic[] {
  if (warmup <= total || given.unit === whole?.unit) return [];
  const counted = given.unit === 'steps' ? '' : ` (${warmup} steps)`;
  return [
    {
      code: 'Z507',
      severity: 'warning',
      message: `the warm-up of ${given.value} ${given.unit}${counted} is longer than the ${total} steps of the run: its rate is never reached`,
      help: `a warm-up below ${total} steps`,
    },
  ];
}
