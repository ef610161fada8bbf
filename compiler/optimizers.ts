/**
 * Optimizers: what sets them, what they keep of each weight between steps, and the rates that single weights
 * have. Recipes, plans, kernels and the reference agree on these.
 */

/** How a step moves a weight by its gradient. */
export type UpdateRule =
  /** Decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW. */
  | { readonly kind: 'adamw'; readonly beta1: number; readonly beta2: number; readonly eps: number }
  /** As torch.optim.SGD without dampening: decay is added to the gradient. */
  | { readonly kind: 'sgd'; readonly momentum: number; readonly nesterov: boolean }
  /** The sign of an interpolated momentum, with decoupled decay (Chen et al. 2023). */
  | { readonly kind: 'lion'; readonly beta1: number; readonly beta2: number };

/** Prefixes of what a rule keeps of each weight, in the order of its moments, as checkpoints name it. */
export function momentPrefixes(rule: UpdateRule): readonly string[] {
  if (rule.kind === 'adamw') return ['adam.m.', 'adam.v.'];
  if (rule.kind === 'lion') return ['lion.m.'];
  return rule.momentum === 0 ? [] : ['sgd.m.'];
}

/** Prefix of the moving averages of weights. */
export const averagePrefix = 'ema.';

/** Prefixes of all that persists beside a weight. */
export function keptPrefixes({ rule, ema }: { readonly rule: UpdateRule; readonly ema?: number }): string[] {
  return [...momentPrefixes(rule), ...(ema === undefined ? [] : [averagePrefix])];
}

/** Weight decay where nothing else is said of a weight. */
export interface DecayDefault {
  readonly weightDecay: number;
  /** Decay applies to weights with at least this many dimensions. */
  readonly decayMinDims: number;
}

/** Rates of one weight. */
export interface WeightRate {
  /** What the step's learning rate is multiplied by. */
  readonly scale: number;
  readonly decay: number;
}

export interface UpdateRates extends DecayDefault {
  /** Weights with rates of their own, by name. */
  readonly rates?: ReadonlyMap<string, WeightRate>;
}

export function rateOf(
  { rates, weightDecay, decayMinDims }: UpdateRates,
  { name, shape }: { readonly name: string; readonly shape: readonly number[] },
): WeightRate {
  return rates?.get(name) ?? { scale: 1, decay: shape.length >= decayMinDims ? weightDecay : 0 };
}
