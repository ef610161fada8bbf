/**
 * The data of a recipe: which sources there are, and where their files are looked for.
 *
 * A file named by a recipe is meant relative to the recipe's own folder; where there is none,
 * relative to the working folder.
 */
import { existsSync } from 'node:fs';
import { sourcesOf } from '../../../compiler/model/recipes/columns.ts';
import type { StaticCall, TableValue } from '../../../compiler/model/types.ts';
import { didYouMean } from '../../../compiler/model/values/suggest.ts';
import { derivedSource } from '../../dist/derived-source.ts';
import { failAt } from '../options.ts';
import { randomKey } from '../random.ts';
import type { BatchSource, Feeds } from '../types.ts';
import type { Part } from './batches/part.ts';
import { PrefetchedSource } from './batches/prefetch.ts';
import { readAhead, SampleBatches } from './batches/sample-batches.ts';
import { pathIn } from './columns/path.ts';
import { tablesIdentity } from './identity.ts';
import { openParquetFiles } from './parquet-source.ts';
import { openCsv } from './rows/csv-source.ts';
import { openImageFolder } from './rows/image-folder.ts';
import type { SourceContext } from './source-context.ts';
import { openTables } from './tables.ts';
import { openTensors } from './tensors-source.ts';
import { openWebdataset } from './webdataset-source.ts';

/** Sources of samples, which can be mixed. */
const sampleSources: Readonly<Record<string, (call: StaticCall, context: SourceContext) => Promise<Part>>> = {
  csv: openCsv,
  image_folder: openImageFolder,
  parquet: openParquetFiles,
  webdataset: openWebdataset,
};

const names = [...Object.keys(sampleSources), 'tensors'];

/** @throws DiagnosticError Z520 */
function refuseUnknown(call: StaticCall): never {
  return failAt(
    call,
    'Z520',
    `there is no data source \`${call.name}\`${didYouMean(call.name, names)}`,
    `use one of ${names.map((n) => `${n}("FILE")`).join(', ')}`,
  );
}

async function openSource(call: StaticCall, context: SourceContext): Promise<BatchSource> {
  if (call.name === 'tensors') return openTensors(call, context);
  const mixed = call.name === 'mix';
  const calls = sourcesOf(call);
  const opened: Part[] = [];
  try {
    for (const [part, one] of calls.entries()) {
      if (!Object.hasOwn(sampleSources, one.name)) refuseUnknown(one);
      if (!mixed && Object.hasOwn(one.named, 'weight'))
        failAt(
          one,
          'Z522',
          '`weight` belongs to a source of a mix',
          'mix = [webdataset("a.tar", weight = 2), csv("b.csv")]',
        );
      const open = sampleSources[one.name]!;
      // Each part draws for itself.
      const samples = await open(one, { ...context, seed: partSeed(context.seed, part), mixed });
      opened.push(samples);
      if (mixed && samples.count === undefined)
        failAt(
          one,
          'Z522',
          `nothing says how many samples ${samples.path} has, so it has no share of a mix`,
          'samples = 1000000',
        );
    }
    return new PrefetchedSource(new SampleBatches(opened, context), context.seed, readAhead(context));
  } catch (error) {
    for (const samples of opened) await samples.close();
    throw error;
  }
}

/** The first part of a mix draws what it would draw alone. */
function partSeed(seed: number, part: number): number {
  return part === 0 ? seed : randomKey(seed, 'part', part).a;
}

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
  const { folder, tables = [], ...context } = options;
  const find = (name: string) => findFile(name, folder);
  const fed = await openTables(tables, context.inputs, find);
  const inputs = context.inputs.filter(({ name }) => !fed.has(name));
  return withTables(await openSource(call, { ...context, inputs, find }), fed, context.note);
}

/** Milliseconds of waiting after which is said for what. */
const longWait = 30_000;

/** The next batch; while it does not come, what it waits for is said. */
async function saying(source: BatchSource, note: SourceContext['note']) {
  let seconds = 0;
  const timer = setInterval(() => {
    seconds += longWait / 1000;
    note?.(`waiting for data for ${seconds} s: ${source.waitingFor?.() ?? 'the next batch'}`);
  }, longWait);
  try {
    return await source.next();
  } finally {
    clearInterval(timer);
  }
}

function withTables(source: BatchSource, tables: Feeds, note: SourceContext['note']): BatchSource {
  const derived = derivedSource(source, async () => {
    const batch = await saying(source, note);
    return { ...batch, inputs: new Map([...batch.inputs, ...tables]) };
  });
  return { ...derived, identity: { ...source.identity, ...tablesIdentity(tables) } };
}
