/**
 * Zero-shot tests of a trained emoji model: which caption fits a picture best, beside what chance gives.
 *
 * A caption's feature is the mean of its features under the four prompts it was trained with, so no prompt is
 * favoured. Everything is pure arithmetic on features that an encoder made; `run.ts` brings the encoder.
 */
import { join } from 'node:path';
import { topAccuracy } from '../../runtime/eval/metrics/classification.ts';
import { trueRanks } from '../../runtime/eval/zeroshot.ts';
import { promptsOf } from '../../zoo/evaluate/prompts.ts';
import { type Encoder, predict } from '../../zoo/run/encoder.ts';
import type { EmojiData, Row } from './prepare.ts';

/** One line of the table. */
export interface Score {
  readonly name: string;
  readonly pictures: number;
  readonly choices: number;
  /** Shares in [0, 1]. */
  readonly top1: number;
  readonly top5: number;
}

/** One picture and what the model says about it. */
export interface Answer {
  /** Path of the picture. */
  readonly picture: string;
  /** The true caption. */
  readonly caption: string;
  /** Best first. */
  readonly best: readonly { readonly caption: string; readonly probability: number }[];
}

/** Features in rows of `width`, each of length 1, and what each row stands for. */
export interface Features {
  readonly names: readonly string[];
  readonly width: number;
  readonly data: Float32Array;
}

export interface Evaluation {
  readonly scores: readonly Score[];
  readonly combinations: readonly Answer[];
  readonly style: readonly Answer[];
}

function score(name: string, images: Features, captions: Features): Score {
  const index = new Map(captions.names.map((caption, i) => [caption, i]));
  const truth = images.names.map((caption) => index.get(caption)!);
  const list = trueRanks(images.data, captions.data, images.width, truth);
  return {
    name,
    pictures: list.length,
    choices: captions.names.length,
    top1: topAccuracy(list, 1),
    top5: topAccuracy(list, 5),
  };
}

/** The five best captions of a picture with their probabilities over all captions. */
function answer(
  images: Features,
  row: number,
  captions: Features,
  logits: Pick<Encoder, 'scale' | 'bias'>,
  picture: string,
): Answer {
  const image = images.data.subarray(row * images.width, (row + 1) * images.width);
  const best = predict(image, captions.names, captions.data, logits).slice(0, 5);
  return {
    picture,
    caption: images.names[row]!,
    best: best.map(({ label, probability }) => ({ caption: label, probability })),
  };
}

function select(features: Features, keep: ReadonlySet<string>): Features {
  const rows = features.names.flatMap((name, i) => (keep.has(name) ? [i] : []));
  const { width } = features;
  const data = new Float32Array(rows.length * width);
  for (const [to, from] of rows.entries()) {
    data.set(features.data.subarray(from * width, (from + 1) * width), to * width);
  }
  return { names: rows.map((i) => features.names[i]!), width, data };
}

/** `count` rows spread evenly over a list. */
function spread<T>(list: readonly T[], count: number): number[] {
  const step = Math.max(1, list.length / count);
  return Array.from({ length: Math.min(count, list.length) }, (_, i) => Math.floor((i + 0.5) * step));
}

/** Runs both tests with these prompts. `shown` pictures of each go to the page. */
export async function evaluate(
  encoder: Encoder,
  data: EmojiData,
  prompts: readonly string[],
  shown = 24,
): Promise<Evaluation> {
  const width = encoder.embed;
  const encodeRows = async (list: readonly Row[]): Promise<Features> => ({
    names: list.map((row) => row.title),
    width,
    data: await encoder.encodeImages(list.map((row) => join(data.folder, row.filepath))),
  });
  const captions: Features = {
    names: data.captions,
    width,
    data: await encoder.encodePrompts(promptsOf(data.captions, { templates: prompts })),
  };
  const holdout = await encodeRows(data.holdout);
  const style = await encodeRows(data.style);
  const heldOutCaptions = select(captions, new Set(holdout.names));
  const styleCaptions = select(captions, new Set(style.names));
  const answers = (list: readonly Row[], images: Features, among: Features): Answer[] =>
    spread(list, shown).map((row) =>
      answer(images, row, among, encoder, join(data.folder, list[row]!.filepath)),
    );
  return {
    scores: [
      score('unseen combinations', holdout, heldOutCaptions),
      score('unseen combinations, all captions', holdout, captions),
      score('unseen style (OpenMoji)', style, styleCaptions),
      score('unseen style, all captions', style, captions),
    ],
    combinations: answers(data.holdout, holdout, heldOutCaptions),
    style: answers(data.style, style, styleCaptions),
  };
}
