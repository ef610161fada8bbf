/** The emoji pictures as a data set: which are learnt from and which are held out, and batches of pairs of the former. */
import { fitImage, makeNormalizer } from '../../../runtime/data/pictures/fit.ts';
import { shifted } from '../../../runtime/data/pictures/shift.ts';
import {
  type RandomKey,
  randomBelow,
  randomKey,
  randomPermutation,
  randomUnit,
} from '../../../runtime/data/random.ts';
import type * as zooc from '../../../zoo/api/browser.ts';

export interface Picture {
  readonly title: string;
  readonly tags: readonly string[];
}

export interface Pictures {
  /** Side of a picture in pixels. */
  readonly side: number;
  /** RGBA of all pictures, one behind the other. */
  readonly pixels: Uint8Array;
  readonly captions: readonly Picture[];
}

/** Every so many concepts, one of its pictures is held out; the other styles of it are learnt from. */
const heldOutOf = 5;

/** Numbers of pictures. */
export interface Split {
  readonly learnt: readonly number[];
  readonly held: readonly number[];
}

/** Keeps one picture of every fifth concept out, of each style in turn. */
export function splitOf(captions: readonly Picture[]): Split {
  const byTitle = new Map<string, number[]>();
  for (const [i, { title }] of captions.entries()) byTitle.set(title, [...(byTitle.get(title) ?? []), i]);
  const held = [...byTitle.values()].flatMap((pictures, concept) => {
    if (concept % heldOutOf !== 0 || pictures.length < 2) return [];
    return [pictures[(concept / heldOutOf) % pictures.length]!];
  });
  const out = new Set(held);
  return { learnt: captions.flatMap((_, i) => (out.has(i) ? [] : [i])), held };
}

/** As RGB of another side, each fitted when it is first asked for. */
export class FittedPictures {
  readonly #pictures: Pictures;
  readonly #size: number;
  readonly #fitted = new Map<number, Uint8Array>();

  constructor(pictures: Pictures, size: number) {
    this.#pictures = pictures;
    this.#size = size;
  }

  rgb(picture: number): Uint8Array {
    const known = this.#fitted.get(picture);
    if (known !== undefined) return known;
    const { side, pixels } = this.#pictures;
    const bytes = side * side * 4;
    const data = pixels.subarray(picture * bytes, (picture + 1) * bytes);
    const made = fitImage({ width: side, height: side, channels: 4, mode: 'alpha', data }, this.#size);
    this.#fitted.set(picture, made);
    return made;
  }

  pixels(picture: number): zooc.PixelsInput {
    return { width: this.#size, height: this.#size, data: this.rgb(picture) };
  }
}

/** As examples/emoji has them: a name more often than a keyword, in one of four prompts. */
const titleShare = 0.6;
const templates = ['{}', '{} emoji', 'icon of {}', 'picture of {}'];

function captionOf({ title, tags }: Picture, key: RandomKey): string {
  const fromTags = tags.length > 0 && randomUnit(key, 0) >= titleShare;
  const words = fromTags ? tags[randomBelow(key, 1, tags.length)]! : title;
  return templates[randomBelow(key, 2, templates.length)]!.replace('{}', () => words);
}

export interface BatchSettings {
  readonly batch: number;
  readonly seed: number;
  /** Pixels that a picture is moved by at most. */
  readonly shift: number;
}

/** Batches by number: what is in one depends on seed and number alone, so that a run can go on anywhere. */
export class Batches {
  readonly #captions: readonly Picture[];
  readonly #learnt: readonly number[];
  readonly #model: zooc.ZooModel;
  readonly #settings: BatchSettings;
  readonly #images: { readonly name: string; readonly size: number } | undefined;
  readonly #tokens: { readonly name: string; readonly context: number } | undefined;
  /** As the model takes them. */
  readonly fitted: FittedPictures;
  readonly #normalize: ReturnType<typeof makeNormalizer>;
  readonly #known = new Map<string, Int32Array>();

  /** @param inputs of the run; those that are neither pictures nor texts are left out, which the run then says */
  constructor(
    pictures: Pictures,
    { learnt }: Split,
    model: zooc.ZooModel,
    inputs: zooc.TrainRun['inputs'],
    settings: BatchSettings,
  ) {
    this.#captions = pictures.captions;
    this.#learnt = learnt;
    this.#model = model;
    this.#settings = settings;
    const images = inputs.find(({ dtype, shape }) => dtype === 'f32' && shape.length === 4 && shape[1] === 3);
    const tokens = inputs.find(({ dtype, shape }) => dtype === 'i32' && shape.length === 2);
    this.#images = images && { name: images.name, size: images.shape[2]! };
    this.#tokens = tokens && { name: tokens.name, context: tokens.shape[1]! };
    this.fitted = new FittedPictures(pictures, images?.shape[2] ?? pictures.side);
    this.#normalize = makeNormalizer(model.model.normalization);
  }

  /** @throws DiagnosticError Z414, Z704 for a model whose texts have no tokenizer */
  async at(step: number): Promise<zooc.NamedArrays> {
    const { batch, seed, shift } = this.#settings;
    const places = Array.from({ length: batch }, (_, i) => step * batch + i);
    const drawn = this.#drawn(places);
    const made: Record<string, Float32Array | Int32Array> = {};
    if (this.#images !== undefined) {
      const { name, size } = this.#images;
      const images = new Float32Array(batch * 3 * size * size);
      for (const [row, picture] of drawn.entries()) {
        const rgb = this.fitted.rgb(picture);
        const key = randomKey(seed, 'shift', places[row]!);
        const moved = shift === 0 ? rgb : shifted(rgb, size, shift, key);
        this.#normalize(images, row * 3 * size * size, moved);
      }
      made[name] = images;
    }
    if (this.#tokens !== undefined) {
      const { name, context } = this.#tokens;
      const ids = new Int32Array(batch * context);
      for (const [row, picture] of drawn.entries()) {
        const text = captionOf(this.#captions[picture]!, randomKey(seed, 'caption', places[row]!));
        const known = this.#known.get(text) ?? (await this.#model.tokens([text]));
        this.#known.set(text, known);
        ids.set(known, row * context);
      }
      made[name] = ids;
    }
    return made;
  }

  /** Epoch after epoch, each in an order of its own. */
  #drawn(places: readonly number[]): number[] {
    const count = this.#learnt.length;
    const orders = new Map<number, Uint32Array>();
    return places.map((place) => {
      const epoch = Math.floor(place / count);
      const order =
        orders.get(epoch) ?? randomPermutation(randomKey(this.#settings.seed, 'order', epoch), count);
      orders.set(epoch, order);
      return this.#learnt[order[place % count]!]!;
    });
  }
}
