/** Training whose loop is the caller's: one step at a time, with batches of typed arrays. */

import type { ModelInput, Recipe } from '../../compiler/model/types.ts';
import { averagePrefix } from '../../compiler/optimizers.ts';
import { type Diagnostic, fail } from '../../grammar/diagnostics.ts';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../runtime/data/safetensors/tensors.ts';
import { beginState, CarriedWeights, toFloat32 } from '../../runtime/train/carried.ts';
import { batchCounters } from '../../runtime/train/counters.ts';
import { chunkSize, planTraining } from '../../runtime/train/plan.ts';
import { type Schedule, scheduleOf } from '../../runtime/train/schedule.ts';
import { DeviceTrainSession } from '../../runtime/train/session.ts';
import { checkHostBatch, checkSupported, settingsFor, unreadWarning } from '../../runtime/train/supported.ts';
import { checkStep, hyperAt } from '../../runtime/train/trainer.ts';
import type { TrainSession, UpdateSettings } from '../../runtime/train/types.ts';
import type { Device, HostArray } from '../../runtime/types.ts';
import { checkIds } from '../run/plan-entry.ts';
import type { WeightSource } from '../weights/source.ts';
import { startChanges, startFrom, startModel } from '../weights/tensors/start.ts';
import { recipeOf, ZooModel } from './model.ts';
import type { Platform } from './platform.ts';
import type { NamedArrays, Settings, WeightsInput } from './types.ts';
import { openWeightsInput } from './weights.ts';

/** What a run begins with. */
export interface TrainOptions {
  /** Which recipe, where the text has several. */
  readonly name?: string;
  /** Settings of the recipe and its model by path: `{ batch: 8, 'optimizer.lr': 1e-3 }`. */
  readonly set?: Settings;
  /** What the weights start from; by default the model's own initialisers with the recipe's seed. */
  readonly weights?: WeightsInput;
  /** Length of the run, where the recipe's schedule has no total. */
  readonly steps?: number;
  /** What an epoch is, where the recipe counts in epochs. */
  readonly batchesPerEpoch?: number;
  /** What `state` of an earlier run of the same recipe gave: the run goes on behind its last step; `weights` is not read. */
  readonly state?: Uint8Array;
}

/** What one step reports. */
export interface TrainStep {
  /** From 0. */
  readonly step: number;
  /** Before the update. */
  readonly loss: number;
  /** Learning rate of the step. */
  readonly lr: number;
  /** Global L2 norm of the gradients, before clipping; NaN where a half overflowed and the step was left out. */
  readonly gradNorm: number;
  /** What the objective reports beside the loss, and the model's own scalars (`logit_scale`, a logarithm). */
  readonly terms: Readonly<Record<string, number>>;
}

interface RunParts {
  readonly model: ZooModel;
  /** The step to begin with. */
  readonly start: number;
  readonly recipe: Recipe;
  readonly session: TrainSession;
  readonly schedule: Schedule;
  readonly settings: UpdateSettings;
  readonly carried: CarriedWeights;
  readonly warnings: readonly Diagnostic[];
}

/**
 * Data is what the caller hands to each step, whatever the recipe says of it.
 * @internal
 */
export const callersData = { path: 'data', value: 'tensors("the batches of each step")' } as const;

async function startOf(platform: Platform, recipe: Recipe, input: WeightsInput): Promise<WeightSource> {
  const base = startModel(recipe);
  const replaced = base === recipe.model ? new Set(startChanges(recipe).keys()) : undefined;
  return startFrom(recipe, await openWeightsInput(platform, base, input, replaced));
}

/** Where the state of a run says how many steps it has behind it. */
const stepKey = 'step';

interface StoredState {
  readonly step: number;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** @throws DiagnosticError Z411 for other bytes, Z401 where something of the run is not in it or has another size */
function readState(bytes: Uint8Array, recipe: Recipe, session: TrainSession): StoredState {
  const { tensors, metadata } = readSafetensors(bytes, 'the state');
  for (const { name, shape } of [...recipe.model.weights, ...session.state]) {
    const found = tensors.get(name)?.shape;
    if (found?.join() !== shape.join())
      fail(
        'Z401',
        `${name} ${found === undefined ? 'is missing' : `is [${found.join(', ')}], not [${shape.join(', ')}],`} in the state`,
        'it must come from a run of the same recipe',
      );
  }
  const step = Number(metadata.get(stepKey));
  if (!Number.isSafeInteger(step)) fail('Z401', 'the state does not say how many steps are behind it');
  return { step, tensors };
}

/** Writes weights and what the optimizer keeps of them. */
async function goOnFrom(
  session: TrainSession,
  recipe: Recipe,
  carried: CarriedWeights,
  { step, tensors }: StoredState,
): Promise<void> {
  const read = (name: string) =>
    Float32Array.from(tensors.get(name)!.data as ArrayLike<number | bigint>, Number);
  await beginState(session, recipe.model.weights, async ({ name }) => read(name), carried);
  for (const { name } of session.state) session.writeState(name, read(name));
  carried.beginAt(step);
}

/** A run on a device; close it when done. */
export class TrainRun {
  readonly #parts: RunParts;
  #step: number;
  /** Steps wait for each other: the arrays of a chunked batch are read until its end. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(parts: RunParts) {
    this.#parts = parts;
    this.#step = parts.start;
  }

  /**
   * @throws DiagnosticError Z1xx to Z5xx for the recipe, Z4xx for weights, Z60x for the device
   * @internal
   */
  static async open(
    platform: Platform,
    device: Device,
    source: string,
    { name, set = {}, weights, steps, batchesPerEpoch, state }: TrainOptions,
  ): Promise<TrainRun> {
    const { recipe, warnings } = recipeOf(platform.host, source, set, name, [callersData]);
    checkSupported(recipe);
    checkHostBatch(recipe);
    const { graph, plan, unread } = planTraining(recipe, device.profile);
    const { settings } = settingsFor(recipe, graph);
    const schedule = scheduleOf(recipe, batchesPerEpoch, steps);
    const chunks = recipe.batch / (chunkSize(recipe) ?? recipe.batch);
    const carried = new CarriedWeights(batchCounters(graph, recipe.model.weights), chunks);
    const fresh =
      state === undefined ? await startOf(platform, recipe, weights ?? { seed: recipe.seed }) : undefined;
    try {
      const session = new DeviceTrainSession(await device.open(plan));
      try {
        const stored = state && readState(state, recipe, session);
        if (stored === undefined)
          await beginState(session, recipe.model.weights, (weight) => fresh!.read(weight), carried);
        else await goOnFrom(session, recipe, carried, stored);
        const told = [...warnings, ...unreadWarning(recipe.model.name, unread)];
        const model = new ZooModel(platform, recipe.model, warnings);
        const start = stored?.step ?? 0;
        return new TrainRun({ recipe, model, session, schedule, settings, carried, start, warnings: told });
      } catch (error) {
        session.close();
        throw error;
      }
    } finally {
      await fresh?.close();
    }
  }

  /** The model that is trained: `tokens` and `pixels` make batches for it. */
  get model(): ZooModel {
    return this.#parts.model;
  }

  /** What is worth a look though nothing is wrong. */
  get warnings(): readonly Diagnostic[] {
    return this.#parts.warnings;
  }

  /** What a batch has: names, element types, and shapes [batch, ...] (a table's own shape). */
  get inputs(): readonly {
    readonly name: string;
    readonly dtype: 'f32' | 'i32';
    readonly shape: number[];
  }[] {
    const { recipe } = this.#parts;
    return recipe.inputs.map((input) => ({
      name: input.name,
      dtype: input.dtype,
      shape: shapeOf(input, recipe.batch),
    }));
  }

  /** Steps that the recipe's schedule is made for. */
  get total(): number {
    return this.#parts.schedule.total;
  }

  /**
   * One step: forward, backward, update. Resolves when its numbers are known.
   * @param batch every one of `inputs`, row-major; `model.pixels` and `model.tokens` make pictures and texts
   * @throws DiagnosticError Z404 for an input that is missing, too long or short, or of the other type; Z609 when loss or
   * gradient are not finite
   */
  async step(batch: NamedArrays): Promise<TrainStep> {
    const { recipe, session, schedule, settings } = this.#parts;
    const inputs = new Map(Object.entries(batch));
    for (const input of recipe.inputs) checkInput(input, recipe.batch, inputs.get(input.name));
    checkIds(recipe.inputs, inputs);
    const step = this.#step;
    const { gradClip, seed } = recipe;
    const hyper = hyperAt(
      { schedule, settings, ...(gradClip === undefined ? {} : { gradClip }) },
      step,
      seed,
    );
    this.#step++;
    const stepping = this.#last.then(() => session.step({ inputs, skipped: 0 }, hyper));
    this.#last = stepping.catch(() => {});
    const result = await stepping;
    checkStep(step, result, hyper.lr);
    const { loss, gradNorm, terms, scalars } = result;
    return { step, loss, lr: hyper.lr, gradNorm, terms: { ...terms, ...scalars } };
  }

  /** A step for each batch, until there are no more or the schedule's total is reached. @throws as `step` */
  async *steps(batches: Iterable<NamedArrays> | AsyncIterable<NamedArrays>): AsyncGenerator<TrainStep> {
    for await (const batch of batches) {
      yield await this.step(batch);
      if (this.#step >= this.total) return;
    }
  }

  /**
   * The weights as they are now: bytes of safetensors under our names, f32.
   * @param options `average`: the moving average instead, where the recipe keeps one (`ema`)
   * @throws DiagnosticError Z703 for an average that is not kept
   */
  async weights({ average = false }: { readonly average?: boolean } = {}): Promise<Uint8Array> {
    const { recipe, session, carried, settings } = this.#parts;
    if (average && settings.ema === undefined)
      fail('Z703', `recipe ${recipe.name} keeps no moving average`, 'ema = 0.999');
    await this.#last;
    const known = new Set(session.state.map(({ name }) => name));
    const kept = new Map(carried.behind(this.#step).map((tensor) => [tensor.name, tensor]));
    const tensors = new Map<string, Tensor>();
    for (const { name, shape } of recipe.model.weights) {
      const averaged = averagePrefix + name;
      const state = average && known.has(averaged) ? averaged : name;
      tensors.set(
        name,
        kept.get(name) ?? { dtype: 'F32', shape, data: toFloat32(await session.readState(state)) },
      );
    }
    return encodeSafetensors(tensors, new Map([['model', recipe.model.name]]));
  }

  /**
   * All that the run goes on from, as bytes of safetensors: weights, what the optimizer keeps of each, and the steps behind
   * them. `TrainOptions.state` takes it, on another device as well.
   */
  async state(): Promise<Uint8Array> {
    const { session, carried } = this.#parts;
    await this.#last;
    const tensors = new Map<string, Tensor>(
      carried.behind(this.#step).map((tensor) => [tensor.name, tensor]),
    );
    for (const { name, shape } of session.state)
      tensors.set(name, { dtype: 'F32', shape, data: toFloat32(await session.readState(name)) });
    return encodeSafetensors(tensors, new Map([[stepKey, String(this.#step)]]));
  }

  /** Frees the device memory. */
  close(): void {
    this.#parts.session.close();
  }
}

function shapeOf({ sizes, table }: ModelInput, batch: number): number[] {
  return table ? [...sizes] : [batch, ...sizes];
}

/**
 * @throws DiagnosticError Z404
 * @internal
 */
export function checkInput(input: ModelInput, batch: number, data: HostArray | undefined): void {
  const shape = shapeOf(input, batch);
  const size = shape.reduce((a, b) => a * b, 1);
  const what = `${input.name} ${input.dtype}[${shape.join(', ')}]`;
  if (data === undefined) fail('Z404', `${what} is missing`);
  const right = input.dtype === 'i32' ? data instanceof Int32Array : data instanceof Float32Array;
  if (!right) fail('Z404', `${what} takes ${input.dtype === 'i32' ? 'an Int32Array' : 'a Float32Array'}`);
  if (data.length !== size) fail('Z404', `${what} has ${size} numbers, ${data.length} were given`);
}
