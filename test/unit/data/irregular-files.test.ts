/**
 * What is no regular file is refused in words: a FIFO would be waited for without end, a folder read as
 * nothing.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkFile, resolveModel } from '../../../compiler/model/index.ts';
import { decodeImage } from '../../../runtime/data/pictures/images.ts';
import { readCsvTable } from '../../../runtime/data/sources/csv-table.ts';
import { readLabels, readTexts } from '../../../zoo/cli/text-lists.ts';
import { fmt } from '../../../zoo/cli/verbs/fmt.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { openTensors } from '../../../zoo/weights/formats/open-tensors.ts';
import { openSafetensors } from '../../../zoo/weights/formats/safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-irregular-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fifo = join(folder, 'fifo.zoo');
const directory = join(folder, 'directory.zoo');
execFileSync('mkfifo', [fifo]);
mkdirSync(directory);

const readers: Readonly<Record<string, (path: string) => unknown>> = {
  weights: openTensors,
  tensors: openSafetensors,
  'a table': (path) => readCsvTable(path, ['a', 'b']),
  'a table with a separator': (path) => readCsvTable(path, ['a', 'b'], { separator: ',' }),
  'a picture': decodeImage,
  texts: async (path) => readTexts(path),
  'a program to format': (path) => fmt([path], { check: true }),
};

describe.each([
  ['a FIFO', fifo],
  ['a folder', directory],
])('%s', (_, path) => {
  it.each(Object.keys(readers))(
    'is not read as %s',
    async (name) => {
      await expect(readers[name]!(path)).rejects.toThrow('it is not a file');
    },
    20_000,
  );

  it('is no program', () => {
    const messages = [checkFile(nodeHost(), path), resolveModel(nodeHost(), path)].map(
      ({ diagnostics }) => diagnostics[0]!.message,
    );
    expect(messages).toEqual([`cannot read ${path}`, `cannot read ${path}`]);
  });
});

describe('labels', () => {
  it('are not read from a FIFO, and may be called as a folder is', () => {
    expect(() => readLabels(fifo)).toThrow('it is not a file');
    expect(readLabels(directory)).toEqual([directory]);
  });
});
