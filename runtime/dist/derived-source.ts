/** A source that hands out the batches of another one, changed. */
import type { Batch, BatchSource } from '../data/types.ts';

/** @param next the changed batch that the source's `next()` comes to */
export function derivedSource(source: BatchSource, next: () => Promise<Batch>): BatchSource {
  const { batchesPerEpoch, identity, shared } = source;
  return {
    ...(batchesPerEpoch === undefined ? {} : { batchesPerEpoch }),
    ...(identity === undefined ? {} : { identity }),
    ...(shared === undefined ? {} : { shared }),
    next,
    cursor: () => source.cursor(),
    seek: (cursor) => source.seek(cursor),
    waitingFor: () => source.waitingFor?.() ?? 'the next batch',
    close: () => source.close(),
  };
}
