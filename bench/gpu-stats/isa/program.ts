/** A compiled kernel as far as loops and loads from memory show in it, whatever the GPU. */

export interface Wait {
  /** Of which counters or scoreboards. */
  readonly slots: readonly number[];
  /** How many loads may be under way behind it. */
  readonly left: number;
}

export interface Instruction {
  /** Multiplications and additions of an invocation; a matrix instruction counts as a thousand. */
  readonly multiplies: number;
  /** What is waited for before it. */
  readonly wait?: Wait;
  /** The counter or scoreboard that tells of its load from memory. */
  readonly load?: number;
}

/** What runs from its first instruction to its last. */
export interface Block {
  readonly name: string;
  readonly instructions: readonly Instruction[];
  /** Names of those that may follow. */
  readonly successors: readonly string[];
}

/** As printed; the first is where a kernel begins. */
export type Program = readonly Block[];
