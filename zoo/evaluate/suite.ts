/** What is to be evaluated: folders and tables on the command line, or a JSON list that says more of each. */
import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import { statOf } from '../../runtime/data/files/read-fully.ts';
import { pathIn } from '../../runtime/data/sources/columns/path.ts';
import { readText } from '../run/text-lists.ts';
import { parseAs } from './json.ts';
import { type Task, tasks } from './results.ts';

const classNames = z.union([z.string(), z.array(z.union([z.string(), z.array(z.string()).min(1)])).min(1)]);

const entrySchema = z.strictObject({
  name: z.string().min(1),
  /** A folder or a table, relative to the suite's file. */
  data: z.string().min(1),
  split: z.string().min(1).optional(),
  task: z.enum(tasks).optional(),
  /** A file with a name a line, or the names themselves. */
  classes: classNames.optional(),
  /** A file, templates, or prompts by class. */
  templates: z
    .union([z.string(), z.array(z.string()).min(1), z.record(z.string(), z.array(z.string()).min(1))])
    .optional(),
  /** The one that papers print of this data set. */
  metric: z.string().optional(),
  /** Data sets of a group have a mean of their metrics. */
  group: z.string().optional(),
  /** Names or numbers of the classes that count, alone. */
  subset: z.union([z.string(), z.array(z.union([z.string(), z.int().nonnegative()])).min(2)]).optional(),
});

export type SuiteEntry = z.infer<typeof entrySchema> & {
  /** What paths in it are relative to. */
  readonly folder: string;
};

/**
 * @param task of all, in place of what the list says of each
 * @throws DiagnosticError Z702, Z703
 */
export function readSuite(names: readonly string[], task?: Task): SuiteEntry[] {
  const entries = names.flatMap((argument): SuiteEntry[] => {
    const found = statOf(argument);
    if (found === undefined)
      fail('Z703', `there is no ${argument}: expected a data set's folder, a table, or a JSON list of them`);
    if (found.isDirectory() || !/\.json$/i.test(argument))
      return [{ name: basename(argument), data: resolve(argument), folder: '.' }];
    return parseSuite(argument);
  });
  const seen = new Set<string>();
  for (const { name } of entries) {
    if (seen.has(name)) fail('Z703', `two data sets are called ${name}`, 'a JSON list gives them names');
    seen.add(name);
  }
  return task === undefined ? entries : entries.map((entry) => ({ ...entry, task }));
}

/**
 * One data set: a folder, a table, or an entry of a JSON list, by its name where there are several (`list.json#pets`).
 * @throws DiagnosticError Z702, Z703
 */
export function readEntry(argument: string): SuiteEntry {
  const [, list, wanted] = /^(.+\.json)#(.+)$/i.exec(argument) ?? [];
  const entries = readSuite([list ?? argument]);
  const [entry, ...more] = entries.filter(({ name }) => wanted === undefined || name === wanted);
  if (entry !== undefined && more.length === 0) return entry;
  const path = list ?? argument;
  const names = entries.map(({ name }) => `${path}#${name}`).join(', ');
  return fail('Z703', `${argument} is not one data set`, names);
}

function parseSuite(path: string): SuiteEntry[] {
  const entries = parseAs(readText(path), path, z.array(entrySchema).min(1), 'a list of data sets');
  const folder = dirname(resolve(path));
  return entries.map((entry) => ({ ...entry, data: pathIn(folder, entry.data), folder }));
}
