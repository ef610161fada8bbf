/**
 * Forces every schedule of a family in turn on a graph, compares each with the f64 reference and with the others' bits, and
 * counts on how many pieces of work each ran and how many it does not fit.
 */
import { expect } from 'vitest';
import { compileGraph } from '../../compiler/compile.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import { scheduleIds, scheduleKey } from '../../compiler/kernels/schedules/schedules.ts';
import type { ScheduleFamily } from '../../compiler/kernels/text/kernel.ts';
import type { Plan } from '../../compiler/plan/types.ts';
import {
  appleProfile,
  type DeviceProfile,
  discreteProfile,
  lavapipeProfile,
} from '../../compiler/profile.ts';
import type { Device } from '../../runtime/types.ts';
import { compare } from './compiled.ts';

/** Random cases are drawn by a fixed generator; `ZOOC_FUZZ` (500 by default) says how many, in units of `per`. */
export function casesOf(per: number): number {
  return Math.ceil(Number(process.env.ZOOC_FUZZ ?? 500) / per);
}

/** The profiles of the classes, within what the adapter at hand allows. */
export function classProfiles({ profile }: Device): Record<'software' | 'apple' | 'staged', DeviceProfile> {
  const within = (base: DeviceProfile) => ({ ...base, limits: profile.limits, features: profile.features });
  return { software: within(lavapipeProfile), apple: within(appleProfile), staged: within(discreteProfile) };
}

/** Pieces of work (steps) that ran with the schedule, and keys of those that it does not fit. */
export interface Tally {
  ran: number;
  readonly unfit: string[];
}

export type Tallies = Map<string, Tally>;

interface Case {
  readonly graph: Graph;
  /** Weights whose gradients of the output `loss` are compared as well. */
  readonly gradients?: readonly string[];
  readonly integersBelow?: number;
  /** Largest error of an output over its largest value, which counts as `least` where it is smaller. */
  readonly tolerance: number;
  readonly least?: number;
}

/** Adds what the family's schedules did on the graph to `tallies`. */
export async function tryAll(
  on: Device,
  profile: DeviceProfile,
  family: ScheduleFamily,
  { graph, tolerance, ...options }: Case,
  tallies: Tallies,
): Promise<void> {
  const { gradients = [] } = options;
  const plain = compileGraph(graph, { model: 't', entry: 't', batch: 1, mode: 'eval', profile, gradients });
  const keys = choices(plain, family).map(({ key }) => key);
  let first: Awaited<ReturnType<typeof compare>> | undefined;
  for (const id of scheduleIds(profile, family)) {
    const tuned = Object.fromEntries(keys.map((key) => [scheduleKey(family, key), id]));
    const result = await compare(on, { ...profile, tuned }, graph, options);
    const tally = tallies.get(id) ?? { ran: 0, unfit: [] };
    tallies.set(id, tally);
    for (const choice of choices(result.plan, family)) {
      if (choice.id === id) tally.ran++;
      else tally.unfit.push(choice.key);
    }
    first ??= result;
    for (const [name, error] of result.errors) {
      const label = `${profile.name} ${family} ${id}: ${name}`;
      expect(error, label).toBeLessThan(tolerance);
      expect(result.values.get(name), label).toEqual(first.values.get(name));
    }
  }
}

/** Work on weights alone, such as gradients of a graph without inputs, runs once, as setup. */
function choices({ setup, steps }: Plan, family: ScheduleFamily) {
  return [...setup, ...steps].flatMap(({ schedule }) => (schedule?.family === family ? [schedule] : []));
}

/** Every schedule that the device allows ran on `least` pieces of work at least; says what did not fit. */
export function expectAllRan(
  profile: DeviceProfile,
  family: ScheduleFamily,
  tallies: Tallies,
  least: number,
): void {
  expect([...tallies.keys()].sort()).toEqual(scheduleIds(profile, family).sort());
  for (const [id, { ran }] of tallies) expect(ran, `${profile.name} ${id}`).toBeGreaterThanOrEqual(least);
  const lines = [...tallies].map(([id, { ran, unfit }]) => `${id} ${ran}/${ran + unfit.length}`);
  console.info(
    `${profile.name}, ${family}: pieces of work each schedule ran on, of those tried: ${lines.join(', ')}`,
  );
}
