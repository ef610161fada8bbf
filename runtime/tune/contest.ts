/**
 * A contest: all schedules of one piece of work in one small plan, so that they are measured in
 * turn on the same buffers.
 *
 * The steps are taken from plans of the whole model, compiled once for each schedule, so layouts, transposes
 * and epilogues are those of the model. Only the bytes they bind are allocated.
 */
import { alignUp } from '../../compiler/graph/dims.ts';
import { scheduleFamilies, scheduleIds, scheduleKey } from '../../compiler/kernels/schedules/schedules.ts';
import type { ScheduleFamily } from '../../compiler/kernels/text/choices.ts';
import { memoryTable } from '../../compiler/plan/memory.ts';
import type {
  Plan,
  PlanBinding,
  PlanBuffer,
  PlanPipeline,
  PlanStep,
  Slot,
  VerifiedPlan,
} from '../../compiler/plan/types.ts';
import { verifyPlan } from '../../compiler/plan/verify.ts';
import type { DeviceProfile, TunedSchedules } from '../../compiler/profile.ts';

/** Compiles the plan to be tuned with a device's profile. */
export type CompileFor = (profile: DeviceProfile) => VerifiedPlan;

interface Entrant {
  readonly id: string;
  readonly step: PlanStep;
  readonly pipeline: PlanPipeline;
}

/** One piece of work and every way to do it, the default first. */
export interface Contest {
  readonly family: ScheduleFamily;
  readonly key: string;
  /** How many steps of the plan are of this kind. */
  readonly count: number;
  readonly flops: number;
  readonly bytes: number;
  /** What a device needs for the plan it is from. */
  readonly features: readonly string[];
  readonly entrants: readonly Entrant[];
}

/**
 * The distinct pieces of work of a plan that have more than one schedule, in the order of first use.
 * @param known keys (`scheduleKey`) that are to be left out
 */
export function contestsOf(
  compile: CompileFor,
  profile: DeviceProfile,
  known: ReadonlySet<string> = new Set(),
): Contest[] {
  const untuned: DeviceProfile = { ...profile, tuned: {} };
  const base = compile(untuned);
  const contests = new Map<string, Contest & { entrants: Entrant[] }>();
  for (const step of [...base.setup, ...base.steps]) {
    if (step.schedule === undefined) continue;
    const { family, key, id } = step.schedule;
    const name = scheduleKey(family, key);
    if (known.has(name)) continue;
    const found = contests.get(name);
    const first = { id, step, pipeline: base.pipelines[step.pipeline]! };
    const { flops, bytes } = step;
    const { features } = base.requires;
    if (found === undefined)
      contests.set(name, { family, key, count: 1, flops, bytes, features, entrants: [first] });
    else contests.set(name, { ...found, count: found.count + 1 });
  }
  if (contests.size === 0) return [];
  for (const tuned of variants(untuned, [...contests.values()])) {
    const plan = compile({ ...untuned, tuned });
    for (const step of [...plan.setup, ...plan.steps]) {
      if (step.schedule === undefined) continue;
      const { family, key, id } = step.schedule;
      const entrants = contests.get(scheduleKey(family, key))?.entrants;
      if (entrants?.some((e) => e.id === id) === false)
        entrants.push({ id, step, pipeline: plan.pipelines[step.pipeline]! });
    }
  }
  return [...contests.values()].filter(({ entrants }) => entrants.length > 1);
}

/** As many tables of forced choices as the largest family has schedules; each family goes through its own. */
function variants(profile: DeviceProfile, contests: readonly Contest[]): TunedSchedules[] {
  const ids = new Map(scheduleFamilies.map((family) => [family, scheduleIds(profile, family)]));
  const most = Math.max(...contests.map(({ family }) => ids.get(family)!.length));
  return Array.from({ length: most }, (_, i) =>
    Object.fromEntries(
      contests.flatMap(({ family, key }) => {
        const id = ids.get(family)![i];
        return id === undefined ? [] : [[scheduleKey(family, key), id]];
      }),
    ),
  );
}

/**
 * A plan whose step `i` is the contest's entrant `i`. Every range that entrants bind is a buffer
 * of its own, an input and an output.
 */
export function contestPlan(contest: Contest, profile: DeviceProfile): VerifiedPlan {
  const sizes: number[] = [];
  const steps = contest.entrants.map(({ step }, pipeline): PlanStep => {
    const ranges = distinctRanges(step.bindings);
    for (const [i, { size }] of ranges.entries()) sizes[i] = Math.max(sizes[i] ?? 0, size);
    const bindings = step.bindings.map(({ size, ...at }) => ({
      buffer: ranges.findIndex((r) => sameRange(r, { ...at, size })),
      offset: 0,
      size,
    }));
    return { ...step, pipeline, bindings };
  });
  const buffers = sizes.map((size, id) => ({ id, role: 'io' as const, bytes: alignUp(size, 256) }));
  const plan: Plan = {
    version: 1,
    model: contest.family,
    entry: contest.key,
    batch: 1,
    mode: 'eval',
    precision: 'f32',
    profile: profile.name,
    requires: {
      maxBufferSize: Math.max(...buffers.map((b) => b.bytes)),
      maxStorageBufferBindingSize: Math.max(...sizes),
      maxStorageBuffersPerShaderStage: Math.max(...steps.map((s) => s.bindings.length)),
      features: contest.features,
    },
    buffers,
    weights: [],
    inputs: buffers.map(slotOf),
    outputs: buffers.map(slotOf),
    pipelines: contest.entrants.map(({ pipeline }, id) => ({ ...pipeline, id })),
    setup: [],
    steps,
    memory: memoryTable(buffers, 0),
    flops: steps.reduce((sum, s) => sum + s.flops, 0),
  };
  return verifyPlan(plan, profile);
}

/** A whole buffer, which the host may write and read. */
function slotOf({ id, bytes }: Pick<PlanBuffer, 'id' | 'bytes'>): Slot {
  return { name: `operand${id}`, dtype: 'f32', shape: [bytes / 4], buffer: id, offset: 0 };
}

const sameRange = (a: PlanBinding, b: PlanBinding) =>
  a.buffer === b.buffer && a.offset === b.offset && a.size === b.size;

function distinctRanges(bindings: readonly PlanBinding[]): PlanBinding[] {
  return bindings.filter((b, i) => bindings.findIndex((other) => sameRange(b, other)) === i);
}
