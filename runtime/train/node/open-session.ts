/**
 * What takes the steps of a run: a device with the plan of a step, or the reference in double precision; among
 * several ranks each has its own.
 */
import { cutAtGather } from '../../../compiler/autodiff/chunk.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import type { Plan } from '../../../compiler/plan/types.ts';
import type { Collective } from '../../dist/collective.ts';
import { DeviceExchange } from '../../dist/exchange.ts';
import { shareOf } from '../../dist/share.ts';
import { chunkByChunk, type StepComputation, wholeBatch } from '../../reference/computation.ts';
import { ReferenceTrainSession } from '../../reference/session.ts';
import type { CompileFor } from '../../tune/contest.ts';
import type { Device } from '../../types.ts';
import { formatBytes } from '../../webgpu/device.ts';
import { chunkSize, planTraining, textLengths, traceLoss } from '../plan.ts';
import { DeviceTrainSession } from '../session.ts';
import type { TrainSession, UpdateSettings } from '../types.ts';
import type { RunTeller } from './progress.ts';

export type TrainExecutor =
  | {
      readonly kind: 'device';
      readonly device: Device;
      /** Measures schedules for the plan before it is compiled for good. */
      readonly tune?: (compile: CompileFor) => Promise<void>;
    }
  /** Double precision, for checks. */
  | { readonly kind: 'reference' };

interface OpenRequest {
  /** As a rank trains it. */
  readonly recipe: Recipe;
  readonly executor: TrainExecutor;
  readonly group: Collective;
  readonly teller: RunTeller;
}

/** The f64 computation of one step, whole or chunk by chunk. */
function referenceStep(
  { recipe, group }: OpenRequest,
  graph: Graph,
  settings: UpdateSettings,
): StepComputation {
  const trained = recipe.model.weights.filter((w) => settings.trainable.includes(w.name));
  const chunk = chunkSize(recipe);
  if (chunk === undefined) return wholeBatch(graph, trained, textLengths(recipe, graph).texts);
  const own = traceLoss({ ...recipe, batch: chunk });
  const { texts } = textLengths(recipe, own);
  const cut = cutAtGather(graph, own, { ...settings, ...shareOf(group) }, texts?.shorter);
  return chunkByChunk(cut, { batch: recipe.batch, chunk }, trained, group, texts);
}

/** @param graph the loss of the whole batch */
export async function openSession(
  request: OpenRequest,
  graph: Graph,
  settings: UpdateSettings,
): Promise<{ readonly session: TrainSession; readonly plan?: Plan }> {
  const { recipe, executor, group, teller } = request;
  if (executor.kind === 'reference') {
    const stored = recipe.model.weights.filter((w) => w.dtype !== 'i64');
    return {
      session: new ReferenceTrainSession(referenceStep(request, graph, settings), stored, settings),
    };
  }
  const { device } = executor;
  const compile: CompileFor = (profile) => planTraining(recipe, profile, shareOf(group)).plan;
  teller.doing('planning the training step');
  await executor.tune?.(compile);
  const plan = compile(device.profile);
  if (plan.share?.loss === 'whole') teller.note('every rank computes the loss of all pairs');
  if (plan.texts !== undefined)
    teller.note(`texts are computed up to ${plan.texts.lengths.join(', ')} positions`);
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
  const session = await device.open(plan, {
    compiled: (done, of) => teller.doing('compiling kernels', done, of),
    ran: (done, of) => teller.doing('running the first step: kernel', done, of),
  });
  const seconds = (performance.now() - began) / 1000;
  const kernels = plan.pipelines.length;
  teller.note(`compiled ${kernels} kernels for ${plan.steps.length} dispatches in ${seconds.toFixed(1)} s`);
  if (group.size === 1) return { session: new DeviceTrainSession(session), plan };
  const exchange = await DeviceExchange.open(group, device, session, recipe.wire);
  return { session: new DeviceTrainSession(session, exchange), plan };
}
