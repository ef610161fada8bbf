/**
 * Schedules of attention on software adapters: how many rows of a head an invocation owns.
 *
 * On GPUs there is none: the tile is fixed at 32 × 32 rows, which fits the default limit of workgroup memory for
 * every width of a head; or it is one of subgroup matrices (attention-tiles.ts), whose only schedule says of which.
 * Both add up in their tile's order.
 */
import { attentionMatrices } from '../../attention-tiles.ts';
import type { DeviceProfile } from '../../profile.ts';
import type { Schedule, SearchSpace, Work } from './types.ts';

export interface AttentionWorkSize extends Work {
  /** Rows of one head. */
  readonly rows: number;
}

export interface AttentionSchedule extends Schedule {
  /** Rows of one invocation. */
  readonly own: number;
}

/** Invocations of a workgroup: one SIMD batch. */
export const attentionLanes = 8;

/**
 * Four rows read walked rows least often; fewer where four would leave many slots empty. The 0.6 is what
 * reading a walked row costs beside using it once: measured on llvmpipe with two AVX2 cores.
 */
function cost(rows: number, own: number): number {
  return Math.ceil(rows / (attentionLanes * own)) * own * (1 + 0.6 / own);
}

const schedules: readonly AttentionSchedule[] = [4, 3, 2, 1].map((own) => ({ id: `own${own}`, own }));

/** Those of halves and of f32, which no attention can choose between. */
function matrixSchedules(profile: DeviceProfile): readonly AttentionSchedule[] {
  const [halves, full] = [true, false].map((half) => attentionMatrices(profile, half));
  const all = halves?.id === full?.id ? [full] : [halves, full];
  return all.flatMap((one) => (one === undefined ? [] : [{ id: one.id, own: one.strip }]));
}

export const attentionSpace: SearchSpace<AttentionWorkSize, AttentionSchedule> = {
  schedules: (profile: DeviceProfile) => (profile.kind === 'cpu' ? schedules : matrixSchedules(profile)),
  fits: () => true,
  preferred: (fitting, { rows }) =>
    fitting.reduce((best, next) => (cost(rows, next.own) < cost(rows, best.own) ? next : best)),
};
