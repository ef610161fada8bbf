/**
 * Data sets as CLIP_benchmark lays them out: `DIR/SPLIT/nshards.txt` and `DIR/SPLIT/0.tar`, …, with a picture and a
 * member `cls` (the number of its class), `npy` (1 for each class that is right) or `txt` (a text a line);
 * `DIR/dataset_type.txt` says which, `classnames.txt` and `zeroshot_classification_templates.txt` lie beside.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../../../grammar/diagnostics.ts';
import { readNpy } from '../../../runtime/data/files/npy.ts';
import { readLines } from '../../../runtime/data/files/text-lines.ts';
import type { Row } from '../../../runtime/data/sources/columns/row.ts';
import type { SampleRows } from '../../../runtime/data/sources/samples.ts';
import { openShards } from '../../../runtime/data/sources/shards/open-shards.ts';
import { Selection } from '../../../runtime/data/sources/shards/selection.ts';
import type { SourceContext } from '../../../runtime/data/sources/source-context.ts';
import { promptsIn } from '../prompts.ts';
import { stampOf } from './stamp.ts';
import type { ClassNames, EvaluationSet, Truth } from './types.ts';

const imageColumn = 'webp;png;jpg;jpeg';
/** The member with what is right, by kind of a data set. */
const truthMembers = { classification: 'cls', multilabel: 'npy', retrieval: 'txt' } as const;
type Kind = keyof typeof truthMembers;

const shardCount = 'nshards.txt';

export function isShardSet(dir: string): boolean {
  return ['test', 'train', 'val', 'validation'].some((split) => existsSync(join(dir, split, shardCount)));
}

async function kindOf(dir: string): Promise<Kind> {
  const path = join(dir, 'dataset_type.txt');
  if (!existsSync(path)) return 'classification';
  const [kind] = await readLines(path);
  if (kind! in truthMembers) return kind as Kind;
  return fail('Z460', `${path} says ${kind}; it may say ${Object.keys(truthMembers).join(', ')}`);
}

/** The shards of a split. @throws DiagnosticError Z460 */
async function shardsOf(dir: string, split: string): Promise<string[]> {
  const path = join(dir, split, shardCount);
  if (!existsSync(path)) fail('Z460', `${dir} has no split ${split}: there is no ${path}`);
  const [text] = await readLines(path);
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    fail('Z460', `${path} says ${text}, which is no number of shards`);
  return Array.from({ length: count }, (_, i) => join(dir, split, `${i}.tar`));
}

/** A number of every row. */
async function eachRow<T>(rows: SampleRows, use: (row: Row) => T | Promise<T>): Promise<T[]> {
  const found: T[] = [];
  for (let index = 0; index < rows.count; index++) found.push(await use(await rows.row(index)));
  return found;
}

const truthIn: Readonly<Record<Kind, (rows: SampleRows) => Promise<Truth>>> = {
  async classification(rows) {
    const labels = await eachRow(rows, (row) => {
      const text = row.text(truthMembers.classification).trim();
      if (!/^\d{1,9}$/.test(text))
        fail('Z460', `${row.name}: its class is ${JSON.stringify(text)}, no number from 0`);
      return Number(text);
    });
    return { kind: 'classification', labels: Int32Array.from(labels) };
  },
  async multilabel(rows) {
    const vectors = await eachRow(rows, async (row) => {
      const { data } = await readNpy(row.file(truthMembers.multilabel)!);
      return { name: row.name, data };
    });
    const width = vectors[0]!.data.length;
    const odd = vectors.find(({ data }) => data.length !== width);
    if (odd !== undefined)
      fail('Z460', `${odd.name}: its npy has ${odd.data.length} numbers, that of the first sample ${width}`);
    return {
      kind: 'multilabel',
      targets: Int32Array.from(
        vectors.flatMap(({ data }) => [...data]),
        (x) => Number(x > 0),
      ),
    };
  },
  async retrieval(rows) {
    const texts = await eachRow(rows, (row) =>
      row
        .text(truthMembers.retrieval)
        .split(/\r\n|\r|\n/)
        .map((line) => line.trim())
        .filter((line) => line !== ''),
    );
    return { kind: 'retrieval', texts };
  },
};

async function linesIfThere(path: string): Promise<string[] | undefined> {
  return existsSync(path) ? (await readLines(path)).filter((line) => line !== '') : undefined;
}

/** @throws DiagnosticError Z452, Z460 */
export async function openShardSet(
  dir: string,
  split: string,
  context: Pick<SourceContext, 'warn' | 'note'>,
): Promise<EvaluationSet & ClassNames> {
  const kind = await kindOf(dir);
  const paths = await shardsOf(dir, split);
  const member = truthMembers[kind];
  const selection = new Selection([
    { columns: [imageColumn], holds: 'file' },
    { columns: [member], holds: kind === 'multilabel' ? 'file' : 'text' },
  ]);
  const name = join(dir, split);
  const call = { name: 'evaluate', args: [], named: {} };
  const { rows, digest } = await openShards({ call, paths, selection, keep: undefined, name }, context);
  if (rows.count === 0) fail('Z460', `${name} has no sample with a picture and ${member}`);
  const stamps = await Promise.all(paths.map((path) => stampOf(path).catch(() => 'none')));
  const classes = await linesIfThere(join(dir, 'classnames.txt'));
  const prompts = promptsIn(dir);
  return {
    pictures: {
      name,
      count: rows.count,
      identity: createHash('sha256')
        .update(`${digest} ${stamps.join(' ')}`)
        .digest('hex'),
      async picture(index) {
        const row = await rows.row(index);
        return { name: row.name, file: row.file(imageColumn)! };
      },
    },
    truth: await truthIn[kind](rows),
    ...(classes === undefined ? {} : { classes }),
    ...(prompts === undefined ? {} : { prompts }),
  };
}
