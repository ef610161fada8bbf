/**
 * The f64 reference as an executor: trains in f64 on what a `StepComputation` gives.
 *
 * Hundreds of times slower than a device and right to 1e-15: goldens and devices are judged by it.
 */
import { gradientPrefix, movedPrefix } from '../../compiler/graph/types.ts';
import { isOwnScalar, isTerm } from '../../compiler/metrics.ts';
import { averagePrefix, keptPrefixes, momentPrefixes, rateOf } from '../../compiler/optimizers.ts';
import type { Batch } from '../data/types.ts';
import type {
  StateArray,
  StateInfo,
  StepHyper,
  StepResult,
  TrainSession,
  UpdateSettings,
} from '../train/types.ts';
import type { ReferenceWeight, StepComputation } from './computation.ts';
import { clampWeight, clipFactor, globalNorm, moveAverage, updateStep } from './update.ts';

/** Trains in f64. */
export class ReferenceTrainSession implements TrainSession {
  readonly state: readonly StateInfo[];
  readonly #compute: StepComputation;
  readonly #settings: UpdateSettings;
  readonly #values = new Map<string, Float64Array>();
  readonly #weights: readonly ReferenceWeight[];
  readonly #trained: readonly ReferenceWeight[];
  #last: Promise<unknown> = Promise.resolve();

  constructor(compute: StepComputation, weights: readonly ReferenceWeight[], settings: UpdateSettings) {
    const trained = weights.filter((w) => settings.trainable.includes(w.name));
    this.#compute = compute;
    this.#settings = settings;
    this.#weights = weights;
    this.#trained = trained;
    const info = (name: string, { shape }: ReferenceWeight): StateInfo => ({ name, shape, dtype: 'F64' });
    this.state = [
      ...weights.map((w) => info(w.name, w)),
      ...trained.flatMap((w) => keptPrefixes(settings).map((prefix) => info(prefix + w.name, w))),
    ];
    for (const { name, shape } of this.state)
      this.#values.set(name, new Float64Array(shape.reduce((a, b) => a * b, 1)));
  }

  step(batch: Batch, hyper: StepHyper): Promise<StepResult> {
    const result = this.#last.then(() => this.#step(batch, hyper));
    this.#last = result.catch(() => {});
    return result;
  }

  /** A step reads the weights that the one before has written, and several ranks take it together. */
  async taken(): Promise<void> {
    await this.#last;
  }

  async #step(batch: Batch, hyper: StepHyper): Promise<StepResult> {
    const outputs = await this.#compute(
      batch,
      new Map(this.#weights.map(({ name, shape }) => [name, { shape, data: this.#find(name) }])),
      hyper.random,
    );
    const gradient = (name: string): Float64Array => outputs.get(gradientPrefix + name)!.data;
    const { trainable, clamps, ema } = this.#settings;
    const gradNorm = globalNorm(trainable.map(gradient));
    const scale = clipFactor(gradNorm, hyper.clipNorm);
    for (const weight of this.#trained) this.#update(weight, gradient(weight.name), scale, hyper);
    for (const [name, { data }] of outputs)
      if (name.startsWith(movedPrefix)) this.#find(name.slice(movedPrefix.length)).set(data);
    for (const { weight, min, max } of clamps) clampWeight(this.#find(weight), min, max);
    if (ema !== undefined)
      for (const { name } of this.#trained)
        moveAverage(this.#find(averagePrefix + name), this.#find(name), ema);
    const scalars = this.#weights.filter(isOwnScalar).map(({ name }) => [name, this.#find(name)[0]!]);
    const terms = [...outputs].filter(([name, { shape }]) => isTerm({ name, shape }));
    return {
      loss: outputs.get('loss')!.data[0]!,
      terms: Object.fromEntries(terms.map(([name, { data }]) => [name, data[0]!])),
      gradNorm,
      scalars: Object.fromEntries(scalars),
    };
  }

  async readState(name: string): Promise<StateArray> {
    return this.#find(name).slice();
  }

  writeState(name: string, data: StateArray): void {
    this.#find(name).set(data);
  }

  close(): void {
    this.#values.clear();
  }

  #find(name: string): Float64Array {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`the reference has no ${name}`);
    return value;
  }

  #update(weight: ReferenceWeight, gradient: Float64Array, scale: number, hyper: StepHyper): void {
    const { name } = weight;
    const { rule } = this.#settings;
    const moments = momentPrefixes(rule).map((prefix) => this.#find(prefix + name));
    const state = { weight: this.#find(name), moments };
    const clipped = gradient.map((g) => g * scale);
    updateStep(state, clipped, hyper, rateOf(this.#settings, weight), rule);
  }
}
