/**
 * The main job in one command: prepare the data, train a recipe, test it zero-shot, export it, write a page.
 *
 *   npm start                        the quick recipe, in `runs/emoji-quick`
 *   npm start -- --recipe gpu        the longer one, for GPUs
 *
 * A run that was cut is resumed; after a finished one the next number is taken (`runs/emoji-quick-2`).
 */
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Recipe } from '../../compiler/model/types.ts';
import { closing } from '../../zoo/cli/closing.ts';
import { report } from '../../zoo/cli/failure.ts';
import { loadRecipe } from '../../zoo/cli/models.ts';
import { count, note, print, table } from '../../zoo/cli/output.ts';
import { exportPackage } from '../../zoo/export/index.ts';
import { type DeviceChoice, openExecutor } from '../../zoo/run/devices.ts';
import { openEncoder } from '../../zoo/run/encoder.ts';
import { trainFile } from '../../zoo/run/train.ts';
import { openWeights } from '../../zoo/weights/weights.ts';
import { chooseRunFolder, prepareData, promptsOf, runsFolder, shownPath, writeReport } from './command.ts';
import { chanceText, percent } from './document.ts';
import { type Evaluation, evaluate, type Score } from './evaluate.ts';
import { renderPage } from './page.ts';
import type { EmojiData } from './prepare.ts';
import { reportResults } from './results.ts';

const here = dirname(fileURLToPath(import.meta.url));
const program = join(here, 'emoji.zoo');

interface Arguments {
  readonly recipe: string;
  /** Parent of the run folders. */
  readonly runs: string;
  readonly device: DeviceChoice;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      recipe: { type: 'string', default: 'quick' },
      runs: { type: 'string', default: runsFolder },
    },
  });
  return { ...values, device: 'webgpu' };
}

async function test(
  recipe: Recipe,
  weightsPath: string,
  data: EmojiData,
  device: DeviceChoice,
): Promise<Evaluation> {
  return closing(async (keep) => {
    const weights = keep(await openWeights(recipe.model, weightsPath));
    const executor = keep(await openExecutor(device, { notify: note }));
    const encoder = keep(await openEncoder(executor, recipe.model, weights));
    return evaluate(encoder, data, promptsOf(recipe));
  });
}

function scoreTable(scores: readonly Score[]): string {
  const head = ['zero-shot test', 'pictures', 'captions', 'top-1', 'top-5', 'chance'];
  const rows = scores.map((s) => [
    s.name,
    count(s.pictures),
    count(s.choices),
    percent(s.top1),
    percent(s.top5),
    chanceText(s.choices),
  ]);
  return table([head, ...rows], [1, 2, 3, 4, 5]);
}

/** Results and licences for the model card of the export. */
function cardRemarks(scores: readonly Score[]): string {
  const rows = scores.map(
    (s) => `| ${s.name} | ${s.pictures} | ${s.choices} | ${percent(s.top1)} | ${percent(s.top5)} |`,
  );
  return `## Results and data

| zero-shot test | pictures | captions | top-1 | top-5 |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

Trained on Twemoji (© Twitter, Inc. and other contributors, CC BY 4.0) and Noto Emoji (© Google, Apache 2.0) pictures with names
and keywords of Unicode CLDR through OpenMoji (CC BY-SA 4.0), whose drawings (CC BY-SA 4.0) are the test of an unseen style.`;
}

function writePage(path: string, evaluation: Evaluation, facts: readonly string[]): void {
  const page = renderPage({
    heading: 'A small CLIP that reads emoji',
    facts,
    scores: evaluation.scores,
    sections: [
      {
        title: 'Unseen combinations',
        explanation:
          'Skin-tone variants that training never saw, in Twemoji and Noto style. Every word of their captions was seen, the combination never. The five best of the held-out captions:',
        answers: evaluation.combinations,
      },
      {
        title: 'Unseen style',
        explanation:
          'OpenMoji’s drawings of concepts that were trained in other styles: a shift that no step of training saw.',
        answers: evaluation.style,
      },
    ],
  });
  writeFileSync(path, page);
}

async function main(): Promise<void> {
  const { recipe: name, runs, device } = readArguments();
  const recipe = loadRecipe(`${shownPath(program)}#${name}`, []);
  const data = await prepareData();
  note(
    `${count(data.train.length)} training pairs, ${count(data.holdout.length)} held-out pictures, ${count(data.captions.length)} captions`,
  );

  const folder = chooseRunFolder(runs, `emoji-${name}`);
  const shown = shownPath(folder);
  const resume = existsSync(join(folder, 'run.json'));
  note(`${resume ? 'resuming' : 'training'} recipe "${name}" in ${shown}`);
  const started = performance.now();
  const result = await trainFile({ recipe, out: folder, device, resume });
  if (result.weights === undefined) {
    note(`stopped after ${result.steps} steps; npm start resumes ${shown}`);
    return;
  }
  const seconds = (performance.now() - started) / 1000;

  note('testing');
  const evaluation = await test(recipe, result.weights, data, device);
  const facts = [
    `${count(recipe.model.parameters)} parameters`,
    `${count(result.steps)} steps of ${recipe.batch} pairs`,
    `${seconds.toFixed(0)} s of training`,
  ];
  writePage(join(folder, 'page.html'), evaluation, facts);
  await reportResults(folder, evaluation);
  const exported = join(folder, 'export');
  await exportPackage({
    source: folder,
    model: recipe.model,
    out: exported,
    reference: `${program}#${recipe.model.name}`,
    remarks: cardRemarks(evaluation.scores),
  });
  await writeReport(folder, { recipe: name, seconds, steps: result.steps, scores: evaluation.scores });
  print(facts.join(', '));
  print('');
  print(scoreTable(evaluation.scores));
  print('');
  print(`page    ${join(shown, 'page.html')}`);
  print(`report  ${join(shown, 'report.html')}`);
  print(`export  ${join(shown, 'export')}`);
  print(
    `try     npm run --silent zooc -- classify ${join(shown, 'export')} --labels ${join(shownPath(data.folder), 'captions.txt')} ${join(shownPath(data.folder), data.style[0]!.filepath)}`,
  );
}

try {
  await main();
} catch (error) {
  process.exitCode = report(error);
}
