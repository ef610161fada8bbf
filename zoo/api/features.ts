/**
 * Pictures and texts to features, and zero-shot classification, over towers that a model or plans made before give. It knows no
 * compiler, so that a page which only runs plans loads none.
 */
import { makeNormalizer } from '../../runtime/data/pictures/fit.ts';
import type { Tokenizer } from '../../runtime/data/texts/bpe.ts';
import { classFeatures } from '../../runtime/eval/zeroshot.ts';
import { encodeFitted, encodeTexts, type Logits, predict, type Tower } from '../run/towers/tower.ts';
import { fitPicture, nameOf } from './bytes.ts';
import type { Platform } from './platform.ts';
import type { Classification, PictureInput } from './types.ts';

/** @internal */
export interface PictureTower {
  readonly tower: Tower;
  /** Side of the picture in pixels. */
  readonly size: number;
  readonly normalization: { readonly mean: readonly number[]; readonly std: readonly number[] };
}

/** @internal */
export interface TextTower {
  readonly tower: Tower;
  readonly tokenizer: Tokenizer;
}

/**
 * Towers that are opened when they are first asked for.
 * @internal
 */
export interface Towers {
  /** Width of a feature. */
  readonly embed: () => number;
  readonly logits: () => Promise<Logits>;
  readonly pictures: () => PictureTower;
  readonly texts: () => Promise<TextTower>;
  readonly close: () => void;
}

/** Labels that were encoded. It lives as long as the encoder that made it. */
export interface Classifier {
  readonly labels: readonly string[];
  /**
   * Cosines with the labels as probabilities: softmax, or sigmoid for a model with a bias. Best first.
   * @throws as `encodeImage`
   */
  classify(picture: PictureInput): Promise<Classification[]>;
}

/** A model on a device that makes features; close it when done. */
export class Encoder {
  readonly #platform: Pick<Platform, 'fit'>;
  readonly #towers: Towers;

  /** @internal */
  constructor(platform: Pick<Platform, 'fit'>, towers: Towers) {
    this.#platform = platform;
    this.#towers = towers;
  }

  /** Width E of a feature. @throws DiagnosticError Z704 for a model that gives none */
  get embed(): number {
    return this.#towers.embed();
  }

  /**
   * The feature of one picture: [E], of length 1. The picture is fitted as CLIP's own transform does it: short side to the
   * model's resolution (bicubic), centre crop, mean and deviation.
   * @throws DiagnosticError Z405 for what is no picture, Z435 for numbers that are not finite, Z704 for a model without such a
   * tower
   */
  encodeImage(picture: PictureInput): Promise<Float32Array> {
    return this.encodeImages([picture]);
  }

  /** Features of pictures: [n, E] row-major, each of length 1. Batches are as large as the first call. @throws as `encodeImage` */
  async encodeImages(pictures: readonly PictureInput[]): Promise<Float32Array> {
    const { tower, size, normalization } = this.#towers.pictures();
    const fitted = (i: number) => fitPicture(this.#platform, pictures[i]!, { size });
    const target = { size, normalize: makeNormalizer(normalization) };
    return encodeFitted(tower, target, pictures.length, fitted, (i) => nameOf(pictures[i]!));
  }

  /**
   * Features of texts: [n, E] row-major, each of length 1. A text longer than the context is cut.
   * @throws DiagnosticError Z414 for a vocabulary without a tokenizer, Z435, Z704
   */
  async encodeText(texts: string | readonly string[]): Promise<Float32Array> {
    const { tower, tokenizer } = await this.#towers.texts();
    return encodeTexts(tower, tokenizer, typeof texts === 'string' ? [texts] : texts);
  }

  /**
   * A classifier by labels, as in CLIP's paper (section 3.1.4): the mean of each label's prompts is encoded once, for as many
   * pictures as there will be.
   * @param templates `{}` stands for the label; a label is its own prompt by default
   * @throws as `encodeText`
   */
  async classifier(labels: readonly string[], templates: readonly string[] = ['{}']): Promise<Classifier> {
    const prompts = labels.map((label) => templates.map((text) => text.replaceAll('{}', () => label)));
    const classes = await classFeatures((texts) => this.encodeText(texts), prompts, this.embed);
    const logits = await this.#towers.logits();
    return {
      labels,
      classify: async (picture) =>
        predict(await this.encodeImage(picture), labels, classes, logits).map(({ label, probability }) => ({
          label,
          score: probability,
        })),
    };
  }

  /**
   * Zero-shot classification of one picture: `classifier`, used once.
   * @throws as `encodeImage` and `encodeText`
   */
  async classify(
    picture: PictureInput,
    labels: readonly string[],
    templates?: readonly string[],
  ): Promise<Classification[]> {
    return (await this.classifier(labels, templates)).classify(picture);
  }

  /** Frees the device memory. Safe to call twice. */
  close(): void {
    this.#towers.close();
  }
}
