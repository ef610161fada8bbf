/** The fuzzer of readers finds what it looks for, names the input, makes it small, and goes on. */
import { describe, expect, it } from 'vitest';
import { inputsOf } from './mutate.ts';
import { readers, table } from './planted.ts';
import { readers as all } from './table.ts';
import { runParts } from './watch.ts';

const options = { seed: 1, table, most: 1, probes: 3 };

/** Runs as many inputs as it takes to have the planted letter once. */
async function found(letter: string) {
  const reader = readers.find((r) => r.name === letter)!;
  const make = inputsOf(reader, await reader.seeds(''), options.seed);
  let end = 1;
  while (!Buffer.from(make(end)).includes(letter)) end++;
  const { counts, failures } = await runParts([{ reader: letter, first: 0, end: end + 3 }], readers, {
    ...options,
    // Long enough for a busy machine, where nothing hangs.
    grace: letter === 'H' ? 1000 : 30_000,
  });
  expect(counts.get(letter)!.inputs).toBe(end + 3);
  return failures.map(({ number, what, input }) => ({
    first: number === end,
    what,
    input: Buffer.from(input, 'base64').toString(),
  }));
}

describe('a reader', () => {
  it.each([
    ['T', /^throws TypeError: x is not a function at .*planted\.ts/],
    ['R', /^throws RangeError: Maximum call stack size exceeded/],
    ['P', /^throws TypeError: nobody waits for: Error: nobody waits/],
    ['S', /^takes too long: \d+ ms for 1 bytes$/],
    ['M', /^takes too much memory: 256 MiB for 1 bytes$/],
    ['D', /^leaves descriptors open/],
    ['H', /^hangs$/],
    ['W', /^ends the process \(13\)/],
    ['X', /^ends the process \(SIGSEGV\)/],
  ])('with a mistake is found: %s', async (letter, what) => {
    const [failure] = await found(letter);
    // One that ends its process is made small by a process for each attempt, here by a few.
    const input = 'HWX'.includes(letter) ? expect.stringContaining(letter) : letter;
    expect(failure).toEqual({ first: true, what: expect.stringMatching(what), input });
  });

  it('that closes its files some turns later is sound', async () => {
    expect(await found('C')).toEqual([]);
  });
});

it('an input is a function of seed, reader and number', async () => {
  const reader = all.find((r) => r.name === 'npy')!;
  const seeds = await reader.seeds('');
  const inputs = (seed: number) =>
    Array.from({ length: 100 }, (_, n) => inputsOf(reader, seeds, seed)(n + 50));
  expect(inputs(1)).toEqual(inputs(1));
  expect(inputs(1)).not.toEqual(inputs(2));
});
