/** Classification of pictures by one loaded model. */
import type * as zooc from '../../zoo/api/browser.ts';
import type { Opened } from './opened.ts';
import { findModel, type ModelSource, useMergesFor } from './sources.ts';

export interface ModelFacts {
  readonly name: string;
  readonly parameters: number;
  /** What a person must know about how the weights fit. */
  readonly remarks: readonly string[];
  /** Until weights were read and checked. */
  readonly milliseconds: number;
}

export interface Classified {
  readonly found: readonly zooc.Classification[];
  /** Time until the labels were encoded; absent where they were before. */
  readonly labels?: number;
  /** Time for the picture. */
  readonly picture: number;
  /** Bytes of device memory in use. */
  readonly memory: number;
}

interface Loaded {
  readonly clip: zooc.LoadedModel;
  readonly generation: number;
  classifier?: { readonly key: string; readonly made: Promise<zooc.Classifier> };
}

export class Classifying {
  readonly #opened: Opened;
  #source: ModelSource = { kind: 'emoji' };
  #loaded: Promise<Loaded> | undefined;
  #facts: ModelFacts | undefined;

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  /**
   * Takes another model, which replaces the one before when it could be loaded.
   * @throws DiagnosticError Z1xx to Z3xx for the model, Z4xx for weights that do not fit, Z60x for the device, Z701
   */
  async use(source: ModelSource): Promise<ModelFacts> {
    const start = performance.now();
    const loading = this.#load(source);
    const { clip } = await loading;
    const before = this.#loaded;
    this.#source = source;
    this.#loaded = loading;
    void before?.then((old) => old.clip.close()).catch(() => {});
    const { name, parameters } = clip.model;
    this.#facts = { name, parameters, remarks: clip.remarks, milliseconds: performance.now() - start };
    return this.#facts;
  }

  /** What was taken last, by whatever part of the page; undefined while it is the emoji model as at the start. */
  facts(): ModelFacts | undefined {
    return this.#facts;
  }

  /** @throws as `use`, and Z405 for what is no picture, Z414, Z435 */
  async classify(
    picture: Blob,
    labels: readonly string[],
    templates: readonly string[],
  ): Promise<Classified> {
    const loaded = await this.#current();
    const start = performance.now();
    const key = JSON.stringify([labels, templates]);
    const known = loaded.classifier?.key === key;
    if (!known) {
      const made = loaded.clip.classifier(labels, templates);
      loaded.classifier = { key, made };
      made.catch(() => delete loaded.classifier);
    }
    const classifier = await loaded.classifier!.made;
    const between = performance.now();
    const found = await classifier.classify(picture);
    const { memory } = await this.#opened.gpu();
    return {
      found,
      ...(known ? {} : { labels: between - start }),
      picture: performance.now() - between,
      memory: memory.current,
    };
  }

  async #load(source: ModelSource): Promise<Loaded> {
    const { model, weights } = await findModel(source);
    const gpu = await this.#opened.gpu();
    useMergesFor(model);
    return { clip: await gpu.load(model, weights), generation: this.#opened.generation };
  }

  /** The model, loaded again where its device was lost. */
  async #current(): Promise<Loaded> {
    await this.#opened.gpu();
    const loaded = await this.#loaded?.catch(() => undefined);
    if (loaded?.generation === this.#opened.generation) return loaded;
    this.#loaded = this.#load(this.#source);
    return this.#loaded;
  }
}
