/**
 * Schedules of the row family where one invocation walks a whole row: how many such invocations make a
 * workgroup.
 *
 * GPUs share a row among the threads of a workgroup, whose number decides the order of the sum; it follows
 * from the row's length alone and is no schedule.
 */
import type { DeviceProfile } from '../../profile.ts';
import type { Schedule, SearchSpace, Work } from './types.ts';

export interface RowsSchedule extends Schedule {
  /** Rows (and invocations) of a workgroup. */
  readonly size: number;
}

const sizes: readonly RowsSchedule[] = [8, 16, 32, 64].map((size) => ({ id: `s${size}`, size }));

/**
 * 8 = the SIMD width, so that few rows still reach every core (reasoned, and confirmed on llvmpipe with two
 * AVX2 cores).
 */
const defaultSize = 8;

export const rowsSpace: SearchSpace<Work, RowsSchedule> = {
  schedules: ({ kind, limits }: DeviceProfile) =>
    kind === 'gpu' ? [] : sizes.filter(({ size }) => size <= limits.maxComputeInvocationsPerWorkgroup),
  fits: () => true,
  preferred: (fitting) => fitting.find(({ size }) => size === defaultSize) ?? fitting[0]!,
};
