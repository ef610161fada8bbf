/**
 * The places of a model that draw random numbers, as one trace meets them.
 *
 * A place is numbered by the path of its block and its turn there, so that changing one block leaves the
 * numbers of all others alone.
 */

/** Rows of each sample along the first axis of what is drawn, or that it is of no sample. */
export type Rows = number | 'no sample';

export class Randomness {
  /** What a trace with an open batch found out, by place. */
  readonly rows: ReadonlyMap<string, Rows> | undefined;
  readonly #learnt = new Map<string, Rows>();
  readonly #turns = new Map<string, number>();
  #closed = false;

  constructor(rows?: ReadonlyMap<string, Rows>) {
    this.rows = rows;
  }

  get used(): boolean {
    return this.#turns.size > 0;
  }

  get learnt(): ReadonlyMap<string, Rows> {
    return this.#learnt;
  }

  /** The next place of a block; none behind `close`. */
  place(path: string): { readonly name: string; readonly number: number } | undefined {
    if (this.#closed) return undefined;
    const turn = this.#turns.get(path) ?? 0;
    this.#turns.set(path, turn + 1);
    const name = `${path}#${turn}`;
    return { name, number: hashOf(name) };
  }

  known(place: string): Rows | undefined {
    return this.rows?.get(place);
  }

  learn(place: string, rows: Rows): void {
    this.#learnt.set(place, rows);
  }

  /** The model is traced: what follows draws nothing. */
  close(): void {
    this.#closed = true;
  }
}

/** 32 bits of a name (FNV-1a). */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
