/** Folders made on the way to a file: those that are missing, and words where none can be made. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolders } from '../../../runtime/data/files/atomic.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-folders-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('folders', () => {
  it('are made with those above them, of which the topmost is named', async () => {
    const path = join(folder, 'a', 'b', 'c');
    expect(await makeFolders(path)).toBe(join(folder, 'a'));
    expect(existsSync(path)).toBe(true);
    expect(await makeFolders(path)).toBeUndefined();
    expect(await makeFolders(join(path, 'd'))).toBe(join(path, 'd'));
  });

  it('are made by two that want them at the same time', async () => {
    const path = join(folder, 'x', 'y', 'z');
    await Promise.all([makeFolders(path), makeFolders(path)]);
    expect(existsSync(path)).toBe(true);
  });

  it('cannot be made in or over a file', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(makeFolders(file)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeFolders(join(file, 'a'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  it.skipIf(!existsSync('/proc/self'))(
    'are refused by a file system that has no place for them',
    async () => {
      await expect(makeFolders('/proc/none/of/these')).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );
});
