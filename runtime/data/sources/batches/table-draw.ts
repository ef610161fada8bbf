/**
 * What a batch takes of samples that can be read in any order.
 *
 * A place has candidates of its own: the samples that stand behind the batch at distances of whole batches, so that
 * whoever makes some places of a batch need not know of the others (but where a place has no candidate left).
 */
import type { Failure, UnreadablePictures } from '../columns/unreadable.ts';
import type { ReadSample, Sampled } from '../fed-columns.ts';
import type { Draw } from './part.ts';
import { type Ordered, Window } from './window.ts';

interface Readable extends Ordered {
  readonly unreadable: UnreadablePictures;
  read(index: number): Promise<ReadSample | Failure>;
}

export class TableDraw implements Draw {
  readonly places: number;
  readonly #samples: Readable;
  readonly #start: number;
  readonly #window: Window;
  /** Places of the window that were tried. */
  readonly #tried = new Set<number>();

  constructor(samples: Readable, start: number, places: number) {
    this.#samples = samples;
    this.#start = start;
    this.places = places;
    this.#window = new Window(samples, start, places);
  }

  async read(candidate: number): Promise<Sampled> {
    this.#tried.add(candidate);
    const { epoch, index } = this.#window.at(candidate);
    return { epoch, index, sample: await this.#samples.read(index) };
  }

  next(candidate: number, whole: boolean): number | undefined {
    const { count, unreadable } = this.#samples;
    const { places } = this;
    const tried = this.#tried;
    let next = candidate + places;
    while (tried.has(next)) next += places;
    // From here on places take each other's candidates.
    if (!whole && Math.floor(next / places) >= Math.floor(count / places)) return undefined;
    if (next >= count) {
      next = places;
      while (tried.has(next)) next++;
    }
    if (next >= count) unreadable.fail(places);
    tried.add(next);
    return next;
  }

  again(): Draw {
    return new TableDraw(this.#samples, this.#start, this.places);
  }
}
