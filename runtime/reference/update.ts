/**
 * Optimizer steps in f64: the oracle for the optimizer kernels.
 *
 * Gradients are clipped by their global norm first, as `clip_grad_norm_` does; bounds are applied to the
 * weight alone, never to the moments.
 */
import type { UpdateRule, WeightRate } from '../../compiler/optimizers.ts';
import type { StepHyper } from '../train/types.ts';

/** A weight and what its rule keeps of it (`momentPrefixes`). */
export interface WeightState {
  readonly weight: Float64Array;
  readonly moments: readonly Float64Array[];
}

/** Global L2 norm over all gradients. */
export function globalNorm(gradients: Iterable<Float64Array>): number {
  let sum = 0;
  for (const g of gradients) for (const x of g) sum += x * x;
  return Math.sqrt(sum);
}

/** Factor that bounds a gradient of this norm; `clipNorm` 0 bounds nothing. */
export function clipFactor(norm: number, clipNorm: number): number {
  return clipNorm > 0 ? Math.min(1, clipNorm / (norm + 1e-6)) : 1;
}

/** Updates one weight and its moments in place by the gradient as clipped. */
export function updateStep(
  state: WeightState,
  gradient: Float64Array,
  hyper: StepHyper,
  { scale, decay }: WeightRate,
  rule: UpdateRule,
): void {
  const { weight, moments } = state;
  const lr = hyper.lr * scale;
  const move = mover(rule, moments, hyper);
  for (let i = 0; i < weight.length; i++) weight[i] = move(weight[i]!, gradient[i]!, i, lr, decay);
}

/** A weight's element behind the step, moments moved on. */
type Move = (p: number, g: number, i: number, lr: number, decay: number) => number;

function mover(rule: UpdateRule, [m, v]: readonly Float64Array[], hyper: StepHyper): Move {
  if (rule.kind === 'adamw') {
    const { beta1, beta2, eps } = rule;
    const root = Math.sqrt(hyper.biasCorrection2);
    return (p, g, i, lr, decay) => {
      m![i] = beta1 * m![i]! + (1 - beta1) * g;
      v![i] = beta2 * v![i]! + (1 - beta2) * g * g;
      const step = ((lr / hyper.biasCorrection1) * m![i]!) / (Math.sqrt(v![i]!) / root + eps);
      return p * (1 - lr * decay) - step;
    };
  }
  if (rule.kind === 'lion') {
    const { beta1, beta2 } = rule;
    return (p, g, i, lr, decay) => {
      const direction = Math.sign(beta1 * m![i]! + (1 - beta1) * g);
      m![i] = beta2 * m![i]! + (1 - beta2) * g;
      return p - lr * (direction + decay * p);
    };
  }
  const { momentum, nesterov } = rule;
  return (p, g, i, lr, decay) => {
    const d = g + decay * p;
    if (m === undefined) return p - lr * d;
    m[i] = momentum * m[i]! + d;
    return p - lr * (nesterov ? d + momentum * m[i]! : m[i]!);
  };
}

/** Keeps every element within bounds. */
export function clampWeight(weight: Float64Array, min: number, max: number): void {
  for (let i = 0; i < weight.length; i++) weight[i] = Math.min(Math.max(weight[i]!, min), max);
}

/** Moves an average on: `decay` of it stays. */
export function moveAverage(average: Float64Array, weight: Float64Array, decay: number): void {
  for (let i = 0; i < average.length; i++) average[i] = decay * average[i]! + (1 - decay) * weight[i]!;
}
