/**
 * Harmless lines of native libraries kept off the terminal: what they write to file descriptor 2 during a
 * call goes to a temporary file, and all but the known lines is passed on as soon as the call returns.
 *
 * Dawn writes remarks straight to descriptor 2, without an option or a callback, and Node cannot point a
 * descriptor elsewhere; so `dup` and `dup2` are called through koffi. Where that optional package does not
 * load, on Windows, where every C library counts descriptors of its own, and in Deno, whose `node:fs` does,
 * all lines appear. The file has no name any more when the call is made, so nothing is left behind however
 * the process ends.
 */
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const stderr = 2;

/** Calls of the C library on descriptors; -1 is failure. */
interface Descriptors {
  dup(descriptor: number): number;
  dup2(from: number, to: number): number;
}

let loaded: Promise<Descriptors | undefined> | undefined;

async function loadDescriptors(): Promise<Descriptors | undefined> {
  if (process.platform === 'win32' || process.versions.deno !== undefined) return undefined;
  try {
    const { default: koffi } = await import('koffi');
    const c = koffi.load(null);
    return { dup: c.func('int dup(int)'), dup2: c.func('int dup2(int, int)') };
  } catch {
    return undefined;
  }
}

/** A file with descriptor 2 pointing to it; undefined, and nothing changed, where that cannot be done. */
function redirect({ dup, dup2 }: Descriptors): { restore(): string } | undefined {
  let folder: string;
  let file: number;
  try {
    folder = mkdtempSync(join(tmpdir(), 'zooc-stderr-'));
    file = openSync(join(folder, 'lines'), 'a+');
    rmSync(folder, { recursive: true });
  } catch {
    return undefined;
  }
  const saved = dup(stderr);
  const redirected = saved >= 0 && dup2(file, stderr) >= 0;
  const restore = (): string => {
    if (redirected) dup2(saved, stderr);
    if (saved >= 0) closeSync(saved);
    const text = Buffer.alloc(fstatSync(file).size);
    readSync(file, text, 0, text.length, 0);
    closeSync(file);
    return text.toString();
  };
  if (redirected) return { restore };
  restore();
  return undefined;
}

/**
 * Makes a call; lines that it writes to descriptor 2 before it returns its promise, and that
 * `known` matches, are dropped.
 * @param known tested on each line without its end
 */
export async function withoutLines<T>(known: RegExp, call: () => Promise<T>): Promise<T> {
  loaded ??= loadDescriptors();
  const descriptors = await loaded;
  const redirected = descriptors && redirect(descriptors);
  if (redirected === undefined) return call();
  let result: Promise<T>;
  try {
    result = call();
  } finally {
    const lines = redirected.restore().match(/.*\n|.+$/g) ?? [];
    const rest = lines.filter((line) => !known.test(line.trimEnd())).join('');
    if (rest !== '') process.stderr.write(rest);
  }
  return result;
}
