/**
 * The main job in one command: prepare the data, train a recipe, evaluate it, export it, write a page.
 *
 *   npm start                        the quick recipe, in `runs/emoji-quick`
 *   npm start -- --recipe gpu        the longer one, for GPUs
 *
 * A run that was cut is resumed; after a finished one the next number is taken (`runs/emoji-quick-2`).
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Recipe } from '../../compiler/model/types.ts';
import { reportName, writeReport as writeRunReport } from '../../runtime/report/node/write.ts';
import { report } from '../../zoo/cli/failure.ts';
import { loadRecipe } from '../../zoo/cli/models.ts';
import { count, note, print, table, writeText } from '../../zoo/cli/output.ts';
import type { Result } from '../../zoo/evaluate/results.ts';
import { exportPackage } from '../../zoo/export/index.ts';
import type { DeviceChoice } from '../../zoo/run/devices.ts';
import { trainFile } from '../../zoo/run/train.ts';
import { chooseRunFolder, prepareData, runsFolder, shownPath, writeReport, zooc } from './command.ts';
import { renderPage } from './page.ts';
import { type ResultTable, resultTables } from './results.ts';
import { pageSections } from './sections.ts';
import { trainedStyles } from './tables.ts';

const here = dirname(fileURLToPath(import.meta.url));
const program = join(here, 'emoji.zoo');

/** Of the linear probes, fixed: the sweep that would choose it takes longer than all else of the evaluation. */
const probeC = '0.1';

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

/** Measures the run by suite.json, with results and their page beside it; undefined where that failed. */
async function measure(
  folder: string,
  { model }: Recipe,
  device: DeviceChoice,
): Promise<Result[] | undefined> {
  const shown = shownPath(folder);
  const out = join(shown, 'results.json');
  const done = await zooc(
    'evaluate',
    `${shownPath(program)}#${model.name}`,
    shownPath(join(here, 'suite.json')),
    ...['--weights', shown, '--C', probeC, '--device', device, '--quiet', '--out', out],
  );
  return done ? JSON.parse(readFileSync(out, 'utf8')) : undefined;
}

function markdown({ head, rows }: ResultTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Results and licences for the model card of the export. */
function cardRemarks(tables: readonly ResultTable[]): string {
  return `## Results and data

${tables.map(markdown).join('\n\n')}

Trained on Twemoji (© Twitter, Inc. and other contributors, CC BY 4.0) and Noto Emoji (© Google, Apache 2.0) pictures with names
and keywords of Unicode CLDR through OpenMoji (CC BY-SA 4.0), whose drawings (CC BY-SA 4.0) are the test of an unseen style.`;
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

  const results = await measure(folder, recipe, device);
  if (results === undefined) return;
  const tables = resultTables(results, {
    combinations: data.holdout.length / trainedStyles.length,
    concepts: data.style.length,
    captions: data.captions.length,
  });
  const facts = [
    `${count(recipe.model.parameters)} parameters`,
    `${count(result.steps)} steps of ${recipe.batch} pairs`,
    `${seconds.toFixed(0)} s of training`,
  ];
  const page = renderPage({
    heading: 'A small CLIP that reads emoji',
    facts,
    sections: pageSections(tables, data),
    links: [
      { file: 'results.html', text: 'all metrics, worst classes, pictures that were told wrong' },
      { file: reportName, text: 'how the training went' },
    ],
  });
  await writeText(join(folder, 'page.html'), page);
  await writeRunReport(join(folder, reportName), [folder]);
  const exported = join(folder, 'export');
  await exportPackage({
    source: folder,
    model: recipe.model,
    out: exported,
    reference: `${program}#${recipe.model.name}`,
    remarks: cardRemarks(tables),
  });
  await writeReport(folder, { recipe: name, seconds, steps: result.steps });
  print(facts.join(', '));
  print('');
  for (const { head, rows } of tables) {
    print(table([head, ...rows], [...head.keys()].slice(1)));
    print('');
  }
  print(`page    ${join(shown, 'page.html')}`);
  print(`results ${join(shown, 'results.html')}`);
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
