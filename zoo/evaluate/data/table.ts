/**
 * A table with a header line: `filepath`, relative to it, and `label` (the name or number of a class) or, for retrieval,
 * `title` (a text; rows with the same picture give it several).
 */
import { dirname, resolve } from 'node:path';
import { pathIn } from '../../../runtime/data/sources/columns/path.ts';
import { readCsvTable } from '../../../runtime/data/sources/rows/csv-table.ts';
import type { SourceContext } from '../../../runtime/data/sources/source-context.ts';
import type { ClassName } from '../prompts.ts';
import { identityOf } from './stamp.ts';
import type { ClassNames, EvaluationSet, Pictures, Truth } from './types.ts';

const pathColumn = 'filepath';

export function isTable(path: string): boolean {
  return /\.(csv|tsv)$/i.test(path);
}

/** A picture that is not there is found missing when it is read. */
async function picturesOf(path: string, files: readonly string[]): Promise<Pictures> {
  return {
    name: path,
    count: files.length,
    identity: await identityOf(files, (file) => file),
    picture: async (index) => ({ name: files[index]!, file: files[index]! }),
  };
}

/** @throws DiagnosticError Z415, Z427 */
export async function openTable(
  path: string,
  kind: 'classification' | 'retrieval',
  { warn }: Pick<SourceContext, 'warn'>,
): Promise<EvaluationSet & ClassNames> {
  const column = kind === 'retrieval' ? 'title' : 'label';
  const cells = await readCsvTable(path, [pathColumn, column], { warn });
  const folder = dirname(resolve(path));
  const files = cells.get(pathColumn)!.map((written) => pathIn(folder, written));
  const values = cells.get(column)!;
  if (kind === 'classification') {
    const { labels, classes } = labelsOf(values);
    return {
      pictures: await picturesOf(path, files),
      truth: { kind, labels },
      ...(classes && { classes, named: true }),
    };
  }
  const texts = new Map<string, string[]>();
  for (const [row, file] of files.entries()) {
    const own = texts.get(file) ?? [];
    texts.set(file, own);
    own.push(values[row]!);
  }
  const truth: Truth = { kind, texts: [...texts.values()] };
  return { pictures: await picturesOf(path, [...texts.keys()]), truth };
}

/** Numbers as they are; names by their order. */
function labelsOf(values: readonly string[]): { labels: Int32Array; classes?: readonly ClassName[] } {
  if (values.every((value) => /^\d{1,9}$/.test(value))) return { labels: Int32Array.from(values, Number) };
  const classes = [...new Set(values)].sort();
  const places = new Map(classes.map((name, i) => [name, i]));
  return { labels: Int32Array.from(values, (value) => places.get(value)!), classes };
}
