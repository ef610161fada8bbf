/** What may lie where a file is expected: no file at all, and files of other content. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { Draw } from '../../support/draw.ts';
import { changes } from './damage.ts';

/** Ends with the process, so that none waits for it. */
function listenAt(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().unref();
    server.on('error', reject);
    server.listen(path, () => resolve(server));
  });
}

/** What is no file: never read, nor replaced. */
export const irregular = {
  'a FIFO': (path: string) => void execFileSync('mkfifo', [path]),
  'a device': (path: string) => symlinkSync('/dev/zero', path),
  'a full device': (path: string) => symlinkSync('/dev/full', path),
  'a folder': (path: string) => void mkdirSync(path),
  'a socket': (path: string) => listenAt(path),
} as const satisfies Record<string, (path: string) => unknown>;

/** What cannot be followed to anything. */
export const nowhere = {
  nothing: () => {},
  'a link to nothing': (path: string) => symlinkSync('no-such-file', path),
  'a link to itself': (path: string) => symlinkSync(path, path),
} as const satisfies Record<string, (path: string) => unknown>;

/** A file with other content than expected, made of the right one. */
export const contents: Readonly<Record<string, (right: Buffer, draw: Draw) => Buffer>> = {
  ...changes,
  noise: (right, draw) =>
    Buffer.from(Array.from({ length: 1 + draw.below(right.length) }, () => draw.below(256))),
  zeros: (_, draw) => Buffer.alloc(1 + draw.below(300)),
  'UTF-16': (right) => Buffer.from(`\ufeff${right.toString('latin1')}`, 'utf16le'),
  'a byte that is no UTF-8': (right, draw) => {
    const at = draw.below(right.length);
    return Buffer.concat([right.subarray(0, at), Buffer.from([0xe9]), right.subarray(at)]);
  },
  'deep brackets': (_, draw) => Buffer.from(draw.pick(['[', '{"a":', '((', '{\n']).repeat(100_000)),
  'a long line': () => Buffer.alloc(3_000_000, 'x'),
  'lines of commas': () => Buffer.from(',,,\n'.repeat(2000)),
  'another language': () => Buffer.from('#!/bin/sh\necho "not this"\n'),
};

/** More bytes than any text has, none of them written. */
export function makeSparse(path: string): void {
  writeFileSync(path, '');
  truncateSync(path, 2 ** 33);
}
