/**
 * Batches of samples: which samples a batch has, and which take the places of those that cannot be read.
 *
 * All of it is a function of (seed, epoch, batch). A place has candidates of its own: the samples that stand behind
 * the batch at distances of whole batches, so that whoever makes some places of a batch need not know of the others
 * (but where a place has no candidate left). No sample stands twice in a batch. An incomplete last batch is dropped,
 * as open_clip does in training.
 *
 * In a mix, each part has weight × samples places in an epoch, spread evenly: a batch takes its share of each. A part
 * goes through its own order from epoch to epoch, and begins anew where all its samples were seen.
 */
import type { ModelInput } from '../../../../compiler/model/types.ts';
import { fail } from '../../../../grammar/diagnostics.ts';
import { countRepeated } from '../../../dist/share.ts';
import type { HostArray } from '../../../types.ts';
import { elementCount } from '../../safetensors/header.ts';
import type { Batch, DataIdentity, Feeds, ShardLosses } from '../../types.ts';
import type { Samples } from '../samples.ts';
import type { RankShare, SourceContext } from '../source-context.ts';
import type { BatchMaker } from './prefetch.ts';
import { textsOf } from './repeated.ts';
import { Window } from './window.ts';

/** Batches of up to this many bytes are made two ahead, larger ones one. */
const smallBatch = 64 * 2 ** 20;

/** Bytes of a sample in a batch. */
function sampleBytes(inputs: readonly ModelInput[]): number {
  return inputs.reduce((bytes, { sizes }) => bytes + elementCount(sizes) * 4, 0);
}

/** How many batches are made while one is in use. */
export function readAhead({ batch, inputs }: SourceContext): number {
  return batch * sampleBytes(inputs) <= smallBatch ? 2 : 1;
}

/** Arrays of batches, and what is said of their texts. */
export class BatchArrays {
  /** Rows that a batch holds. */
  readonly rows: number;
  readonly #context: SourceContext;
  readonly #shared: boolean;
  #saidRepeated = false;
  /** Arrays that are used again. */
  readonly #spare: Feeds[] = [];

  /** @param share of the rank whose rows alone these arrays hold */
  constructor(context: SourceContext, share?: RankShare) {
    this.rows = context.batch / (share?.size ?? 1);
    this.#context = context;
    this.#shared = share !== undefined;
  }

  take(): Feeds {
    return this.#spare.pop() ?? this.#fresh();
  }

  recycle(inputs: Feeds): void {
    this.#spare.push(inputs);
  }

  /** The batch that these arrays hold. */
  finish(inputs: Feeds, skipped: number, lacked: ShardLosses | undefined): Batch {
    const texts = textsOf(this.#context.inputs, inputs, this.rows);
    const repeated = texts && countRepeated(texts);
    this.#warnRepeated(repeated);
    return {
      inputs,
      skipped,
      ...(repeated === undefined ? {} : { repeatedTexts: repeated }),
      ...(texts !== undefined && this.#shared ? { texts } : {}),
      ...(lacked === undefined ? {} : { lacked }),
    };
  }

  #fresh(): Feeds {
    const { inputs } = this.#context;
    return new Map(
      inputs.map(({ name, dtype, sizes }): [string, HostArray] => {
        const length = this.rows * elementCount(sizes);
        return [name, dtype === 'f32' ? new Float32Array(length) : new Int32Array(length)];
      }),
    );
  }

  /** Once. */
  #warnRepeated(count = 0): void {
    if (count === 0 || this.#saidRepeated) return;
    this.#saidRepeated = true;
    this.#context.warn?.({
      code: 'Z429',
      severity: 'warning',
      message: `${count} of ${this.rows} samples of a batch have a text that another one has, too: a contrastive loss takes them for wrong answers to each other; metrics.jsonl counts them`,
    });
  }
}

/** Samples with the number of them that an epoch has. */
interface Part {
  readonly samples: Samples;
  readonly length: number;
}

/** A place of a batch that is to be filled by the n-th sample of its window. */
interface Open {
  readonly place: number;
  readonly part: number;
  readonly candidate: number;
}

/** What of a part a batch takes. */
interface Taken {
  readonly samples: Samples;
  readonly window: Window;
  /** Places of the batch. */
  readonly places: number;
  /** Places of the window that were tried. */
  readonly tried: Set<number>;
}

export class SampleBatches implements BatchMaker {
  readonly batchesPerEpoch: number;
  readonly identity: DataIdentity;
  readonly #parts: readonly Part[];
  readonly shared: boolean;
  readonly #rows: number;
  /** The first place of this rank. */
  readonly #first: number;
  readonly #length: number;
  readonly #lacked: ShardLosses | undefined;
  readonly #arrays: BatchArrays;

  /** @throws DiagnosticError Z418 where a batch would need a sample twice */
  constructor(sources: readonly Samples[], context: SourceContext) {
    this.#rows = context.batch;
    this.#arrays = new BatchArrays(context, context.share);
    this.#first = (context.share?.rank ?? 0) * this.#arrays.rows;
    this.shared = context.share !== undefined;
    this.#parts = sources.map((samples) => ({
      samples,
      length: Math.max(1, Math.round((samples.weight ?? 1) * samples.count)),
    }));
    this.#length = this.#parts.reduce((sum, { length }) => sum + length, 0);
    this.batchesPerEpoch = Math.floor(this.#length / this.#rows);
    this.identity = mixedIdentity(this.#parts);
    this.#lacked = sumOf(sources.flatMap(({ lacked }) => lacked ?? []));
    for (const { samples, length } of this.#parts) this.#checkShare(samples, length);
  }

  #checkShare({ path, count }: Samples, length: number): void {
    const { length: parts } = this.#parts;
    const most = parts === 1 ? this.#rows : Math.ceil((this.#rows * length) / this.#length) + 1;
    if (count >= Math.min(most, this.#rows)) return;
    const message = `${path} has ${count} samples, fewer than`;
    if (parts === 1) fail('Z418', `${message} one batch of ${this.#rows}`);
    fail(
      'Z418',
      `${message} the ${most} that a batch of ${this.#rows} takes from it`,
      'lower its weight, or the batch',
    );
  }

  async make(epoch: number, batch: number): Promise<Batch> {
    const inputs = this.#arrays.take();
    const own = await this.#fillPlaces(inputs, this.#taken(epoch, batch), false);
    // What other ranks have taken decides about a place that has no candidate of its own left.
    const skipped = own ?? (await this.#fillPlaces(inputs, this.#taken(epoch, batch), true))!;
    return this.#arrays.finish(inputs, skipped, this.#lacked);
  }

  /**
   * Fills the places of this rank, all of them where there is one.
   * @param whole reads what stands in the other places, too
   * @returns how many of them were filled by others in the end; undefined where that depends on the other places
   */
  async #fillPlaces(inputs: Feeds, taken: readonly Taken[], whole: boolean): Promise<number | undefined> {
    let open = taken
      .flatMap(({ places }, part) => Array.from({ length: places }, (_, candidate) => ({ part, candidate })))
      .map((candidate, place): Open => ({ place, ...candidate }))
      .filter(({ place }) => whole || this.#isOwn(place));
    let skipped: number | undefined;
    for (;;) {
      for (const { part, candidate } of open) taken[part]!.tried.add(candidate);
      const read = await Promise.all(open.map((place) => this.#fill(inputs, taken[place.part]!, place)));
      for (const [i, { index, failure }] of read.entries())
        taken[open[i]!.part]!.samples.unreadable.note(index, failure);
      for (const { samples } of taken) samples.unreadable.check();
      open = open.filter((_, i) => read[i]!.failure !== undefined);
      skipped ??= open.filter(({ place }) => this.#isOwn(place)).length;
      if (open.length === 0) break;
      const next: Open[] = [];
      for (const { place, part, candidate } of open) {
        const other = this.#next(taken[part]!, candidate, whole);
        if (other === undefined) return undefined;
        next.push({ place, part, candidate: other });
      }
      open = next;
    }
    for (const { samples } of taken) samples.unreadable.tell();
    return skipped;
  }

  #isOwn(place: number): boolean {
    return place >= this.#first && place < this.#first + this.#arrays.rows;
  }

  async #fill(inputs: Feeds, { samples, window }: Taken, { place, candidate }: Open) {
    const { epoch, index } = window.at(candidate);
    const sample = await samples.read(index);
    if ('reason' in sample) return { index, failure: sample };
    if (this.#isOwn(place)) await samples.columns.fill(inputs, place - this.#first, sample, epoch, index);
    return { index, failure: undefined };
  }

  /** What a batch takes of each part: of the epoch's first n places as many are a part's as its share of n says. */
  #taken(epoch: number, batch: number): Taken[] {
    const from = this.#shares(batch * this.#rows);
    const to = this.#shares((batch + 1) * this.#rows);
    return this.#parts.map(({ samples, length }, i) => {
      const places = to[i]! - from[i]!;
      const window = new Window(samples, epoch * length + from[i]!, places);
      return { samples, window, places, tried: new Set() };
    });
  }

  /** How many of the first places of an epoch are each part's. */
  #shares(places: number): number[] {
    let left = places;
    let rest = this.#length;
    return this.#parts.map(({ length }) => {
      const share = Number((BigInt(left) * BigInt(length)) / BigInt(rest));
      left -= share;
      rest -= length;
      return share;
    });
  }

  /** The candidate that follows one which cannot be read; undefined where that depends on places that were not looked at. */
  #next({ samples, tried, places }: Taken, failed: number, whole: boolean): number | undefined {
    const { count, unreadable } = samples;
    let next = failed + places;
    while (tried.has(next)) next += places;
    // From here on places take each other's candidates.
    const crowded = Math.floor(next / places) >= Math.floor(count / places);
    if (crowded && !whole && this.#arrays.rows < this.#rows) return undefined;
    if (next >= count) {
      next = places;
      while (tried.has(next)) next++;
    }
    if (next >= count) unreadable.fail(places);
    tried.add(next);
    return next;
  }

  waitingFor(): string {
    const reading = this.#parts.flatMap(({ samples }) => samples.reading);
    return reading[0] === undefined
      ? 'the next batch'
      : `${reading[0]} and ${reading.length - 1} more samples`;
  }

  recycle({ inputs }: Batch): void {
    this.#arrays.recycle(inputs);
  }

  async close(): Promise<void> {
    for (const { samples } of this.#parts) await samples.close();
  }
}

function sumOf(losses: readonly ShardLosses[]): ShardLosses | undefined {
  if (losses.length === 0) return undefined;
  return {
    leftOut: losses.reduce((sum, { leftOut }) => sum + leftOut, 0),
    inError: losses.reduce((sum, { inError }) => sum + inError, 0),
  };
}

function mixedIdentity(parts: readonly Part[]): DataIdentity {
  const [first] = parts;
  if (parts.length === 1 && first!.samples.weight === undefined) return first!.samples.identity;
  const identities = parts.map(({ samples }) => samples.identity);
  const all = (part: keyof DataIdentity) => identities.map((identity) => identity[part]).join(' + ');
  const lengths = parts.map(({ length }) => length).join(' + ');
  return { rows: all('rows'), order: `${all('order')}, mixed as ${lengths}`, draws: all('draws') };
}
