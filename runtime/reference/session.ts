/**
 * The f64 reference as an executor: trains with AdamW in f64 on what a `StepComputation` gives.
 *
 * Hundreds of times slower than a device and right to 1e-15: goldens and devices are judged by it.
 */
import { gradientPrefix, movedPrefix } from '../../compiler/graph/types.ts';
import type { Batch } from '../data/types.ts';
import { firstMoment, isOwnScalar, secondMoment } from '../train/session.ts';
import type {
  StateArray,
  StateInfo,
  StepHyper,
  StepResult,
  TrainSession,
  UpdateSettings,
} from '../train/types.ts';
import { type AdamState, adamwStep, clampWeight, clipFactor, globalNorm } from './adamw.ts';
import type { ReferenceWeight, StepComputation } from './computation.ts';

/** Trains in f64. */
export class ReferenceTrainSession implements TrainSession {
  readonly state: readonly StateInfo[];
  readonly #compute: StepComputation;
  readonly #settings: UpdateSettings;
  readonly #values = new Map<string, Float64Array>();
  readonly #weights: readonly ReferenceWeight[];

  constructor(compute: StepComputation, weights: readonly ReferenceWeight[], settings: UpdateSettings) {
    const trained = weights.filter((w) => settings.trainable.includes(w.name));
    this.#compute = compute;
    this.#settings = settings;
    this.#weights = weights;
    this.state = weights.flatMap(({ name, shape }) => {
      const names = trained.some((w) => w.name === name)
        ? [name, firstMoment + name, secondMoment + name]
        : [name];
      return names.map((n): StateInfo => ({ name: n, shape, dtype: 'F64' }));
    });
    for (const { name, shape } of this.state)
      this.#values.set(name, new Float64Array(shape.reduce((a, b) => a * b, 1)));
  }

  async step(batch: Batch, hyper: StepHyper): Promise<StepResult> {
    const outputs = this.#compute(
      batch,
      new Map(this.#weights.map(({ name, shape }) => [name, { shape, data: this.#find(name) }])),
      hyper.random,
    );
    const gradient = (name: string): Float64Array => outputs.get(gradientPrefix + name)!.data;
    const { trainable, clamps } = this.#settings;
    const gradNorm = globalNorm(trainable.map(gradient));
    const scale = clipFactor(gradNorm, hyper.clipNorm);
    for (const name of trainable) adamwStep(this.#adam(name), gradient(name), scale, hyper, this.#settings);
    for (const [name, { data }] of outputs)
      if (name.startsWith(movedPrefix)) this.#find(name.slice(movedPrefix.length)).set(data);
    for (const { weight, min, max } of clamps) clampWeight(this.#find(weight), min, max);
    const scalars = this.#weights.filter(isOwnScalar).map(({ name }) => [name, this.#find(name)[0]!]);
    const terms = [...outputs].filter(
      ([name, { shape }]) => shape.length === 0 && name !== 'loss' && !name.startsWith(gradientPrefix),
    );
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

  #adam(name: string): AdamState {
    const dims = this.#weights.find((w) => w.name === name)!.shape.length;
    return {
      weight: this.#find(name),
      m: this.#find(firstMoment + name),
      v: this.#find(secondMoment + name),
      dims,
    };
  }
}
