/**
 * Bytes of an address, in order and whole: where a connection ends early, it is taken up again at the next byte
 * (`Range`), three times with growing waits.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { ShardError } from '../shards/tar-headers.ts';

export interface HttpTiming {
  /** Milliseconds before the first retry; each further one waits four times as long. */
  readonly backOff: number;
  /** Milliseconds without a byte after which a connection counts as lost. */
  readonly silence: number;
}

export const httpTiming: HttpTiming = { backOff: 1000, silence: 60_000 };

const retries = 3;
/** Progress after which retries are counted anew. */
const enough = 2 ** 20;

/** Answers that another try may change. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What a connection is lost by. */
class Lost extends Error {}

/** @throws ShardError */
export async function* httpBytes(
  address: string,
  { backOff, silence }: HttpTiming,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  let at = 0;
  let tag: string | undefined;
  let tries = 0;
  for (let progress = 0; ; ) {
    signal.throwIfAborted();
    const control = new AbortController();
    const abort = () => control.abort();
    signal.addEventListener('abort', abort, { once: true });
    let timer = setTimeout(abort, silence);
    try {
      const response = await fetch(address, {
        signal: control.signal,
        headers: {
          'accept-encoding': 'identity',
          ...(at > 0 && { range: `bytes=${at}-`, ...(tag && { 'if-range': tag }) }),
        },
      });
      // What was asked for begins where the file ends.
      if (response.status === 416 && at > 0) return;
      if (!response.ok) {
        const message = `the server answers ${response.status} ${response.statusText}`.trim();
        throw passing.has(response.status) ? new Lost(message) : new ShardError(message);
      }
      if (at > 0 && tag !== undefined && tagOf(response) !== tag)
        throw new ShardError('it has changed on the server');
      tag = tagOf(response);
      let skip = response.status === 206 ? 0 : at;
      const length = lengthOf(response);
      let received = 0;
      for await (const chunk of response.body ?? []) {
        clearTimeout(timer);
        received += chunk.byteLength;
        const fresh = chunk.subarray(Math.min(skip, chunk.byteLength));
        skip -= chunk.byteLength - fresh.byteLength;
        if (fresh.byteLength > 0) {
          at += fresh.byteLength;
          progress += fresh.byteLength;
          if (progress > enough) [progress, tries] = [0, 0];
          yield fresh;
        }
        timer = setTimeout(abort, silence);
      }
      if (length !== undefined && received < length) throw new Lost('the connection ended early');
      return;
    } catch (error) {
      if (signal.aborted || error instanceof ShardError) throw error;
      if (tries === retries) throw new ShardError(`${reasonIn(error, silence)}, after ${retries} more tries`);
      await wait(backOff * 4 ** tries++, undefined, { signal });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      control.abort();
    }
  }
}

function tagOf(response: Response): string | undefined {
  return response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined;
}

function lengthOf(response: Response): number | undefined {
  const length = response.headers.get('content-length');
  return length === null ? undefined : Number(length);
}

function reasonIn(error: unknown, silence: number): string {
  if (error instanceof Lost) return error.message;
  const { name, message, cause } = error as Error;
  if (name === 'AbortError') return `no byte came for ${silence / 1000} s`;
  return cause instanceof Error ? cause.message : message;
}
