/**
 * What is no regular file is refused in words: a FIFO would be waited for without end, a device read without
 * one, a folder read as nothing.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkFile, resolveModel } from '../../../compiler/model/index.ts';
import { reasonOf } from '../../../runtime/data/files/atomic.ts';
import { readNpy } from '../../../runtime/data/files/npy.ts';
import { readLines } from '../../../runtime/data/files/text-lines.ts';
import { decodeImage } from '../../../runtime/data/pictures/open-picture.ts';
import { readCsvTable } from '../../../runtime/data/sources/rows/csv-table.ts';
import { CheckpointStore } from '../../../runtime/train/node/checkpoints.ts';
import { RunLock } from '../../../runtime/train/node/lock.ts';
import { MetricsFile } from '../../../runtime/train/node/metrics.ts';
import { fmt } from '../../../zoo/cli/verbs/source/fmt.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { readLabels, readTexts } from '../../../zoo/run/text-lists.ts';
import { openTensors } from '../../../zoo/weights/formats/open-tensors.ts';
import { openSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { digestFile, loadPackage } from '../../../zoo/weights/package.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-irregular-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fifo = join(folder, 'fifo.zoo');
const directory = join(folder, 'directory.zoo');
execFileSync('mkfifo', [fifo]);
mkdirSync(directory);
const device = join(folder, 'device.zoo');
symlinkSync('/dev/zero', device);

const socket = join(folder, 'socket.zoo');
const server = createServer();
beforeAll(() => new Promise<void>((resolve) => server.listen(socket, resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));

/** A folder that holds it under this name. */
function folderWith(name: string, path: string): string {
  const made = mkdtempSync(join(folder, 'with-'));
  symlinkSync(path, join(made, name));
  return made;
}

const readers: Readonly<Record<string, (path: string) => unknown>> = {
  weights: openTensors,
  tensors: openSafetensors,
  'a table': (path) => readCsvTable(path, ['a', 'b']),
  'a table with a separator': (path) => readCsvTable(path, ['a', 'b'], { separator: ',' }),
  'a picture': decodeImage,
  texts: async (path) => readTexts(path),
  'a program to format': (path) => fmt([path], { check: true }),
  'an array': readNpy,
  'names of classes': readLines,
  'the manifest of a package': (path) => loadPackage(folderWith('model.json', path)),
  'a file of a package': digestFile,
  'the name of the newest checkpoint': (path) => {
    const run = mkdtempSync(join(folder, 'run-'));
    symlinkSync(folderWith('latest.json', path), join(run, 'checkpoints'));
    return new CheckpointStore(run, 1).latest(() => {});
  },
  'the lock of a run': (path) => RunLock.take(folderWith('run.lock', path)),
  'metrics of a run': (path) => MetricsFile.open(path, 1, () => {}),
};

describe.each([
  ['a FIFO', fifo],
  ['a folder', directory],
  ['a socket', socket],
  ['a device', device],
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

it('a text that no string holds is refused before it is read', () => {
  const path = join(folder, 'sparse.txt');
  writeFileSync(path, '');
  truncateSync(path, 2 ** 32);
  expect(() => readTexts(path)).toThrow(
    /^Z701: cannot read .*: it has 4294967296 bytes, more than 268435456/,
  );
});

it('no file has a name with a zero byte', async () => {
  const path = join(folder, 'a\0b.zoo');
  for (const read of [
    openTensors,
    openSafetensors,
    readNpy,
    readLines,
    (p: string) => readCsvTable(p, ['a']),
  ])
    await expect(Promise.resolve(path).then<unknown>(read)).rejects.toThrow(
      /^Z4\d\d: cannot read .*: no name of a file has a zero byte$/,
    );
  await expect(decodeImage(path).catch((error) => reasonOf(error))).resolves.toBe(
    'no name of a file has a zero byte',
  );
  expect(checkFile(nodeHost(), path).diagnostics[0]!.message).toBe(`cannot read ${path}`);
});

it.each(['a\\u{0}b', 'a\0b', 'a'.repeat(5000)])(
  'an import by a name that no file has is not found: %j',
  (name) => {
    const path = join(folder, 'imports.zoo');
    for (const spec of [name, `./${name}.zoo`]) {
      writeFileSync(path, `import "${spec}" { A }\nblock B { a: A() }\n`);
      expect(checkFile(nodeHost(), path).diagnostics.map((d) => d.code)).toEqual(['Z205']);
    }
  },
);

describe('labels', () => {
  it('may be longer than a name of a file', () => {
    const labels = Array.from({ length: 1000 }, (_, i) => `label ${i}`);
    expect(readLabels(labels.join(','))).toEqual(labels);
    expect(() => readLabels(`${'a'.repeat(300)}.txt`)).toThrow('there is no such file');
  });

  it('are not read from a FIFO, and may be called as a folder is', () => {
    expect(() => readLabels(fifo)).toThrow('it is not a file');
    expect(readLabels(directory)).toEqual([directory]);
  });
});
