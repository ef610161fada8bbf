/** Random draws of an input, a function of run, reader and number: every input can be made again. */
import { hashOf } from '../../../compiler/model/values/randomness.ts';
import { randomNumbers } from '../../support/random.ts';

export class Random {
  readonly #next: () => number;

  constructor(seed: number, name: string, n: number) {
    this.#next = randomNumbers(hashOf(`${seed} ${name} ${n}`));
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.#next() * bound);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}
