/**
 * AdamW in f64: the oracle for the optimizer kernels.
 *
 * Decoupled weight decay (Loshchilov and Hutter 2019) in PyTorch's order: decay, moments, then the step with
 * bias correction, epsilon outside of the square root. Gradients are clipped by their global norm first, as
 * `clip_grad_norm_` does; bounds are applied to the weight alone, never to the moments.
 */
import type { StepHyper, UpdateSettings } from '../train/types.ts';

export interface AdamState {
  readonly weight: Float64Array;
  readonly m: Float64Array;
  readonly v: Float64Array;
  readonly dims: number;
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

/** Updates one weight and its moments in place. @param scale factor on the gradient, from clipping */
export function adamwStep(
  state: AdamState,
  gradient: Float64Array,
  scale: number,
  hyper: StepHyper,
  settings: UpdateSettings,
): void {
  const { weight, m, v, dims } = state;
  const { beta1, beta2, eps, weightDecay, decayMinDims } = settings;
  const decay = dims >= decayMinDims ? hyper.lr * weightDecay : 0;
  const root = Math.sqrt(hyper.biasCorrection2);
  for (let i = 0; i < weight.length; i++) {
    const g = gradient[i]! * scale;
    const decayed = weight[i]! * (1 - decay);
    m[i] = beta1 * m[i]! + (1 - beta1) * g;
    v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
    weight[i] = decayed - ((hyper.lr / hyper.biasCorrection1) * m[i]!) / (Math.sqrt(v[i]!) / root + eps);
  }
}

/** Keeps every element within bounds. */
export function clampWeight(weight: Float64Array, min: number, max: number): void {
  for (let i = 0; i < weight.length; i++) weight[i] = Math.min(Math.max(weight[i]!, min), max);
}
