/**
 * Batches of samples: which samples a batch has, and which take the places of those that cannot be read.
 *
 * All of it is a function of (seed, epoch, batch). A place has candidates of its own: the samples that stand behind
 * the batch at distances of whole batches, so that whoever makes some places of a batch need not know of the others
 * (but where a place has no candidate left). No sample stands twice in a batch. An incomplete last batch is dropped,
 * as open_clip does in training.
 */
import type { ModelInput } from '../../../compiler/model/types.ts';
import type { HostArray } from '../../types.ts';
import { elementCount } from '../safetensors/header.ts';
import type { Batch, DataIdentity, Feeds } from '../types.ts';
import type { BatchMaker } from './prefetch.ts';
import { repeatedTexts } from './repeated.ts';
import type { Samples } from './samples.ts';
import type { SourceContext } from './source-context.ts';

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

/** A place of a batch that is to be filled by the n-th sample from the batch's first on. */
interface Open {
  readonly place: number;
  readonly candidate: number;
}

/** Arrays of batches, and what is said of their texts. */
export class BatchArrays {
  readonly #context: SourceContext;
  #saidRepeated = false;
  /** Arrays that are used again. */
  readonly #spare: Feeds[] = [];

  constructor(context: SourceContext) {
    this.#context = context;
  }

  take(): Feeds {
    return this.#spare.pop() ?? this.#fresh();
  }

  recycle(inputs: Feeds): void {
    this.#spare.push(inputs);
  }

  /** The batch that these arrays hold. */
  finish(inputs: Feeds, skipped: number): Batch {
    const repeated = repeatedTexts(this.#context.inputs, inputs, this.#context.batch);
    this.#warnRepeated(repeated);
    return { inputs, skipped, ...(repeated === undefined ? {} : { repeatedTexts: repeated }) };
  }

  #fresh(): Feeds {
    const { batch, inputs } = this.#context;
    return new Map(
      inputs.map(({ name, dtype, sizes }): [string, HostArray] => {
        const length = batch * elementCount(sizes);
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
      message: `${count} of ${this.#context.batch} samples of a batch have a text that another one has, too: a contrastive loss takes them for wrong answers to each other; metrics.jsonl counts them`,
    });
  }
}

export class SampleBatches implements BatchMaker {
  readonly batchesPerEpoch: number;
  readonly identity: DataIdentity;
  readonly #samples: Samples;
  readonly #rows: number;
  readonly #arrays: BatchArrays;

  constructor(samples: Samples, context: SourceContext) {
    this.#samples = samples;
    this.#rows = context.batch;
    this.#arrays = new BatchArrays(context);
    this.identity = samples.identity;
    this.batchesPerEpoch = Math.floor(samples.count / context.batch);
  }

  async make(epoch: number, batch: number): Promise<Batch> {
    const { unreadable, count, columns } = this.#samples;
    const inputs = this.#arrays.take();
    const first = batch * this.#rows;
    const tried = new Set<number>();
    let open = Array.from({ length: this.#rows }, (_, place): Open => ({ place, candidate: place }));
    let skipped = 0;
    for (;;) {
      for (const { candidate } of open) tried.add(candidate);
      const failed = await Promise.all(
        open.map(async ({ place, candidate }) => {
          const index = this.#samples.at(epoch, (first + candidate) % count);
          const sample = await this.#samples.read(index);
          const failure = 'reason' in sample ? sample : undefined;
          if (!('reason' in sample)) await columns.fill(inputs, place, sample, epoch, index);
          return { index, failure };
        }),
      );
      for (const { index, failure } of failed) unreadable.note(index, failure);
      unreadable.check();
      open = open.filter((_, i) => failed[i]!.failure !== undefined);
      if (open.length === 0) break;
      if (skipped === 0) skipped = open.length;
      open = open.map(({ place, candidate }) => ({ place, candidate: this.#next(candidate, tried) }));
    }
    unreadable.tell();
    return this.#arrays.finish(inputs, skipped);
  }

  /** The candidate that follows one which cannot be read. */
  #next(failed: number, tried: Set<number>): number {
    const { count, unreadable } = this.#samples;
    let next = failed + this.#rows;
    while (tried.has(next)) next += this.#rows;
    if (next >= count) {
      next = this.#rows;
      while (tried.has(next)) next++;
    }
    if (next >= count) unreadable.fail(this.#rows);
    tried.add(next);
    return next;
  }

  recycle({ inputs }: Batch): void {
    this.#arrays.recycle(inputs);
  }

  close(): Promise<void> {
    return this.#samples.close();
  }
}
