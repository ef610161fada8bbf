/** Optimizers that tests train with, and ten steps of PyTorch's (test/fixtures/generate/formulas/optimizers.py). */
import type { UpdateRule, WeightRate } from '../../../compiler/optimizers.ts';
import type { StepHyper, UpdateSettings } from '../../../runtime/train/types.ts';
import fixture from '../../fixtures/optimizers.json' with { type: 'json' };

/** The usual one of CLIP. */
export const adamw = { kind: 'adamw', beta1: 0.9, beta2: 0.98, eps: 1e-6 } as const satisfies UpdateRule;

type ByWeight<T> = Readonly<Record<string, T>>;

export interface OptimizerRun {
  readonly rule: UpdateRule;
  /** Learning rates of the steps. */
  readonly lr: readonly number[];
  readonly rates: ByWeight<WeightRate>;
  readonly clip?: number;
  readonly clamp?: { readonly weight: string; readonly min: number; readonly max: number };
  readonly ema?: number;
  /** Weights behind each step, and their moving average behind the last. */
  readonly after: readonly ByWeight<readonly number[]>[];
  readonly averaged?: ByWeight<readonly number[]>;
}

interface OptimizerFixture {
  readonly weights: ByWeight<{ readonly shape: readonly number[]; readonly start: readonly number[] }>;
  /** By weight and step. */
  readonly gradients: ByWeight<readonly (readonly number[])[]>;
  readonly runs: ByWeight<OptimizerRun>;
}

export const optimizerFixture = fixture as unknown as OptimizerFixture;

/** What a run's steps are set by. */
export function settingsOf({ rule, rates, clamp, ema }: OptimizerRun): UpdateSettings {
  return {
    trainable: Object.keys(optimizerFixture.weights),
    rule,
    weightDecay: 0,
    decayMinDims: 0,
    rates: new Map(Object.entries(rates)),
    clamps: clamp ? [clamp] : [],
    ...(ema === undefined ? {} : { ema }),
  };
}

/** The values that the host gives step number `step`. */
export function hyperOf({ rule, lr, clip }: OptimizerRun, step: number): StepHyper {
  const correction = (beta: number) => 1 - beta ** (step + 1);
  const [biasCorrection1, biasCorrection2] =
    rule.kind === 'adamw' ? [correction(rule.beta1), correction(rule.beta2)] : [1, 1];
  const random = { seed: 0, step };
  return { lr: lr[step]!, biasCorrection1, biasCorrection2, clipNorm: clip ?? 0, random };
}
