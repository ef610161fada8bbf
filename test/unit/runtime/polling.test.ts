/**
 * Patience between Dawn's looks: on the global while somebody holds it, for native callbacks alone, and gone
 * afterwards.
 */
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { throttlePolling } from '../../../runtime/node/polling.ts';

/** Milliseconds for a number of looks, each asked for by the one before, as Dawn's bindings do it. */
function timeOfChain(looks: number): Promise<number> {
  return new Promise((resolve) => {
    const begin = performance.now();
    function look(left: number): void {
      if (left === 0) resolve(performance.now() - begin);
      // A bound function reads as native, as those of Dawn's bindings do.
      else globalThis.setImmediate(look.bind(undefined, left - 1));
    }
    look(looks);
  });
}

describe('throttlePolling', () => {
  it('leaves with its last holder, and only once for each', () => {
    const before = globalThis.setImmediate;
    const [first, second] = [throttlePolling(), throttlePolling()];
    const during = globalThis.setImmediate;
    expect(during).not.toBe(before);
    first();
    first();
    expect(globalThis.setImmediate).toBe(during);
    second();
    expect(globalThis.setImmediate).toBe(before);
  });

  it('leaves a wrapper alone that came over its own', () => {
    const before = globalThis.setImmediate;
    const release = throttlePolling();
    const other = ((callback: () => void) => before(callback)) as typeof setImmediate;
    globalThis.setImmediate = other;
    release();
    expect(globalThis.setImmediate).toBe(other);
    globalThis.setImmediate = before;
  });

  it('waits between looks, after the first ones', async () => {
    const release = throttlePolling();
    const milliseconds = await timeOfChain(64 + 100);
    release();
    // Timers may be early by the fraction of a millisecond that the loop's clock does not show.
    expect(milliseconds).toBeGreaterThan(50);
  });

  it('passes other callers through, with their arguments', async () => {
    const release = throttlePolling();
    const values = await new Promise((resolve) =>
      globalThis.setImmediate((...args: number[]) => resolve(args), 1, 2),
    );
    const promised = await promisify(globalThis.setImmediate)('later');
    release();
    expect(values).toEqual([1, 2]);
    expect(promised).toBe('later');
  });
});
