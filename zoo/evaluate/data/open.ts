/** Opens the data set that an entry of a suite names, in whatever form it lies there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { fail } from '../../../grammar/diagnostics.ts';
import { failSystem } from '../../../runtime/data/files/atomic.ts';
import { statOf } from '../../../runtime/data/files/read-fully.ts';
import { linesOf } from '../../../runtime/data/files/text-lines.ts';
import { pathIn } from '../../../runtime/data/sources/columns/path.ts';
import type { SourceContext } from '../../../runtime/data/sources/source-context.ts';
import { readText } from '../../run/text-lists.ts';
import { parseAs } from '../json.ts';
import { type ClassName, nameOfClass, type Prompts, readPrompts, usualPrompts } from '../prompts.ts';
import type { SuiteEntry } from '../suite.ts';
import { openImageFolder } from './image-folder.ts';
import { limited, subsetOf } from './narrow.ts';
import { isShardSet, openShardSet } from './shards.ts';
import { isTable, openTable } from './table.ts';
import type { ClassNames, EvaluationSet, OpenedData } from './types.ts';

export interface DataOptions {
  /** For data sets that bring none. */
  readonly prompts?: Prompts;
  /** Pictures at most. */
  readonly limit?: number;
  readonly notes: Pick<SourceContext, 'warn' | 'note'>;
}

type Found = EvaluationSet & ClassNames;

/** Where the pictures of a split may lie, by form of the data set. */
async function findSplit(entry: SuiteEntry, split: string, notes: DataOptions['notes']): Promise<Found> {
  const { data } = entry;
  const kind = entry.task === 'retrieval' ? 'retrieval' : 'classification';
  if (statOf(data)?.isDirectory() !== true) {
    if (!isTable(data)) fail('Z460', `${data} is neither a folder nor a table (.csv, .tsv)`);
    // A table alone is the split that is tested.
    return split === testSplit(entry) ? openTable(data, kind, notes) : lacking(data, split);
  }
  if (isShardSet(data)) return openShardSet(data, split, notes);
  const table = ['csv', 'tsv']
    .map((ending) => join(data, `${split}.${ending}`))
    .find((path) => existsSync(path));
  if (table !== undefined) return openTable(table, kind, notes);
  const folder = join(data, split);
  if (existsSync(folder)) return openImageFolder(folder);
  // A folder of classes alone is the split that is tested.
  return split === testSplit(entry) && entry.split === undefined
    ? openImageFolder(data)
    : lacking(data, split);
}

function lacking(data: string, split: string): never {
  return fail(
    'Z460',
    `${data} has no split ${split}`,
    `${split}/nshards.txt with ${split}/0.tar, a table ${split}.csv, or ${split}/CLASS/*.jpg`,
  );
}

export const trainSplit = 'train';

export function testSplit({ split }: Pick<SuiteEntry, 'split'>): string {
  return split ?? 'test';
}

const className = z.union([z.string(), z.array(z.string()).min(1)]);

/** Names of classes in a file: one a line, or a JSON array whose lists are several names of one class. */
function readClasses(path: string): ClassName[] {
  const text = readText(path);
  if (!/\.json$/i.test(path)) return linesOf(text).filter((line) => line !== '');
  return parseAs(text, path, z.array(className).min(1), 'a list of names, or of lists of names');
}

function classesOf({ classes, folder }: SuiteEntry): readonly ClassName[] | undefined {
  return typeof classes === 'string' ? readClasses(pathIn(folder, classes)) : classes;
}

function promptsOfEntry({ templates, folder }: SuiteEntry): Prompts | undefined {
  if (templates === undefined) return undefined;
  if (typeof templates === 'string') return readPrompts(pathIn(folder, templates));
  return Array.isArray(templates)
    ? { templates: templates.map((template) => template.replaceAll('{c}', '{}')) }
    : { byClass: templates };
}

/**
 * Labels that are names mean the classes of these names, in whatever order they are given; where the names are
 * others, as many, they are new ones in the order of the old.
 * @throws DiagnosticError Z460
 */
function labelledByName(found: Found, classes: readonly ClassName[] | undefined): Found {
  const { truth, pictures, classes: own, named } = found;
  if (classes === undefined || own === undefined || named !== true || truth.kind !== 'classification')
    return found;
  const places = new Map(classes.flatMap((names, place) => [names].flat().map((name) => [name, place])));
  const missing = own.find((name) => !places.has(nameOfClass(name)));
  if (missing === undefined) {
    const place = own.map((name) => places.get(nameOfClass(name))!);
    return { ...found, truth: { ...truth, labels: truth.labels.map((label) => place[label]!) } };
  }
  if (own.length !== classes.length)
    fail(
      'Z460',
      `${pictures.name} has ${own.length} classes, and there are names of ${classes.length}, of which ${JSON.stringify(missing)} is none`,
    );
  return found;
}

/** @throws DiagnosticError Z460 where a label has no name */
function checkClasses({ truth, pictures }: EvaluationSet, classes: readonly ClassName[] | undefined): void {
  if (classes === undefined || truth.kind === 'retrieval') return;
  const used =
    truth.kind === 'multilabel'
      ? truth.targets.length / pictures.count
      : truth.labels.reduce((most, label) => Math.max(most, label + 1), 0);
  if (used > classes.length || (truth.kind === 'multilabel' && used < classes.length))
    fail('Z460', `${pictures.name} has ${used} classes, and there are names of ${classes.length}`);
}

/** @throws DiagnosticError Z415, Z427, Z452, Z460, Z701, Z702 */
export async function openData(
  entry: SuiteEntry,
  split: string,
  { prompts, limit, notes }: DataOptions,
): Promise<OpenedData> {
  const found = await findSplit(entry, split, notes).catch((error: unknown) =>
    failSystem('Z460', `cannot read ${entry.data}`, error),
  );
  if (found.pictures.count === 0) fail('Z460', `${found.pictures.name} has no picture`);
  const given = classesOf(entry);
  const labelled = labelledByName(found, given);
  const classes = given ?? found.classes;
  checkClasses(labelled, classes);
  const whole: OpenedData = {
    ...labelled,
    classes,
    prompts: promptsOfEntry(entry) ?? prompts ?? found.prompts ?? usualPrompts,
  };
  const narrowed = entry.subset === undefined ? whole : subsetOf(whole, entry);
  return limit === undefined ? narrowed : limited(narrowed, limit);
}
