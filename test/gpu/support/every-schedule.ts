/**
 * Forces the schedules of a family on a graph, compares each with the f64 reference and with the others' bits,
 * and counts on how many pieces of work each ran and how many it does not fit.
 *
 * Every schedule runs on every piece of work by the text of its kernels, which takes milliseconds. Software
 * adapters compile a kernel for up to seconds, so on a device each schedule and each piece of work occurs once
 * at least (bits are compared only where that takes several runs); `ZOOC_FUZZ` raises that to all as well.
 */
import { expect } from 'vitest';
import { compileGraph, type Precision } from '../../../compiler/compile.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { scheduleIds, scheduleKey } from '../../../compiler/kernels/schedules/schedules.ts';
import type { ScheduleFamily } from '../../../compiler/kernels/text/choices.ts';
import type { Plan } from '../../../compiler/plan/types.ts';
import {
  appleProfile,
  type DeviceProfile,
  discreteProfile,
  lavapipeProfile,
  swiftshaderProfile,
} from '../../../compiler/profile.ts';
import type { Device } from '../../../runtime/types.ts';
import { type Runner, textDevice } from '../../support/wgsl/text-device.ts';
import { compare } from './compiled.ts';

/**
 * Random cases are drawn by a fixed generator; `ZOOC_FUZZ` (500 by default) says how many, in units of `per`.
 */
export function casesOf(per: number): number {
  return Math.ceil(Number(process.env.ZOOC_FUZZ ?? 500) / per);
}

const classes = {
  software: lavapipeProfile,
  swiftshader: swiftshaderProfile,
  apple: appleProfile,
  staged: discreteProfile,
} as const;
export type ClassName = keyof typeof classes;
export const classNames = Object.keys(classes) as ClassName[];

/** A class of devices, and what runs its kernels. */
export interface Target {
  readonly on: Runner;
  readonly profile: DeviceProfile;
  /** Whether every schedule runs on every piece of work. */
  readonly all: boolean;
}

/** By the text of kernels, which needs no adapter. */
export function byText(name: ClassName): Target {
  return { on: textDevice(classes[name]), profile: classes[name], all: true };
}

/** The profiles of the classes, within what the adapter at hand allows. */
function classProfiles({ profile }: Device): Record<ClassName, DeviceProfile> {
  const { limits, features } = profile;
  const within = (name: ClassName) => ({ ...classes[name], limits, features });
  return {
    software: within('software'),
    swiftshader: within('swiftshader'),
    apple: within('apple'),
    staged: within('staged'),
  };
}

/** On the adapter at hand. */
export function onDevice(on: Device, name: ClassName): Target {
  return { on, profile: classProfiles(on)[name], all: process.env.ZOOC_FUZZ !== undefined };
}

/** Pieces of work (steps) that ran with the schedule, and keys of those that it does not fit. */
export interface Tally {
  ran: number;
  readonly unfit: string[];
}

type Tallies = ReadonlyMap<string, Tally>;

interface Case {
  readonly graph: Graph;
  /** Weights whose gradients of the output `loss` are compared as well. */
  readonly gradients?: readonly string[];
  readonly integersBelow?: number;
  readonly precision?: Precision;
  /** Largest error of an output over its largest value, which counts as `least` where it is smaller. */
  readonly tolerance: number;
  readonly least?: number;
}

/** A schedule for each key of work. */
type Table = Readonly<Record<string, string>>;

/** Runs the family's schedules on the graph; what each did. */
export async function trySchedules(
  { on, profile, all }: Target,
  family: ScheduleFamily,
  { graph, tolerance, ...options }: Case,
): Promise<Tallies> {
  const { gradients = [] } = options;
  const planOf = (tuned: Table) =>
    compileGraph(graph, {
      model: 't',
      entry: 't',
      batch: 1,
      mode: 'eval',
      profile: { ...profile, tuned },
      gradients,
      ...(options.precision ? { precision: options.precision } : {}),
    });
  const keys = choices(planOf({}), family).map(({ key }) => scheduleKey(family, key));
  const forced = scheduleIds(profile, family).map((id) => Object.fromEntries(keys.map((key) => [key, id])));
  const tallies = new Map<string, Tally>();
  const fitting = new Map<string, string[]>(keys.map((key) => [key, []]));
  for (const [i, id] of scheduleIds(profile, family).entries()) {
    const made = choices(planOf(forced[i]!), family);
    for (const choice of made) if (choice.id === id) fitting.get(scheduleKey(family, choice.key))!.push(id);
    tallies.set(id, { ran: 0, unfit: made.flatMap((choice) => (choice.id === id ? [] : [choice.key])) });
  }
  let first: Awaited<ReturnType<typeof compare>> | undefined;
  for (const tuned of all ? forced : covering(fitting)) {
    const result = await compare(on, { ...profile, tuned }, graph, options);
    for (const { id, key } of choices(result.plan, family))
      if (tuned[scheduleKey(family, key)] === id) tallies.get(id)!.ran++;
    first ??= result;
    for (const [name, error] of result.errors) {
      const label = `${profile.name} ${family} ${JSON.stringify(tuned)}: ${name}`;
      expect(error, label).toBeLessThan(tolerance);
      expect(result.values.get(name), label).toEqual(first.values.get(name));
    }
  }
  return tallies;
}

/** Few tables in which every schedule that fits anywhere occurs, on as many different keys as there are. */
function covering(fitting: ReadonlyMap<string, readonly string[]>): Table[] {
  const left = new Set([...fitting.values()].flat());
  const tables: Table[] = [];
  while (left.size > 0) {
    // What is left goes to the keys that fewest schedules fit first; elsewhere the first table's kernels run again.
    const ordered = [...fitting].sort(([, a], [, b]) => a.length - b.length);
    const table: Record<string, string> = {};
    for (const [key, ids] of ordered) {
      const id = ids.find((one) => left.has(one)) ?? tables[0]?.[key] ?? ids[0]!;
      left.delete(id);
      table[key] = id;
    }
    tables.push(table);
  }
  return tables;
}

/** Work on weights alone, such as gradients of a graph without inputs, runs once, as setup. */
function choices({ setup, steps }: Plan, family: ScheduleFamily) {
  return [...setup, ...steps].flatMap(({ schedule }) => (schedule?.family === family ? [schedule] : []));
}

/** Every schedule that the device allows ran on `least` pieces of work at least; says what did not fit. */
export function expectAllRan(target: Target, family: ScheduleFamily, tallies: Tallies, least: number): void {
  expect([...tallies.keys()].sort()).toEqual(scheduleIds(target.profile, family).sort());
  expectEachRan(target, family, tallies, least);
}

/** The same of some schedules. */
export function expectEachRan(
  { profile }: Target,
  family: ScheduleFamily,
  tallies: Tallies,
  least: number,
): void {
  for (const [id, { ran }] of tallies) expect(ran, `${profile.name} ${id}`).toBeGreaterThanOrEqual(least);
  const lines = [...tallies].map(([id, { ran, unfit }]) => `${id} ${ran}/${ran + unfit.length}`);
  console.info(
    `${profile.name}, ${family}: pieces of work each schedule ran on, of those tried: ${lines.join(', ')}`,
  );
}
