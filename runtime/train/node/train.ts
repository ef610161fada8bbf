/**
 * Trains a recipe into a run folder: `metrics.jsonl`, `checkpoints/`, `model.zoo`, `recipe.zoo` and, at the
 * end, `weights.safetensors`.
 *
 * Everything that can be refused is refused before anything is written or allocated.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { cutAtGather } from '../../../compiler/autodiff/chunk.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import { keptPrefixes } from '../../../compiler/optimizers.ts';
import type { Plan } from '../../../compiler/plan/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import type { BatchSource } from '../../data/types.ts';
import { chunkByChunk, type StepComputation, wholeBatch } from '../../reference/computation.ts';
import { ReferenceTrainSession } from '../../reference/session.ts';
import type { CompileFor } from '../../tune/contest.ts';
import type { Device } from '../../types.ts';
import { formatBytes } from '../../webgpu/device.ts';
import { type Change, describeChange, runSettings } from '../changes.ts';
import { batchCounters } from '../counters.ts';
import { chunkSize, planTraining, traceLoss } from '../plan.ts';
import { scheduleOf, warmupWarning } from '../schedule.ts';
import { DeviceTrainSession } from '../session.ts';
import { checkHostBatch, checkSupported, settingsFor, unreadWarning } from '../supported.ts';
import type { TrainSession, UpdateSettings } from '../types.ts';
import { CheckpointStore, checkSameRun } from './checkpoints.ts';
import { defaultCheckpoint, Run, type RunOptions, type TrainResult } from './run.ts';
import {
  beginRunFolder,
  describeRun,
  examineRunFolder,
  lockRunFolder,
  type RunDescription,
} from './run-folder.ts';
import { listenForStop, type StopSignal } from './signals.ts';

type TrainExecutor =
  | {
      readonly kind: 'device';
      readonly device: Device;
      /** Measures schedules for the plan before it is compiled for good. */
      readonly tune?: (compile: CompileFor) => Promise<void>;
    }
  /** Double precision, for checks. */
  | { readonly kind: 'reference' };

interface TrainOptions extends RunOptions {
  readonly recipe: Recipe;
  readonly executor: TrainExecutor;
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
 * Trains until the recipe's end, `steps`, SIGINT or SIGTERM.
 * @throws DiagnosticError Z413 (disk), Z601 to Z617
 */
export async function trainRecipe(options: TrainOptions): Promise<TrainResult> {
  const { recipe, out, resume, teller } = options;
  const warn = (warning: Diagnostic): void => teller.warn(warning);
  checkSupported(recipe, options.executor.kind === 'reference');
  checkHostBatch(recipe);
  const graph = traceLoss(recipe);
  const { settings, unread } = settingsFor(recipe, graph);
  await examineRunFolder(out, resume);
  for (const warning of unreadWarning(recipe.model.name, unread)) warn(warning);
  const signal = options.signal ?? listenForStop((text) => teller.note(text));
  try {
    teller.doing('opening the data');
    const source = await options.openSource();
    try {
      const schedule = scheduleOf(recipe, source.batchesPerEpoch, options.steps);
      for (const warning of warmupWarning(recipe, schedule)) warn(warning);
      const { begun, lock } = await lockRunFolder(out, resume, warn);
      try {
        const store = new CheckpointStore(out, (recipe.checkpoint ?? defaultCheckpoint).keep);
        const checkpoint = begun ? await store.latest(warn) : undefined;
        const hash = modelHash(graph, settings);
        const compared = runSettings(recipe, schedule, source.identity);
        const cursor = { epoch: 0, batch: 0, seed: recipe.seed };
        const changes = checkpoint
          ? checkSameRun(checkpoint.path, checkpoint.state, { modelHash: hash, cursor, settings: compared })
          : [];
        if (changes.length > 0) warn(takenOver(changes));
        const step = checkpoint?.state.step ?? 0;
        // What came while nothing else could be done is heard now. There is nothing to save, and compiling takes a while.
        await setImmediate();
        if (signal.requested) return { steps: step, stopped: true, seconds: 0 };
        const before = checkpoint === undefined ? { weights: options.startedFrom } : await describeRun(out);
        const description = { recipe: recipe.name, model: recipe.model.name, weights: before?.weights };
        await beginRunFolder(
          out,
          { ...description, changes: changesSince(before, step, changes) },
          options.files,
        );
        await store.clean();
        const { session, plan } = await openSession(options, graph, settings);
        try {
          const counters = batchCounters(graph, recipe.model.weights);
          const seenPerStep = recipe.batch / (chunkSize(recipe) ?? recipe.batch);
          const made = { session, source, schedule, settings, store, lock };
          const parts = {
            ...made,
            ...(plan === undefined ? {} : { plan }),
            modelHash: hash,
            compared,
            counters,
            seenPerStep,
          };
          return await new Run(options, parts).go(checkpoint, signal);
        } finally {
          session.close();
        }
      } finally {
        lock.release();
      }
    } finally {
      await source.close();
    }
  } finally {
    signal.release();
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

/** The f64 computation of one step, whole or chunk by chunk. */
function referenceStep(recipe: Recipe, graph: Graph, settings: UpdateSettings): StepComputation {
  const trained = recipe.model.weights.filter((w) => settings.trainable.includes(w.name));
  const chunk = chunkSize(recipe);
  if (chunk === undefined) return wholeBatch(graph, trained);
  const cut = cutAtGather(graph, traceLoss({ ...recipe, batch: chunk }), settings);
  return chunkByChunk(cut, { batch: recipe.batch, chunk }, trained);
}

async function openSession(
  { recipe, executor, teller }: TrainOptions,
  graph: Graph,
  settings: UpdateSettings,
): Promise<{ readonly session: TrainSession; readonly plan?: Plan }> {
  if (executor.kind === 'reference') {
    const stored = recipe.model.weights.filter((w) => w.dtype !== 'i64');
    return {
      session: new ReferenceTrainSession(referenceStep(recipe, graph, settings), stored, settings),
    };
  }
  const { device } = executor;
  const compile: CompileFor = (profile) => planTraining(recipe, profile).plan;
  teller.doing('planning the training step');
  await executor.tune?.(compile);
  const plan = compile(device.profile);
  const { weights, gradients, optimizer, workspace, features, io, total } = plan.memory;
  const parts = {
    weights,
    gradients,
    optimizer,
    workspace,
    ...(features === 0 ? {} : { features }),
    'inputs and outputs': io,
  };
  const listed = Object.entries(parts).map(([name, bytes]) => `${name} ${formatBytes(bytes)}`);
  teller.note(`device memory: ${formatBytes(total)} (${listed.join(', ')})`);
  const began = performance.now();
  const opened = await device.open(plan, {
    compiled: (done, of) => teller.doing('compiling kernels', done, of),
    ran: (done, of) => teller.doing('running the first step: kernel', done, of),
  });
  const seconds = (performance.now() - began) / 1000;
  const kernels = plan.pipelines.length;
  teller.note(`compiled ${kernels} kernels for ${plan.steps.length} dispatches in ${seconds.toFixed(1)} s`);
  return { session: new DeviceTrainSession(opened), plan };
}
