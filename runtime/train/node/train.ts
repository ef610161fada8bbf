/**
 * Trains a recipe into a run folder: `metrics.jsonl`, `checkpoints/`, `model.zoo`, `recipe.zoo` and, at the
 * end, `weights.safetensors`.
 *
 * Everything that can be refused is refused before anything is written or allocated.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Graph } from '../../../compiler/graph/types.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import { keptPrefixes } from '../../../compiler/optimizers.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import type { BatchSource } from '../../data/types.ts';
import type { Collective } from '../../dist/collective.ts';
import { dividedAmong, ownShare } from '../../dist/share.ts';
import { type Change, describeChange, type RunSettings, runSettings } from '../changes.ts';
import { batchCounters } from '../counters.ts';
import { evaluationsOf } from '../evaluations.ts';
import { chunkSize, traceLoss } from '../plan.ts';
import { agreedBeginning, checkAgreement, shareState } from '../ranks.ts';
import { scheduleOf, warmupWarning } from '../schedule.ts';
import { checkHostBatch, checkSupported, settingsFor, unreadWarning } from '../supported.ts';
import { trainLoop } from '../trainer.ts';
import type { UpdateSettings } from '../types.ts';
import { CheckpointStore, checkSameRun } from './checkpoints.ts';
import { openSession, type TrainExecutor } from './open-session.ts';
import { defaultCheckpoint, Run, type RunOptions, type RunParts, type TrainResult } from './run.ts';
import {
  beginRunFolder,
  describeRun,
  examineRunFolder,
  lockRunFolder,
  type RunDescription,
} from './run-folder.ts';
import { listenForStop, type StopSignal } from './signals.ts';

interface TrainOptions extends RunOptions {
  readonly recipe: Recipe;
  readonly executor: TrainExecutor;
  /** The ranks of this run. */
  readonly group: Collective;
  /** Go on from the newest checkpoint in `out`, or from the start if there is none yet. */
  readonly resume: boolean;
  /** Opens the recipe's data; closed at the end. Called after the recipe and the folder were accepted. */
  openSource(): Promise<BatchSource>;
  /** That of a process which listens already; released at the end. */
  readonly signal?: StopSignal;
  /** What the weights start from, as the run's folder names it. */
  readonly startedFrom?: string;
  /** Self-contained texts for the run folder: `model.zoo`, `recipe.zoo`. */
  readonly files: ReadonlyMap<string, string>;
}

/** What a checkpoint must agree on: the computation of one step, the weights it updates, what it keeps. */
function modelHash(graph: Graph, settings: UpdateSettings): string {
  const nodes = graph.nodes.map(({ op, inputs, attrs, type }) => [op, inputs, attrs, type.dtype, type.shape]);
  const mixed = settings.lossScale === undefined ? [] : ['mixed'];
  return createHash('sha256')
    .update(JSON.stringify([nodes, graph.outputs, settings.trainable, keptPrefixes(settings), mixed]))
    .digest('hex');
}

/**
 * Trains until the recipe's end, `steps`, SIGINT or SIGTERM. Every rank calls it; rank 0 reads and writes the folder.
 * @throws DiagnosticError Z413 (disk), Z601 to Z617, Z632, Z633 (ranks)
 */
export async function trainRecipe(options: TrainOptions): Promise<TrainResult> {
  const { out, resume, group, teller } = options;
  const recipe = dividedAmong(options.recipe, group);
  const { warn } = teller;
  checkSupported(recipe, options.executor.kind === 'reference', group.size);
  checkHostBatch({ ...recipe, batch: recipe.batch / group.size });
  const graph = traceLoss(recipe);
  const { settings, unread } = settingsFor(recipe, graph);
  if (group.rank === 0) await examineRunFolder(out, resume);
  for (const warning of unreadWarning(recipe.model.name, unread)) warn(warning);
  const signal = options.signal ?? listenForStop((text) => teller.note(text));
  try {
    teller.doing('opening the data');
    const source = await openShare(options);
    try {
      const schedule = scheduleOf(recipe, source.batchesPerEpoch, options.steps);
      if (group.rank === 0) for (const warning of warmupWarning(recipe, schedule)) warn(warning);
      const hash = modelHash(graph, settings);
      const compared = runSettings(options.recipe, schedule, source.identity, group.size);
      if (group.size > 1) await checkAgreement(group, { ...compared, 'the computation': hash });
      const open = () => openSession({ ...options, recipe }, graph, settings);
      const shared = { group, source, schedule, settings };
      const run = group.rank === 0 ? lead : follow;
      return await run({ ...options, recipe }, { shared, graph, hash, compared, signal, open });
    } finally {
      await source.close();
    }
  } finally {
    signal.release();
  }
}

/** What both kinds of rank have in common. */
interface RankParts {
  readonly shared: Pick<RunParts, 'group' | 'source' | 'schedule' | 'settings'>;
  readonly graph: Graph;
  readonly hash: string;
  readonly compared: RunSettings;
  readonly signal: StopSignal;
  open(): ReturnType<typeof openSession>;
}

async function openShare({ recipe, group, openSource }: TrainOptions): Promise<BatchSource> {
  const tables = new Set(recipe.inputs.filter(({ table }) => table).map(({ name }) => name));
  return ownShare(await openSource(), tables, group);
}

/** The rank that has the folder. */
async function lead(options: TrainOptions, parts: RankParts): Promise<TrainResult> {
  const { recipe, out, resume } = options;
  const { shared, graph, hash, compared, signal } = parts;
  const { warn } = options.teller;
  const { begun, lock } = await lockRunFolder(out, resume, warn);
  try {
    const store = new CheckpointStore(out, (recipe.checkpoint ?? defaultCheckpoint).keep);
    const checkpoint = begun ? await store.latest(warn) : undefined;
    const cursor = { epoch: 0, batch: 0, seed: recipe.seed };
    const changes = checkpoint
      ? checkSameRun(checkpoint.path, checkpoint.state, { modelHash: hash, cursor, settings: compared })
      : [];
    if (changes.length > 0) warn(takenOver(changes));
    const step = checkpoint?.state.step ?? 0;
    // What came while nothing else could be done is heard now. There is nothing to save, and compiling takes a while.
    // Several ranks stop together, before their first step.
    await setImmediate();
    if (signal.requested && shared.group.size === 1) return { steps: step, stopped: true, seconds: 0 };
    const before = checkpoint === undefined ? { weights: options.startedFrom } : await describeRun(out);
    const { name: model, resolution, normalization } = recipe.model;
    const description = {
      recipe: recipe.name,
      model,
      weights: before?.weights,
      ...(resolution === undefined
        ? {}
        : { normalization: { mean: [...normalization.mean], std: [...normalization.std] } }),
    };
    await beginRunFolder(
      out,
      { ...description, changes: changesSince(before, step, changes) },
      options.files,
    );
    await store.clean();
    const { session, plan } = await parts.open();
    try {
      const counters = batchCounters(graph, recipe.model.weights);
      const chunks = recipe.batch / (chunkSize(recipe) ?? recipe.batch);
      const run = new Run(options, {
        ...shared,
        session,
        store,
        lock,
        ...(plan === undefined ? {} : { plan }),
        modelHash: hash,
        compared,
        counters,
        seenPerStep: chunks / shared.group.size,
      });
      return await run.go(checkpoint, signal);
    } finally {
      session.close();
    }
  } finally {
    lock.release();
  }
}

/** Another rank: takes the same steps, and writes nothing. */
async function follow({ recipe, evaluations = [] }: TrainOptions, parts: RankParts): Promise<TrainResult> {
  const { shared, signal } = parts;
  const began = performance.now();
  const { session } = await parts.open();
  try {
    const { cursor, ...beginning } = await agreedBeginning(shared.group);
    shared.source.seek(cursor);
    await shareState(shared.group, session);
    const steps = await trainLoop({
      ...shared,
      session,
      ...(recipe.gradClip === undefined ? {} : { gradClip: recipe.gradClip }),
      batch: recipe.batch,
      ...beginning,
      evaluations: evaluationsOf(
        evaluations,
        {
          ...{ group: shared.group, session, end: beginning.end },
          batchesPerEpoch: shared.source.batchesPerEpoch,
          weights: recipe.model.weights,
          // Rank 0 has it.
          carried: () => [],
        },
        async () => {},
      ),
      row: () => {},
      save: async () => {},
      stopRequested: () => signal.requested,
      now: () => performance.now(),
    });
    return { steps, stopped: steps < beginning.end, seconds: (performance.now() - began) / 1000 };
  } finally {
    session.close();
  }
}

/** What was changed on the way up to now. A change whose steps a kill took back is found again. */
function changesSince(
  before: RunDescription | undefined,
  step: number,
  changes: readonly Change[],
): RunDescription['changes'] {
  const kept = (before?.changes ?? []).filter((change) => change.step < step);
  const all = [...kept, ...changes.map((change) => ({ step, ...change }))];
  return all.length === 0 ? undefined : all;
}

function takenOver(changes: readonly Change[]): Diagnostic {
  return {
    code: 'Z620',
    severity: 'warning',
    message: 'the run goes on with other settings than its checkpoint was made with; run.json records them',
    notes: changes.map(describeChange),
  };
}
