/**
 * Compiles a case for a kind of schedules, runs it and compares every result and gradient with the reference.
 *
 * In f32 the reference evaluates the graph as it was written (and differentiated), so passes are judged along with kernels. In mixed
 * precision it evaluates what the passes left, rounding what the plan stores.
 */
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { compileGraph } from '../../compiler/compile.ts';
import { compileChunked } from '../../compiler/compile-chunked.ts';
import type { Graph, Node, VerifiedGraph } from '../../compiler/graph/types.ts';
import { joinRules } from '../../compiler/joins/rules.ts';
import type { VerifiedJoins } from '../../compiler/joins/types.ts';
import { scheduleIds } from '../../compiler/kernels/schedules/schedules.ts';
import type { ScheduleFamily } from '../../compiler/kernels/text/choices.ts';
import { hashOf } from '../../compiler/model/values/randomness.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import { lavapipeMatrixProfile } from '../../compiler/profiles-matrix.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import type { Device, HostArray } from '../../runtime/types.ts';
import { Draw } from '../support/draw.ts';
import { adamw } from '../support/training/optimizers.ts';
import { PlanRun } from '../support/wgsl/run-plan.ts';
import { discreteText, softwareText, swiftshaderText } from '../support/wgsl/text-device.ts';
import { type CaseFeeds, type Deviation, type FuzzCase, feedsOf } from './cases/fuzz-case.ts';
import { type Comparison, compareOutput, Expectation, type Mismatch } from './noise.ts';

/** `matrix` are the schedules of subgroup matrices, which want operands in halves: cases are compiled in mixed precision. */
export const scheduleKinds = ['cpu', 'swiftshader', 'gpu', 'matrix'] as const;
export type ScheduleKind = (typeof scheduleKinds)[number];

const profiles: Readonly<Record<ScheduleKind, DeviceProfile>> = {
  cpu: softwareText.profile,
  swiftshader: swiftshaderText.profile,
  gpu: discreteText.profile,
  matrix: { ...lavapipeMatrixProfile, kind: 'gpu' },
};

/** The profile of a kind; on a device its own limits and features with the schedules of that kind. */
export function profileOf(kind: ScheduleKind, deviation: Deviation = {}, device?: Device): DeviceProfile {
  const base = device === undefined ? profiles[kind] : asKind(device.profile, profiles[kind]);
  const { schedules, binding = base.limits.maxStorageBufferBindingSize } = deviation;
  const limited = { ...base, limits: { ...base.limits, maxStorageBufferBindingSize: binding } };
  return schedules === undefined ? limited : { ...limited, tuned: drawnSchedules(limited, schedules) };
}

/** What a device offers, under what tells the class of schedules. */
function asKind(
  { architecture: _, ...offered }: DeviceProfile,
  { kind, architecture }: DeviceProfile,
): DeviceProfile {
  return { ...offered, kind, ...(architecture === undefined ? {} : { architecture }) };
}

/** A table of measured schedules in which every key is found, with a random one. */
function drawnSchedules(profile: DeviceProfile, seed: number): Readonly<Record<string, string>> {
  const ids = new Map<string, readonly string[]>();
  return new Proxy<Record<string, string>>(
    {},
    {
      get(_table, key) {
        const family = String(key).split(' ')[0]!;
        if (!ids.has(family)) ids.set(family, scheduleIds(profile, family as ScheduleFamily));
        const choices = ids.get(family)!;
        return choices.length === 0 ? undefined : new Draw(seed + hashOf(String(key))).pick(choices);
      },
    },
  );
}

export interface Compiled {
  readonly plan: VerifiedPlan;
  /** Behind the last pass, with its joins; three graphs where the step is cut in chunks. */
  readonly parts: readonly { readonly graph: VerifiedGraph; readonly joins: VerifiedJoins }[];
}

export interface Outcome {
  readonly mismatches: readonly Mismatch[];
  /** By output. */
  readonly comparisons: ReadonlyMap<string, Comparison>;
  readonly compiled: Compiled;
}

const optimizer = {
  rule: adamw,
  weightDecay: 0.2,
  decayMinDims: 2,
  clamps: [],
} as const;

/** Compiles a case for a kind; with the device's own largest binding where some value cannot be cut to the case's. */
export function compileFor(c: FuzzCase, kind: ScheduleKind, device?: Device): Compiled {
  const { binding, ...deviation } = c.deviation;
  try {
    return compileCase(c, profileOf(kind, c.deviation, device));
  } catch (error) {
    const tooSmall = error instanceof DiagnosticError && error.diagnostics[0]?.code === 'Z605';
    if (binding === undefined || !tooSmall) throw error;
    return compileCase(c, profileOf(kind, deviation, device));
  }
}

function compileCase(c: FuzzCase, profile: DeviceProfile): Compiled {
  const seen: { readonly graph: VerifiedGraph; readonly joins: VerifiedJoins }[] = [];
  const { training, wrt, precision, remat, chunk } = c;
  const options = {
    model: 'fuzz',
    entry: 'loss',
    batch: chunk?.batch ?? 1,
    mode: training ? 'train' : 'eval',
    profile,
    precision,
    remat,
    observe: (_stage: string, graph: VerifiedGraph, joins?: VerifiedJoins) => {
      if (joins) seen.push({ graph, joins });
    },
  } as const;
  const update = { trainable: wrt, ...optimizer };
  const { strips } = chunk ?? {};
  const plan = chunk
    ? compileChunked(c.graph, chunk.graph, {
        ...options,
        chunk: chunk.size,
        training: update,
        ...(strips === undefined ? {} : { strips }),
      })
    : compileGraph(c.graph, { ...options, ...(training ? { training: update } : { gradients: wrt }) });
  return { plan, parts: seen };
}

/** The case as a kind of schedules takes it; plans in chunks are run by their text alone. */
export function caseFor(c: FuzzCase, kind: ScheduleKind, device?: Device): FuzzCase {
  const { chunk, ...whole } = c;
  if (kind === 'matrix') return { ...whole, precision: 'mixed' };
  // The driver has no f16.
  if (kind === 'swiftshader') return caseFor({ ...c, precision: 'f32' }, 'cpu', device);
  return chunk ? { ...(device ? whole : c), precision: 'f32', deviation: {} } : c;
}

/** Reference values, made once for all kinds of schedules. */
export class Judge {
  readonly #case: FuzzCase;
  readonly feeds: CaseFeeds;
  #written: Expectation | undefined;

  constructor(c: FuzzCase, feeds: CaseFeeds = feedsOf(c.graph)) {
    this.#case = c;
    this.feeds = feeds;
  }

  of(kind: ScheduleKind, { parts }: Compiled): Expectation {
    const { graph: traced, wrt, precision } = caseFor(this.#case, kind);
    if (precision === 'mixed') return new Expectation(withUnstored(parts[0]!), this.feeds);
    this.#written ??= new Expectation(
      wrt.length === 0 ? traced : differentiate(traced, { loss: 'loss', wrt }),
      this.feeds,
    );
    return this.#written;
  }
}

/** What a join does not store is not rounded to f16 either. */
function withUnstored({ graph, joins }: Compiled['parts'][number]): Graph {
  const passing = new Set(joins.joins.flatMap((j) => (joinRules[j.kind].keepsProducer ? [] : [j.producer])));
  const nodes = graph.nodes.map(
    (node): Node => (passing.has(node.id) ? { ...node, type: { ...node.type, dtype: 'f32' } } : node),
  );
  return { ...graph, nodes };
}

/**
 * Runs a case by the schedules of one kind: on `device`, or by the translated text of its kernels.
 * @param change alters the plan first, for tests of the comparison itself
 */
export async function runCase(
  c: FuzzCase,
  judge: Judge,
  kind: ScheduleKind,
  device?: Device,
  change: (plan: VerifiedPlan) => VerifiedPlan = (plan) => plan,
): Promise<Outcome> {
  const compiled = compileFor(caseFor(c, kind, device), kind, device);
  const plan = change(compiled.plan);
  const found = device
    ? await runOnDevice(device, plan, judge.feeds)
    : runText(plan, judge.feeds, profiles[kind]);
  const expectation = judge.of(kind, compiled);
  const comparisons = new Map(
    [...found].map(([name, values]) => [name, compareOutput(expectation, name, values)] as const),
  );
  const mismatches = [...comparisons.values()].flatMap((c) => c.mismatch ?? []);
  return { mismatches: mismatches.sort((a, b) => b.share - a.share), comparisons, compiled };
}

/** A training step of rate 0: its gradients are what is compared. */
const still = [0, 1, 1, 0];

function resultsOf(plan: VerifiedPlan) {
  return plan.outputs.filter(({ name }) => name !== 'grad_norm');
}

/** The part of the batch's rows that belongs to a chunk. */
function rowsOfChunk(data: Float64Array, chunk: number, count: number): Float64Array {
  const size = data.length / count;
  return data.subarray(chunk * size, (chunk + 1) * size);
}

function runText(plan: VerifiedPlan, feeds: CaseFeeds, profile: DeviceProfile): Map<string, HostArray> {
  const run = new PlanRun(plan, profile.subgroupSize!.max);
  for (const slot of plan.weights) run.write(slot, feeds.params.get(slot.name)!.data);
  if (plan.sections === undefined)
    for (const slot of plan.inputs) run.write(slot, feeds.inputs.get(slot.name)!.data);
  if (plan.buffers.some((b) => b.role === 'hyper')) run.writeHyper(still);
  run.setup();
  if (plan.sections === undefined) run.run();
  for (const section of plan.sections ?? [])
    for (let i = 0; i < section.repeat; i++) {
      if (section.repeat > 1)
        for (const slot of plan.inputs)
          run.write(slot, rowsOfChunk(feeds.inputs.get(slot.name)!.data, i, section.repeat));
      run.run(section, i);
    }
  return new Map(resultsOf(plan).map((slot) => [slot.name, run.read(slot)]));
}

async function runOnDevice(
  device: Device,
  plan: VerifiedPlan,
  feeds: CaseFeeds,
): Promise<Map<string, HostArray>> {
  const session = await device.open(plan);
  try {
    for (const { name } of plan.weights)
      session.writeWeight(name, Float32Array.from(feeds.params.get(name)!.data));
    for (const { name, dtype } of plan.inputs) {
      const { data } = feeds.inputs.get(name)!;
      session.writeInput(name, dtype === 'i32' ? Int32Array.from(data) : Float32Array.from(data));
    }
    if (plan.buffers.some((b) => b.role === 'hyper')) session.writeHyper(still);
    session.run();
    return await session.readLater(resultsOf(plan).map((o) => o.name));
  } finally {
    session.close();
  }
}
