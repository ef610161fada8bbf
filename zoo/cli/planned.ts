/** What verbs share that plan without a device: for which kinds of device, and what a plan takes of its memory. */
import type { Plan } from '../../compiler/plan/types.ts';
import { mebibytes, table } from './output.ts';

export { type ProfileKind, profiles } from '../../compiler/profiles.ts';

export function memoryTable({ memory }: Pick<Plan, 'memory'>): string {
  const { weights, gradients, optimizer, workspace, workspaceLowerBound } = memory;
  const { features, io, derived, staging, total } = memory;
  const rows: [string, number, string][] = [
    ['weights', weights, ''],
    ['gradients', gradients, ''],
    ['optimizer', optimizer, ''],
    ['workspace', workspace, `largest live set ${mebibytes(workspaceLowerBound)}`],
    ['features', features, 'of the whole batch, and their gradients'],
    ['inputs and outputs', io, ''],
    ['derived from weights', derived, ''],
    ['staging', staging, 'through which weights pass that are kept as derived alone'],
    ['total', total, ''],
  ];
  return table(
    rows.filter(([, bytes]) => bytes > 0).map(([name, bytes, remark]) => [name, mebibytes(bytes), remark]),
    [1],
  );
}
