/** An open device, and models on it. */
import type { Model } from '../../compiler/model/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import { type DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import type { Device } from '../../runtime/types.ts';
import type { AdapterReport } from '../../runtime/webgpu/adapter.ts';
import { type EntryRequest, openOnDevice, type ReadyEntry } from '../run/compiled.ts';
import { featureWidth, logitsOf, pictureTower, type TowerInfo, textTower } from '../run/towers/of-model.ts';
import { Tower } from '../run/towers/tower.ts';
import type { SelftestOptions, SelftestReport } from '../selftest/types.ts';
import { finiteWeights, type WeightSource } from '../weights/source.ts';
import { checkClock, type StepTime, timeSteps } from './explain/times.ts';
import { Encoder, type Towers } from './features.ts';
import { checkEntry, tokenizerOf, ZooModel } from './model.ts';
import type { OpenedDevice, Platform } from './platform.ts';
import { checkInput, type TrainOptions, TrainRun } from './train.ts';
import type { NamedArrays, NamedResult, OpenOptions, Settings, WeightsInput } from './types.ts';
import { openWeightsInput, weightsToBytes } from './weights.ts';

/** How an entry runs. */
export interface RunOptions {
  /** Rows of every input, above 0. */
  readonly batch: number;
  /** `eval` by default. */
  readonly mode?: 'eval' | 'train';
  /** Of the entry `loss`: also `grad.WEIGHT` for every trainable weight. */
  readonly gradients?: boolean;
}

/** How an entry is timed. */
export interface TimeOptions extends RunOptions {
  /** Runs behind the first, above 0; 5 by default. */
  readonly runs?: number;
}

/** Does something with the entry when all before are done. */
type InTurn = <T>(work: (entry: ReadyEntry) => Promise<T>) => Promise<T>;

interface Opened {
  readonly ready: Promise<ReadyEntry>;
  readonly inTurn: Promise<InTurn>;
}

/** The towers of a model, each compiled when it is first used. */
function modelTowers(platform: Platform, device: Device, model: Model, weights: WeightSource): Towers {
  const opened: Tower[] = [];
  const tower = ({ entry, input }: TowerInfo): Tower => {
    const made = new Tower(input.name, featureWidth(model), undefined, (batch) =>
      openOnDevice({ device }, model, weights, { entry, batch, mode: 'eval', gradients: false }),
    );
    opened.push(made);
    return made;
  };
  const once = <T>(make: () => T): (() => T) => {
    let made: { readonly value: T } | undefined;
    return () => {
      made ??= { value: make() };
      return made.value;
    };
  };
  return {
    embed: () => featureWidth(model),
    logits: once(() => logitsOf(model, weights)),
    pictures: once(() => {
      const info = pictureTower(model);
      const size = info.input.sizes[1]!;
      return { tower: tower(info), size, normalization: model.normalization };
    }),
    texts: once(async () => {
      const tokenizer = await tokenizerOf(platform, model);
      return { tower: tower(textTower(model)), tokenizer };
    }),
    close: () => {
      for (const made of opened) made.close();
    },
  };
}

/** A model with its weights on a device; close it when done. */
export class LoadedModel extends Encoder {
  readonly model: ZooModel;
  /** What a person must know about how the weights fit the model. */
  readonly remarks: readonly string[];
  readonly #device: Device;
  readonly #source: WeightSource;
  readonly #entries = new Map<string, Opened>();

  /** @internal */
  constructor(platform: Platform, device: Device, model: ZooModel, source: WeightSource) {
    const weights = finiteWeights(source);
    super(platform, modelTowers(platform, device, model.model, weights));
    this.model = model;
    this.remarks = source.remarks;
    this.#device = device;
    this.#source = weights;
  }

  /**
   * Runs any entry. It is compiled at the first call with these options, and kept.
   * @param inputs what the entry takes (`model.entries`), row-major
   * @returns what it gives, by name, with shapes
   * @throws DiagnosticError Z404 for inputs that do not fit, Z605 for a batch that the device cannot hold, Z704
   */
  async run(entry: string, inputs: NamedArrays, options: RunOptions): Promise<Record<string, NamedResult>> {
    const inTurn = await this.#opened(this.#requestOf(entry, inputs, options));
    return Object.fromEntries(await inTurn((ready) => ready.run(new Map(Object.entries(inputs)))));
  }

  /**
   * Runs an entry as `run` does, and measures each of its steps by the device's own clock: the steps of
   * `model.explain({ entry, batch, profile: gpu.profile })` with the same options, in order. Slower than `run`, for each step has a pass of
   * its own; the first run, in which drivers compile, is not counted.
   * @throws DiagnosticError as `run`; Z603 where the adapter has no timestamps, or such as make no sense; Z703 for runs
   */
  async time(entry: string, inputs: NamedArrays, options: TimeOptions): Promise<StepTime[]> {
    const { runs = 5 } = options;
    if (!Number.isSafeInteger(runs) || runs < 1)
      fail('Z703', `runs ${runs}: expected a whole number above 0`);
    const request = this.#requestOf(entry, inputs, options);
    await checkClock(this.#device);
    const inTurn = await this.#opened(request);
    return inTurn(async (ready) => {
      await ready.run(new Map(Object.entries(inputs)));
      return timeSteps(ready.session, runs);
    });
  }

  /** @throws DiagnosticError Z404, Z703, Z704 */
  #requestOf(entry: string, inputs: NamedArrays, options: RunOptions): EntryRequest {
    const { batch, mode = 'eval', gradients = false } = options;
    const { model } = this.model;
    checkEntry(model, entry, batch);
    for (const input of model.entries.find(({ name }) => name === entry)!.inputs)
      checkInput(input, batch, inputs[input.name]);
    return { entry, batch, mode, gradients };
  }

  /** An entry whose calls wait for each other: a session has one set of buffers. What could not be opened is tried again. */
  #opened(request: EntryRequest): Promise<InTurn> {
    const key = JSON.stringify(request);
    const known = this.#entries.get(key);
    if (known !== undefined) return known.inTurn;
    const ready = openOnDevice({ device: this.#device }, this.model.model, this.#source, request);
    let last: Promise<unknown> = Promise.resolve();
    const inTurn = ready.then(
      (entry): InTurn =>
        (work) => {
          const result = last.then(() => work(entry));
          last = result.catch(() => {});
          return result;
        },
    );
    this.#entries.set(key, { ready, inTurn });
    ready.catch(() => this.#entries.delete(key));
    return inTurn;
  }

  /** The weights as bytes of safetensors under our names: f32, i64 for counters. @throws DiagnosticError Z435 */
  weights(): Promise<Uint8Array> {
    return weightsToBytes(this.model.model, this.#source);
  }

  override close(): void {
    super.close();
    for (const { ready } of this.#entries.values()) void ready.then((entry) => entry.close()).catch(() => {});
    this.#entries.clear();
    void this.#source.close();
  }
}

/** An open device; close it when nothing on it is used any more (Node does not end before). */
export class Gpu {
  readonly #platform: Platform;
  readonly #opened: OpenedDevice;

  private constructor(platform: Platform, opened: OpenedDevice) {
    this.#platform = platform;
    this.#opened = opened;
  }

  /**
   * @throws DiagnosticError Z601 to Z603, Z636
   * @internal
   */
  static async open(platform: Platform, options: OpenOptions): Promise<Gpu> {
    return new Gpu(platform, await platform.openDevice(options));
  }

  /** The driver's name of the adapter. */
  get name(): string {
    return this.#opened.report.name;
  }

  /** What the adapter says of itself: vendor, architecture, limits, features. */
  get adapter(): AdapterReport {
    return this.#opened.report;
  }

  /** What the compiler is told about the device; `model.compile` takes it. */
  get profile(): DeviceProfile {
    return this.#opened.device.profile;
  }

  /** Bytes of device memory in use, and the most there ever were. */
  get memory(): { readonly current: number; readonly peak: number } {
    return this.#opened.device.memory;
  }

  /**
   * Resolves with Z606 when the driver takes the device away, which `close` is not: what was on it is gone. Open another one.
   */
  get lost(): Promise<DiagnosticError> {
    return this.#opened.device.lost;
  }

  /**
   * A model with weights. Kernels are compiled when they are first used.
   * @param model a model, or what `model()` takes
   * @throws DiagnosticError Z401 naming every tensor that does not fit, Z403, Z41x and Z42x for what cannot be read, Z701
   */
  async load(model: ZooModel | string, weights: WeightsInput, settings: Settings = {}): Promise<LoadedModel> {
    const made = typeof model === 'string' ? ZooModel.from(this.#platform, model, settings) : model;
    const source = await openWeightsInput(this.#platform, made.model, weights);
    return new LoadedModel(this.#platform, this.#opened.device, made, source);
  }

  /**
   * A training run by a recipe whose batches the caller brings; its `data` is not read and may be left out.
   * @param recipe a text with a model and a recipe, or (Node) a path `FILE.zoo#recipe`
   * @throws DiagnosticError Z1xx to Z5xx for the recipe, Z4xx for weights, Z605 for a batch that the device cannot hold
   */
  train(recipe: string, options: TrainOptions = {}): Promise<TrainRun> {
    return TrainRun.open(this.#platform, this.#opened.device, recipe, options);
  }

  /**
   * What the device computes by every kernel family and schedule that plans for it may use, forward and backward, in f32 and in mixed
   * precision, beside double precision; small models; some steps of training; how fast it copies and multiplies. Seconds on a GPU,
   * minutes on a software adapter. Its code is loaded when it is called.
   * @returns what was found, as data, of which `selftestMarkdown` makes a report; a wrong result is no error
   * @throws DiagnosticError Z703 for a part that does not exist, Z60x where the device fails altogether
   */
  async selftest(options: SelftestOptions = {}): Promise<SelftestReport> {
    const { selftest } = await import('../selftest/selftest.ts');
    const { host, versions } = this.#platform;
    return selftest({ ...this.#opened, host, versions: await versions() }, options);
  }

  /** Frees the device. */
  close(): void {
    this.#opened.device.close();
  }
}
