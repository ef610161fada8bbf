/**
 * Which schedule a kernel gets: what was measured on this device for this shape, else the default of its class.
 *
 * A family's search space is data: the schedules that exist, which of them a device and a shape allow, and which one to take
 * unmeasured. All schedules of a family add up in the same order, so a choice changes times and never a bit of a result:
 * runs repeat and resume exactly, tuned or not. (What would change the order, such as the number of pieces that a
 * reduction is cut into, is therefore no schedule.)
 */
import type { DeviceProfile } from '../profile.ts';
import { attentionSpace } from './schedules-attention.ts';
import { contractSpace } from './schedules-contract.ts';
import { rowsSpace } from './schedules-rows.ts';

/** What a kernel is to compute, as far as its schedule depends on it. */
export interface Work {
  /** All that tells one piece of work from another: sizes, layouts, epilogue. Stable text, without ids or paths. */
  readonly key: string;
}

export interface Schedule {
  /** Stable; unique in its family. */
  readonly id: string;
}

export interface SearchSpace<W extends Work, S extends Schedule> {
  /** The schedules that the device's limits allow. */
  schedules(profile: DeviceProfile): readonly S[];
  /** Whether one of them can do this piece of work. */
  fits(schedule: S, work: W): boolean;
  /** The one to take unmeasured, of those that fit. */
  preferred(fitting: readonly S[], work: W, profile: DeviceProfile): S;
}

/** Every family with a choice. `contract` are all products: matrix products and convolutions. */
export const searchSpaces = {
  contract: contractSpace,
  attention: attentionSpace,
  rows: rowsSpace,
} as const;

export type ScheduleFamily = keyof typeof searchSpaces;

type WorkOf<F extends ScheduleFamily> = Parameters<(typeof searchSpaces)[F]['fits']>[1];
type ScheduleOf<F extends ScheduleFamily> = ReturnType<(typeof searchSpaces)[F]['preferred']>;

/** A choice that was made, as the plan records it. */
export interface ScheduleChoice {
  readonly family: ScheduleFamily;
  readonly key: string;
  readonly id: string;
}

export function scheduleKey(family: ScheduleFamily, key: string): string {
  return `${family} ${key}`;
}

/** Ids of all schedules of a family that a device allows. */
export function scheduleIds(profile: DeviceProfile, family: ScheduleFamily): string[] {
  return searchSpaces[family].schedules(profile).map(({ id }) => id);
}

/**
 * The schedule for one piece of work, and the choice for the plan's record. A measured id that the family no longer has, or
 * that does not fit, counts as unmeasured.
 */
export function chooseSchedule<F extends ScheduleFamily>(
  profile: DeviceProfile,
  family: F,
  work: WorkOf<F>,
): { readonly schedule: ScheduleOf<F>; readonly choice: ScheduleChoice } {
  // The families' types are independent of each other; seen from here they are one.
  const space = searchSpaces[family] as unknown as SearchSpace<WorkOf<F>, ScheduleOf<F>>;
  const fitting = space.schedules(profile).filter((schedule) => space.fits(schedule, work));
  const measured = profile.tuned?.[scheduleKey(family, work.key)];
  const schedule = fitting.find(({ id }) => id === measured) ?? space.preferred(fitting, work, profile);
  return { schedule, choice: { family, key: work.key, id: schedule.id } };
}
