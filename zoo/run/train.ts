/**
 * From a checked recipe to a run folder: opens weights, data and device, and hands them to the training loop.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isText, type TextOverride, vocabularyOf } from '../../compiler/model/index.ts';
import { columnCalls, sourcesOf } from '../../compiler/model/recipes/columns.ts';
import type { ModelInput, Recipe } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { warningsTo } from '../../grammar/render.ts';
import { openBatchSource } from '../../runtime/data/sources/open.ts';
import type { BatchSource } from '../../runtime/data/types.ts';
import { type Collective, single } from '../../runtime/dist/collective.ts';
import type { ProfileRecorder } from '../../runtime/profile/recorder.ts';
import { showProgress } from '../../runtime/train/node/progress.ts';
import type { TrainResult } from '../../runtime/train/node/run.ts';
import type { StopSignal } from '../../runtime/train/node/signals.ts';
import { trainRecipe } from '../../runtime/train/node/train.ts';
import { bundleRecipe } from '../export/index.ts';
import { nodeHost } from '../host.ts';
import type { WeightSource } from '../weights/source.ts';
import { openStart, startRecord } from '../weights/start-weights.ts';
import { placeOfRank, refuseShared } from './adapters.ts';
import { type DeviceChoice, openExecutor } from './devices.ts';

interface TrainRequest {
  readonly recipe: Recipe;
  /** The run folder. */
  readonly out: string;
  readonly device: DeviceChoice;
  /** Measure schedules first, as far as this adapter's are not known. */
  readonly tune?: boolean;
  /** Where to record the time of every step of the device; slower. */
  readonly profile?: ProfileRecorder;
  /**
   * Where the weights start; by default the file after `from`, or the model's own
   * initialisers with the recipe's seed.
   */
  readonly weights?: string;
  /** The base of the adapter that those weights are; by default where the adapter says. */
  readonly base?: string | undefined;
  /** End before this step, counted from the run's beginning. */
  readonly steps?: number;
  readonly resume: boolean;
  /** The ranks of this run; alone by default. */
  readonly group?: Collective;
  /** That of a process which listens already. */
  readonly signal?: StopSignal;
  /** Overrides (`--set`) that the recipe was loaded with. */
  readonly overrides?: readonly TextOverride[];
  /** Remarks and warnings. */
  notify(text: string): void;
}

/** Whether a recipe lies in a package of zooc or of npm. */
function isForeign(path: string): boolean {
  return existsSync(join(dirname(path), 'model.json')) || /[\\/]node_modules[\\/]/.test(path);
}

function openSource(recipe: Recipe, notify: (text: string) => void): Promise<BatchSource> {
  const { model, batch, seed, inputs, tables } = recipe;
  const tokenised = (input: ModelInput) =>
    sourcesOf(recipe.data).some((source) => {
      const columns = columnCalls(source);
      return columns === undefined ? isText(input) : columns.get(input.name)?.name === 'caption';
    });
  const unbound = inputs.find((input) => tokenised(input) && vocabularyOf(input) === undefined);
  if (unbound !== undefined && recipe.data.name !== 'tensors')
    fail(
      'Z704',
      `${model.name} has no vocabulary: ${unbound.name} index no table, so no tokenizer fits them`,
      `data = tensors("FILE"), or ${unbound.name}: i32[B, ${unbound.sizes[0]}] in 0..VOCABULARY`,
    );
  return openBatchSource(recipe.data, {
    folder: dirname(recipe.source.path),
    batch,
    inputs,
    tables,
    seed,
    normalization: model.normalization,
    warn: warningsTo(notify),
    note: notify,
    untrusted: isForeign(recipe.source.path),
  });
}

/**
 * Trains until the recipe's end, `steps`, or a signal.
 * @throws DiagnosticError Z4xx (weights, data, disk), Z5xx (the recipe), Z6xx (device, run folder)
 */
export async function trainFile(request: TrainRequest): Promise<TrainResult> {
  const { recipe, out, steps, resume, group = single, notify } = request;
  let opened: Promise<WeightSource> | undefined;
  const start = (): Promise<WeightSource> => {
    opened ??= openStart(recipe, request.weights, request.base).then((weights) => {
      for (const remark of weights.remarks) notify(remark);
      return weights;
    });
    return opened;
  };
  // A run that goes on from a checkpoint needs no weights to start from.
  if (!resume && group.rank === 0) await start();
  const startedFrom = startRecord(recipe, request.weights, out);
  try {
    const place = await placeOfRank(group, process.env.ZOOC_ADAPTER);
    const executor = await openExecutor(request.device, {
      ...place,
      tune: request.tune === true,
      ...(request.profile === undefined ? {} : { profile: request.profile }),
      notify,
    });
    try {
      await refuseShared(group, executor);
      return await trainRecipe({
        recipe,
        out,
        executor,
        group,
        resume,
        ...(steps === undefined ? {} : { steps }),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
        ...(startedFrom === undefined ? {} : { startedFrom }),
        openSource: () => openSource(recipe, notify),
        files: bundleRecipe(nodeHost(), recipe, request.overrides ?? []),
        initialWeight: async (weight) => (await start()).read(weight),
        notify,
        logs: [{ name: 'progress', open: async ({ start, end }) => showProgress(start, end) }],
      });
    } finally {
      executor.close();
    }
  } finally {
    await (await opened)?.close();
  }
}
