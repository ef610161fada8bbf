/** Shards for tests. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';

type Member = readonly [name: string, content: string | Uint8Array];

/** Writes members as they come, each name as often as it is given. */
export async function writeTar(path: string, members: Iterable<Member>): Promise<void> {
  const tar = pack();
  for (const [name, content] of members) tar.entry({ name, mtime: new Date(0) }, Buffer.from(content));
  tar.finalize();
  await pipeline(tar, createWriteStream(path));
}
