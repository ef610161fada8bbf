/** The bytes of a shard from wherever it lies, decompressed where it is compressed with gzip. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { openRegular } from '../../files/read-fully.ts';
import { compression, ShardError } from '../shards/tar-headers.ts';
import { type HttpTiming, httpBytes } from './http.ts';

const pipeScheme = 'pipe:';

export function isHttp(shard: string): boolean {
  return /^https?:\/\//i.test(shard);
}

export function isPipe(shard: string): boolean {
  return shard.startsWith(pipeScheme);
}

export interface StreamOptions {
  readonly timing: HttpTiming;
  readonly signal: AbortSignal;
}

async function* fileBytes(path: string): AsyncGenerator<Uint8Array, void> {
  const file = await openRegular(path, 'Z452');
  try {
    yield* file.createReadStream({ autoClose: false, highWaterMark: 2 ** 20 });
  } finally {
    await file.close();
  }
}

/** Most of what a command says that is told. */
const longestReason = 500;

/** What a shell command writes. @throws ShardError when it fails */
async function* commandBytes(command: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  signal.throwIfAborted();
  const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-longestReason);
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  ended.catch(() => {});
  // The shell's own children, too.
  const kill = () => {
    try {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid);
    } catch {
      // It is over.
    }
  };
  signal.addEventListener('abort', kill, { once: true });
  try {
    yield* child.stdout;
    const [code] = await ended;
    if (code !== 0)
      throw new ShardError(`the command ends with ${code}: ${said.trim().replaceAll(/\s+/g, ' ')}`);
  } finally {
    signal.removeEventListener('abort', kill);
    kill();
  }
}

function rawBytes(shard: string, { timing, signal }: StreamOptions): AsyncGenerator<Uint8Array, void> {
  if (isHttp(shard)) return httpBytes(shard, timing, signal);
  if (isPipe(shard)) return commandBytes(shard.slice(pipeScheme.length), signal);
  return fileBytes(shard);
}

/** @throws ShardError, or a system error */
export async function* shardBytes(shard: string, options: StreamOptions): AsyncGenerator<Uint8Array, void> {
  const bytes = rawBytes(shard, options);
  const first = await bytes.next();
  if (first.done === true) return;
  const kind = compression(first.value);
  if (kind !== undefined && kind !== 'gzip')
    throw new ShardError(`it is compressed with ${kind}; gzip is read, and what is not compressed`);
  const all = joined(first.value, bytes);
  if (kind === undefined) yield* all;
  else yield* unzipped(all);
}

async function* joined(
  first: Uint8Array,
  rest: AsyncGenerator<Uint8Array, void>,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return();
  }
}

async function* unzipped(bytes: AsyncGenerator<Uint8Array, void>): AsyncGenerator<Uint8Array, void> {
  const source = Readable.from(bytes);
  const unzip = createGunzip();
  source.on('error', (error) => unzip.destroy(error));
  try {
    yield* source.pipe(unzip);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'Z_BUF_ERROR') throw new ShardError('it is cut off: gzip ends early');
    if (code?.startsWith('Z_') === true) throw new ShardError(`it is damaged: ${(error as Error).message}`);
    throw error;
  } finally {
    source.destroy();
    unzip.destroy();
  }
}
