/** Digests that are shown and compared: enough to tell two things apart that are not made to look alike. */
import { createHash, type Hash } from 'node:crypto';

const shown = 16;

export function shownDigest(hash: Hash): string {
  return hash.digest('hex').slice(0, shown);
}

export function digestOf(fill: (hash: Hash) => void): string {
  const hash = createHash('sha256');
  fill(hash);
  return shownDigest(hash);
}
