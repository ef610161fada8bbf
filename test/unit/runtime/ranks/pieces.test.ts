/** Pieces of gradients under way: the order of what ranks do together, whatever takes how long. */
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Slot } from '../../../../compiler/plan/types.ts';
import { PieceChain } from '../../../../runtime/dist/pieces.ts';
import type { Reduction } from '../../../../runtime/dist/reduction.ts';
import type { Session } from '../../../../runtime/types.ts';
import { randomNumbers } from '../../../support/random.ts';

const session = {} as Session;
const piece = (offset: number): Slot => ({ name: 'piece', dtype: 'f32', buffer: 0, offset, shape: [1] });

/** Steps that take some time, by a seed; what ranks do together is written down. */
function slow(seed: number, fails = -1) {
  const random = randomNumbers(seed);
  const pause = () => wait(5 * random());
  const together: string[] = [];
  let under = 0;
  let most = 0;
  const reduction: Reduction = {
    piece: 1,
    async take(_, { offset }) {
      most = Math.max(most, ++under);
      await pause();
      return Float32Array.of(offset);
    },
    async sum([offset]) {
      together.push(`sum ${offset}`);
      await pause();
      if (offset === fails) throw new Error('gone');
      return { sum: pause().then(() => Float32Array.of(offset!)) };
    },
    async share([sum], _, { offset }) {
      expect(sum).toBe(offset);
      together.push(`share ${offset}`);
      await pause();
      under--;
    },
    async keep([offset]) {
      together.push(`keep ${offset}`);
      await pause();
      under--;
    },
    close() {},
  };
  return { reduction, together, most: () => most };
}

describe('pieces under way', () => {
  it.each([1, 2, 3, 4])('do the same one after the other, however long it takes (%d)', async (seed) => {
    const { reduction, together, most } = slow(seed);
    const chain = new PieceChain(reduction, session, false);
    for (let i = 0; i < 5; i++) await chain.begin(piece(i), 'gradients');
    await chain.end('gradients');
    const order = [
      'sum 0',
      'sum 1',
      'share 0',
      'sum 2',
      'share 1',
      'sum 3',
      'share 2',
      'sum 4',
      'share 3',
      'share 4',
    ];
    expect(together).toEqual(order);
    // Three that are read or travel, and one whose sum is on its way.
    expect(most()).toBeLessThanOrEqual(4);
    // Again, as in the next step.
    await chain.begin(piece(7), 'gradients');
    await chain.end('gradients');
    expect(together.slice(order.length)).toEqual(['sum 7', 'share 7']);
  });

  it('share nothing where ranks keep their own', async () => {
    const { reduction, together } = slow(5);
    const chain = new PieceChain(reduction, session, true);
    for (let i = 0; i < 4; i++) await chain.begin(piece(i), 'gradients');
    await chain.end('gradients');
    expect(together).toEqual(['keep 0', 'keep 1', 'keep 2', 'keep 3']);
  });

  it('fail to who waits for them, and do nothing any more', async () => {
    const { reduction, together } = slow(6, 1);
    const chain = new PieceChain(reduction, session, false);
    const all = async () => {
      for (let i = 0; i < 5; i++) await chain.begin(piece(i), 'gradients');
      await chain.end('gradients');
    };
    await expect(all()).rejects.toThrow('gone');
    expect(together.at(-1)).toBe('sum 1');
  });
});
