/** The samples that stand behind each other from a place on in the endless order of a source, each once. */

interface Placed {
  /** Pass over the samples that the place belongs to. */
  readonly epoch: number;
  readonly index: number;
}

export interface Ordered {
  readonly count: number;
  /** Whether the order has samples more than once before it has had all. */
  readonly repeats: boolean;
  /** The sample at a place of an epoch. */
  at(epoch: number, place: number): number;
}

export class Window {
  readonly #samples: Ordered;
  readonly #epoch: number;
  readonly #first: number;
  /** Samples found so far, where the order may have one twice. */
  readonly #found: Map<number, Placed> | undefined;
  readonly #placed: Placed[] = [];
  #scanned = 0;

  /**
   * @param start counted from the first sample of the first epoch
   * @param length samples that are wanted; more may be asked for
   */
  constructor(samples: Ordered, start: number, length: number) {
    const { count } = samples;
    this.#samples = samples;
    this.#epoch = Math.floor(start / count);
    this.#first = start % count;
    this.#found = samples.repeats || this.#first + length > count ? new Map() : undefined;
  }

  /** @param place below the number of samples */
  at(place: number): Placed {
    const { count } = this.#samples;
    if (this.#found === undefined) return this.#at(this.#epoch, (this.#first + place) % count);
    while (this.#placed.length <= place) {
      const at = this.#first + this.#scanned++;
      const next = this.#at(this.#epoch + Math.floor(at / count), at % count);
      if (this.#found.has(next.index)) continue;
      this.#found.set(next.index, next);
      this.#placed.push(next);
    }
    return this.#placed[place]!;
  }

  #at(epoch: number, place: number): Placed {
    return { epoch, index: this.#samples.at(epoch, place) };
  }
}
