/** Something limited, shared by those who work at the same time; given out in the order of asking. */
export class Room {
  readonly #all: number;
  #free: number;
  readonly #waiting: { readonly amount: number; readonly start: () => void }[] = [];

  constructor(amount: number) {
    this.#all = amount;
    this.#free = amount;
  }

  /** Waits until so much is free. Who asks for more than there is gets all of it. */
  async use<T>(amount: number, work: () => Promise<T>): Promise<T> {
    const share = Math.min(amount, this.#all);
    await new Promise<void>((start) => {
      this.#waiting.push({ amount: share, start });
      this.#next();
    });
    try {
      return await work();
    } finally {
      this.#free += share;
      this.#next();
    }
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.amount <= this.#free) {
      const { amount, start } = this.#waiting.shift()!;
      this.#free -= amount;
      start();
    }
  }
}
