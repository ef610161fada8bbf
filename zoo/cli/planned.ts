/** What verbs share that plan without a device: for which kinds of device, and what a plan takes of its memory. */
import type { Plan } from '../../compiler/plan/types.ts';
import { type DeviceProfile, discreteProfile, lavapipeProfile } from '../../compiler/profile.ts';
import {
  amdProfile,
  appleMatrixProfile,
  intelProfile,
  nvidiaProfile,
} from '../../compiler/profiles-matrix.ts';
import { mebibytes, table } from './output.ts';

/** Devices that plans can be made for anywhere. */
export const profiles = {
  cpu: lavapipeProfile,
  gpu: discreteProfile,
  nvidia: nvidiaProfile,
  amd: amdProfile,
  intel: intelProfile,
  apple: appleMatrixProfile,
} as const satisfies Record<string, DeviceProfile>;

export type ProfileKind = keyof typeof profiles;

export function memoryTable({ memory }: Pick<Plan, 'memory'>): string {
  const { weights, gradients, optimizer, workspace, workspaceLowerBound } = memory;
  const { features, io, derived, total } = memory;
  const rows: [string, number, string][] = [
    ['weights', weights, ''],
    ['gradients', gradients, ''],
    ['optimizer', optimizer, ''],
    ['workspace', workspace, `largest live set ${mebibytes(workspaceLowerBound)}`],
    ['features', features, 'of the whole batch, and their gradients'],
    ['inputs and outputs', io, ''],
    ['derived from weights', derived, ''],
    ['total', total, ''],
  ];
  return table(
    rows.filter(([, bytes]) => bytes > 0).map(([name, bytes, remark]) => [name, mebibytes(bytes), remark]),
    [1],
  );
}
