/**
 * Training on a device: a `Session` with a training plan, seen as a `TrainSession`.
 */
import type { Batch } from '../data/types.ts';
import type { Session } from '../types.ts';
import type { StateArray, StateInfo, StepHyper, StepResult, TrainSession } from './types.ts';

export const firstMoment = 'adam.m.';
export const secondMoment = 'adam.v.';
const logitScale = 'logit_scale';

export class DeviceTrainSession implements TrainSession {
  readonly state: readonly StateInfo[];
  readonly #session: Session;
  readonly #results: readonly string[];
  readonly #inputs: ReadonlySet<string>;
  /** Moments written so far by halves: both are needed for one write. */
  readonly #halves = new Map<string, Float32Array>();
  /** The second moment that was read along with the first, until it is asked for or becomes old. */
  #second: { readonly weight: string; readonly v: Float32Array } | undefined;

  /** @param session opened with a training plan; closed together with this one */
  constructor(session: Session) {
    this.#session = session;
    const { weights, inputs } = session.plan;
    this.state = weights.flatMap(({ name, shape, moments }): StateInfo[] => [
      { name, shape, dtype: 'F32' },
      ...(moments
        ? [firstMoment, secondMoment].map((p): StateInfo => ({ name: p + name, shape, dtype: 'F32' }))
        : []),
    ]);
    this.#inputs = new Set(inputs.map((i) => i.name));
    const hasScale = weights.some((w) => w.name === logitScale);
    this.#results = ['loss', 'grad_norm', ...(hasScale ? [logitScale] : [])];
  }

  async step(batch: Batch, hyper: StepHyper): Promise<StepResult> {
    const session = this.#session;
    this.#second = undefined;
    if (this.#inputs.has('images')) session.writeInput('images', batch.images);
    if (this.#inputs.has('tokens')) session.writeInput('tokens', batch.tokens);
    session.writeHyper([hyper.lr, hyper.biasCorrection1, hyper.biasCorrection2, hyper.clipNorm]);
    session.run();
    const values = await session.readLater(this.#results);
    const scale = values.get(logitScale);
    return {
      loss: values.get('loss')![0]!,
      gradNorm: values.get('grad_norm')![0]!,
      ...(scale === undefined ? {} : { logitScale: scale[0]! }),
    };
  }

  async readState(name: string): Promise<StateArray> {
    const weight = name.slice(firstMoment.length);
    if (name.startsWith(firstMoment)) {
      const { m, v } = await this.#session.readMoments(weight);
      this.#second = { weight, v };
      return m;
    }
    if (name.startsWith(secondMoment)) {
      const kept = this.#second?.weight === weight ? this.#second.v : undefined;
      this.#second = undefined;
      return kept ?? (await this.#session.readMoments(weight)).v;
    }
    return this.#session.readWeight(name);
  }

  writeState(name: string, data: StateArray): void {
    const values = data instanceof Float32Array ? data : Float32Array.from(data);
    const first = name.startsWith(firstMoment);
    if (!first && !name.startsWith(secondMoment)) {
      this.#session.writeWeight(name, values);
      return;
    }
    const weight = name.slice(firstMoment.length);
    const other = this.#halves.get((first ? secondMoment : firstMoment) + weight);
    if (other === undefined) {
      this.#halves.set(name, values);
      return;
    }
    this.#halves.delete((first ? secondMoment : firstMoment) + weight);
    this.#session.writeMoments(weight, first ? values : other, first ? other : values);
  }

  close(): void {
    this.#session.close();
  }
}
