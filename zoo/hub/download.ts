/**
 * One file from an address into the cache, whole and with the digest that it was announced with, or not at all.
 *
 * What came before a connection was lost, or the process killed, stays beside and is gone on from (`Range`), with the digest over all of it.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { failSystem, writeFully } from '../../runtime/data/files/atomic.ts';
import { type Answer, type HubConnection, isPassing, Lost, reasonOfRequest, retries } from './connection.ts';

/** `git` is the name that Git gives a file: SHA-1 over its length and content. */
export interface Digest {
  readonly kind: 'sha256' | 'git';
  readonly hex: string;
}

export interface Wanted {
  /** For messages. */
  readonly name: string;
  readonly url: URL;
  readonly digest: Digest;
  /** Undefined where only the server can tell. */
  readonly bytes?: number;
  /** Refuses more. */
  readonly most: number;
  /** Looks at an answer before its bytes are taken. */
  readonly check?: (answer: Answer) => void;
  /** Refuses an answer that is no file, in words. */
  readonly refuse: (answer: Answer) => never;
}

/** Bytes after which retries are counted anew. */
const enough = 2 ** 20;

/** SHA-256 of all that came, and Git's name where that is what is known. */
class Digests {
  #bytes = 0;
  readonly #sha256: Hash = createHash('sha256');
  readonly #git: Hash | undefined;
  readonly #wanted: Digest;

  constructor(wanted: Digest, bytes: number | undefined) {
    this.#wanted = wanted;
    if (wanted.kind === 'git') this.#git = createHash('sha1').update(`blob ${bytes}\0`);
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    this.#sha256.update(chunk);
    this.#git?.update(chunk);
  }

  /** SHA-256 of all; undefined where the digest is another one than was announced. */
  end(): string | undefined {
    const sha256 = this.#sha256.digest('hex');
    const found = this.#git?.digest('hex') ?? sha256;
    return found === this.#wanted.hex ? sha256 : undefined;
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** What an answer to `bytes=AT-` begins with; undefined where it does not say, which no server of ranges does. */
function beginningOf({ headers }: Answer): number | undefined {
  const found = /^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
}

/** One answer's bytes behind those that are there. @throws Lost where it ends early */
async function take(answer: Answer, file: FileHandle, digests: Digests, wanted: Wanted): Promise<void> {
  const { bytes, most, name, url } = wanted;
  const length = Number(answer.headers['content-length'] ?? Number.NaN);
  const end = bytes ?? (Number.isFinite(length) ? digests.bytes + length : undefined);
  try {
    for await (const chunk of answer.body) {
      if (digests.bytes + chunk.byteLength > Math.min(end ?? most, most))
        fail('Z482', `${name}: ${url.host} sends more than ${Math.min(end ?? most, most)} bytes`);
      await writeFully(file, chunk, digests.bytes);
      digests.add(chunk);
    }
  } catch (error) {
    if (error instanceof DiagnosticError || (error as NodeJS.ErrnoException).syscall === 'write') throw error;
    throw new Lost(`${url.host}: ${reasonOfRequest(error)}`);
  } finally {
    answer.body.destroy();
  }
  if (end !== undefined && digests.bytes < end) throw new Lost(`${url.host}: the connection ended early`);
}

/**
 * Downloads into `partial`.
 * @param progress told how many bytes are there
 * @returns SHA-256 and size
 * @throws DiagnosticError Z481 when it cannot be had, Z482 when it is not what was announced (then nothing of it stays)
 */
export async function download(
  connection: HubConnection,
  wanted: Wanted,
  partial: string,
  progress: (bytes: number) => void = () => {},
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const { bytes, digest, name, url } = wanted;
  try {
    // Of another file, or too long: not worth a look.
    if ((await sizeOf(partial)) > Math.min(bytes ?? wanted.most, wanted.most))
      await rm(partial, { force: true });
    let digests = new Digests(digest, bytes);
    const file = await open(partial, 'a').then(async (made) => {
      await made.close();
      return open(partial, 'r+');
    });
    try {
      for await (const chunk of createReadStream(partial)) digests.add(chunk as Buffer);
      for (let tries = 0, begun = digests.bytes; bytes === undefined || digests.bytes < bytes; ) {
        const at = digests.bytes;
        try {
          const answer = await connection.ask(url, at > 0 ? { headers: { range: `bytes=${at}-` } } : {});
          if (isPassing(answer.status)) {
            await answer.body.dump();
            throw new Lost(`${url.host} answers ${answer.status}`);
          }
          // What was there is all, where the server alone knows the size.
          const whole = answer.status === 416 && at > 0;
          if (!whole && answer.status !== 200 && answer.status !== 206) wanted.refuse(answer);
          wanted.check?.(answer);
          if (whole) {
            await answer.body.dump();
            break;
          }
          if (answer.status === 200 || beginningOf(answer) !== at) {
            if (answer.status === 206)
              fail('Z481', `${name}: ${url.host} sends another range than asked for`);
            digests = new Digests(digest, bytes);
            await file.truncate(0);
          }
          const follow = setInterval(() => progress(digests.bytes), 1000).unref();
          await take(answer, file, digests, wanted).finally(() => clearInterval(follow));
          break;
        } catch (error) {
          if (!(error instanceof Lost)) throw error;
          if (digests.bytes - begun > enough) [begun, tries] = [digests.bytes, 0];
          if (tries === retries)
            fail('Z481', `${name}: ${error.message}, after ${retries} more tries; what came is kept`);
          await connection.pause(tries++);
        }
      }
      await file.sync();
    } finally {
      await file.close();
    }
    const sha256 = digests.end();
    if (sha256 === undefined)
      fail('Z482', `${name}: what ${url.host} sent is not what was announced: its digest differs`);
    return { bytes: digests.bytes, sha256 };
  } catch (error) {
    if (error instanceof DiagnosticError && error.diagnostics.some(({ code }) => code === 'Z482'))
      await rm(partial, { force: true });
    failSystem('Z413', `cannot write ${partial}`, error);
  }
}
