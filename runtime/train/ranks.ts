/**
 * What the ranks of a run settle before its first step: that they train the same thing, where it goes on, and with
 * which weights. Rank 0 decides and writes; the others need neither the run folder nor the starting weights.
 */
import { fail } from '../../grammar/diagnostics.ts';
import type { DataCursor } from '../data/types.ts';
import { allTexts, bytesOf, type Collective, textOfFirst } from '../dist/collective.ts';
import { changesBetween, type RunSettings } from './changes.ts';
import type { StateArray, TrainSession } from './types.ts';

/** Where a run begins and ends and what it saves, in steps, and with which batch it begins. */
interface Beginning {
  readonly start: number;
  readonly end: number;
  readonly cursor: DataCursor;
  /** Steps between checkpoints, for which all ranks give what they keep and say where they are in the data. */
  readonly saveEvery: number;
}

/**
 * @param own what this rank trains, by the names of settings
 * @throws DiagnosticError Z633 where another rank has something else
 */
export async function checkAgreement(group: Collective, own: RunSettings): Promise<void> {
  const texts = await allTexts(group, 'what every rank trains', JSON.stringify(own));
  const all = texts.map((text) => JSON.parse(text) as RunSettings);
  for (const [other, settings] of all.entries())
    for (const { setting, from, to } of changesBetween(all[0]!, settings))
      fail(
        'Z633',
        `the ranks do not train the same: rank 0 has ${setting} ${from ?? 'none'}, rank ${other} has ${to ?? 'none'}`,
        'start every rank with the same recipe, settings and data',
      );
}

/** Where the run goes on, as rank 0 says. @param own of rank 0 */
export async function agreedBeginning(group: Collective, own?: Beginning): Promise<Beginning> {
  if (group.size === 1 && own !== undefined) return own;
  return JSON.parse(await textOfFirst(group, 'where the run goes on', JSON.stringify(own))) as Beginning;
}

/** Gives all ranks the state of rank 0. */
export async function shareState(group: Collective, session: TrainSession): Promise<void> {
  if (group.size === 1) return;
  for (const { name, shape, dtype } of session.state) {
    const size = shape.reduce((a, b) => a * b, 1);
    const data: StateArray =
      group.rank === 0
        ? await session.readState(name)
        : new (dtype === 'F64' ? Float64Array : Float32Array)(size);
    await group.broadcast(`the state ${name}`, bytesOf(data));
    if (group.rank > 0) session.writeState(name, data);
  }
}
