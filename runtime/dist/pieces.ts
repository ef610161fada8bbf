/**
 * Pieces of gradients that are added up behind the device's back: while it computes, one piece is read, the one before
 * travels, and sums of the one before that are handed out.
 *
 * Collectives follow each other in an order that depends on nothing but the order of pieces, so all ranks have the
 * same.
 */
import type { Slot } from '../../compiler/plan/types.ts';
import type { HostArray, Session } from '../types.ts';
import type { Reduction } from './reduction.ts';

/** Pieces under way at most, which bounds the memory of the host, and how far the device is ahead. */
const underWay = 3;

interface Summed {
  readonly sum: Promise<HostArray>;
  readonly range: Slot;
}

export class PieceChain {
  readonly #reduction: Reduction;
  readonly #session: Session;
  /** Whether a rank has use for the sums of its own parts alone. */
  readonly #keeps: boolean;
  #last: Promise<void> = Promise.resolve();
  #pieces: Promise<void>[] = [];
  /** What waits to be handed out. */
  #summed: Summed | undefined;

  constructor(reduction: Reduction, session: Session, keeps: boolean) {
    this.#reduction = reduction;
    this.#session = session;
    this.#keeps = keeps;
  }

  /**
   * Begins with a piece, as what was submitted so far leaves it; resolves when there is room for another.
   * @param range of at most a piece's elements
   */
  async begin(range: Slot, what: string): Promise<void> {
    const taken = this.#reduction.take(this.#session, range);
    this.#follow(async () => {
      if (this.#keeps) await this.#reduction.keep(await taken, this.#session, range, what);
      else {
        const { sum } = await this.#reduction.sum(await taken, what);
        sum.catch(() => {});
        // The sum before this one had the time of a journey to be ready.
        await this.#share(what);
        this.#summed = { sum, range };
      }
    });
    // Told by the chain.
    taken.catch(() => {});
    if (this.#pieces.length >= underWay) await this.#pieces.shift();
  }

  /** Resolves when all that was begun is done. */
  async end(what: string): Promise<void> {
    this.#follow(() => this.#share(what));
    this.#pieces = [];
    await this.#last;
  }

  #follow(next: () => Promise<void>): void {
    this.#last = this.#last.then(next);
    // Told to who waits for it, or for one behind it.
    this.#last.catch(() => {});
    this.#pieces.push(this.#last);
  }

  async #share(what: string): Promise<void> {
    if (this.#summed === undefined) return;
    const { sum, range } = this.#summed;
    this.#summed = undefined;
    await this.#reduction.share(await sum, this.#session, range, what);
  }
}
