/**
 * Training on a device: a `Session` with a training plan, seen as a `TrainSession`.
 *
 * A plan with sections (chunked training) is driven chunk by chunk: the batch stays on the host, one chunk is
 * uploaded before each repetition, and at most two are under way, which bounds the driver's staging memory.
 */
import { isOwnScalar, isTerm } from '../../compiler/metrics.ts';
import { randomInput, randomKeys } from '../../compiler/ops/philox.ts';
import { type PlanSection, stateSlots } from '../../compiler/plan/types.ts';
import { type ScalerSlot, scalerSlots } from '../../compiler/slots.ts';
import type { Batch, Feeds } from '../data/types.ts';
import { alone, type StepExchange } from '../dist/exchange.ts';
import type { HostArray, Session } from '../types.ts';
import { lengthOf } from './lengths.ts';
import type {
  LossScaling,
  RandomStep,
  StateArray,
  StateInfo,
  StepHyper,
  StepResult,
  TrainSession,
} from './types.ts';

export class DeviceTrainSession implements TrainSession {
  readonly state: readonly StateInfo[];
  readonly #session: Session;
  readonly #results: readonly string[];
  readonly #terms: readonly string[];
  readonly #scalars: readonly string[];
  /** Name of the loss scale's state. */
  readonly #scaler: string | undefined;
  readonly #exchange: StepExchange;
  /** Of the state what ranks divide. */
  readonly #kept: StepExchange['kept'];
  /** The last step's chunks, until all are handed to the device. */
  #feeding: Promise<unknown> = Promise.resolve();

  /**
   * @param session opened with a training plan; closed together with this one
   * @param exchange with other ranks, which takes a plan with sections
   */
  constructor(session: Session, exchange: StepExchange = alone) {
    this.#session = session;
    this.#exchange = exchange;
    const { weights, outputs, scaler, shard } = session.plan;
    this.#kept = exchange.kept;
    const { optimizer = shard?.kept, ...plan } = session.plan;
    const slots = stateSlots({ ...plan, ...(optimizer === undefined ? {} : { optimizer }) });
    this.state = slots.map(({ name, shape }) => ({ name, shape, dtype: 'F32' }));
    this.#scaler = scaler?.name;
    this.#terms = outputs.filter(isTerm).map(({ name }) => name);
    this.#scalars = weights.filter(isOwnScalar).map((w) => w.name);
    this.#results = ['loss', 'grad_norm', ...this.#terms, ...this.#scalars, ...(scaler ? [scaler.name] : [])];
  }

  async step(batch: Batch, hyper: StepHyper): Promise<StepResult> {
    const session = this.#session;
    const { sections } = session.plan;
    let lengths: readonly number[] = [];
    this.#kept?.forget();
    session.writeHyper([hyper.lr, hyper.biasCorrection1, hyper.biasCorrection2, hyper.clipNorm]);
    if (sections === undefined) {
      this.#write(batch.inputs, hyper.random, 0, { first: 0, end: 1 });
      session.run();
    } else {
      const feeding = this.#feed(sections, batch, hyper.random);
      this.#feeding = feeding;
      // What follows up to the next wait comes before anything that waits for `taken`.
      lengths = await feeding;
    }
    const exchangeMs = this.#exchange.milliseconds;
    const values = await session.readLater(this.#results);
    const numbers = (names: readonly string[]) =>
      Object.fromEntries(names.map((name) => [name, values.get(name)![0]!]));
    const scaling = this.#scaler === undefined ? undefined : scalingOf(values.get(this.#scaler)!);
    return {
      loss: values.get('loss')![0]!,
      gradNorm: scaling?.overflow ? Number.NaN : values.get('grad_norm')![0]!,
      terms: numbers(this.#terms),
      scalars: numbers(this.#scalars),
      ...(scaling === undefined ? {} : { scaling }),
      ...(exchangeMs === undefined ? {} : { exchangeMs }),
      ...(lengths.length === 0 ? {} : { textLength: Math.max(...lengths) }),
    };
  }

  async taken(): Promise<void> {
    // Why it failed is told by the step itself.
    await this.#feeding.catch(() => {});
  }

  /** Runs all sections in order, each as often as it repeats. @returns the lengths of the texts of each repetition */
  async #feed(
    sections: readonly PlanSection[],
    batch: Batch,
    random: RandomStep,
  ): Promise<readonly number[]> {
    const session = this.#session;
    const lengths = await this.#lengths(sections[0]!, batch.inputs, random);
    const chunked = session.plan.chunk !== undefined;
    let before = Promise.resolve();
    for (const parts of neighbours(sections)) {
      const [{ name, repeat }] = parts;
      await this.#exchange.before(name, random.step);
      const { first, end } = this.#exchange.share(parts[0]);
      for (let chunk = first; chunk < end; chunk++) {
        if (repeat > 1 || name === 'step') this.#write(batch.inputs, random, chunk, { first, end });
        for (const part of parts) {
          if (part.length !== undefined && part.length !== lengths[chunk - first]) continue;
          session.run(part, chunk);
          if (part.exchanges !== undefined) await this.#exchange.among(name, part.exchanges, random.step);
          if (part.ready !== undefined && chunk === end - 1)
            await this.#exchange.ready(part.ready, random.step);
          if (part.parts !== undefined) await this.#exchange.hand(part.parts, random.step);
        }
        if (!chunked) continue;
        const done = session.finish();
        // Waited for one chunk later; until then no failure is unhandled.
        done.catch(() => {});
        await before;
        before = done;
      }
    }
    return lengths;
  }

  /** Of each repetition of a section, where the plan has steps by the length of texts: the longest of all ranks. */
  async #lengths(section: PlanSection, feeds: Feeds, { step }: RandomStep): Promise<readonly number[]> {
    const { texts, batch, chunk: rows = batch } = this.#session.plan;
    if (texts === undefined) return [];
    const { first, end } = this.#exchange.share(section);
    const sizes = { batch: (end - first) * rows, rows };
    const own = Array.from({ length: end - first }, (_, chunk) =>
      lengthOf(texts, (name) => rowsOf(feeds.get(name)!, {}, sizes, chunk)),
    );
    return this.#exchange.longest(own, step);
  }

  /**
   * @param chunk number of the chunk whose rows are written
   * @param held chunks whose rows the feeds hold
   */
  #write(
    feeds: Feeds,
    { seed, step }: RandomStep,
    chunk: number,
    { first, end }: ReturnType<StepExchange['share']>,
  ): void {
    const { inputs, batch, chunk: rows = batch } = this.#session.plan;
    const sizes = { batch: (end - first) * rows, rows };
    for (const input of inputs) {
      const { name } = input;
      const keys = name === randomInput ? randomKeys(seed, step, chunk * rows, rows) : undefined;
      this.#session.writeInput(name, keys ?? rowsOf(feeds.get(name)!, input, sizes, chunk - first));
    }
  }

  async collect(): Promise<void> {
    await this.#kept?.collect();
  }

  async readState(name: string): Promise<StateArray> {
    return this.#kept?.has(name) ? this.#kept.read(name) : this.#session.readWeight(name);
  }

  writeState(name: string, data: StateArray): void {
    const numbers = data instanceof Float32Array ? data : Float32Array.from(data);
    if (this.#kept?.has(name)) this.#kept.write(name, numbers);
    else this.#session.writeWeight(name, numbers);
  }

  close(): void {
    this.#exchange.close();
    this.#session.close();
  }
}

/** Sections with the same name are parts of one. */
function neighbours(sections: readonly PlanSection[]): [PlanSection, ...PlanSection[]][] {
  const names = [...new Set(sections.map(({ name }) => name))];
  return names.map((name) => sections.filter((s) => s.name === name) as [PlanSection, ...PlanSection[]]);
}

function scalingOf(state: HostArray): LossScaling {
  const value = (slot: ScalerSlot) => state[scalerSlots.indexOf(slot)]!;
  return { scale: value('scale'), overflow: value('inverse') === 0, inRow: value('skipped_in_row') };
}

/** The rows of a chunk of an input that holds `batch` rows; a table is whole in each. */
export function rowsOf<T extends HostArray>(
  data: T,
  { table }: { readonly table?: boolean },
  { batch, rows }: { readonly batch: number; readonly rows: number },
  chunk: number,
): T {
  if (table || rows === batch) return data;
  const length = (data.length / batch) * rows;
  return data.subarray(chunk * length, (chunk + 1) * length) as T;
}
