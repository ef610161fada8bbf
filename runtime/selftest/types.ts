/** What a self-test finds, as plain data. */
import type { ScheduleFamily } from '../../compiler/kernels/text/choices.ts';
import type { Plan } from '../../compiler/plan/types.ts';

/**
 * What is checked: `operations`, one example of each in one plan; the families of kernels that have several schedules, with each
 * of them; whole `models`; `training`, some steps. `ceilings` are measured alone.
 */
export const selftestParts = [
  'operations',
  'contract',
  'attention',
  'rows',
  'models',
  'training',
  'ceilings',
] as const;
export type SelftestPart = (typeof selftestParts)[number];

/** One comparison with double precision. */
export interface SelftestCheck {
  readonly part: Exclude<SelftestPart, 'ceilings'>;
  /** `product`, `tiny ViT: loss with gradients` */
  readonly what: string;
  readonly precision: Plan['precision'];
  /** The schedule that all its work has as far as it fits; without it what the adapter uses. */
  readonly schedule?: string;
  /** Results and gradients that were compared. */
  readonly outputs: number;
  /** Largest error over the largest value of an output: of the one that is furthest beyond its tolerance, or nearest to it. */
  readonly error: number;
  readonly tolerance: number;
  readonly where: string;
  readonly passed: boolean;
}

/** An output that is further off than its tolerance. */
export interface WrongOutput {
  readonly output: string;
  /** The element that is furthest off, row-major. */
  readonly element: number;
  readonly found: number;
  readonly expected: number;
  /** Over the largest value of the output; NaN where an element is no number. */
  readonly error: number;
  readonly tolerance: number;
}

/** A kernel that a failure comes from. */
export interface SuspectKernel {
  /** Where it stands in its model, and what it is called. */
  readonly label: string;
  /** Its schedule, where its family has several, and the work that it was chosen for. */
  readonly family?: ScheduleFamily;
  readonly schedule?: string;
  readonly key?: string;
  readonly workgroups: readonly number[];
  readonly wgsl: string;
}

/** A check that did not pass. */
export interface SelftestFailure extends Pick<SelftestCheck, 'part' | 'what' | 'precision' | 'schedule'> {
  readonly outputs: readonly WrongOutput[];
  /** What the device said, where it ran nothing. */
  readonly message?: string;
  /** The kernels that are to blame, as far as can be told: few that explain all failures. */
  readonly kernels: readonly SuspectKernel[];
}

/** Schedules that failed, each with its family. */
export interface FailedSchedule {
  readonly family: ScheduleFamily;
  readonly schedule: string;
}
