/**
 * What is kept from the terminal: known lines written during the call to the descriptor itself, and nothing
 * else.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const module = new URL('../../../runtime/node/stderr.ts', import.meta.url).href;

/** What a process writes to its stderr that runs this code with `withoutLines` and `writeSync` at hand. */
function stderrOf(code: string): string {
  const program = `
    import { writeSync } from 'node:fs';
    import { withoutLines } from '${module}';
    ${code}`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const { stderr, stdout, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  return stderr;
}

describe.skipIf(process.platform === 'win32')('withoutLines', () => {
  it('drops known lines and passes on the others in their order', () => {
    const text = stderrOf(`
      await withoutLines(/^known: /, async () => writeSync(2, 'a\\nknown: x\\nb\\nnot known: y\\nrest'));
      writeSync(2, '\\nknown: afterwards\\n');`);
    expect(text).toBe('a\nb\nnot known: y\nrest\nknown: afterwards\n');
  });

  it('gives what the call gives, and passes lines on when it throws', () => {
    const text = stderrOf(`
      const value = await withoutLines(/^known/, async () => 7);
      const failing = withoutLines(/^known/, () => {
        writeSync(2, 'known\\nwhy\\n');
        throw new Error('broken');
      });
      await failing.catch((error) => writeSync(2, error.message + ' ' + value + '\\n'));`);
    expect(text).toBe('why\nbroken 7\n');
  });
});
