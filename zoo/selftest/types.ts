/** What a self-test is asked, and what it finds, as plain data. */
import type { Plan } from '../../compiler/plan/types.ts';
import type {
  FailedSchedule,
  SelftestCheck,
  SelftestFailure,
  SelftestPart,
} from '../../runtime/selftest/types.ts';
import type { AdapterReport } from '../../runtime/webgpu/adapter.ts';

/** What a self-test does. */
export interface SelftestOptions {
  /** The schedules that the device's profile chooses and those that were measured as the best, not all; one model. */
  readonly quick?: boolean;
  /** Some parts of it. */
  readonly only?: readonly SelftestPart[];
  /** Called before each piece of work. */
  readonly progress?: (done: number, of: number, doing: string) => void;
}

/** GFLOP/s of the matrix product [m, k] × [k, n]. */
export interface ProductCeiling {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly precision: Plan['precision'];
  readonly gflops: number;
}

/** How fast the device was: measured, judged by nobody. */
export interface SelftestCeilings {
  /** GB/s of a kernel that only reads and writes. */
  readonly copy: number;
  readonly products: readonly ProductCeiling[];
}

/** What a self-test found. */
export interface SelftestReport {
  readonly version: 1;
  readonly passed: boolean;
  /** zooc, and what runs it. */
  readonly versions: Readonly<Record<string, string>>;
  readonly adapter: AdapterReport;
  /** Those of its features that kernels may use. */
  readonly features: readonly string[];
  /** Schedules that it was told to go without. */
  readonly avoid: readonly string[];
  /** Pieces of work whose schedule was measured on it. */
  readonly tuned: number;
  readonly quick: boolean;
  readonly only?: readonly SelftestPart[];
  readonly seconds: number;
  readonly checks: readonly SelftestCheck[];
  readonly failures: readonly SelftestFailure[];
  /** Schedules behind wrong results: what ZOOC_AVOID may go round. */
  readonly failedSchedules: readonly FailedSchedule[];
  /** Schedules that fit none of the checks. */
  readonly unchecked: readonly string[];
  /** What the device said when it stopped to answer; the rest was not checked. */
  readonly stopped?: string;
  readonly ceilings?: SelftestCeilings;
}
