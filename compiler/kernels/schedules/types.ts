/** What a family of kernels says of its choices: the work, the schedules, and which one to take unmeasured. */
import type { DeviceProfile } from '../../profile.ts';

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
