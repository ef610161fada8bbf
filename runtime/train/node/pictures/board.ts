/**
 * A few pictures of the first batch, as the model was fed them, and the captions that it finds best at every checkpoint.
 *
 * Taken from a batch and not from a table, so that they are there for any source. They stay the same over resumes, and
 * nothing of training depends on them.
 */
import sharp from 'sharp';
import type { Batch } from '../../../data/types.ts';
import type { FedPicture, PicturesFile, Ranking } from '../../pictures.ts';
import type { RunLog, Showing } from '../log.ts';
import { readPictures, writePictures } from './file.ts';

/** Pictures, and so captions, that are compared. */
export const mostPictures = 16;
/** Captions that a picture is shown with. */
const mostCaptions = 5;

/** Knows what the model is fed and how it compares. */
export interface PictureJudge {
  /** Names of the inputs that are pictures [3, side, side] and texts [context]. */
  readonly images: string;
  readonly tokens: string;
  readonly side: number;
  readonly context: number;
  /** RGB bytes [side, side, 3] of normalised values. */
  bytesOf(values: Float32Array): Uint8Array;
  /** The text of a row of ids. */
  textOf(tokens: Int32Array): Promise<string>;
  /**
   * Probabilities of all captions for each picture, [n, n].
   * @param path the checkpoint whose weights compare
   */
  judge(path: string, pictures: readonly Uint8Array[], tokens: readonly Int32Array[]): Promise<Float32Array>;
}

interface Taken {
  readonly bytes: Uint8Array;
  readonly tokens: Int32Array;
}

/** The first samples of a batch whose texts differ, copied. */
function takeFrom(batch: Batch, { images, tokens, side, context, bytesOf }: PictureJudge): Taken[] {
  const [pictures, texts] = [batch.inputs.get(images), batch.inputs.get(tokens)];
  if (!(pictures instanceof Float32Array) || !(texts instanceof Int32Array)) return [];
  const size = 3 * side * side;
  const taken = new Map<string, Taken>();
  for (let i = 0; (i + 1) * context <= texts.length && taken.size < mostPictures; i++) {
    const row = texts.slice(i * context, (i + 1) * context);
    const key = row.join();
    if (taken.has(key)) continue;
    taken.set(key, { bytes: bytesOf(pictures.subarray(i * size, (i + 1) * size)), tokens: row });
  }
  return [...taken.values()];
}

export class PictureBoard implements RunLog {
  readonly #folder: string;
  readonly #judge: PictureJudge;
  #taken: readonly Taken[] | undefined;
  #file: PicturesFile | undefined;

  private constructor(folder: string, judge: PictureJudge) {
    this.#folder = folder;
    this.#judge = judge;
  }

  /** @param opened told of the board, for logs that show it */
  static showing(judge: PictureJudge, opened: (board: PictureBoard) => void = () => {}): Showing {
    return {
      name: 'pictures with their best captions',
      open: async ({ out, start }) => {
        const board = new PictureBoard(out, judge);
        if (start > 0) await board.#reopen(start);
        opened(board);
        return board;
      },
    };
  }

  /** Pictures with their rankings so far; undefined before the first. */
  get shown(): PicturesFile | undefined {
    return this.#file;
  }

  fed(_: number, batch: Batch): void {
    this.#taken ??= takeFrom(batch, this.#judge);
  }

  async saved(step: number, path: string): Promise<void> {
    const taken = this.#taken ?? [];
    // One caption alone would always be the best.
    if (taken.length < 2) return;
    const pictures = this.#file?.pictures ?? (await Promise.all(taken.map((one) => this.#picture(one))));
    const probabilities = await this.#judge.judge(
      path,
      taken.map((one) => one.bytes),
      taken.map((one) => one.tokens),
    );
    const ranking: Ranking = { step, best: taken.map((_, i) => bestOf(probabilities, i, taken.length)) };
    this.#file = { pictures, rankings: [...(this.#file?.rankings ?? []), ranking] };
    await writePictures(this.#folder, this.#file);
  }

  async close(): Promise<void> {}

  /** Goes on with the pictures of the run so far. */
  async #reopen(start: number): Promise<void> {
    const found = await readPictures(this.#folder);
    if (found === undefined) return;
    const { side, context } = this.#judge;
    const taken = await Promise.all(
      found.pictures.map(async ({ png, tokens }) => ({
        bytes: new Uint8Array(await sharp(Buffer.from(png, 'base64')).removeAlpha().raw().toBuffer()),
        tokens: Int32Array.from(tokens),
      })),
    );
    const fits = taken.every((t) => t.bytes.length === 3 * side * side && t.tokens.length === context);
    if (!fits) return;
    this.#taken = taken;
    this.#file = { pictures: found.pictures, rankings: found.rankings.filter(({ step }) => step <= start) };
  }

  async #picture({ bytes, tokens }: Taken): Promise<FedPicture> {
    const { side } = this.#judge;
    const png = await sharp(bytes, { raw: { width: side, height: side, channels: 3 } })
      .png()
      .toBuffer();
    return {
      png: png.toString('base64'),
      caption: await this.#judge.textOf(tokens),
      tokens: [...tokens],
    };
  }
}

function bestOf(probabilities: Float32Array, picture: number, count: number): Ranking['best'][number] {
  return [...probabilities.subarray(picture * count, (picture + 1) * count)]
    .map((probability, caption) => ({ caption, probability: Number(probability.toPrecision(4)) }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, mostCaptions);
}
