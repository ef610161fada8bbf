/**
 * Training on a device: a `Session` with a training plan, seen as a `TrainSession`.
 *
 * A plan with sections (chunked training) is driven chunk by chunk: the batch stays on the host, one chunk is
 * uploaded before each repetition, and at most two are under way, which bounds the driver's staging memory.
 */
import { randomInput, randomKeys } from '../../compiler/ops/philox.ts';
import { type Plan, type PlanSection, stateSlots } from '../../compiler/plan/types.ts';
import { type ScalerSlot, scalerSlots } from '../../compiler/slots.ts';
import type { Batch } from '../data/types.ts';
import type { HostArray, Session } from '../types.ts';
import type {
  LossScaling,
  RandomStep,
  StateArray,
  StateInfo,
  StepHyper,
  StepResult,
  TrainSession,
} from './types.ts';

const logitScale = 'logit_scale';

export class DeviceTrainSession implements TrainSession {
  readonly state: readonly StateInfo[];
  readonly #session: Session;
  readonly #results: readonly string[];
  /** Name of the loss scale's state. */
  readonly #scaler: string | undefined;
  readonly #inputs: ReadonlySet<string>;
  /** The last step's chunks, until all are handed to the device. */
  #feeding: Promise<void> = Promise.resolve();

  /** @param session opened with a training plan; closed together with this one */
  constructor(session: Session) {
    this.#session = session;
    const { weights, inputs, scaler } = session.plan;
    this.state = stateSlots(session.plan).map(({ name, shape }) => ({ name, shape, dtype: 'F32' }));
    this.#inputs = new Set(inputs.map((i) => i.name));
    const hasScale = weights.some((w) => w.name === logitScale);
    this.#scaler = scaler?.name;
    this.#results = [
      'loss',
      'grad_norm',
      ...(hasScale ? [logitScale] : []),
      ...(scaler ? [scaler.name] : []),
    ];
  }

  async step(batch: Batch, hyper: StepHyper): Promise<StepResult> {
    const session = this.#session;
    const { sections } = session.plan;
    session.writeHyper([hyper.lr, hyper.biasCorrection1, hyper.biasCorrection2, hyper.clipNorm]);
    if (sections === undefined) {
      this.#write(batch, hyper.random, 0);
      session.run();
    } else {
      this.#feeding = this.#feed(sections, batch, hyper.random);
      // What follows up to the next wait comes before anything that waits for `taken`.
      await this.#feeding;
    }
    const values = await session.readLater(this.#results);
    const scale = values.get(logitScale);
    const scaling = this.#scaler === undefined ? undefined : scalingOf(values.get(this.#scaler)!);
    return {
      loss: values.get('loss')![0]!,
      gradNorm: scaling?.overflow ? Number.NaN : values.get('grad_norm')![0]!,
      ...(scale === undefined ? {} : { logitScale: scale[0]! }),
      ...(scaling === undefined ? {} : { scaling }),
    };
  }

  taken(): Promise<void> {
    // Why it failed is told by the step itself.
    return this.#feeding.catch(() => {});
  }

  /** Runs all sections in order, each as often as it repeats. */
  async #feed(sections: readonly PlanSection[], batch: Batch, random: RandomStep): Promise<void> {
    const session = this.#session;
    let before = Promise.resolve();
    for (const section of sections) {
      for (let chunk = 0; chunk < section.repeat; chunk++) {
        if (section.repeat > 1) this.#write(chunkOf(batch, chunk, session.plan), random, chunk);
        session.run(section, chunk);
        const done = session.finish();
        // Waited for one chunk later; until then no failure is unhandled.
        done.catch(() => {});
        await before;
        before = done;
      }
    }
  }

  /** @param chunk number of the chunk that the batch is */
  #write(batch: Pick<Batch, 'images' | 'tokens'>, { seed, step }: RandomStep, chunk: number): void {
    if (this.#inputs.has('images')) this.#session.writeInput('images', batch.images);
    if (this.#inputs.has('tokens')) this.#session.writeInput('tokens', batch.tokens);
    if (!this.#inputs.has(randomInput)) return;
    const { batch: all, chunk: rows = all } = this.#session.plan;
    this.#session.writeInput(randomInput, randomKeys(seed, step, chunk * rows, rows));
  }

  readState(name: string): Promise<StateArray> {
    return this.#session.readWeight(name);
  }

  writeState(name: string, data: StateArray): void {
    this.#session.writeWeight(name, data instanceof Float32Array ? data : Float32Array.from(data));
  }

  close(): void {
    this.#session.close();
  }
}

function scalingOf(state: HostArray): LossScaling {
  const value = (slot: ScalerSlot) => state[scalerSlots.indexOf(slot)]!;
  return { scale: value('scale'), overflow: value('inverse') === 0, inRow: value('skipped_in_row') };
}

/** Rows of a chunk. */
export function chunkOf(
  { images, tokens }: Batch,
  chunk: number,
  { batch, chunk: rows = batch }: Pick<Plan, 'batch' | 'chunk'>,
): Pick<Batch, 'images' | 'tokens'> {
  const part = <T extends Float32Array | Int32Array>(data: T): T => {
    const length = (data.length / batch) * rows;
    return data.subarray(chunk * length, (chunk + 1) * length) as T;
  };
  return { images: part(images), tokens: part(tokens) };
}
