/**
 * `csv("FILE", ...)`: samples listed in a table, in a new random order each epoch.
 *
 * What feeds an input is a column's business (`columns/`). Order, caption, template and augmentation are
 * functions of (seed, epoch, row). An incomplete last batch is dropped, as open_clip does in training.
 */
import { z } from 'zod';
import type { ModelInput, StaticCall, StaticRecord } from '../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import type { HostArray } from '../../types.ts';
import { isEncoding } from '../files/decode-text.ts';
import { failAt, parseOptions } from '../options.ts';
import { defaultWorkers } from '../pictures/decode.ts';
import { randomKey, randomPermutation } from '../random.ts';
import { elementCount } from '../safetensors/header.ts';
import type { Batch, BatchSource, DataIdentity } from '../types.ts';
import { type Fill, Rows } from './columns/column.ts';
import { columnsOf, pairOptions } from './columns/open-columns.ts';
import { PictureShelf, type PictureStores } from './columns/pictures.ts';
import { UnreadablePictures } from './columns/unreadable.ts';
import { readCsvTable } from './csv-table.ts';
import { tableIdentity } from './identity.ts';
import { type BatchMaker, PrefetchedSource } from './prefetch.ts';
import { repeatedTexts } from './repeated.ts';
import type { SourceContext } from './source-context.ts';

const oneCharacter = z.string().length(1, 'expected one character');

const schema = z.object({
  file: z.string(),
  ...pairOptions,
  /** Columns by input. */
  inputs: z.custom<StaticRecord>().optional(),
  separator: oneCharacter.optional(),
  /** What cells with separators in them stand between. */
  quote: z.union([z.literal('none'), oneCharacter], 'expected one character or none').optional(),
  encoding: z
    .string()
    .refine(isEncoding, 'no encoding is called so; some are "utf-8", "utf-16le", "windows-1252", "gb18030"')
    .optional(),
  shuffle: z.boolean().default(true),
  /** Decoder threads. */
  workers: z.int().min(1).max(64).optional(),
  /** Most mebibytes of decoded pictures kept in memory. */
  cache: z.number().nonnegative().default(512),
});

/** Batches of up to this many bytes are made two ahead, larger ones one. */
const smallBatch = 64 * 2 ** 20;

interface Fed {
  readonly input: ModelInput;
  readonly fill: Fill;
  /** Numbers of a sample. */
  readonly length: number;
}

class CsvBatches implements BatchMaker {
  readonly batchesPerEpoch: number;
  readonly identity: DataIdentity;
  readonly #count: number;
  readonly #context: SourceContext;
  readonly #shuffle: boolean;
  readonly #pictures: PictureStores;
  readonly #fed: readonly Fed[];
  readonly #unreadable: UnreadablePictures;
  #saidRepeated = false;
  readonly #orders = new Map<number, Uint32Array>();
  /** Arrays that are used again. */
  readonly #spare: Batch['inputs'][] = [];

  constructor(parts: {
    count: number;
    context: SourceContext;
    shuffle: boolean;
    pictures: PictureStores;
    fed: readonly Fed[];
    identity: DataIdentity;
    unreadable: UnreadablePictures;
  }) {
    this.#count = parts.count;
    this.#context = parts.context;
    this.#shuffle = parts.shuffle;
    this.#pictures = parts.pictures;
    this.#fed = parts.fed;
    this.identity = parts.identity;
    this.#unreadable = parts.unreadable;
    this.batchesPerEpoch = Math.floor(parts.count / parts.context.batch);
  }

  async make(epoch: number, batch: number): Promise<Batch> {
    const { batch: rows } = this.#context;
    const inputs = this.#spare.pop() ?? this.#arrays(rows);
    const order = this.#order(epoch);
    const first = batch * rows;
    const fill = async (row: number, index: number, pictures: readonly Uint8Array[]) => {
      for (const { input, fill, length } of this.#fed) {
        const part = inputs.get(input.name)!.subarray(row * length, (row + 1) * length);
        await fill(part, { epoch, index, pictures });
      }
    };
    const read = await Promise.all(
      Array.from(order.subarray(first, first + rows), async (index, row) => {
        const found = await this.#pictures.get(index);
        if ('reason' in found) return { index, failure: found };
        await fill(row, index, found);
        return { index, failure: undefined };
      }),
    );
    for (const { index, failure } of read) this.#unreadable.note(index, failure);
    const open = [...read.keys()].filter((row) => read[row]!.failure !== undefined);
    const skipped = open.length;
    // What follows in the order takes the free places, so that no pair stands twice in a batch.
    for (let passed = rows; open.length > 0; ) {
      this.#unreadable.check();
      const wanted = Math.min(open.length, this.#count - passed);
      if (wanted === 0) this.#unreadable.fail(rows);
      const others = Array.from({ length: wanted }, (_, i) => order[(first + passed + i) % this.#count]!);
      passed += wanted;
      const found = await Promise.all(others.map((index) => this.#pictures.get(index)));
      for (const [i, pictures] of found.entries()) {
        const failed = 'reason' in pictures;
        this.#unreadable.note(others[i]!, failed ? pictures : undefined);
        if (!failed) await fill(open.shift()!, others[i]!, pictures);
      }
    }
    this.#unreadable.check();
    this.#unreadable.tell();
    const repeated = repeatedTexts(this.#context.inputs, inputs, rows);
    this.#warnRepeated(repeated);
    return { inputs, skipped, ...(repeated === undefined ? {} : { repeatedTexts: repeated }) };
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

  recycle({ inputs }: Batch): void {
    this.#spare.push(inputs);
  }

  close(): Promise<void> {
    this.#unreadable.close();
    return this.#pictures.close();
  }

  #arrays(rows: number): Batch['inputs'] {
    return new Map(
      this.#fed.map(({ input: { name, dtype }, length }): [string, HostArray] => [
        name,
        dtype === 'f32' ? new Float32Array(rows * length) : new Int32Array(rows * length),
      ]),
    );
  }

  #order(epoch: number): Uint32Array {
    const known = this.#orders.get(epoch);
    if (known !== undefined) return known;
    const order = this.#shuffle
      ? randomPermutation(randomKey(this.#context.seed, 'order', epoch), this.#count)
      : Uint32Array.from({ length: this.#count }, (_, i) => i);
    // Reading ahead needs this epoch and the next.
    if (this.#orders.size >= 2) this.#orders.delete(this.#orders.keys().next().value!);
    this.#orders.set(epoch, order);
    return order;
  }
}

function warnEmpty(context: SourceContext, path: string, dropped: number, total: number): void {
  const diagnostic: Diagnostic = {
    code: 'Z419',
    severity: 'warning',
    message: `${path}: ${dropped} of ${total} rows have no caption and are left out`,
  };
  context.warn?.(diagnostic);
}

/** Opens the source that a `csv(...)` call names. Errors: Z315, Z412, Z414 to Z418, Z425, Z427, Z520 to Z522. */
export async function openCsv(call: StaticCall, context: SourceContext): Promise<BatchSource> {
  const { inputs, batch, seed, normalization, find } = context;
  const options = parseOptions(call, schema, ['file']);
  const columns = columnsOf(call, options, inputs);
  const path = find(options.file);
  const names = [...columns.values()].flatMap((column) => column.columns);
  const cells = await readCsvTable(path, names, { ...options, warn: context.warn });
  const total = cells.get(names[0]!)!.length;
  const lacking = [...columns.values()].flatMap(({ lacks }) => lacks ?? []);
  const kept = Array.from({ length: total }, (_, row) => row).filter(
    (row) => !lacking.some((lacks) => lacks((column) => cells.get(column)![row]!)),
  );
  if (kept.length < total) warnEmpty(context, path, total - kept.length, total);
  if (kept.length < batch)
    failAt(call, 'Z418', `${path} has ${kept.length} samples, fewer than one batch of ${batch}`);
  const rows = new Rows(path, cells, kept);
  const shelf = new PictureShelf();
  const read: string[] = [];
  const findRead = (name: string): string => {
    const found = find(name);
    read.push(found);
    return found;
  };
  const fed: Fed[] = [];
  for (const [input, column] of columns)
    fed.push({
      input,
      fill: await column.open(rows, { seed, normalization, find: findRead, pictures: shelf }),
      length: elementCount(input.sizes),
    });
  const identity = await tableIdentity(call, { cells, kept, shuffle: options.shuffle, read });
  const maker = new CsvBatches({
    count: kept.length,
    context,
    shuffle: options.shuffle,
    pictures: shelf.open({
      workers: options.workers ?? defaultWorkers(),
      cacheBytes: options.cache * 2 ** 20,
    }),
    fed,
    identity,
    unreadable: new UnreadablePictures(path, kept.length, context.warn),
  });
  const batchBytes = fed.reduce((bytes, { length }) => bytes + batch * length * 4, 0);
  return new PrefetchedSource(maker, seed, batchBytes <= smallBatch ? 2 : 1);
}
