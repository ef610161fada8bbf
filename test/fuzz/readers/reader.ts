/** What the fuzzer of readers knows of one: what it is fed, how it is called, what it may cost. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Diagnostic, DiagnosticError } from '../../../grammar/diagnostics.ts';
import type { Random } from './random.ts';

export interface Bounds {
  /** Milliseconds of the processor for an input of so many bytes. */
  readonly ms: (bytes: number) => number;
  /** Bytes that memory may grow by. */
  readonly memory: (bytes: number) => number;
}

/** Reads one input: a value, or an error. */
export type Read = (bytes: Uint8Array) => unknown;

/** Changes an input in a way that its format suggests. */
export type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

export interface Reader {
  readonly name: string;
  /** Its part of all inputs, in relation to the others'. */
  readonly share: number;
  /**
   * Small inputs, most of them good.
   * @param folder an empty one, for what is made of files
   */
  seeds(folder: string): readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** What is put into them: texts and bytes that are special in the format. */
  readonly tokens: readonly (string | Uint8Array)[];
  readonly mutations?: readonly Mutation[];
  /** @param folder of its own, empty */
  open(folder: string): Read | Promise<Read>;
  /** Whether an error is an answer of its own kind; diagnostics and system errors always are. */
  readonly refuses?: (error: unknown) => boolean;
  readonly bounds?: Partial<Bounds>;
}

const mebibyte = 2 ** 20;

/**
 * Linear in the input, above what the machine does beside it: the slowest small inputs take some milliseconds, and
 * the heap grows by tens of mebibytes between two collections of garbage.
 */
const usualBounds: Bounds = {
  ms: (bytes) => 250 + bytes / 400,
  memory: (bytes) => 64 * mebibyte + 256 * bytes,
};

export function boundsOf({ bounds }: Reader): Bounds {
  return { ...usualBounds, ...bounds };
}

/** A reader of files: each input is written over the one before. */
export function fromFile(
  name: string,
  read: (path: string, folder: string, bytes: Uint8Array) => unknown,
): Reader['open'] {
  return (folder) => {
    const path = join(folder, name);
    return (bytes) => {
      writeFileSync(path, bytes);
      return read(path, folder, bytes);
    };
  };
}

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

/** Throws what a stage of the compiler returned. */
export function orThrow(result: { readonly ok: boolean; readonly diagnostics: readonly Diagnostic[] }): void {
  if (result.ok) return;
  if (!result.diagnostics.some((d) => d.severity === 'error'))
    throw new TypeError('a result that is none has no error');
  throw new DiagnosticError(result.diagnostics);
}
