/** What is done again where the system fails for a moment. */
import { describe, expect, it } from 'vitest';
import { retrying } from '../../../runtime/data/files/transient.ts';

const systemError = (code: string) => Object.assign(new Error(code), { code });

/** Fails with these codes, one a call, then works. */
function failing(...codes: string[]) {
  const calls = { count: 0 };
  const work = async () => {
    const code = codes[calls.count++];
    if (code !== undefined) throw systemError(code);
    return 'done';
  };
  return { calls, work };
}

describe('reading again', () => {
  it('goes on where open files, memory or the device come back', async () => {
    const { work, calls } = failing('EMFILE', 'EIO');
    expect(await retrying(work)).toBe('done');
    expect(calls.count).toBe(3);
  });

  it('ends with the last error where they do not', async () => {
    const { work, calls } = failing('ENOMEM', 'EAGAIN', 'EBUSY', 'ENFILE', 'EIO');
    await expect(retrying(work)).rejects.toThrow('ENFILE');
    expect(calls.count).toBe(4);
  });

  it.each(['ENOENT', 'EACCES', 'EISDIR'])('does not begin for a fault of the file: %s', async (code) => {
    const { work, calls } = failing(code);
    await expect(retrying(work)).rejects.toThrow(code);
    expect(calls.count).toBe(1);
  });
});
