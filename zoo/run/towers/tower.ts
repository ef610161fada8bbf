/**
 * Fitted pictures and texts to features of length 1, whatever a tower is run by: a model that is compiled, or a plan that was
 * before. Nothing here is Node's.
 *
 * Each tower is opened once (one of texts, where it goes by their lengths, for each in turn), for a batch that fits what is
 * asked first; a last, incomplete batch is padded with zeros, which change nothing because no operation of an encoder mixes
 * samples.
 */
import { fail } from '../../../grammar/diagnostics.ts';
import type { Normalizer } from '../../../runtime/data/pictures/fit.ts';
import type { Tokenizer } from '../../../runtime/data/texts/bpe.ts';
import { normalizeRows } from '../../../runtime/eval/zeroshot.ts';
import { longestRow } from '../../../runtime/train/lengths.ts';
import type { HostArray } from '../../../runtime/types.ts';
import { firstNotFinite } from '../../weights/tensors/finite.ts';
import type { ReadyPlan } from '../plan-entry.ts';

type Runnable = Pick<ReadyPlan, 'run' | 'close'>;

/** How a model makes logits: scale × cosine + bias. */
export interface Logits {
  /** exp(logit_scale) */
  readonly scale: number;
  /** Of a model that learned one beside the scale, with the sigmoid loss. */
  readonly bias: number | undefined;
}

/** Enough rows to keep a device busy, few enough that a batch of ViT-L/14 fits beside its weights. */
export const mostRows = 64;

/** Characters of a text in a message. */
const shownText = 60;

/** One tower, compiled when first used. */
export class Tower {
  readonly #open: (batch: number, length?: number) => Promise<Runnable>;
  readonly #lengths: readonly number[];
  readonly #input: string;
  readonly #embed: number;
  readonly #rows: number | undefined;
  #batch: number | undefined;
  #ready: { readonly entry: Runnable; readonly length: number | undefined } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param rows of a batch, where they do not depend on what is asked first
   * @param open for rows that end within a length, of `lengths`, or for all
   * @param lengths ascending; one is open at a time
   */
  constructor(
    input: string,
    embed: number,
    rows: number | undefined,
    open: (batch: number, length?: number) => Promise<Runnable>,
    lengths: readonly number[] = [],
  ) {
    this.#lengths = lengths;
    this.#open = open;
    this.#input = input;
    this.#embed = embed;
    this.#rows = rows;
  }

  /**
   * `fill` writes row `i` of `count` into the batch it is given; `rowSize` values a row.
   * @param nameOf what row `i` is, for messages
   * @param endOf where row `i` ends, of texts
   * @throws DiagnosticError Z435
   */
  async encode<T extends HostArray>(
    count: number,
    allocate: (rows: number) => T,
    fill: (row: T, i: number) => Promise<void> | void,
    nameOf: (i: number) => string,
    endOf?: (i: number) => number,
  ): Promise<Float32Array> {
    const features = new Float32Array(count * this.#embed);
    if (count === 0) return features;
    this.#batch ??= this.#rows ?? Math.min(count, mostRows);
    const batch = this.#batch;
    const batches = this.#batches(count, batch, endOf);
    await this.#inTurn(() => this.#opened(batch, batches[0]!.length));
    const rowSize = allocate(1).length;
    for (const { start, length } of batches) {
      const values = allocate(batch);
      const rows = Math.min(batch, count - start);
      await Promise.all(
        Array.from({ length: rows }, (_, i) =>
          fill(values.subarray(i * rowSize, (i + 1) * rowSize) as T, start + i),
        ),
      );
      const outputs = await this.#inTurn(async () => {
        const entry = await this.#opened(batch, length);
        return entry.run(new Map([[this.#input, values]]));
      });
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

  /** Those of the same length one behind the other; the length of one is that of its own rows, whatever else is asked. */
  #batches(count: number, batch: number, endOf?: (i: number) => number) {
    const batches = Array.from({ length: Math.ceil(count / batch) }, (_, b) => {
      const start = b * batch;
      const ends = Array.from({ length: Math.min(batch, count - start) }, (_, i) => endOf?.(start + i) ?? 0);
      const longest = Math.max(...ends);
      return { start, length: endOf && this.#lengths.find((length) => length >= longest) };
    });
    const all = Number.MAX_SAFE_INTEGER;
    return batches.sort((a, b) => (a.length ?? all) - (b.length ?? all));
  }

  async #opened(batch: number, length: number | undefined): Promise<Runnable> {
    if (this.#ready?.length !== length) {
      this.#ready?.entry.close();
      this.#ready = undefined;
    }
    this.#ready ??= { entry: await this.#open(batch, length), length };
    return this.#ready.entry;
  }

  /** The session has one set of buffers; what another call fills meanwhile is its own. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

/** RGB bytes [size, size, 3] that were fitted. @param nameOf what picture `i` is, for messages */
export function encodeFitted(
  tower: Tower,
  { size, normalize }: { readonly size: number; readonly normalize: Normalizer },
  count: number,
  fitted: (i: number) => Uint8Array | Promise<Uint8Array>,
  nameOf: (i: number) => string,
): Promise<Float32Array> {
  return tower.encode(
    count,
    (rows) => new Float32Array(rows * 3 * size * size),
    async (row, i) => normalize(row, 0, await fitted(i)),
    nameOf,
  );
}

/** Features of texts; one that exceeds the context is cut. */
export function encodeTexts(
  tower: Tower,
  { context, encodeInto }: Pick<Tokenizer, 'context' | 'encodeInto'>,
  texts: readonly string[],
): Promise<Float32Array> {
  const rows = texts.map((text) => {
    const row = new Int32Array(context);
    encodeInto(row, text);
    return row;
  });
  return tower.encode(
    texts.length,
    (rows) => new Int32Array(rows * context),
    (row, i) => row.set(rows[i]!),
    (i) => JSON.stringify(texts[i]!.slice(0, shownText)),
    (i) => longestRow(rows[i]!, context),
  );
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
  { scale, bias }: Logits,
): Prediction[] {
  const width = image.length;
  const scores = labels.map((_, l) => image.reduce((sum, x, i) => sum + x * features[l * width + i]!, 0));
  const probabilities =
    bias === undefined ? softmax(scores, scale) : scores.map((s) => 1 / (1 + Math.exp(-(scale * s + bias))));
  return labels
    .map((label, l) => ({ label, probability: probabilities[l]! }))
    .sort((a, b) => b.probability - a.probability);
}
