/**
 * Runs checks on a device and keeps what they found. A device that refuses a kernel is asked for the parts of a check one by
 * one; one that answers nothing any more ends the test.
 */

import { variableName } from '../../compiler/autodiff/differentiate.ts';
import { compileGraph, type Precision } from '../../compiler/compile.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { gradientPrefix } from '../../compiler/graph/types.ts';
import { scheduleIds, scheduleKey } from '../../compiler/kernels/schedules/schedules.ts';
import type { ScheduleFamily } from '../../compiler/kernels/text/choices.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import type { Device } from '../types.ts';
import type { SelftestCase } from './cases.ts';
import { type Comparison, compareGraph } from './compare.ts';
import { Ancestry, blame, blamedAmong, Suspects } from './suspects.ts';
import type { FailedSchedule, SelftestCheck, SelftestFailure, SuspectKernel, WrongOutput } from './types.ts';

type CheckName = Pick<SelftestCheck, 'part' | 'what' | 'precision' | 'schedule'>;

/** The kernels that one wrong output comes from, and those that it may come from besides. */
export interface Behind {
  readonly surely: readonly SuspectKernel[];
  readonly perhaps: readonly SuspectKernel[];
}

interface Failed extends Omit<SelftestFailure, 'kernels'> {
  readonly behind: readonly Behind[];
}

/** Whether a check has many kernels one behind the other. */
const isWhole = ({ part }: Failed) => part === 'models' || part === 'training';

/** The device answers nothing any more. */
export class Unusable extends Error {}

interface Judged extends WrongOutput {
  readonly passed: boolean;
}

function judged({ errors, worst }: Comparison, { tolerances, carrier }: SelftestCase): Judged[] {
  const looked = [...errors].filter(([output]) => carrier !== true || output !== 'loss');
  return looked.map(([output, error]) => {
    const tolerance = output.startsWith(gradientPrefix) ? tolerances.gradients : tolerances.results;
    return { output, ...worst.get(output)!, error, tolerance, passed: error <= tolerance };
  });
}

/** How far beyond its tolerance; what is no number is infinitely far. */
const excess = ({ error, tolerance }: Judged) =>
  Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / tolerance;

export class Checks {
  readonly all: SelftestCheck[] = [];
  readonly #device: Pick<Device, 'open' | 'profile'>;
  readonly #failed: Failed[] = [];
  readonly #suspects = new Suspects();

  constructor(device: Pick<Device, 'open' | 'profile'>) {
    this.#device = device;
  }

  /**
   * Compares one case.
   * @param profile the device's, or one with other schedules
   * @throws Unusable where the device is lost or answers nothing any more
   */
  async compare(
    name: CheckName,
    one: SelftestCase,
    profile: DeviceProfile = this.#device.profile,
  ): Promise<void> {
    const { graph, gradients, tolerances: _tolerances, split: _split, carrier: _carrier, ...options } = one;
    let comparison: Comparison;
    try {
      comparison = await compareGraph(this.#device, profile, graph, {
        ...options,
        gradients,
        precision: name.precision,
      });
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      await this.#refused(name, error, one, profile);
      return;
    }
    this.#judge(name, comparison, one);
  }

  /** Adds a check that was judged elsewhere. */
  add(check: SelftestCheck, outputs: readonly WrongOutput[], behind: readonly Behind[]): void {
    this.all.push(check);
    const { part, what, precision, schedule } = check;
    if (!check.passed)
      this.#failed.push({
        part,
        what,
        precision,
        ...(schedule === undefined ? {} : { schedule }),
        outputs,
        behind,
      });
  }

  /**
   * What went wrong, each with the kernels that are left to blame. Models and training have too many kernels to blame one by
   * themselves: where checks of kernels failed as well, only what these blame is blamed for them.
   */
  failures(): SelftestFailure[] {
    const suspects = this.#failed.map(({ behind }) =>
      behind.map(({ surely, perhaps }) => this.#suspects.of(surely, perhaps)),
    );
    const ofKernels = suspects.filter((_, i) => !isWhole(this.#failed[i]!)).flat();
    const blamed = blame(ofKernels.length > 0 ? ofKernels : suspects.flat());
    return this.#failed.map(({ behind: _, ...failure }, i) => ({
      ...failure,
      kernels: blamedAmong(suspects[i]!, blamed),
    }));
  }

  /** Schedules of the kernels that are to blame. */
  failedSchedules(): FailedSchedule[] {
    const found = new Map<string, FailedSchedule>();
    for (const { kernels } of this.failures())
      for (const { family, schedule } of kernels)
        if (family !== undefined && schedule !== undefined) found.set(schedule, { family, schedule });
    return [...found.values()];
  }

  #judge(name: CheckName, comparison: Comparison, one: SelftestCase): void {
    const outputs = judged(comparison, one);
    const ancestry = new Ancestry(comparison.plan);
    const behind = ({ output }: Judged, inPlace: boolean) =>
      ancestry.of(output, inPlace).map((step) => ancestry.kernel(step));
    const wrong = outputs.filter(({ passed }) => !passed);
    for (const output of outputs) this.#suspects.record(behind(output, false), output.passed);
    const worst = outputs.reduce((most, output) => (excess(output) > excess(most) ? output : most));
    const { error, tolerance, output: where } = worst;
    const passed = wrong.length === 0;
    const seen = wrong.map(({ passed: _, ...output }) => output);
    const failed = wrong.map((output) => ({ surely: behind(output, false), perhaps: behind(output, true) }));
    this.add({ ...name, outputs: outputs.length, error, tolerance, where, passed }, seen, failed);
  }

  async #refused(
    name: CheckName,
    error: DiagnosticError,
    one: SelftestCase,
    profile: DeviceProfile,
  ): Promise<void> {
    const message = error.diagnostics.map(({ code, message }) => `${code}: ${message}`).join('; ');
    const usable = await this.#isUsable();
    if (usable && one.split !== undefined) {
      for (const part of one.split()) await this.compare(name, part, profile);
      return;
    }
    const tolerance = one.tolerances.results;
    this.all.push({ ...name, outputs: 0, error: Number.NaN, tolerance, where: message, passed: false });
    const among = one.gradients.slice(0, 6).map(variableName).join(', ');
    this.#failed.push({
      ...name,
      outputs: [],
      message: `${message} (among gradients of ${among}, …)`,
      behind: [],
    });
    if (!usable) throw new Unusable(message);
  }

  /** Whether it still computes something. */
  async #isUsable(): Promise<boolean> {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [4] });
    const graph = b.finish([{ name: 'y', node: b.add('add', [x, x], {}) }]);
    try {
      const { errors } = await compareGraph(this.#device, this.#device.profile, graph);
      return errors.has('y');
    } catch (error) {
      if (error instanceof DiagnosticError) return false;
      throw error;
    }
  }
}

/** A case by one schedule wherever it fits; undefined where that is nowhere. */
export function forced(
  one: SelftestCase,
  family: ScheduleFamily,
  id: string,
  profile: DeviceProfile,
  precision: Precision,
): DeviceProfile | undefined {
  const planOf = (tuned: Readonly<Record<string, string>>) =>
    compileGraph(one.graph, {
      model: 'check',
      entry: 'check',
      batch: 1,
      mode: 'eval',
      profile: { ...profile, tuned },
      precision,
      gradients: one.gradients,
    });
  const tuned = Object.fromEntries(
    choicesOf(planOf({}), family).map(({ key }) => [scheduleKey(family, key), id]),
  );
  return choicesOf(planOf(tuned), family).some((choice) => choice.id === id)
    ? { ...profile, tuned }
    : undefined;
}

function choicesOf({ setup, steps }: VerifiedPlan, family: ScheduleFamily) {
  return [...setup, ...steps].flatMap(({ schedule }) => (schedule?.family === family ? [schedule] : []));
}

/** Schedules of a family that a test tries: all, or those that measurements chose. */
export function schedulesToTry(profile: DeviceProfile, family: ScheduleFamily, quick: boolean): string[] {
  const ids = scheduleIds(profile, family);
  if (!quick) return ids;
  const tuned = new Set(Object.values(profile.tuned ?? {}));
  return ids.filter((id) => tuned.has(id));
}
