/** What happens to a file: by a disk, a cut copy, a hand. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Draw } from '../../support/draw.ts';

type Change = (bytes: Buffer, draw: Draw) => Buffer;

/** A place, half of the time near the begin, where headers are. */
function place(bytes: Buffer, draw: Draw): number {
  return draw.below(draw.chance(0.5) ? Math.min(bytes.length, 400) : bytes.length);
}

export const changes: Readonly<Record<string, Change>> = {
  'a flipped bit': (bytes, draw) => {
    if (bytes.length > 0) bytes[place(bytes, draw)]! ^= 1 << draw.below(8);
    return bytes;
  },
  'a byte of noise': (bytes, draw) => {
    if (bytes.length > 0) bytes[place(bytes, draw)]! ^= 1 + draw.below(255);
    return bytes;
  },
  // What a power cut leaves of a page that was not written.
  'a page of zeros': (bytes, draw) => {
    const at = Math.floor(place(bytes, draw) / 4096) * 4096;
    return bytes.fill(0, at, Math.min(bytes.length, at + 4096));
  },
  'cut short': (bytes, draw) => bytes.subarray(0, draw.below(bytes.length)),
  emptied: () => Buffer.alloc(0),
  'noise at its end': (bytes, draw) =>
    Buffer.concat([bytes, Buffer.from(Array.from({ length: 1 + draw.below(40) }, () => draw.below(256)))]),
};

/** Damages the file; says how. */
export function damage(path: string, draw: Draw): string {
  const how = draw.pick([...Object.keys(changes), 'removed', 'a folder in its place']);
  if (how in changes) {
    writeFileSync(path, changes[how]!(readFileSync(path), draw));
    return how;
  }
  rmSync(path);
  if (how !== 'removed') mkdirSync(path);
  return how;
}
