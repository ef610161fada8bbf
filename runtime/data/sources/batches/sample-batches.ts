/**
 * Batches of samples: which samples a batch has, and which take the places of those that cannot be read.
 *
 * All of it is a function of (seed, epoch, batch). What a part has to offer for a place is its own business
 * (`table-draw.ts`, `../streams/stream-samples.ts`). An incomplete last batch is dropped, as open_clip does in training.
 *
 * In a mix, each part has weight × samples places in an epoch, spread evenly: a batch takes its share of each. A part
 * goes through its own order from epoch to epoch, and begins anew where all its samples were seen.
 */
import type { ModelInput } from '../../../../compiler/model/types.ts';
import { fail } from '../../../../grammar/diagnostics.ts';
import { countRepeated } from '../../../dist/share.ts';
import { type DropCounts, sumOfDrops, totalOf } from '../../../drops.ts';
import type { HostArray } from '../../../types.ts';
import { elementCount } from '../../safetensors/header.ts';
import type { Batch, DataIdentity, Feeds, LanePlace, ShardLosses } from '../../types.ts';
import type { RankShare, SourceContext } from '../source-context.ts';
import type { Draw, Part } from './part.ts';
import type { BatchMaker, MadeBatch } from './prefetch.ts';
import { textsOf } from './repeated.ts';

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
  finish(inputs: Feeds, skipped: DropCounts, lacked: ShardLosses | undefined): Batch {
    const texts = textsOf(this.#context.inputs, inputs, this.rows);
    const repeated = texts && countRepeated(texts);
    this.#warnRepeated(repeated);
    return {
      inputs,
      skipped: totalOf(skipped),
      ...(totalOf(skipped) === 0 ? {} : { skippedBy: skipped }),
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

/** A part with the number of places that an epoch has for it. */
interface Sized {
  readonly samples: Part;
  readonly length: number;
}

/** A place of a batch that is to be filled by the n-th sample of a part's draw. */
interface Open {
  readonly place: number;
  readonly part: number;
  readonly candidate: number;
}

export class SampleBatches implements BatchMaker {
  readonly batchesPerEpoch?: number;
  readonly identity: DataIdentity;
  readonly lanes?: readonly LanePlace[];
  readonly #parts: readonly Sized[];
  readonly shared: boolean;
  readonly #rows: number;
  /** The first place of this rank. */
  readonly #first: number;
  readonly #length: number;
  readonly #arrays: BatchArrays;

  /**
   * @param sources of a mix those that say how many samples they have
   * @throws DiagnosticError Z418 where a batch would need a sample twice
   */
  constructor(sources: readonly Part[], context: SourceContext) {
    this.#rows = context.batch;
    this.#arrays = new BatchArrays(context, context.share);
    this.#first = (context.share?.rank ?? 0) * this.#arrays.rows;
    this.shared = context.share !== undefined;
    this.#parts = sources.map((samples) => ({
      samples,
      length: Math.max(1, Math.round((samples.weight ?? 1) * (samples.count ?? 1))),
    }));
    this.#length = this.#parts.reduce((sum, { length }) => sum + length, 0);
    if (sources.every(({ count }) => count !== undefined))
      this.batchesPerEpoch = Math.max(1, Math.floor(this.#length / this.#rows));
    this.identity = mixedIdentity(this.#parts);
    const lanes = sources.flatMap((part) => part.lanes);
    if (lanes.length > 0) this.lanes = lanes;
    for (const { samples, length } of this.#parts) this.#checkShare(samples, length);
  }

  #checkShare({ path, count, lanes }: Part, length: number): void {
    // Streams go on from one epoch to the next.
    if (count === undefined || lanes.length > 0) return;
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

  async make(epoch: number, batch: number): Promise<MadeBatch> {
    // Lanes are drawn from in the order of batches, so nothing is waited for before.
    const drawn = this.#draw(epoch, batch);
    const inputs = this.#arrays.take();
    const draws = await drawn;
    const own = await this.#fillPlaces(inputs, draws, false);
    // What other ranks have taken decides about a place that has no candidate of its own left.
    const again = () => draws.map((draw) => draw.again());
    const skipped = own ?? (await this.#fillPlaces(inputs, again(), true))!;
    const lacked = sumOf(this.#parts.flatMap(({ samples }) => samples.lacked ?? []));
    const made = this.#arrays.finish(inputs, skipped, lacked);
    return this.lanes === undefined ? made : { ...made, lanes: draws.flatMap(({ lanes }) => lanes ?? []) };
  }

  seek(lanes: readonly LanePlace[]): void {
    let at = 0;
    for (const { samples } of this.#parts) {
      const { length } = samples.lanes;
      samples.seek(lanes.slice(at, at + length));
      at += length;
    }
  }

  /**
   * Fills the places of this rank, all of them where there is one.
   * @param whole reads what stands in the other places, too
   * @returns why how many of them were filled by others in the end; undefined where that depends on the other places
   */
  async #fillPlaces(inputs: Feeds, draws: readonly Draw[], whole: boolean): Promise<DropCounts | undefined> {
    let open = draws
      .flatMap(({ places }, part) => Array.from({ length: places }, (_, candidate) => ({ part, candidate })))
      .map((candidate, place): Open => ({ place, ...candidate }))
      .filter(
        ({ place, part }) => this.#isOwn(place) || (whole && this.#parts[part]!.samples.lanes.length === 0),
      );
    let skipped: DropCounts | undefined;
    for (;;) {
      const read = await Promise.all(open.map((place) => this.#fill(inputs, draws[place.part]!, place)));
      const failed = open.flatMap((place, i) => {
        const { index, failure, known } = read[i]!;
        if (known !== true) this.#parts[place.part]!.samples.unreadable.note(index, failure);
        return failure === undefined ? [] : { ...place, kind: failure.kind };
      });
      for (const { samples } of this.#parts) samples.unreadable.check();
      skipped ??= sumOfDrops(
        failed.filter(({ place }) => this.#isOwn(place)).map(({ kind }) => ({ [kind]: 1 })),
      );
      if (failed.length === 0) break;
      const next: Open[] = [];
      for (const { place, part, candidate } of failed) {
        const other = draws[part]!.next(candidate, whole || this.#arrays.rows === this.#rows);
        if (other === undefined) return undefined;
        next.push({ place, part, candidate: other });
      }
      open = next;
    }
    for (const { samples } of this.#parts) samples.unreadable.tell();
    return skipped;
  }

  #isOwn(place: number): boolean {
    return place >= this.#first && place < this.#first + this.#arrays.rows;
  }

  async #fill(inputs: Feeds, draw: Draw, { place, part, candidate }: Open) {
    const { epoch, index, sample, known } = await draw.read(candidate);
    if ('reason' in sample) return { index, failure: sample, known };
    const { columns } = this.#parts[part]!.samples;
    if (this.#isOwn(place)) await columns.fill(inputs, place - this.#first, sample, epoch, index);
    return { index, failure: undefined };
  }

  /** What a batch takes of each part: of the epoch's first n places as many are a part's as its share of n says. */
  #draw(epoch: number, batch: number): Promise<Draw[]> {
    const from = this.#shares(batch * this.#rows);
    const to = this.#shares((batch + 1) * this.#rows);
    return Promise.all(
      this.#parts.map(({ samples, length }, i) => samples.draw(epoch * length + from[i]!, to[i]! - from[i]!)),
    );
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

  waitingFor(): string {
    const [first, ...others] = this.#parts.flatMap(({ samples }) => samples.reading);
    if (first === undefined) return this.lanes === undefined ? 'the next batch' : 'pictures to be decoded';
    return others.length === 0 ? first : `${first} and ${others.length} more`;
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
    leftOut: sumOfDrops(losses.map(({ leftOut }) => leftOut)),
    inError: losses.reduce((sum, { inError }) => sum + inError, 0),
  };
}

function mixedIdentity(parts: readonly Sized[]): DataIdentity {
  const [first] = parts;
  if (parts.length === 1 && first!.samples.weight === undefined) return first!.samples.identity;
  const identities = parts.map(({ samples }) => samples.identity);
  const all = (part: keyof DataIdentity) => identities.map((identity) => identity[part]).join(' + ');
  const lengths = parts.map(({ length }) => length).join(' + ');
  return { rows: all('rows'), order: `${all('order')}, mixed as ${lengths}`, draws: all('draws') };
}
