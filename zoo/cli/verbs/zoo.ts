/** `zooc zoo`: models under names of one's own, listed, shown on a page, packed for npm. */

import { digits } from '../../../runtime/report/format.ts';
import { bundledModels } from '../../bundled.ts';
import { nodeHost } from '../../host.ts';
import { renderCatalogue } from '../../local/catalogue.ts';
import {
  addEntry,
  countingResult,
  type Entry,
  entryBytes,
  readEntries,
  readEntry,
  removeEntry,
} from '../../local/entries.ts';
import { packEntries } from '../../local/pack.ts';
import { fetchedPath } from '../fetched.ts';
import { count, mebibytes, note, print, printJson, table, writeText } from '../output.ts';

function measured({ results }: Entry): string {
  return results.map((r) => `${r.dataset} ${digits(countingResult(r).value)}`).join(', ');
}

/** A stranger's text as a terminal may have it: without what would move its cursor. */
function harmless(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, '');
}

function json(entry: Entry) {
  const { name, path, added, results, manifest } = entry;
  const { name: model, parameters, embed, training, config } = manifest;
  return { name, path, added, model, parameters, embed, training, config, results };
}

export async function add(
  folder: string,
  { name, results = [] }: { readonly name?: string; readonly results?: readonly string[] },
): Promise<void> {
  const bundled = bundledModels(nodeHost());
  print(await addEntry(await fetchedPath(folder), { name, results, bundled }));
}

export async function list(options: { readonly json?: boolean }): Promise<void> {
  const entries = await readEntries();
  if (options.json === true) {
    printJson(entries.map(json));
    return;
  }
  if (entries.length === 0) {
    note('the local zoo is empty; zooc zoo add EXPORT');
    return;
  }
  const rows = entries.map((entry) => {
    const { name, manifest } = entry;
    return [
      name,
      harmless(manifest.name),
      count(manifest.parameters),
      mebibytes(entryBytes(entry)),
      measured(entry),
    ];
  });
  print(table([['name', 'model', 'parameters', 'size', 'results'], ...rows], [2, 3]));
}

export async function show(name: string, options: { readonly json?: boolean }): Promise<void> {
  const entry = await readEntry(name);
  if (options.json === true) {
    printJson(json(entry));
    return;
  }
  const results = entry.results.flatMap(({ dataset, task, metrics }) =>
    Object.entries(metrics).map(([metric, value]) => [dataset, task, metric, digits(value)]),
  );
  note(entry.path);
  print(harmless(entry.card));
  if (results.length > 0) print(table([['data', 'task', 'metric', 'value'], ...results], [3]));
}

export async function remove(names: readonly string[]): Promise<void> {
  for (const name of names) await removeEntry(name);
}

export async function catalogue({ out }: { readonly out: string }): Promise<void> {
  await writeText(out, renderCatalogue(await readEntries()));
  print(out);
}

interface PackOptions {
  readonly out: string;
  readonly name: string;
  readonly packageVersion: string;
}

export async function pack(names: readonly string[], options: PackOptions): Promise<void> {
  const { out, name, packageVersion: version } = options;
  await packEntries(names, { out, name, version });
  print(out);
}
