/**
 * CoOp against hand-written prompts in one command: 1 to 16 shots a class, three seeds, one context for all
 * classes and a context of each.
 *
 *   npm run prompts
 *
 * The emoji model is trained first where there is none (`runs/emoji-quick`, as `npm start` does). Everything
 * lies in `runs/prompts`: finished runs are taken as they are, cut ones resumed. Runs of other weights, tables
 * or settings stay as they are, and the next number is taken (`runs/prompts-2`).
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { closing } from '../../zoo/cli/closing.ts';
import { report } from '../../zoo/cli/failure.ts';
import { loadRecipe, parseOverrides } from '../../zoo/cli/models.ts';
import { count, note, print, table, writeText } from '../../zoo/cli/output.ts';
import { openExecutor } from '../../zoo/run/devices.ts';
import { openEncoder } from '../../zoo/run/encoder.ts';
import { trainFile } from '../../zoo/run/train.ts';
import { openWeights } from '../../zoo/weights/weights.ts';
import { readCatalog } from '../emoji/catalog.ts';
import {
  numberedFolder,
  prepareData,
  promptsOf,
  runsFolder,
  shownPath,
  writeReport,
} from '../emoji/command.ts';
import { percent } from '../emoji/document.ts';
import { handWritten, learnedTest, type TestSet } from './evaluate.ts';
import { renderPrompts } from './page.ts';
import { shotsTable, tablesOf, writeTables } from './prepare.ts';
import {
  type Baseline,
  baselineHead,
  baselineRows,
  type Curve,
  type Results,
  shotHead,
  shotRows,
} from './results.ts';
import { classNames, makeTask, seeds, shotCounts } from './task.ts';

const here = dirname(fileURLToPath(import.meta.url));
const program = join(here, 'prompts.zoo');
const emoji = join(here, '..', 'emoji');

const variants = [
  { name: 'shared', label: 'CoOp, one context for all', settings: [] },
  { name: 'own', label: 'CoOp, a context of each class', settings: ['per_class=true'] },
] as const;

/** The finished run of the emoji example, trained by its own command if need be; undefined if that was cut. */
async function baseRun(runs: string): Promise<string | undefined> {
  const folder = join(runs, 'emoji-quick');
  const finished = () => existsSync(join(folder, 'report.json'));
  if (finished()) return folder;
  const command = [...process.execArgv, join(emoji, 'run.ts'), '--runs', runs];
  // Its results are none of this command.
  const child = spawn(process.execPath, command, { stdio: ['ignore', process.stderr, process.stderr] });
  const [code] = await once(child, 'close');
  if (code !== 0) process.exitCode = code ?? 1;
  return finished() ? folder : undefined;
}

/** The first folder of runs with this key, or a new one. */
function chooseFolder(runs: string, key: string): string {
  const stampOf = (folder: string) => join(folder, 'key.txt');
  const fits = (folder: string) =>
    !existsSync(folder) ||
    (existsSync(stampOf(folder)) && readFileSync(stampOf(folder), 'utf8').trim() === key);
  const folder = numberedFolder(runs, 'prompts', fits);
  if (!existsSync(folder)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(stampOf(folder), `${key}\n`);
  }
  return folder;
}

async function testHandWritten(base: string, test: TestSet): Promise<Baseline[]> {
  const recipe = loadRecipe(`${join(emoji, 'emoji.zoo')}#quick`, []);
  const sets = [['picture of a {}'], promptsOf(recipe)];
  return closing(async (keep) => {
    const weights = keep(await openWeights(recipe.model, base));
    const executor = keep(await openExecutor('webgpu', { notify: note }));
    const encoder = keep(await openEncoder(executor, recipe.model, weights));
    const results: Baseline[] = [];
    for (const prompts of sets)
      results.push({ prompts, accuracy: await handWritten(encoder, test, prompts) });
    return results;
  });
}

/** The accuracy of a run, which is trained, resumed or taken as it is; undefined if it was cut. */
async function accuracyOf(
  folder: string,
  settings: readonly string[],
  base: string,
  test: ReturnType<typeof learnedTest>,
): Promise<number | undefined> {
  const recipe = loadRecipe(`${shownPath(program)}#coop`, settings);
  const weights = join(folder, 'weights.safetensors');
  if (!existsSync(weights)) {
    const result = await trainFile({
      recipe,
      out: folder,
      device: 'webgpu',
      weights: base,
      resume: existsSync(join(folder, 'run.json')),
      overrides: parseOverrides(settings),
    });
    if (result.weights === undefined) return undefined;
  }
  return closing(async (keep) => {
    const executor = keep(await openExecutor('webgpu', { notify: note }));
    return test(executor, recipe, weights);
  });
}

async function runCurves(folder: string, base: string, test: TestSet): Promise<Curve[] | undefined> {
  const learned = learnedTest(test);
  const curves: Curve[] = [];
  for (const { name, label, settings } of variants) {
    const results: Curve['results'][number][] = [];
    for (const shots of shotCounts) {
      const accuracies: number[] = [];
      for (const seed of seeds) {
        const out = join(folder, `${name}-${shots}-seed-${seed}`);
        const all = [...settings, `data.file="data/${shotsTable(shots, seed)}"`, `seed=${seed}`];
        const accuracy = await accuracyOf(out, all, base, learned);
        if (accuracy === undefined) return undefined;
        note(`${label}, ${shots} shots, seed ${seed}: ${percent(accuracy)}`);
        accuracies.push(accuracy);
      }
      results.push({ shots, accuracies });
    }
    curves.push({ label, results });
  }
  return curves;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { runs: { type: 'string', default: runsFolder } } });
  const base = await baseRun(values.runs);
  if (base === undefined) {
    note('the emoji model is not trained to its end; npm run prompts goes on with it');
    return;
  }
  const { folder: pictures } = await prepareData();
  const task = makeTask(readCatalog());
  const tables = tablesOf(task);
  writeTables(tables);
  const key = createHash('sha256')
    .update(readFileSync(join(base, 'weights.safetensors')))
    .update(readFileSync(program))
    .update(JSON.stringify([...tables]))
    .digest('hex');
  const folder = chooseFolder(values.runs, key);
  const test: TestSet = { folder: pictures, pictures: task.test };

  const baselines = await testHandWritten(base, test);
  const curves = await runCurves(folder, base, test);
  if (curves === undefined) {
    note(`stopped; npm run prompts goes on in ${shownPath(folder)}`);
    return;
  }
  const results: Results = { baselines, curves };
  const facts = [
    `${classNames.length} classes`,
    `${count(task.test.length)} test pictures`,
    `${seeds.length} seeds`,
  ];
  await writeText(join(folder, 'page.html'), renderPrompts(results, facts));
  await writeReport(folder, {
    classes: classNames.length,
    testPictures: task.test.length,
    seeds,
    ...results,
  });
  print(facts.join(', '));
  print('');
  print(table([shotHead(results), ...shotRows(results)], [1, 2]));
  print('');
  print(table([baselineHead, ...baselineRows(results)], [1]));
  print('');
  print(`page  ${shownPath(join(folder, 'page.html'))}`);
}

try {
  await main();
} catch (error) {
  process.exitCode = report(error);
}
