/**
 * What `zooc bench` runs: the towers of ViT-B/32, the image tower of RN50, and one step
 * of training a small model.
 *
 * The small model is ViT-B/32 with other sizes, so no further file is needed: vision width 192, 6 layers, 64
 * px, patch 8; text width 192, 4 layers, context 32, vocabulary 4096; embedding 128.
 */
import type { Precision } from '../../compiler/compile.ts';
import { resolveModel } from '../../compiler/model/index.ts';
import type { EntryName, Model, ModuleHost } from '../../compiler/model/types.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { flopsPerSubmit, submitSpans } from '../../runtime/submits.ts';
import type { Device, HostArray, Session } from '../../runtime/types.ts';
import { compileEntry, compileTrainingStep } from '../run/entry.ts';
import { hashInput } from '../weights/hash-weights.ts';
import { openWeights } from '../weights/weights.ts';
import { lowerBound, type Timing, timeRuns, writeBenchHyper } from './measure.ts';

export { stepOptimizer as benchOptimizer, stepScaleBounds as benchScaleBounds } from '../run/compiled.ts';

export interface BenchCase {
  readonly name: string;
  readonly model: string;
  readonly overrides: readonly (readonly [path: string, value: number])[];
  readonly entry: EntryName;
  readonly batch: number;
  readonly training: boolean;
}

/** The sizes of the small model. */
export const smallOverrides: BenchCase['overrides'] = [
  ['vision.resolution', 64],
  ['vision.patch', 8],
  ['vision.width', 192],
  ['vision.layers', 6],
  ['vision.embed', 128],
  ['text.context', 32],
  ['text.vocab', 4096],
  ['text.width', 192],
  ['text.layers', 4],
  ['text.embed', 128],
];

export const benchCases: readonly BenchCase[] = [
  { name: 'image-b1', model: 'ViT-B/32', overrides: [], entry: 'encode_image', batch: 1, training: false },
  { name: 'image-b8', model: 'ViT-B/32', overrides: [], entry: 'encode_image', batch: 8, training: false },
  { name: 'text-b8', model: 'ViT-B/32', overrides: [], entry: 'encode_text', batch: 8, training: false },
  { name: 'rn50-b1', model: 'RN50', overrides: [], entry: 'encode_image', batch: 1, training: false },
  { name: 'rn50-b8', model: 'RN50', overrides: [], entry: 'encode_image', batch: 8, training: false },
  {
    name: 'train-small',
    model: 'ViT-B/32',
    overrides: smallOverrides,
    entry: 'loss',
    batch: 32,
    training: true,
  },
];

export interface BenchResult extends Timing {
  readonly name: string;
  readonly gflop: number;
  readonly gflops: number;
  readonly dispatches: number;
  readonly submits: number;
  readonly pipelines: number;
  /** Bytes of all buffers that the case made; none is freed before its end. */
  readonly peakMemory: number;
  readonly lowerBound: number;
  /**
   * Seconds to compile the plan, to open the session (pipelines and buffers), and the host's share of a run.
   */
  readonly compileSeconds: number;
  readonly openSeconds: number;
  readonly hostSeconds: number;
}

/** The model of a case. */
export function modelOf(host: ModuleHost, { model, overrides }: BenchCase): Model {
  const resolved = resolveModel(
    host,
    model,
    overrides.map(([path, value]) => ({ path, value: String(value) })),
  );
  if (!resolved.ok) throw new DiagnosticError(resolved.diagnostics);
  return resolved.value;
}
/** What the training case steps with, for the peers that do the same work. */

/** Plans the case for a device; needs no GPU. */
export function planCase(
  host: ModuleHost,
  test: BenchCase,
  profile: Device['profile'],
  precision: Precision = 'f32',
): VerifiedPlan {
  const model = modelOf(host, test);
  if (test.training) return compileTrainingStep(model, test.batch, profile, precision);
  const request = {
    entry: test.entry,
    batch: test.batch,
    mode: 'eval',
    gradients: false,
    precision,
  } as const;
  return compileEntry(model, request, profile);
}

/** The case's inputs by the hash rule, as far as `names` holds them. */
export function caseInputs(test: BenchCase, model: Model, names: readonly string[]): Map<string, HostArray> {
  const inputs = model.inputs.filter(({ name }) => names.includes(name));
  return new Map(inputs.map((input) => [input.name, hashInput(input, test.batch)]));
}

async function fillSession(session: Session, model: Model, test: BenchCase): Promise<void> {
  const weights = await openWeights(model, 'hash');
  const byName = new Map(model.weights.map((w) => [w.name, w]));
  for (const slot of session.plan.weights) {
    session.writeWeight(slot.name, await weights.read(byName.get(slot.name)!));
  }
  const names = session.plan.inputs.map((slot) => slot.name);
  for (const [name, data] of caseInputs(test, model, names)) session.writeInput(name, data);
  if (test.training) writeBenchHyper(session);
}

interface CaseOptions {
  readonly runs: number;
  readonly precision?: Precision;
}

/** Runs one case; the device must hold no other session, so that its peak is this case's. */
export async function runCase(
  host: ModuleHost,
  device: Device,
  test: BenchCase,
  { runs, precision = 'f32' }: CaseOptions,
): Promise<BenchResult> {
  const started = performance.now();
  const plan = planCase(host, test, device.profile, precision);
  const planned = performance.now();
  const before = device.memory.current;
  const session = await device.open(plan);
  try {
    await fillSession(session, modelOf(host, test), test);
    await session.finish();
    const opened = performance.now();
    const timing = await timeRuns(session, runs);
    const encode = performance.now();
    session.run();
    const hostSeconds = (performance.now() - encode) / 1000;
    await session.finish();
    return {
      name: test.name,
      ...timing,
      gflop: plan.flops / 1e9,
      gflops: plan.flops / timing.median / 1e9,
      dispatches: plan.steps.length,
      submits: submitSpans(plan.steps, flopsPerSubmit[device.profile.kind]).length,
      pipelines: plan.pipelines.length,
      peakMemory: device.memory.current - before,
      lowerBound: lowerBound(plan),
      compileSeconds: (planned - started) / 1000,
      openSeconds: (opened - planned) / 1000,
      hostSeconds,
    };
  } finally {
    session.close();
  }
}
