/**
 * Picture files to fitted bytes in worker threads, a few at a time.
 *
 * A file that cannot be read is an answer, not an error: the data source decides what to do about it. Workers
 * keep the process alive only while they have work.
 */
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { type Drop, kindOf } from '../../drops.ts';
import { fromSource, ownProgram } from '../../node/own-files.ts';
import { reasonOf } from '../files/atomic.ts';
import { type DataFile, nameOf } from '../files/data-file.ts';
import { isTransient } from '../files/transient.ts';
import { type FitSettings, loadFitted } from './images.ts';

export interface DecodeRequest {
  readonly id: number;
  readonly file: DataFile;
}

/** RGB bytes [size, size, 3], or why there are none. */
export type DecodeResult = { readonly bytes: Uint8Array } | Drop;

/** What a worker answers: also that the system failed, which is no fault of the picture. */
type DecodeAnswer = DecodeResult | { readonly failure: string };

/** Decodes on the calling thread. */
export async function decodeAndFit(file: DataFile, settings: FitSettings): Promise<DecodeAnswer> {
  try {
    return { bytes: await loadFitted(file, settings) };
  } catch (error) {
    return isTransient(error)
      ? { failure: reasonOf(error) }
      : { kind: kindOf(error), reason: reasonOf(error) };
  }
}

/** One core is left to the thread that drives the GPU. */
export function defaultWorkers(): number {
  return Math.max(1, Math.min(8, availableParallelism() - 1));
}

/** Run from source, a thread has to learn TypeScript first: it does not inherit that from its parent. */
const sourceLoader = `
const { workerData } = require('node:worker_threads');
import(workerData.loader).then((tsx) => {
  tsx.register();
  return import(workerData.program);
});
`;

/** The worker's program: this folder's source, or its compiled form. */
function startWorker(settings: FitSettings): Worker {
  const path = ownProgram('runtime/data/pictures/decode-worker');
  if (!fromSource) return new Worker(path, { workerData: settings });
  const loader = import.meta.resolve('tsx/esm/api');
  const program = pathToFileURL(path).href;
  return new Worker(sourceLoader, { eval: true, execArgv: [], workerData: { ...settings, loader, program } });
}

/** Enough to keep a worker's file reads and sharp's own threads busy. */
const requestsPerWorker = 4;

function systemFailure(path: string, failure: string): DiagnosticError {
  const message = `${path} cannot be read after several attempts: ${failure}; this is no fault of the picture`;
  return new DiagnosticError([{ code: 'Z416', severity: 'error', message }]);
}

interface Waiting {
  readonly file: DataFile;
  readonly resolve: (result: DecodeResult) => void;
  readonly reject: (error: Error) => void;
}

interface Slot {
  readonly worker: Worker;
  readonly pending: Map<number, Waiting>;
}

/** Sent to another thread, a view takes the whole memory behind it along. */
export function compact(file: DataFile): DataFile {
  if (typeof file === 'string' || !('bytes' in file)) return file;
  const { bytes } = file;
  return bytes.byteLength === bytes.buffer.byteLength ? file : { ...file, bytes: bytes.slice() };
}

export class DecodePool {
  readonly #slots: Slot[];
  readonly #queue: Waiting[] = [];
  #next = 0;
  #failure: Error | undefined;

  /** @param workers number of threads, at least 1 */
  constructor(settings: FitSettings, workers: number) {
    this.#slots = Array.from({ length: workers }, () => this.#makeSlot(settings));
  }

  /**
   * Rejects only when a worker itself breaks or the pool is closed, and for a failure of the system.
   * @throws DiagnosticError Z416
   */
  decode(file: DataFile): Promise<DecodeResult> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#queue.push({ file, resolve, reject });
      this.#dispatch();
    });
  }

  /** Ends the threads; what is under way is rejected. */
  async close(): Promise<void> {
    this.#fail(new Error('the decoder was closed'));
    // An answer that comes while a thread ends must not let go of it: Node would end in the middle of this.
    for (const { worker } of this.#slots) worker.removeAllListeners('message');
    await Promise.all(this.#slots.map((slot) => slot.worker.terminate()));
  }

  #makeSlot(settings: FitSettings): Slot {
    const slot: Slot = { worker: startWorker(settings), pending: new Map() };
    slot.worker.unref();
    slot.worker.on('message', (message: { id: number } & DecodeAnswer) => {
      const waiting = slot.pending.get(message.id);
      slot.pending.delete(message.id);
      if (slot.pending.size === 0) slot.worker.unref();
      if ('failure' in message) waiting?.reject(systemFailure(nameOf(waiting.file), message.failure));
      else waiting?.resolve(message);
      this.#dispatch();
    });
    slot.worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    return slot;
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const slot = this.#slots.reduce((a, b) => (b.pending.size < a.pending.size ? b : a));
      if (slot.pending.size >= requestsPerWorker) return;
      const waiting = this.#queue.shift()!;
      const id = this.#next++;
      slot.pending.set(id, waiting);
      slot.worker.ref();
      slot.worker.postMessage({ id, file: compact(waiting.file) } satisfies DecodeRequest);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#queue.splice(0)) waiting.reject(this.#failure);
    for (const slot of this.#slots) {
      for (const waiting of slot.pending.values()) waiting.reject(this.#failure);
      slot.pending.clear();
    }
  }
}
