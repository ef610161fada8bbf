/**
 * The folder of a training run: whether it may be used, and the small files that say what was trained.
 *
 * `run.json` is the first file written behind the lock and marks the folder as a run. A folder with anything
 * else in it is never touched.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Diagnostic, fail } from '../../../grammar/diagnostics.ts';
import { failSystem, halfWritten, makeFolders, writeText } from '../../data/files/atomic.ts';
import { lockName, RunLock, refuseLocked, textOf } from './lock.ts';

const marker = 'run.json';
const changeSchema = z.object({
  setting: z.string(),
  from: z.union([z.string(), z.number()]).optional(),
  to: z.union([z.string(), z.number()]).optional(),
});

const descriptionSchema = z.object({
  recipe: z.string().optional(),
  model: z.string().optional(),
  /** What the weights started from: a path from the folder, an absolute one, or a rule. */
  weights: z.string().optional(),
  /** How the pictures that it was trained on were normalised; of models that take pictures. */
  normalization: z.object({ mean: z.array(z.number()), std: z.array(z.number()) }).optional(),
  /** What a resumed run took over, from which step on. */
  changes: z.array(changeSchema.extend({ step: z.int() })).optional(),
});
export type RunDescription = z.infer<typeof descriptionSchema>;

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
  warn: (warning: Diagnostic) => void,
): Promise<RunFolder & { readonly lock: RunLock }> {
  try {
    await makeFolders(folder);
  } catch (error) {
    failSystem('Z413', `cannot create ${folder}`, error);
  }
  const lock = await RunLock.take(folder, warn);
  try {
    return { ...(await examineContents(folder, resume)), lock };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * What a run's folder says of it; undefined for other folders.
 * @throws DiagnosticError Z613 when it cannot be read or is malformed
 */
export async function describeRun(folder: string): Promise<RunDescription | undefined> {
  const path = join(folder, marker);
  const text = await textOf(path);
  if (text === undefined) return undefined;
  try {
    return descriptionSchema.parse(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof z.ZodError || error instanceof SyntaxError)) throw error;
    fail('Z613', `${path} does not describe a training run`);
  }
}

/**
 * Writes the files that describe the run into a locked folder, the marker first.
 * @param files name to text: `model.zoo`, `recipe.zoo`
 * @throws DiagnosticError Z413
 */
export async function beginRunFolder(
  folder: string,
  description: RunDescription,
  files: ReadonlyMap<string, string>,
): Promise<void> {
  try {
    for (const name of await readdir(folder))
      if (halfWritten.test(name)) await rm(join(folder, name), { force: true });
  } catch (error) {
    failSystem('Z413', `cannot write into ${folder}`, error);
  }
  const run = { version: 1, ...description };
  await writeText(join(folder, marker), `${JSON.stringify(run, null, 2)}\n`);
  for (const [name, text] of files) await writeText(join(folder, name), text);
}
