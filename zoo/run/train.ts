/**
 * From a checked recipe to a run folder: opens weights, data and device, and hands them to the training loop.
 */
import { dirname } from 'node:path';
import { isText, type TextOverride, vocabularyOf } from '../../compiler/model/index.ts';
import { columnCalls, sourcesOf } from '../../compiler/model/recipes/columns.ts';
import type { ModelInput, Recipe } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { openBatchSource } from '../../runtime/data/sources/open.ts';
import type { BatchSource } from '../../runtime/data/types.ts';
import { type Collective, single } from '../../runtime/dist/collective.ts';
import type { ProfileRecorder } from '../../runtime/profile/recorder.ts';
import { reportLog } from '../../runtime/report/node/log.ts';
import { evaluationsLog } from '../../runtime/train/node/evaluations.ts';
import { PictureBoard } from '../../runtime/train/node/pictures/board.ts';
import { Progress, type RunTeller } from '../../runtime/train/node/progress.ts';
import type { TrainResult } from '../../runtime/train/node/run.ts';
import type { ListeningSignal } from '../../runtime/train/node/signals.ts';
import { tensorBoard } from '../../runtime/train/node/tensorboard/log.ts';
import { trainRecipe } from '../../runtime/train/node/train.ts';
import { bundleRecipe } from '../export/index.ts';
import { nodeHost } from '../host.ts';
import type { WeightSource } from '../weights/source.ts';
import { openStart, startRecord } from '../weights/start-weights.ts';
import { placeOfRank, refuseShared } from './adapters.ts';
import { type DeviceChoice, openExecutor } from './devices.ts';
import { plannedEvaluations } from './evaluations.ts';
import { runFacts } from './facts.ts';
import { isForeign } from './foreign.ts';
import { pictureJudge } from './pictures.ts';

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
  readonly signal?: ListeningSignal;
  /** Overrides (`--set`) that the recipe was loaded with. */
  readonly overrides?: readonly TextOverride[];
  /** What a person is told; by default on stderr. */
  readonly progress?: Progress;
}

function openSource(recipe: Recipe, teller: RunTeller, group: Collective): Promise<BatchSource> {
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
    ...(group.size === 1 ? {} : { share: group }),
    warn: (diagnostic) => teller.warn(diagnostic),
    note: (text) => teller.note(text),
    untrusted: isForeign(recipe.source.path),
  });
}

/**
 * Trains until the recipe's end, `steps`, or a signal.
 * @throws DiagnosticError Z4xx (weights, data, disk), Z5xx (the recipe), Z6xx (device, run folder)
 */
export async function trainFile(request: TrainRequest): Promise<TrainResult> {
  const { recipe, out, steps, resume, group = single, progress = new Progress() } = request;
  const notify = (text: string): void => progress.note(text);
  // What is said of a signal goes above the line that is written over.
  request.signal?.tell(notify);
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
    const files = bundleRecipe(nodeHost(), recipe, request.overrides ?? []);
    // With a profile, its sessions would be among the run's.
    const judge = request.profile === undefined ? pictureJudge(executor, recipe.model) : undefined;
    let board: PictureBoard | undefined;
    try {
      await refuseShared(group, executor);
      const evaluations = await plannedEvaluations({
        ...{ recipe, executor, group, notify },
        warn: (warning) => progress.warn(warning),
      });
      return await trainRecipe({
        recipe,
        out,
        executor,
        group,
        resume,
        ...(steps === undefined ? {} : { steps }),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
        ...(startedFrom === undefined ? {} : { startedFrom }),
        openSource: () => openSource(recipe, progress, group),
        files,
        evaluations,
        initialWeight: async (weight) => (await start()).read(weight),
        teller: progress,
        logs: [
          progress.showing,
          ...(judge === undefined ? [] : [PictureBoard.showing(judge, (opened) => (board = opened))]),
          tensorBoard({
            recipe: recipe.name,
            model: recipe.model.name,
            parameters: recipe.model.parameters,
            batch: recipe.batch,
            files,
            pictures: () => board?.shown,
          }),
          ...(evaluations.length === 0 ? [] : [evaluationsLog]),
          reportLog(() => runFacts(recipe, executor)),
        ],
      });
    } finally {
      executor.close();
    }
  } finally {
    progress.end();
    await (await opened)?.close();
  }
}
