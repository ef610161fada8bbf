/**
 * The folder of a training run: whether it may be used, and the small files that say what was trained.
 *
 * `run.json` is the first file written behind the lock and marks the folder as a run. A folder with anything
 * else in it is never touched.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fail } from '../../../grammar/diagnostics.ts';
import { failSystem, makeFolders } from '../../data/files/atomic.ts';
import { readText } from '../../data/files/read-fully.ts';
import type { Change } from '../changes.ts';
import { parseJson, writeText } from './checkpoints.ts';
import { lockName, RunLock, refuseLocked } from './lock.ts';

const marker = 'run.json';
/** What a kill leaves beside a file that was being written. */
const halfWritten = /^\..*\.tmp$/;

interface RunFolder {
  /** The run began before; only then there is something to resume. */
  readonly begun: boolean;
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    const found = await stat(folder);
    if (!found.isDirectory()) fail('Z613', `${folder} is not a folder`, 'name another --out');
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    failSystem('Z613', `cannot read ${folder}`, error);
  }
}

/**
 * Looks at the folder without changing it.
 * @throws DiagnosticError Z613 when it is not empty and must not be used, Z617 when a process trains into it
 */
export async function examineRunFolder(folder: string, resume: boolean): Promise<void> {
  await refuseLocked(folder);
  await examineContents(folder, resume);
}

async function examineContents(folder: string, resume: boolean): Promise<RunFolder> {
  const entries = (await entriesOf(folder)).filter((name) => name !== lockName && !halfWritten.test(name));
  const begun = entries.includes(marker);
  if (entries.length === 0 || (begun && resume)) return { begun };
  if (resume) fail('Z613', `${folder} is not empty and holds no training run: nothing to resume`);
  fail(
    'Z613',
    `${folder} is not empty`,
    begun ? 'it holds a training run: --resume goes on with it; or name another --out' : 'name another --out',
  );
}

/**
 * Creates the folder and locks it for this process; what it holds is looked at again, since others may have
 * written into it until now.
 * @throws DiagnosticError Z413, Z613, Z617
 */
export async function lockRunFolder(
  folder: string,
  resume: boolean,
): Promise<RunFolder & { readonly lock: RunLock }> {
  try {
    await makeFolders(folder);
  } catch (error) {
    failSystem('Z413', `cannot create ${folder}`, error);
  }
  const lock = await RunLock.take(folder);
  try {
    return { ...(await examineContents(folder, resume)), lock };
  } catch (error) {
    lock.release();
    throw error;
  }
}

const recorded = z.object({
  changes: z.array(
    z.object({
      step: z.int(),
      setting: z.string(),
      from: z.union([z.string(), z.number()]).optional(),
      to: z.union([z.string(), z.number()]).optional(),
    }),
  ),
});

/** What was changed on the way up to a step, as `run.json` tells; nothing where it does not. */
async function changesBefore(path: string, step: number): Promise<{ readonly step: number }[]> {
  let text: string;
  try {
    text = await readText(path, 'Z613');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    failSystem('Z613', `cannot read ${path}`, error);
  }
  const parsed = recorded.safeParse(parseJson(text));
  return parsed.success ? parsed.data.changes.filter((change) => change.step < step) : [];
}

/** What describes a run in its folder. */
interface RunDescription {
  readonly recipe: string;
  readonly model?: string;
  /** What the run goes on with other values of, from which step on. */
  readonly changed?: { readonly step: number; readonly changes: readonly Change[] };
}

/**
 * Writes the files that describe the run into a locked folder, the marker first.
 * @param files name to text: `model.zoo`, `recipe.zoo`
 * @throws DiagnosticError Z413
 */
export async function beginRunFolder(
  folder: string,
  { changed = { step: 0, changes: [] }, ...description }: RunDescription,
  files: ReadonlyMap<string, string>,
): Promise<void> {
  try {
    for (const name of await readdir(folder))
      if (halfWritten.test(name)) await rm(join(folder, name), { force: true });
  } catch (error) {
    failSystem('Z413', `cannot write into ${folder}`, error);
  }
  const path = join(folder, marker);
  const { step, changes } = changed;
  // A change whose steps a kill took back is found again.
  const all = [...(await changesBefore(path, step)), ...changes.map((change) => ({ step, ...change }))];
  const run = { version: 1, ...description, ...(all.length === 0 ? {} : { changes: all }) };
  await writeText(path, `${JSON.stringify(run, null, 2)}\n`);
  for (const [name, text] of files) await writeText(join(folder, name), text);
}
