/**
 * The data of a recipe: which sources there are, and where their files are looked for.
 *
 * A file named by a recipe is meant relative to the recipe's own folder; where there is none,
 * relative to the working folder.
 */
import { existsSync } from 'node:fs';
import type { StaticCall, TableValue } from '../../../compiler/model/types.ts';
import { didYouMean } from '../../../compiler/model/values/suggest.ts';
import { failAt } from '../options.ts';
import type { BatchSource, Feeds } from '../types.ts';
import { pathIn } from './columns/path.ts';
import { openCsv } from './csv-source.ts';
import { tablesIdentity } from './identity.ts';
import type { SourceContext } from './source-context.ts';
import { openTables } from './tables.ts';
import { openTensors } from './tensors-source.ts';
import { openWebdataset } from './webdataset-source.ts';

const sources: Readonly<Record<string, (call: StaticCall, context: SourceContext) => Promise<BatchSource>>> =
  {
    csv: openCsv,
    tensors: openTensors,
    webdataset: openWebdataset,
  };

interface OpenOptions extends Omit<SourceContext, 'find'> {
  /** Folder of the recipe's file. */
  readonly folder: string;
  /** What the recipe feeds tables. */
  readonly tables?: readonly TableValue[];
}

/** Where a file named by a recipe lies; the recipe's folder, if it is nowhere. */
export function findFile(name: string, folder: string): string {
  const beside = pathIn(folder, name);
  const here = pathIn('', name);
  return existsSync(beside) || !existsSync(here) ? beside : here;
}

/**
 * Opens the data source of a recipe (`recipe.data`). Close it when done.
 * @throws DiagnosticError Z41x when the data is at fault, Z52x when the call is
 */
export async function openBatchSource(call: StaticCall, options: OpenOptions): Promise<BatchSource> {
  const names = Object.keys(sources);
  if (!Object.hasOwn(sources, call.name))
    failAt(
      call,
      'Z520',
      `there is no data source \`${call.name}\`${didYouMean(call.name, names)}`,
      `use one of ${names.map((n) => `${n}("FILE")`).join(', ')}`,
    );
  const { folder, tables = [], ...context } = options;
  const find = (name: string) => findFile(name, folder);
  const fed = await openTables(tables, context.inputs, find);
  const inputs = context.inputs.filter(({ name }) => !fed.has(name));
  return withTables(await sources[call.name]!(call, { ...context, inputs, find }), fed);
}

function withTables(source: BatchSource, tables: Feeds): BatchSource {
  const { batchesPerEpoch, identity } = source;
  return {
    ...(batchesPerEpoch === undefined ? {} : { batchesPerEpoch }),
    identity: { ...identity, ...tablesIdentity(tables) },
    async next() {
      const batch = await source.next();
      return { ...batch, inputs: new Map([...batch.inputs, ...tables]) };
    },
    cursor: () => source.cursor(),
    seek: (cursor) => source.seek(cursor),
    close: () => source.close(),
  };
}
