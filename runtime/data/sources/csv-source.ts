/**
 * `csv("FILE", ...)`: pictures and captions listed in a table, in a new random order each epoch.
 *
 * A sample's caption is drawn from one or more columns (whose cells may hold several, separated by `|`) and
 * put into one of the templates. Order, caption, template and augmentation are functions of (seed, epoch,
 * row). An incomplete last batch is dropped, as open_clip does in training.
 */
import { z } from 'zod';
import { anyId } from '../../../compiler/graph/index-ranges.ts';
import type { StaticCall } from '../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import type { HostArray } from '../../types.ts';
import { callValue, failAt, parseOptions, texts } from '../options.ts';
import { type Augmentation, makeAugmentation } from '../pictures/augment.ts';
import { defaultWorkers } from '../pictures/decode.ts';
import { ImageStore } from '../pictures/image-store.ts';
import { type Colour, normalizeInto } from '../pictures/images.ts';
import { randomBelow, randomChoice, randomKey, randomPermutation } from '../random.ts';
import { createTokenizer, type Tokenizer } from '../texts/tokenizer.ts';
import type { Batch, BatchSource } from '../types.ts';
import { readCsvTable } from './csv-table.ts';
import { type BatchMaker, PrefetchedSource } from './prefetch.ts';
import { pairOf, type SourceContext } from './source-context.ts';

const colours: Readonly<Record<string, Colour>> = {
  white: [255, 255, 255],
  black: [0, 0, 0],
  grey: [128, 128, 128],
};

const colour = z
  .string()
  .regex(/^(white|black|grey|#[0-9a-fA-F]{6})$/, 'expected "white", "black", "grey" or "#rrggbb"')
  .transform((text): Colour => {
    const value = Number.parseInt(text.slice(1), 16);
    return colours[text] ?? [value >> 16, (value >> 8) & 255, value & 255];
  });

const schema = z.object({
  file: z.string(),
  /** Column of the picture's path, relative to the table's folder. */
  image: z.string().default('filepath'),
  /** Column of the caption. */
  text: z.string().optional(),
  /** Several columns of captions instead, one drawn for each sample. */
  captions: texts.optional(),
  caption_weights: z.array(z.number().positive()).optional(),
  /** Separates captions within a cell of `captions` columns; empty: cells are single captions. */
  split: z.string().default('|'),
  templates: texts
    .refine((list) => list.every((t) => t.includes('{}')), 'every template needs {} where the caption goes')
    .default(['{}']),
  separator: z.string().length(1, 'expected one character').optional(),
  shuffle: z.boolean().default(true),
  augment: z.union([callValue.transform((call) => [call]), z.array(callValue)]).default([]),
  /** Colour that transparent pictures are put on. */
  background: colour.optional(),
  /** Decoder threads. */
  workers: z.int().min(1).max(64).optional(),
  /** Most mebibytes of decoded pictures kept in memory. */
  cache: z.number().nonnegative().default(512),
});

type Options = z.infer<typeof schema>;

/** Batches of up to this many bytes are made two ahead, larger ones one. */
const smallBatch = 64 * 2 ** 20;

interface CaptionColumns {
  readonly columns: readonly (readonly string[])[];
  readonly weights: readonly number[];
  /** Separator within a cell, or empty. */
  readonly split: string;
}

/** The captions that a cell holds. */
function captionsIn(cell: string, split: string): string[] {
  const parts = split === '' ? [cell] : cell.split(split);
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** Column names, their weights, and how cells are split. */
function captionOptions(
  call: StaticCall,
  options: Options,
): { names: readonly string[]; weights: readonly number[]; split: string } {
  const { text, captions, caption_weights: weights } = options;
  if (captions === undefined) {
    if (weights !== undefined)
      failAt(call, 'Z522', '`caption_weights` of csv goes with `captions`, which is not given');
    return { names: [text ?? 'title'], weights: [1], split: '' };
  }
  if (text !== undefined) failAt(call, 'Z522', 'csv takes `text` or `captions`, not both');
  if (weights !== undefined && weights.length !== captions.length)
    failAt(
      call,
      'Z522',
      `\`caption_weights\` of csv has ${weights.length} values for ${captions.length} columns`,
    );
  return { names: captions, weights: weights ?? captions.map(() => 1), split: options.split };
}

/** Everything about a sample that is drawn at random. */
class SampleDrawer {
  readonly #captions: CaptionColumns;
  readonly #templates: readonly string[];
  readonly #augmentations: readonly Augmentation[];
  readonly #seed: number;

  constructor(
    captions: CaptionColumns,
    templates: readonly string[],
    augmentations: readonly Augmentation[],
    seed: number,
  ) {
    this.#captions = captions;
    this.#templates = templates;
    this.#augmentations = augmentations;
    this.#seed = seed;
  }

  text(epoch: number, index: number): string {
    const { columns, weights, split } = this.#captions;
    const key = randomKey(this.#seed, 'caption', epoch, index);
    const cells = columns.map((column) => captionsIn(column[index]!, split));
    const usable = weights.map((w, c) => (cells[c]!.length > 0 ? w : 0));
    const cell = cells[randomChoice(key, 0, usable)]!;
    const caption = cell[randomBelow(key, 1, cell.length)]!;
    return this.#templates[randomBelow(key, 2, this.#templates.length)]!.replaceAll('{}', () => caption);
  }

  picture(bytes: Uint8Array, size: number, epoch: number, index: number): Uint8Array {
    return this.#augmentations.reduce(
      (picture, change, i) => change(picture, size, randomKey(this.#seed, 'augment', i, epoch, index)),
      bytes,
    );
  }
}

/** The two inputs by name, and the size of a sample of each. */
interface PairSizes {
  readonly picture: string;
  readonly text: string;
  readonly resolution: number;
  readonly context: number;
}

/** Arrays that are used again. */
interface Pair {
  readonly images: Float32Array;
  readonly tokens: Int32Array;
}

class CsvBatches implements BatchMaker {
  readonly batchesPerEpoch: number;
  readonly #count: number;
  readonly #context: SourceContext;
  readonly #sizes: PairSizes;
  readonly #shuffle: boolean;
  readonly #store: ImageStore;
  readonly #tokenizer: Tokenizer;
  readonly #drawer: SampleDrawer;
  readonly #orders = new Map<number, Uint32Array>();
  readonly #spare: Pair[] = [];

  constructor(parts: {
    count: number;
    context: SourceContext;
    sizes: PairSizes;
    shuffle: boolean;
    store: ImageStore;
    tokenizer: Tokenizer;
    drawer: SampleDrawer;
  }) {
    this.#count = parts.count;
    this.#context = parts.context;
    this.#sizes = parts.sizes;
    this.#shuffle = parts.shuffle;
    this.#store = parts.store;
    this.#tokenizer = parts.tokenizer;
    this.#drawer = parts.drawer;
    this.batchesPerEpoch = Math.floor(parts.count / parts.context.batch);
  }

  async make(epoch: number, batch: number): Promise<Batch> {
    const { batch: rows } = this.#context;
    const { picture: name, text: textName, resolution, context } = this.#sizes;
    const { images, tokens } = this.#spare.pop() ?? {
      images: new Float32Array(rows * 3 * resolution * resolution),
      tokens: new Int32Array(rows * context),
    };
    const wanted = this.#order(epoch).subarray(batch * rows, (batch + 1) * rows);
    let skipped = 0;
    const fill = async (index: number, row: number) => {
      const stored = await this.#store.get(index);
      if (stored.index !== index) skipped++;
      const picture = this.#drawer.picture(stored.bytes, resolution, epoch, stored.index);
      normalizeInto(images, row * 3 * resolution * resolution, picture);
      const text = this.#drawer.text(epoch, stored.index);
      this.#tokenizer.encodeInto(tokens.subarray(row * context, (row + 1) * context), text);
    };
    await Promise.all(Array.from(wanted, fill));
    const inputs = new Map<string, HostArray>([
      [name, images],
      [textName, tokens],
    ]);
    return { inputs, skipped };
  }

  recycle(batch: Batch): void {
    const { picture, text } = this.#sizes;
    const images = batch.inputs.get(picture) as Float32Array;
    this.#spare.push({ images, tokens: batch.inputs.get(text) as Int32Array });
  }

  close(): Promise<void> {
    return this.#store.close();
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

/** Opens the source that a `csv(...)` call names. Errors: Z414 to Z418, Z520 to Z522. */
export async function openCsv(call: StaticCall, context: SourceContext): Promise<BatchSource> {
  const pair = pairOf(context.inputs);
  if (pair === undefined) throw new Error('csv feeds a model that takes no pictures and texts');
  const { picture, text } = pair;
  const [resolution, length] = [picture.sizes[1]!, text.sizes[0]!];
  const options = parseOptions(call, schema, ['file']);
  const { names, weights, split } = captionOptions(call, options);
  const augmentations = options.augment.map(makeAugmentation);
  const path = context.find(options.file);
  const { separator } = options;
  const table = await readCsvTable(path, {
    image: options.image,
    captions: names,
    ...(separator === undefined ? {} : { separator }),
  });
  const total = table.images.length;
  const kept = table.images
    .map((_, i) => i)
    .filter((i) => table.captions.some((column) => captionsIn(column[i]!, split).length > 0));
  if (kept.length < total) warnEmpty(context, path, total - kept.length, total);
  if (kept.length < context.batch)
    failAt(call, 'Z418', `${path} has ${kept.length} samples, fewer than one batch of ${context.batch}`);
  const pick = (column: readonly string[]) => kept.map((i) => column[i]!);
  const tokenizer = await createTokenizer({ vocab: (text.ids ?? anyId).max + 1, context: length });
  const { background } = options;
  const maker = new CsvBatches({
    count: kept.length,
    context,
    sizes: { picture: picture.name, text: text.name, resolution, context: length },
    shuffle: options.shuffle,
    tokenizer,
    store: new ImageStore(
      pick(table.images),
      { size: resolution, ...(background === undefined ? {} : { background }) },
      { workers: options.workers ?? defaultWorkers(), cacheBytes: options.cache * 2 ** 20 },
    ),
    drawer: new SampleDrawer(
      { columns: table.captions.map(pick), weights, split },
      options.templates,
      augmentations,
      context.seed,
    ),
  });
  const batchBytes = context.batch * 3 * resolution ** 2 * 4;
  return new PrefetchedSource(maker, context.seed, batchBytes <= smallBatch ? 2 : 1);
}
