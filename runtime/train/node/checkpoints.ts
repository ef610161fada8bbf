/**
 * Checkpoints on disk: `checkpoints/step-NNNNNNNN.safetensors` with the whole state and, in its metadata,
 * where the run stands; `latest.json` names the newest one.
 *
 * Each file is written beside, flushed, renamed, and the directory flushed, so at any moment a
 * kill leaves the old checkpoint or the new one. An older one is removed only after `latest.json`
 * names the newer one durably. What a disk damages is found by a checksum: then the one before is taken.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Diagnostic, DiagnosticError, fail } from '../../../grammar/diagnostics.ts';
import { failSystem, halfWritten, syncDirectory, writeText } from '../../data/files/atomic.ts';
import { parseJson } from '../../data/files/json.ts';
import { readText } from '../../data/files/read-fully.ts';
import {
  openSafetensors,
  type SafetensorsFile,
  type TensorToWrite,
  writeSafetensors,
} from '../../data/safetensors/file.ts';
import type { DataCursor } from '../../data/types.ts';
import { type Change, changesBetween, describeChange, isRefused, type RunSettings } from '../changes.ts';
import type { StateArray, TrainSession } from '../types.ts';

export interface RunState {
  /** Steps done. */
  readonly step: number;
  readonly cursor: DataCursor;
  /** What was trained: a checkpoint only fits the same model and objective. */
  readonly modelHash: string;
  /** What else a run that goes on is compared with; absent in checkpoints of older versions. */
  readonly settings?: RunSettings;
}

/** Of a lane, and of its spare. */
const lanePlace = [z.int().nonnegative(), z.int().nonnegative(), z.int().min(-1)] as const;

const stateSchema = z.object({
  /** Those of version 1 have no checksum. */
  version: z.literal([1, 2]),
  step: z.int().nonnegative(),
  cursor: z.object({
    epoch: z.int().nonnegative(),
    batch: z.int().nonnegative(),
    seed: z.number(),
    lanes: z.array(z.tuple([...lanePlace, ...lanePlace])).optional(),
  }),
  modelHash: z.string(),
  settings: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});
const latestSchema = z.object({
  file: z.string().regex(/^step-\d+\.safetensors$/),
  step: z.int().nonnegative(),
});

const metadataKey = 'zooc.run';
const fileName = (step: number): string => `step-${String(step).padStart(8, '0')}.safetensors`;
/** NaN for what is no checkpoint by its name. */
export const stepOf = (file: string): number =>
  Number(/^step-(\d+)\.safetensors$/.exec(file)?.[1] ?? Number.NaN);

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
   * @returns its path
   * @throws DiagnosticError Z413 when the disk refuses; then the former checkpoint stays the latest
   */
  async save(session: TrainSession, carried: CarriedWeights, state: RunState): Promise<string> {
    try {
      await mkdir(this.folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
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
    const metadata = { [metadataKey]: JSON.stringify({ version: 2, ...state }) };
    const path = join(this.folder, file);
    await writeSafetensors(path, [...tensors, ...carried], metadata, { checksum: true });
    await writeText(join(this.folder, 'latest.json'), `${JSON.stringify({ file, step: state.step })}\n`);
    await this.#removeOld(state.step);
    return path;
  }

  /**
   * The checkpoint to resume from, the newest that is whole; undefined where none was ever finished.
   * @param warn told of damaged ones that are passed over
   * @throws DiagnosticError Z611 when all are damaged
   */
  async latest(warn: (warning: Diagnostic) => void): Promise<Checkpoint | undefined> {
    const passed: string[] = [];
    const files = await this.#candidates((why) => passed.push(why));
    for (const file of files) {
      const path = join(this.folder, file);
      const found = await openCheckpoint(path);
      if (typeof found !== 'string') {
        if (passed.length > 0)
          warn({
            code: 'Z618',
            severity: 'warning',
            message: `${passed.join('; ')}: the run goes on from ${file}, which is whole`,
          });
        return found;
      }
      passed.push(found);
    }
    if (passed.length === 0) return undefined;
    fail(
      'Z611',
      `no checkpoint is whole: ${passed.join('; ')}`,
      'put a whole one into the folder, or start a new run folder',
    );
  }

  /** Removes what a killed run left half-written. */
  async clean(): Promise<void> {
    await this.#remove((await this.#files()).filter((name) => halfWritten.test(name)));
  }

  /**
   * Names of checkpoints, the one to be taken first. Those behind the named one stem from before a resume, or
   * from a kill before they were named: they are whole, but not known to be durable.
   */
  async #candidates(damaged: (why: string) => void): Promise<string[]> {
    const files = (await this.#files()).filter((name) => !Number.isNaN(stepOf(name)));
    files.sort((a, b) => stepOf(b) - stepOf(a));
    const path = join(this.folder, 'latest.json');
    let text: string;
    try {
      text = await readText(path, 'Z611');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return files;
      failSystem('Z611', `cannot read ${path}`, error);
    }
    const parsed = latestSchema.safeParse(parseJson(text));
    if (!parsed.success) {
      damaged(`${path} is damaged: it names no checkpoint`);
      return files;
    }
    const { file } = parsed.data;
    if (!files.includes(file)) damaged(`${join(this.folder, file)} is missing`);
    return files.filter((name) => stepOf(name) <= stepOf(file));
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
 * A checkpoint, or in words what is damaged about it.
 * @throws DiagnosticError Z410 when it cannot be read, which is no damage
 */
async function openCheckpoint(path: string): Promise<Checkpoint | string> {
  let opened: SafetensorsFile;
  try {
    opened = await openSafetensors(path);
  } catch (error) {
    if (error instanceof DiagnosticError && error.diagnostics[0]?.code === 'Z411')
      return error.diagnostics[0].message;
    throw error;
  }
  try {
    const parsed = stateSchema.safeParse(parseJson(opened.metadata.get(metadataKey) ?? ''));
    if (!parsed.success) return `${path} is damaged: it does not say where the run stood`;
    const { version, settings, ...state } = parsed.data;
    const intact = (await opened.isIntact()) ?? version === 1;
    if (!intact) return `${path} is damaged: its checksum differs`;
    return { path, state: { ...state, ...(settings === undefined ? {} : { settings }) } };
  } finally {
    await opened.close();
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

function failDamaged(path: string, why: string): never {
  fail(
    'Z611',
    `${path} is damaged: ${why}`,
    'name an older checkpoint in latest.json, or start a new run folder',
  );
}

/**
 * What has changed since a checkpoint was made, and may.
 * @throws DiagnosticError Z612 for each change that makes it another run
 */
export function checkSameRun(path: string, found: RunState, wanted: Omit<RunState, 'step'>): Change[] {
  const changes = found.settings === undefined ? [] : changesBetween(found.settings, wanted.settings ?? {});
  const refused = changes
    .filter(isRefused)
    .map((change) => `${path} was made with ${describeChange(change)}`);
  if (found.cursor.seed !== wanted.cursor.seed && !changes.some((c) => c.setting === 'seed'))
    refused.push(`${path} was made with seed: ${found.cursor.seed}, now ${wanted.cursor.seed}`);
  if (found.modelHash !== wanted.modelHash && refused.length === 0)
    refused.push(
      `${path} belongs to another model, objective, batch size, precision, optimizer (or its moving average) or set of frozen weights (hash ${found.modelHash.slice(0, 12)}, this one is ${wanted.modelHash.slice(0, 12)})`,
    );
  if (refused.length > 0)
    throw new DiagnosticError(
      refused.map((message) => ({
        code: 'Z612',
        severity: 'error',
        message,
        help: 'resume with what it was made with, or use another --out (--weights starts from its weights)',
      })),
    );
  return changes;
}
