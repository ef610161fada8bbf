/** `image_folder("DIR", template = …)`: a folder of pictures for each class, whose name is the caption. */
import { z } from 'zod';
import type { StaticCall } from '../../../../compiler/model/types.ts';
import { failSystem } from '../../files/atomic.ts';
import { readLines } from '../../files/text-lines.ts';
import { failAt, parseOptions, texts } from '../../options.ts';
import { columnsOf } from '../columns/open-columns.ts';
import { pictureOptions } from '../columns/picture.ts';
import { sampleOptions } from '../sample-options.ts';
import type { Samples } from '../samples.ts';
import type { SourceContext } from '../source-context.ts';
import { readClassFolders } from './class-folders.ts';
import { openTable } from './table-samples.ts';

/** Where it feeds one picture and one text. */
const pairOptions = {
  /** Prompts; one is drawn for each sample. */
  template: texts
    .refine((list) => list.every((t) => t.includes('{}')), 'every template needs {} where the name goes')
    .default(['{}']),
  ...pictureOptions,
};

const schema = z.object({
  dir: z.string(),
  /** Names of the classes in the order of their folders, in a file or a list. */
  names: texts.optional(),
  ...pairOptions,
  ...sampleOptions,
});

/** Columns `file`, `class` (the folder), `name`. */
async function readFolder(call: StaticCall, dir: string, names: readonly string[] | undefined) {
  const folders = await readClassFolders(dir);
  if (names !== undefined && names.length !== folders.length)
    failAt(call, 'Z522', `\`names\` has ${names.length} names, ${dir} has ${folders.length} folders`);
  const cells = { file: [] as string[], class: [] as string[], name: [] as string[] };
  for (const [i, { name, files }] of folders.entries())
    for (const file of files) {
      cells.file.push(file);
      cells.class.push(name);
      cells.name.push(names?.[i] ?? name.replaceAll('_', ' '));
    }
  return new Map(Object.entries(cells));
}

/** Errors: Z315, Z412, Z414, Z415, Z425, Z520 to Z522. */
export async function openImageFolder(call: StaticCall, context: SourceContext): Promise<Samples> {
  const options = parseOptions(call, schema, ['dir']);
  const pair = () => ({
    picture: { column: 'file', ...options },
    caption: { names: ['name'], weights: [1], split: '', templates: options.template },
  });
  const columns = columnsOf(call, context.inputs, pair, Object.keys(pairOptions));
  const used = [...columns.values()].flatMap((column) => column.columns);
  const dir = context.find(options.dir);
  const { names } = options;
  const given = names?.length === 1 ? await readLines(context.find(names[0]!)) : names;
  const cells = await readFolder(call, dir, given).catch((error: unknown) =>
    failSystem('Z415', `cannot read ${dir}`, error),
  );
  const unknown = used.find((name) => !cells.has(name));
  if (unknown !== undefined)
    failAt(
      call,
      'Z415',
      `image_folder has no column \`${unknown}\``,
      'its columns are `file`, `class`, `name`',
    );
  return openTable(call, columns, { path: dir, folder: dir, cells }, options, context);
}
