/** Settings that are allowed and seldom meant: warnings of `check` and of a run that begins. */
import type { Span } from '../../../grammar/source.ts';
import type { Graph } from '../../graph/types.ts';
import type { Recipe } from '../types.ts';
import type { Session } from '../values/session.ts';

/** Whether a loss sets samples against each other: something in it has a row and a column for every sample. */
export function comparesSamples({ nodes }: Graph): boolean {
  return nodes.some(({ type }) => type.shape.filter((dim) => typeof dim !== 'number').length > 1);
}

interface Settings {
  readonly schedule: Recipe['schedule'];
  readonly batch: number;
  readonly compares: boolean;
}

export function warnUnlikely(
  { schedule, batch, compares }: Settings,
  places: { readonly schedule: Span; readonly batch: Span },
  session: Session,
): void {
  const { warmup, total } = schedule;
  if (total !== undefined && warmup.unit === total.unit && warmup.value > total.value)
    session.warn(
      'Z507',
      places.schedule,
      `the warm-up of ${warmup.value} ${warmup.unit} is longer than the ${total.value} of the run: its rate is never reached`,
      { help: `a warm-up below ${total.value}` },
    );
  if (compares && batch === 1)
    session.warn(
      'Z508',
      places.batch,
      'the loss sets the samples of a batch against each other, and a batch of 1 has nothing to set against',
      { help: 'a larger batch, with `chunk = 1` if memory is short' },
    );
}
