/**
 * What the training loop knows about the thing it trains: steps, the numbers they give
 * back, and state by name.
 *
 * Two sessions serve it: a WebGPU session with a training plan, and the f64 reference. Checkpoints copy the
 * state, so what is listed here is everything that persists between steps.
 */
import type { UpdateOptions } from '../../compiler/compile.ts';
import type { OwnColumns } from '../../compiler/metrics.ts';
import type { Batch } from '../data/types.ts';

/** Values of one optimizer step. */
export interface StepHyper {
  readonly lr: number;
  /** Of AdamW: 1 - beta1^t and 1 - beta2^t with t = step + 1; 1 for other optimizers. */
  readonly biasCorrection1: number;
  readonly biasCorrection2: number;
  /** Largest global gradient norm; 0 = no clipping. */
  readonly clipNorm: number;
  /** What random numbers are keyed by, beside the sample: the run's seed and the step. */
  readonly random: RandomStep;
}

export interface RandomStep {
  readonly seed: number;
  readonly step: number;
}

/** What one step reports. */
export interface StepResult {
  /** Before the update. */
  readonly loss: number;
  /** Global L2 norm of the gradients, before clipping; NaN where they overflowed. */
  readonly gradNorm: number;
  /** What the objective reports beside the loss. */
  readonly terms: Readonly<Record<string, number>>;
  /** The root's own weights of one number (`logit_scale`, a logarithm) as stored, after update and clamp. */
  readonly scalars: Readonly<Record<string, number>>;
  /** Mixed precision: what became of the step. */
  readonly scaling?: LossScaling;
  /** On several ranks: milliseconds of what they exchanged. */
  readonly exchangeMs?: number;
  /** Where steps go by the length of texts: positions that were computed, of the longest chunk. */
  readonly textLength?: number;
}

/** The loss scale behind one step. */
export interface LossScaling {
  /** The scale of the next step. */
  readonly scale: number;
  /** A gradient overflowed: weights and moments stayed as they were. */
  readonly overflow: boolean;
  /** Steps that overflowed one after the other, this one included. */
  readonly inRow: number;
}

export type StateArray = Float32Array | Float64Array;

export interface StateInfo {
  /** A weight's own name, what the optimizer keeps of it (`adam.m.NAME`, `ema.NAME`), or the loss scale's state. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'F32' | 'F64';
}

export interface TrainSession {
  /** Everything that persists between steps. */
  readonly state: readonly StateInfo[];
  /**
   * Starts one step and resolves when its numbers are known; the next may be started before that,
   * once the batch was `taken`.
   */
  step(batch: Batch, hyper: StepHyper): Promise<StepResult>;
  /** Resolves when the arrays of the last batch are no longer needed; at once for sessions without it. */
  taken?(): Promise<void>;
  /**
   * Gathers what ranks divide on rank 0, which may then read all state up to the next step. All ranks call it; absent
   * where nothing is divided.
   */
  collect?(): Promise<void>;
  readState(name: string): Promise<StateArray>;
  writeState(name: string, data: StateArray): void;
  close(): void;
}

/** What a training plan is compiled with, but for the clip norm, which is among the values of each step. */
export type UpdateSettings = Omit<UpdateOptions, 'clip' | 'shard'>;

/** One line of `metrics.jsonl`: the terms of the objective and the root's own scalars stand in it by name. */
export interface MetricsRow extends OwnColumns {
  readonly [name: string]: number | boolean;
}
