/**
 * Which schedule a kernel gets: what was measured on this device for this shape, else the default of its
 * class.
 *
 * A family's search space is data: the schedules that exist, which of them a device and a shape allow, and
 * which one to take unmeasured. All schedules of a family add up in the same order, so a choice changes times
 * and never a bit of a result: runs repeat and resume exactly, tuned or not. (What would change the order,
 * such as the number of pieces that a reduction is cut into, is therefore no schedule.)
 */
import { fail } from '../../../grammar/diagnostics.ts';
import type { DeviceProfile } from '../../profile.ts';
import type { ScheduleChoice, ScheduleFamily } from '../text/choices.ts';
import { attentionSpace } from './attention.ts';
import { contractSpace } from './contract.ts';
import { rowsSpace } from './rows.ts';
import type { SearchSpace } from './types.ts';

/** Every family with a choice. `contract` are all products: matrix products and convolutions. */
export const searchSpaces = {
  contract: contractSpace,
  attention: attentionSpace,
  rows: rowsSpace,
} as const satisfies { readonly [F in ScheduleFamily]: unknown };

type WorkOf<F extends ScheduleFamily> = Parameters<(typeof searchSpaces)[F]['fits']>[1];
type ScheduleOf<F extends ScheduleFamily> = ReturnType<(typeof searchSpaces)[F]['preferred']>;

export function scheduleKey(family: ScheduleFamily, key: string): string {
  return `${family} ${key}`;
}

/** Ids of all schedules of a family that a device allows, but for those to avoid. */
export function scheduleIds(profile: DeviceProfile, family: ScheduleFamily): string[] {
  return searchSpaces[family]
    .schedules(profile)
    .map(({ id }) => id)
    .filter((id) => !profile.avoid?.includes(id));
}

/** Every family with a choice. */
export const scheduleFamilies = Object.keys(searchSpaces) as ScheduleFamily[];

/**
 * The profile without some of its schedules, by their ids, which are unique among all families.
 * @throws DiagnosticError Z637 for one that it does not have
 */
export function avoiding(profile: DeviceProfile, ids: readonly string[]): DeviceProfile {
  const known = scheduleFamilies.map((family) => ({ family, ids: scheduleIds(profile, family) }));
  const unknown = ids.find((id) => !known.some((family) => family.ids.includes(id)));
  if (unknown !== undefined)
    fail(
      'Z637',
      `${profile.name} has no schedule ${unknown} that could be avoided`,
      `it has ${known.flatMap(({ family, ids }) => (ids.length === 0 ? [] : `${family}: ${ids.join(', ')}`)).join('; ')}`,
    );
  return { ...profile, avoid: [...new Set([...(profile.avoid ?? []), ...ids])] };
}

/**
 * The schedule for one piece of work, and the choice for the plan's record. A measured id that the family no
 * longer has, that does not fit or is to be avoided, counts as unmeasured.
 * @throws DiagnosticError Z638 where all that fit are to be avoided
 */
export function chooseSchedule<F extends ScheduleFamily>(
  profile: DeviceProfile,
  family: F,
  work: WorkOf<F>,
): { readonly schedule: ScheduleOf<F>; readonly choice: ScheduleChoice } {
  // The families' types are independent of each other; seen from here they are one.
  const space = searchSpaces[family] as unknown as SearchSpace<WorkOf<F>, ScheduleOf<F>>;
  const able = space.schedules(profile).filter((schedule) => space.fits(schedule, work));
  const fitting = able.filter(({ id }) => !profile.avoid?.includes(id));
  if (fitting.length === 0)
    fail(
      'Z638',
      `${profile.name} is to avoid every schedule that can do ${family} ${work.key}`,
      `allow one of ${able.map(({ id }) => id).join(', ')}`,
    );
  const measured = profile.tuned?.[scheduleKey(family, work.key)];
  const schedule = fitting.find(({ id }) => id === measured) ?? space.preferred(fitting, work, profile);
  return { schedule, choice: { family, key: work.key, id: schedule.id } };
}
