/**
 * Checkpoints on disk: `checkpoints/step-NNNNNNNN.safetensors` with the whole state and, in its metadata,
 * where the run stands; `latest.json` names the newest one.
 *
 * Each file is written beside, flushed, renamed, and the directory flushed, so at any moment a
 * kill leaves the old checkpoint or the new one. An older one is removed only after `latest.json`
 * names the newer one durably.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DiagnosticError, fail } from '../../../grammar/diagnostics.ts';
import { failSystem, syncDirectory, writeAtomically, writeFully } from '../../data/files/atomic.ts';
import { openSafetensors, type TensorToWrite, writeSafetensors } from '../../data/safetensors/file.ts';
import type { DataCursor } from '../../data/types.ts';
import type { StateArray, TrainSession } from '../types.ts';

export interface RunState {
  /** Steps done. */
  readonly step: number;
  readonly cursor: DataCursor;
  /** What was trained: a checkpoint only fits the same model and objective. */
  readonly modelHash: string;
}

const stateSchema = z.object({
  version: z.literal(1),
  step: z.int().nonnegative(),
  cursor: z.object({ epoch: z.int().nonnegative(), batch: z.int().nonnegative(), seed: z.number() }),
  modelHash: z.string(),
});
const latestSchema = z.object({
  file: z.string().regex(/^step-\d+\.safetensors$/),
  step: z.int().nonnegative(),
});

const metadataKey = 'zooc.run';
const fileName = (step: number): string => `step-${String(step).padStart(8, '0')}.safetensors`;
const stepOf = (file: string): number => Number(/^step-(\d+)\.safetensors$/.exec(file)?.[1] ?? Number.NaN);

export interface Checkpoint {
  readonly path: string;
  readonly state: RunState;
}

/** Tensors that are saved with the state but live outside the session: weights that no step uses. */
type CarriedWeights = readonly TensorToWrite[];

/** The checkpoints of one run folder. */
export class CheckpointStore {
  readonly folder: string;
  readonly #keep: number;

  /** @param keep how many to keep, at least 1 */
  constructor(runFolder: string, keep: number) {
    this.folder = join(runFolder, 'checkpoints');
    this.#keep = Math.max(1, keep);
  }

  /**
   * Writes one checkpoint and makes it the latest.
   * @throws DiagnosticError Z413 when the disk refuses; then the former checkpoint stays the latest
   */
  async save(session: TrainSession, carried: CarriedWeights, state: RunState): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true });
    } catch (error) {
      failSystem('Z413', `cannot create ${this.folder}`, error);
    }
    const file = fileName(state.step);
    const tensors = session.state.map(
      ({ name, shape, dtype }): TensorToWrite => ({
        name,
        shape,
        dtype,
        data: () => session.readState(name),
      }),
    );
    const metadata = { [metadataKey]: JSON.stringify({ version: 1, ...state }) };
    await writeSafetensors(join(this.folder, file), [...tensors, ...carried], metadata);
    await writeText(join(this.folder, 'latest.json'), `${JSON.stringify({ file, step: state.step })}\n`);
    await this.#removeOld(state.step);
  }

  /**
   * The checkpoint to resume from; undefined where none was ever finished.
   * @throws DiagnosticError Z611 when it is damaged
   */
  async latest(): Promise<Checkpoint | undefined> {
    const file = (await this.#named()) ?? (await this.#newest());
    if (file === undefined) return undefined;
    const path = join(this.folder, file);
    const opened = await openSafetensors(path);
    try {
      const text = opened.metadata.get(metadataKey);
      const parsed = stateSchema.safeParse(parseJson(text ?? ''));
      if (!parsed.success) failDamaged(path, 'it does not say where the run stood');
      const { version: _, ...state } = parsed.data;
      return { path, state };
    } finally {
      await opened.close();
    }
  }

  /** Removes what a killed run left half-written. */
  async clean(): Promise<void> {
    await this.#remove((await this.#files()).filter((name) => /^\..*\.tmp$/.test(name)));
  }

  async #named(): Promise<string | undefined> {
    const path = join(this.folder, 'latest.json');
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      failSystem('Z611', `cannot read ${path}`, error);
    }
    const parsed = latestSchema.safeParse(parseJson(text));
    if (!parsed.success) failDamaged(path, 'it names no checkpoint');
    return parsed.data.file;
  }

  /** Killed between the first checkpoint and its `latest.json`: the checkpoint itself is whole. */
  async #newest(): Promise<string | undefined> {
    const files = (await this.#files()).filter((name) => !Number.isNaN(stepOf(name)));
    return files.sort((a, b) => stepOf(b) - stepOf(a))[0];
  }

  async #removeOld(current: number): Promise<void> {
    const steps = (await this.#files()).map(stepOf).filter((s) => !Number.isNaN(s));
    const older = steps.filter((s) => s < current).sort((a, b) => b - a);
    // Steps beyond the current one stem from a run that was resumed from an earlier checkpoint.
    const newer = steps.filter((s) => s > current);
    const superfluous = [...older.slice(this.#keep - 1), ...newer];
    await this.#remove(superfluous.map(fileName));
  }

  async #remove(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    try {
      for (const name of names) await rm(join(this.folder, name), { force: true });
      await syncDirectory(this.folder);
    } catch (error) {
      failSystem('Z413', `cannot remove old files in ${this.folder}`, error);
    }
  }

  async #files(): Promise<string[]> {
    try {
      return await readdir(this.folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      failSystem('Z611', `cannot read ${this.folder}`, error);
    }
  }
}

/**
 * Loads a checkpoint's tensors into the session.
 * @param carried receives the tensors that the session does not know
 * @throws DiagnosticError Z611 when a tensor is missing or has another shape
 */
export async function restoreState(
  path: string,
  session: TrainSession,
  carried: (name: string, data: StateArray | BigInt64Array) => void,
): Promise<void> {
  const file = await openSafetensors(path);
  try {
    const known = new Map(session.state.map((s) => [s.name, s]));
    for (const { name, shape, dtype } of known.values()) {
      const found = file.infos.get(name);
      if (!found) failDamaged(path, `${name} is missing`);
      if (found.dtype !== dtype || found.shape.join() !== shape.join())
        failDamaged(path, `${name} is ${found.dtype} [${found.shape}], not ${dtype} [${shape}]`);
    }
    for (const name of file.infos.keys()) {
      const data = (await file.read(name)).data as StateArray | BigInt64Array;
      if (known.has(name)) session.writeState(name, data as StateArray);
      else carried(name, data);
    }
  } finally {
    await file.close();
  }
}

/** Writes a small text file atomically. */
export function writeText(path: string, text: string): Promise<void> {
  return writeAtomically(path, (file) => writeFully(file, new TextEncoder().encode(text)));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failDamaged(path: string, why: string): never {
  fail(
    'Z611',
    `${path} is damaged: ${why}`,
    'name an older checkpoint in latest.json, or start a new run folder',
  );
}

/** @throws DiagnosticError Z612 when a checkpoint belongs to another model or another order of the data */
export function checkSameRun(path: string, found: RunState, wanted: Omit<RunState, 'step'>): void {
  const message =
    found.modelHash !== wanted.modelHash
      ? `${path} belongs to another model, objective, batch size, precision, optimizer (or its moving average) or set of frozen weights (hash ${found.modelHash.slice(0, 12)}, this one is ${wanted.modelHash.slice(0, 12)})`
      : found.cursor.seed !== wanted.cursor.seed
        ? `${path} was made with seed ${found.cursor.seed}, this run has seed ${wanted.cursor.seed}`
        : undefined;
  if (message !== undefined)
    throw new DiagnosticError([
      {
        code: 'Z612',
        severity: 'error',
        message,
        help: 'resume with the recipe it was made with, or use another --out',
      },
    ]);
}
