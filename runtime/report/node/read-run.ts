/**
 * A run's folder as what a report says of it. The folder may be a stranger's: its files are read as data, texts are shown
 * as texts, and no file is read that another one names.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import { fail } from '../../../grammar/diagnostics.ts';
import { failSystem } from '../../data/files/atomic.ts';
import { parseJson } from '../../data/files/json.ts';
import { openRegular, readText } from '../../data/files/read-fully.ts';
import { describeChange } from '../../train/changes.ts';
import { stepOf } from '../../train/node/checkpoints.ts';
import { refuseLocked, textOf } from '../../train/node/lock.ts';
import { readPictures } from '../../train/node/pictures/file.ts';
import { describeRun, type RunDescription } from '../../train/node/run-folder.ts';
import type { PicturesFile } from '../../train/pictures.ts';
import { Curves } from '../curves.ts';
import { type Evaluation, evaluationSchema, type RunReport, type Summary, summarySchema } from '../types.ts';

export const summaryName = 'summary.json';

/** Pixels of a side in the report, twice what is shown. */
const thumbnail = 144;
/** Bytes of a file of results that is looked at. */
const mostResults = 64 * 2 ** 20;

/** The rows of `metrics.jsonl`, one after another; a last line that is not whole is none. */
export async function readCurves(folder: string): Promise<Curves> {
  const curves = new Curves();
  const path = join(folder, 'metrics.jsonl');
  try {
    const file = await openRegular(path, 'Z613');
    try {
      for await (const line of file.readLines()) {
        const row = parseJson(line);
        if (typeof row === 'object' && row !== null) curves.add(row as Record<string, unknown>);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') failSystem('Z613', `cannot read ${path}`, error);
  }
  return curves;
}

/** Undefined where a folder has none, or one that cannot be understood. */
export async function readSummary(folder: string): Promise<Summary | undefined> {
  const text = await textOf(join(folder, summaryName));
  return text === undefined ? undefined : summarySchema.safeParse(parseJson(text)).data;
}

async function checkpointsOf(folder: string): Promise<RunReport['checkpoints']> {
  const within = join(folder, 'checkpoints');
  const names = await readdir(within).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => {
      const step = stepOf(name);
      const file = Number.isNaN(step) ? undefined : await stat(join(within, name)).catch(() => undefined);
      return file === undefined ? [] : [{ step, bytes: file.size, at: file.mtime.toISOString() }];
    }),
  );
  return found.flat().sort((a, b) => a.step - b.step);
}

/** Results of evaluations: any JSON in the folder that has their form. */
async function evaluationsOf(folder: string, names: readonly string[]): Promise<Evaluation[]> {
  const found: Evaluation[] = [];
  for (const name of names.filter((n) => n.endsWith('.json')).sort()) {
    const path = join(folder, name);
    const file = await stat(path).catch(() => undefined);
    if (file === undefined || !file.isFile() || file.size > mostResults) continue;
    const results = z.array(evaluationSchema).safeParse(parseJson(await readText(path, 'Z613')));
    if (results.success) found.push(...newest(results.data));
  }
  return found;
}

/** Of results on the way of a run the last ones. */
function newest(results: readonly Evaluation[]): Evaluation[] {
  const key = ({ dataset, task }: Evaluation) => JSON.stringify([dataset, task]);
  const last = new Map(results.map((result) => [key(result), result]));
  return results.filter((result) => result.step === undefined || last.get(key(result)) === result);
}

async function programsOf(folder: string, names: readonly string[]): Promise<RunReport['programs']> {
  const files = names.filter((name) => name.endsWith('.zoo'));
  // What is trained stands first.
  files.sort((a, b) => Number(b === 'recipe.zoo') - Number(a === 'recipe.zoo') || (a < b ? -1 : 1));
  return Promise.all(files.map(async (name) => ({ name, text: await readText(join(folder, name), 'Z613') })));
}

/** Pictures as small as they are shown. */
async function reduced(file: PicturesFile): Promise<PicturesFile> {
  const pictures = await Promise.all(
    file.pictures.map(async (picture) => {
      const image = sharp(Buffer.from(picture.png, 'base64'));
      const { width = 0 } = await image.metadata();
      if (width <= thumbnail) return picture;
      return { ...picture, png: (await image.resize(thumbnail).png().toBuffer()).toString('base64') };
    }),
  );
  return { ...file, pictures };
}

async function picturesOf(folder: string): Promise<PicturesFile | undefined> {
  const found = await readPictures(folder);
  return found === undefined ? undefined : reduced(found).catch(() => undefined);
}

async function stateOf(
  folder: string,
  names: readonly string[],
  summary: Summary | undefined,
): Promise<RunReport['state']> {
  if (summary?.ended !== undefined) return summary.ended.stopped ? 'stopped' : 'finished';
  const held = await refuseLocked(folder).then(
    () => false,
    () => true,
  );
  if (held) return 'training';
  return names.includes('weights.safetensors') ? 'finished' : 'cut';
}

function changesOf({ changes = [] }: RunDescription): string[] {
  return changes.map(({ step, setting, from, to }) => {
    const change = { setting, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    return `from step ${step} on, ${describeChange(change)}`;
  });
}

/**
 * @param name what the report calls the run
 * @param curves of its rows, where somebody has them already
 * @throws DiagnosticError Z613 for what is no run's folder
 */
export async function readRun(folder: string, name: string, curves?: Curves): Promise<RunReport> {
  const description = await describeRun(folder);
  if (description === undefined)
    fail(
      'Z613',
      `${folder} holds no training run: there is no run.json`,
      'zooc report RUN…, folders that train wrote',
    );
  const names = await readdir(folder);
  const summary = await readSummary(folder);
  const pictures = await picturesOf(folder);
  return {
    name,
    state: await stateOf(folder, names, summary),
    curves: curves ?? (await readCurves(folder)),
    ...(summary === undefined ? {} : { summary }),
    programs: await programsOf(folder, names),
    changes: changesOf(description),
    ...(pictures === undefined ? {} : { pictures }),
    evaluations: await evaluationsOf(folder, names),
    checkpoints: await checkpointsOf(folder),
  };
}
