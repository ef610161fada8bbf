/**
 * Pictures and texts to features of length 1, for classification, embedding and evaluation.
 *
 * Each tower is compiled once, for a batch that fits what is asked first; a last, incomplete batch is padded
 * with zeros, which change nothing because no operation of an encoder mixes samples.
 */
import { anyId } from '../../compiler/graph/index-ranges.ts';
import { isPicture, isText, vocabularyOf } from '../../compiler/model/index.ts';
import type { EntryName, Model, ModelInput } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { systemReason } from '../../runtime/data/files/atomic.ts';
import {
  type FitSettings,
  loadImage,
  makeNormalizer,
  type Normalizer,
} from '../../runtime/data/pictures/images.ts';
import { createTokenizer, type Tokenizer } from '../../runtime/data/texts/tokenizer.ts';
import { classFeatures, normalizeRows } from '../../runtime/eval/zeroshot.ts';
import type { HostArray } from '../../runtime/types.ts';
import { finiteWeights, firstNotFinite, type WeightSource } from '../weights/source.ts';
import type { Executor } from './devices.ts';
import { openEntry, type ReadyEntry } from './entry.ts';

export interface Encoder {
  /** Length of a feature. */
  readonly embed: number;
  /** exp(logit_scale): logits are scale × cosine + bias. */
  readonly scale: number;
  /** Of a model that learned one beside the scale, with the sigmoid loss. */
  readonly bias: number | undefined;
  /** Features of image files, [n, embed] row-major. */
  encodeImages(paths: readonly string[]): Promise<Float32Array>;
  /**
   * What pictures are fitted to.
   * @throws DiagnosticError Z704 of a model that takes none
   */
  fitting(): FitSettings;
  /**
   * The same of pictures that were fitted, RGB bytes. While one call waits for the device the next may begin.
   * @param nameOf what picture `i` is, for messages
   */
  encodeFitted(pictures: readonly Uint8Array[], nameOf: (i: number) => string): Promise<Float32Array>;
  /** Features of texts, [n, embed]. A text that exceeds the context is cut. */
  encodeTexts(texts: readonly string[]): Promise<Float32Array>;
  /** One feature for each class, the normalised mean over its prompts: [classes, embed]. */
  encodePrompts(prompts: readonly (readonly string[])[]): Promise<Float32Array>;
  close(): void;
}

/** Enough rows to keep a device busy, few enough that a batch of ViT-L/14 fits beside its weights. */
export const mostRows = 64;

/** Characters of a text in a message. */
const shownText = 60;

/** One tower, compiled when first used. */
class Tower {
  readonly #open: (batch: number) => Promise<ReadyEntry>;
  readonly #input: string;
  readonly #embed: number;
  readonly #rows: number | undefined;
  #ready: { readonly entry: ReadyEntry; readonly batch: number } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param rows of a batch, where they do not depend on what is asked first */
  constructor(
    input: string,
    embed: number,
    rows: number | undefined,
    open: (batch: number) => Promise<ReadyEntry>,
  ) {
    this.#open = open;
    this.#input = input;
    this.#embed = embed;
    this.#rows = rows;
  }

  /**
   * `fill` writes row `i` of `count` into the batch it is given; `rowSize` values a row.
   * @param nameOf what row `i` is, for messages
   * @throws DiagnosticError Z435
   */
  async encode<T extends HostArray>(
    count: number,
    allocate: (rows: number) => T,
    fill: (row: T, i: number) => Promise<void> | void,
    nameOf: (i: number) => string,
  ): Promise<Float32Array> {
    const features = new Float32Array(count * this.#embed);
    if (count === 0) return features;
    const { entry, batch } = await this.#inTurn(() => this.#opened(count));
    const rowSize = allocate(1).length;
    for (let start = 0; start < count; start += batch) {
      const values = allocate(batch);
      const rows = Math.min(batch, count - start);
      await Promise.all(
        Array.from({ length: rows }, (_, i) =>
          fill(values.subarray(i * rowSize, (i + 1) * rowSize) as T, start + i),
        ),
      );
      const outputs = await this.#inTurn(() => entry.run(new Map([[this.#input, values]])));
      const [output, result] = [...outputs][0]!;
      const found = (result.data as Float32Array).subarray(0, rows * this.#embed);
      const bad = firstNotFinite(found);
      if (bad >= 0)
        fail(
          'Z435',
          `${output} of ${nameOf(start + Math.floor(bad / this.#embed))} is not finite: value ${bad % this.#embed} is ${found[bad]}`,
        );
      features.set(found, start * this.#embed);
    }
    return normalizeRows(features, this.#embed);
  }

  close(): void {
    this.#ready?.entry.close();
  }

  async #opened(count: number) {
    const batch = this.#rows ?? Math.min(count, mostRows);
    this.#ready ??= { entry: await this.#open(batch), batch };
    return this.#ready;
  }

  /** The session has one set of buffers; what another call fills meanwhile is its own. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

async function readImage(path: string, settings: FitSettings, normalize: Normalizer): Promise<Float32Array> {
  try {
    return await loadImage(path, settings, normalize);
  } catch (error) {
    fail('Z405', `${path} cannot be read as an image: ${systemReason(error) ?? (error as Error).message}`);
  }
}

/** An entry that makes features of one kind of input. */
export interface TowerInfo {
  readonly entry: EntryName;
  readonly input: ModelInput;
}

/** The entry of this name, or the forward of a model that is nothing but such a tower. */
export function towerOf(
  model: Model,
  name: EntryName,
  fits: (input: ModelInput) => boolean,
): TowerInfo | undefined {
  const entry =
    model.entries.find((e) => e.name === name) ?? model.entries.find((e) => e.name === 'forward')!;
  const [input, ...more] = entry.inputs;
  const sole = more.length === 0 && entry.outputs.length === 1;
  return input !== undefined && sole && fits(input) ? { entry: entry.name, input } : undefined;
}

/** `encode_image(images [B, 3, 224, 224]), ...` */
export function entriesText({ entries }: Model): string {
  return entries
    .map((e) => `${e.name}(${e.inputs.map((i) => `${i.name} ${i.shape}`).join(', ')})`)
    .join(', ');
}

/** @throws DiagnosticError Z704 */
function lacking(model: Model, name: EntryName, kind: string): never {
  fail(
    'Z704',
    `${model.name} makes no features of ${kind} alone; its entries are ${entriesText(model)}`,
    `declare in its block: entry ${name}(...) -> [B, E] = ...`,
  );
}

/** The tower of pictures. @throws DiagnosticError Z704 */
export function pictureTower(model: Model): TowerInfo {
  return towerOf(model, 'encode_image', isPicture) ?? lacking(model, 'encode_image', 'pictures [B, 3, R, R]');
}

/** How a model makes logits of cosines. @throws DiagnosticError Z435 */
export async function logitsOf(
  model: Model,
  weights: WeightSource,
): Promise<Pick<Encoder, 'scale' | 'bias'>> {
  const numberOf = async (name: string) => {
    const weight = model.weights.find((w) => w.name === name);
    return weight === undefined ? undefined : (await weights.read(weight))[0]!;
  };
  const logitScale = await numberOf('logit_scale');
  const scale = Math.exp(logitScale ?? 0);
  if (!Number.isFinite(scale))
    fail('Z435', `exp(logit_scale) is not finite: logit_scale in ${weights.description} is ${logitScale}`);
  return { scale, bias: await numberOf('logit_bias') };
}

interface EncoderSettings {
  /** Larger pictures are refused. */
  readonly maxPixels?: number;
  /** Of every batch, by default as many as are asked first: with the rows, the last bits of features may change. */
  readonly rows?: number;
}

/**
 * Opens the towers of a model; each is compiled when it is first used.
 * @throws DiagnosticError Z435 for weights or features that are not finite, Z704 from the calls that need a tower
 * which the model has not
 */
export async function openEncoder(
  executor: Executor,
  model: Model,
  source: WeightSource,
  { rows, ...limits }: EncoderSettings = {},
): Promise<Encoder> {
  const weights = finiteWeights(source);
  const { embed } = model;
  if (embed === undefined)
    fail('Z704', `${model.name} gives no features [B, E]: its forward has no output of that shape`);
  const open = (name: EntryName, fits: (input: ModelInput) => boolean) => {
    const info = towerOf(model, name, fits);
    if (info === undefined) return undefined;
    const { entry, input } = info;
    const tower = new Tower(input.name, embed, rows, (batch) =>
      openEntry(executor, model, weights, { entry, batch, mode: 'eval', gradients: false }),
    );
    return { tower, input };
  };
  const pictures = open('encode_image', isPicture);
  const texts = open('encode_text', isText);
  const normalize = makeNormalizer(model.normalization);
  let tokenizer: Promise<Tokenizer> | undefined;
  const encodeTexts = async (list: readonly string[]): Promise<Float32Array> => {
    const { tower, input } = texts ?? lacking(model, 'encode_text', 'texts i32[B, T]');
    const context = input.sizes[0]!;
    tokenizer ??= createTokenizer({ vocab: vocabularyOf(input) ?? anyId.max + 1, context });
    const { encodeInto } = await tokenizer;
    return tower.encode(
      list.length,
      (rows) => new Int32Array(rows * context),
      (row, i) => {
        encodeInto(row, list[i]!);
      },
      (i) => JSON.stringify(list[i]!.slice(0, shownText)),
    );
  };
  const logits = await logitsOf(model, weights);
  const openedPictures = () => {
    const { tower, input } = pictures ?? lacking(model, 'encode_image', 'pictures [B, 3, R, R]');
    const size = input.sizes[1]!;
    const allocate = (count: number) => new Float32Array(count * 3 * size * size);
    return { tower, allocate, fitting: { size, ...limits } };
  };
  return {
    embed,
    ...logits,
    fitting: () => openedPictures().fitting,
    encodeImages: async (paths) => {
      const { tower, allocate, fitting } = openedPictures();
      return tower.encode(
        paths.length,
        allocate,
        async (row, i) => row.set(await readImage(paths[i]!, fitting, normalize)),
        (i) => paths[i]!,
      );
    },
    encodeFitted: async (fitted, nameOf) => {
      const { tower, allocate } = openedPictures();
      return tower.encode(fitted.length, allocate, (row, i) => normalize(row, 0, fitted[i]!), nameOf);
    },
    encodeTexts,
    encodePrompts: (prompts) => classFeatures(encodeTexts, prompts, embed),
    close() {
      pictures?.tower.close();
      texts?.tower.close();
    },
  };
}

export function softmax(scores: readonly number[], scale: number): number[] {
  const best = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = scores.map((s) => Math.exp(scale * (s - best)));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / total);
}

interface Prediction {
  readonly label: string;
  readonly probability: number;
}

/**
 * Probabilities of labels for one picture, best first: softmax(scale × cosine), or, of a model with a bias, which was
 * trained to say of every pair whether it belongs together, sigmoid(scale × cosine + bias).
 * @param image one feature; `features` has one of the same width per label, rows of length 1
 */
export function predict(
  image: Float32Array,
  labels: readonly string[],
  features: Float32Array,
  { scale, bias }: Pick<Encoder, 'scale' | 'bias'>,
): Prediction[] {
  const width = image.length;
  const scores = labels.map((_, l) => image.reduce((sum, x, i) => sum + x * features[l * width + i]!, 0));
  const probabilities =
    bias === undefined ? softmax(scores, scale) : scores.map((s) => 1 / (1 + Math.exp(-(scale * s + bias))));
  return labels
    .map((label, l) => ({ label, probability: probabilities[l]! }))
    .sort((a, b) => b.probability - a.probability);
}
