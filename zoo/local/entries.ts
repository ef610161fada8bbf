/** What is in the local zoo: packages as they were exported, and beside each what was told about it when it was added. */
import { constants } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import { writeText } from '../../runtime/data/files/atomic.ts';
import { parseJson } from '../../runtime/data/files/json.ts';
import { readText, statOf } from '../../runtime/data/files/read-fully.ts';
import { countingMetric } from '../evaluate/results.ts';
import { makeFolder } from '../export/folder.ts';
import { isOwnPackage, loadPackage, type Manifest, manifestName, readManifest } from '../weights/package.ts';
import { isNoPath } from '../weights/source.ts';
import { entryNames, entryOrRefused, isEntryName, zooFolder } from './folder.ts';

const resultSchema = z.object({
  dataset: z.string(),
  task: z.string(),
  metrics: z.record(z.string(), z.number()),
  metric: z.string().optional(),
  n: z.int().nonnegative(),
});
export type EntryResult = z.infer<typeof resultSchema>;

const aboutSchema = z.object({ added: z.iso.datetime(), results: z.array(resultSchema) });

export interface Entry extends z.infer<typeof aboutSchema> {
  readonly name: string;
  readonly path: string;
  readonly manifest: Manifest;
  /** The model card. */
  readonly card: string;
}

function aboutPath(name: string): string {
  return join(zooFolder(), `${name}.json`);
}

/** @throws DiagnosticError Z702 for what `zooc evaluate` did not write */
async function readResults(path: string): Promise<EntryResult[]> {
  const parsed = z.array(resultSchema).safeParse(parseJson(await readText(path, 'Z702')));
  if (parsed.success) return parsed.data;
  fail('Z702', `${path} does not hold results`, 'zooc evaluate --out FILE.json writes such files');
}

/** @throws DiagnosticError Z484 for a base that would not be found from another place */
function refuseRelativeBase({ base }: Manifest, folder: string): void {
  if (base === undefined || isNoPath(base.path) || isAbsolute(base.path)) return;
  fail(
    'Z484',
    `${folder} is an adapter that looks for its base at ${base.path}, which is somewhere else from the zoo`,
    `zooc export ${folder} --model ${folder} --format zoo --out DIR writes the whole weights`,
  );
}

export interface Addition {
  /** By default that of the package. */
  readonly name?: string | undefined;
  /** Files that `evaluate` wrote. */
  readonly results: readonly string[];
  /** Names that mean another model. */
  readonly bundled: readonly string[];
}

/**
 * Copies a package, verified, into the zoo.
 * @returns its name
 * @throws DiagnosticError Z430 for what is no package or damaged, Z484 for a name that cannot be had
 */
export async function addEntry(folder: string, { name: given, results, bundled }: Addition): Promise<string> {
  if (!isOwnPackage(folder))
    fail('Z430', `${folder} is no package`, 'zooc export RUN --format zoo writes packages');
  const { manifest } = await loadPackage(folder);
  refuseRelativeBase(manifest, folder);
  const name = given ?? manifest.name;
  if (!isEntryName(name))
    fail(
      'Z484',
      `${JSON.stringify(name)} cannot be a name in the zoo`,
      '--name NAME: letters, digits, dots, - and _',
    );
  if (bundled.includes(name)) fail('Z484', `${name} is a bundled model`, '--name NAME');
  if (entryNames().includes(name))
    fail('Z484', `the local zoo has a ${name} already`, `--name NAME, or zooc zoo remove ${name}`);
  const measured = await Promise.all(results.map(readResults));
  await makeFolder(join(zooFolder(), name), async (made) => {
    for (const file of [manifestName, ...Object.keys(manifest.files)])
      await copyFile(join(folder, file), join(made, file), constants.COPYFILE_FICLONE);
    // What was verified is not what was copied, if somebody wrote into the folder meanwhile.
    await loadPackage(made);
  });
  const about = { added: new Date().toISOString(), results: measured.flat() };
  await writeText(aboutPath(name), `${JSON.stringify(about, null, 2)}\n`);
  return name;
}

/** @throws DiagnosticError Z484 where there is none, Z430 for a damaged one */
export async function readEntry(name: string): Promise<Entry> {
  const path = entryOrRefused(name);
  const manifest = await readManifest(path);
  const card = join(path, 'README.md');
  const about = aboutPath(name);
  const told = aboutSchema.safeParse(statOf(about) && parseJson(await readText(about, 'Z702')));
  return {
    name,
    path,
    manifest,
    card: statOf(card)?.isFile() === true ? await readText(card, 'Z430') : '',
    // A kill between the package and its note leaves a model that nothing is told about.
    ...(told.success ? told.data : { added: new Date(0).toISOString(), results: [] }),
  };
}

export function readEntries(names: readonly string[] = entryNames()): Promise<Entry[]> {
  return Promise.all(names.map(readEntry));
}

export async function removeEntry(name: string): Promise<void> {
  const path = entryOrRefused(name);
  await rm(aboutPath(name), { force: true });
  await rm(path, { recursive: true });
}

/** The metric of a result that counts, and its value. */
export function countingResult({ metric, metrics }: EntryResult): { metric: string; value: number } {
  const counting = countingMetric({ metrics, ...(metric === undefined ? {} : { metric }) });
  return { metric: counting, value: metrics[counting] ?? Number.NaN };
}

export function entryBytes({ manifest }: Entry): number {
  return Object.values(manifest.files).reduce((sum, { bytes }) => sum + bytes, 0);
}
