/** A model's towers on data sets: each set's pictures are encoded once, texts when they are asked for. */
import { join } from 'node:path';
import type { EntryName, Model } from '../../../compiler/model/types.ts';
import type { SourceContext } from '../../../runtime/data/sources/source-context.ts';
import type { Collective } from '../../../runtime/dist/collective.ts';
import type { Executor } from '../../run/devices.ts';
import { type Encoder, openEncoder, pictureTower } from '../../run/encoder.ts';
import type { WeightSource } from '../../weights/source.ts';
import type { Matrix } from '../data/feature-files.ts';
import { openData } from '../data/open.ts';
import type { OpenedData } from '../data/types.ts';
import { digestOf, entryIdentity } from '../identity.ts';
import type { Prompts } from '../prompts.ts';
import { type EncodedSet, readable } from '../set-tasks.ts';
import type { SuiteEntry } from '../suite.ts';
import { PictureEncoder, type PictureSettings } from './pictures.ts';
import { encodeSet, type Part, type SetFeatures } from './pieces.ts';
import { type TextOptions, textRows } from './texts.ts';

export interface EncodingOptions extends PictureSettings {
  readonly model: Model;
  readonly weights: WeightSource;
  readonly executor: Executor;
  readonly group: Collective;
  readonly prompts?: Prompts;
  readonly limit?: number;
  readonly cache?: string;
  readonly part?: Part;
  readonly warn: NonNullable<SourceContext['warn']>;
  notify(text: string): void;
  keep<R extends { close(): void }>(resource: R): R;
}

/** What was opened and is known of the model, for all data sets. */
export class ModelEncoder {
  readonly #options: EncodingOptions;
  /** SHA-256 of the weights. */
  readonly weights: string;
  #pictures: Promise<PictureEncoder> | undefined;
  #texts: Promise<Encoder> | undefined;
  /** By what they are made of: pictures of several tasks are encoded once. */
  readonly #features = new Map<string, Promise<SetFeatures | undefined>>();

  readonly #identities = new Map<EntryName, string>();
  readonly #classes = new Map<string, Promise<Matrix | undefined>>();

  constructor(options: EncodingOptions, weights: string) {
    this.#options = options;
    this.weights = weights;
  }

  /** @throws DiagnosticError Z460, and those of opening data */
  open(entry: SuiteEntry, split: string): Promise<OpenedData> {
    const { limit, prompts, warn, notify } = this.#options;
    return openData(entry, split, {
      ...(prompts === undefined ? {} : { prompts }),
      ...(limit === undefined ? {} : { limit }),
      notes: { warn, note: notify },
    });
  }

  /** Undefined where other parts of the job have not made their pieces yet. */
  async encode(data: OpenedData): Promise<EncodedSet | undefined> {
    const { model, cache, part, group, maxPixels, warn, notify } = this.#options;
    const tower = this.#identity(pictureTower(model).entry);
    const key = digestOf([tower, data.pictures.identity, maxPixels]);
    const known = this.#features.get(key);
    const encoding =
      known ??
      encodeSet(data.pictures, {
        folder: cache === undefined ? undefined : join(cache, 'features', key),
        part,
        group,
        encoder: () => this.#pictureEncoder(),
        progress: (done, of) => notify(`${data.pictures.name}: ${done} of ${of} pieces encoded`),
      });
    this.#features.set(key, encoding);
    const found = await encoding;
    if (found === undefined) return undefined;
    const set = readable(data, found);
    const skipped = data.pictures.count - set.places.length;
    if (skipped > 0 && known === undefined) {
      const [[place, reason]] = [...found.unreadable] as [[number, string]];
      const { name } = await data.pictures.picture(place);
      warn({
        code: 'Z416',
        severity: 'warning',
        message: `${data.pictures.name}: ${skipped} of ${data.pictures.count} pictures cannot be read and do not count; the first is ${name}: ${reason}`,
      });
    }
    return set;
  }

  get texts(): TextOptions {
    const { model, cache, group } = this.#options;
    const entry = model.entries.find(({ name }) => name === 'encode_text')?.name ?? 'forward';
    return {
      encoder: () => this.#textEncoder(),
      identity: this.#identity(entry),
      cache,
      group,
      classes: this.#classes,
    };
  }

  /** Traced once for all data sets. */
  #identity(entry: EntryName): string {
    const { model, executor } = this.#options;
    const known = this.#identities.get(entry) ?? entryIdentity(model, entry, this.weights, executor);
    this.#identities.set(entry, known);
    return known;
  }

  #pictureEncoder(): Promise<PictureEncoder> {
    const { executor, model, weights, keep } = this.#options;
    this.#pictures ??= PictureEncoder.open(executor, model, weights, this.#options).then(keep);
    return this.#pictures;
  }

  #textEncoder(): Promise<Encoder> {
    const { executor, model, weights, rows = textRows, extend, keep } = this.#options;
    const settings = { rows, byLength: true, ...(extend === undefined ? {} : { extend }) };
    this.#texts ??= openEncoder(executor, model, weights, settings).then(keep);
    return this.#texts;
  }
}
