/**
 * The ablation in one command: prepare the emoji, train the same image tower by three objectives, test each of
 * them zero-shot as it goes, write a table and a page with the curves.
 *
 *   npm run ablation
 *
 * Each recipe of ablation.zoo is trained up to the next point, tested there, and resumed. A command that was
 * cut goes on where it stood; after a finished one the next number is taken (`runs/ablation-2`).
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Model, Recipe } from '../../compiler/model/types.ts';
import { closing } from '../../zoo/cli/closing.ts';
import { report } from '../../zoo/cli/failure.ts';
import { loadRecipe } from '../../zoo/cli/models.ts';
import { count, note, print, table, writeText } from '../../zoo/cli/output.ts';
import { openExecutor } from '../../zoo/run/devices.ts';
import { trainFile } from '../../zoo/run/train.ts';
import { openWeights } from '../../zoo/weights/weights.ts';
import { chooseRunFolder, prepareData, runsFolder, shownPath, writeReport } from '../emoji/command.ts';
import { type Curve, type Objective, objectives, type Point } from './curves.ts';
import { openTest, type ZeroShotTest, zeroShot } from './evaluate.ts';
import { finalHead, finalRows, pointHead, pointRows, renderAblation } from './page.ts';

const program = join(dirname(fileURLToPath(import.meta.url)), 'ablation.zoo');
const device = 'webgpu';

/** Each point has seen twice as many pairs as the one before; the last is the end of the run. */
const pointCount = 6;

const accuracy = z.object({ top1: z.number(), top5: z.number() });
const pointsFile = z.record(
  z.string(),
  z.array(z.object({ pairs: z.number(), scores: z.record(z.string(), accuracy) })),
);

function readPoints(path: string): Record<string, Point[]> {
  return existsSync(path) ? pointsFile.parse(JSON.parse(readFileSync(path, 'utf8'))) : {};
}

/** The steps after which a recipe is tested. */
function pointSteps({ name, schedule }: Recipe): number[] {
  if (schedule.total?.unit !== 'steps') throw new Error(`recipe ${name} does not count its length in steps`);
  const total = schedule.total.value;
  return Array.from({ length: pointCount }, (_, i) => Math.round(total / 2 ** (pointCount - 1 - i)));
}

function test(recipe: Recipe, path: string, pictures: ZeroShotTest, batch: number): Promise<Point['scores']> {
  return closing(async (keep) => {
    const weights = keep(await openWeights(recipe.model, path));
    const executor = keep(await openExecutor(device, { notify: note }));
    return zeroShot(executor, recipe.model, weights, pictures, batch);
  });
}

/** Trains and tests one objective from the points that are known on; undefined where a signal stopped it. */
async function run(
  objective: Objective,
  folder: string,
  testFor: (model: Model) => Promise<ZeroShotTest>,
): Promise<Curve | undefined> {
  const { name, label, batch } = objective;
  const recipe = loadRecipe(`${shownPath(program)}#${name}`, []);
  const path = join(folder, 'points.json');
  const known = readPoints(path);
  const points = [...(known[name] ?? [])];
  for (const steps of pointSteps(recipe).slice(points.length)) {
    const out = join(folder, name);
    const resume = existsSync(join(out, 'run.json'));
    note(`${label}: training up to step ${steps}`);
    const { weights } = await trainFile({ recipe, out, device, resume, steps });
    if (weights === undefined) return undefined;
    const pairs = steps * recipe.batch;
    note(`${label}: testing after ${count(pairs)} pairs`);
    const pictures = await testFor(recipe.model);
    points.push({ pairs, scores: await test(recipe, weights, pictures, batch) });
    await writeText(path, `${JSON.stringify({ ...known, [name]: points }, null, 2)}\n`);
  }
  return { ...objective, points };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { runs: { type: 'string', default: runsFolder } } });
  const data = await prepareData();
  const folder = chooseRunFolder(values.runs, 'ablation');
  const shown = shownPath(folder);
  mkdirSync(folder, { recursive: true });
  // The three image towers see the same pixels.
  let opened: Promise<ZeroShotTest> | undefined;
  const testFor = (model: Model) => (opened ??= openTest(data, model));
  const curves: Curve[] = [];
  for (const objective of objectives) {
    const curve = await run(objective, folder, testFor);
    if (curve === undefined) {
      note(`stopped; npm run ablation resumes ${shown}`);
      return;
    }
    curves.push(curve);
  }
  const choices = data.holdout.length / 2;
  const facts = [
    `${count(curves[0]!.points.at(-1)!.pairs)} pairs for each objective`,
    `${count(choices)} held-out pictures and captions`,
  ];
  await writeText(join(folder, 'page.html'), renderAblation({ facts, curves, choices }));
  await writeReport(folder, { choices, curves });
  print(
    `zero-shot top-1 / top-5 among ${count(choices)} captions; chance is ${(100 / choices).toFixed(1)} % / ${(500 / choices).toFixed(1)} %`,
  );
  print('');
  print(table([pointHead(curves), ...pointRows(curves)], [0, 1, 2, 3]));
  print('');
  print(table([finalHead(curves), ...finalRows(curves)], [2, 3, 4]));
  print('');
  print(`page    ${join(shown, 'page.html')}`);
  print(`report  ${join(shown, 'report.json')}`);
}

try {
  await main();
} catch (error) {
  process.exitCode = report(error);
}
