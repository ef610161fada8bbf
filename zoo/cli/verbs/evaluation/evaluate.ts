/** `zooc evaluate`: the numbers that papers print, as JSON for scripts and a table for people. */
import { basename } from 'node:path';
import { fail } from '../../../../grammar/diagnostics.ts';
import type { Collective } from '../../../../runtime/dist/collective.ts';
import { evaluateSuite } from '../../../evaluate/evaluate.ts';
import { writeResultsPage } from '../../../evaluate/page/write.ts';
import { readPrompts } from '../../../evaluate/prompts.ts';
import { type Result, type Task, taskNames, tasks } from '../../../evaluate/results.ts';
import { readBaselines } from '../../../evaluate/robustness.ts';
import { readSuite } from '../../../evaluate/suite.ts';
import { type DeviceChoice, openExecutor } from '../../../run/devices.ts';
import { logitsOf } from '../../../run/encoder.ts';
import { onRanks } from '../../../run/ranks.ts';
import { closing } from '../../closing.ts';
import { report } from '../../failure.ts';
import { parseCount, parsePart, parsePositive, pictureLimits } from '../../models.ts';
import { note, writeText } from '../../output.ts';
import { loadModelWithWeights } from '../../packages.ts';
import { type FeatureOptions, fromFiles, knnOptions, remarks } from './from-features.ts';
import { resultsTable } from './results-table.ts';

interface EvaluateOptions extends FeatureOptions {
  readonly task?: Task;
  readonly out: string;
  readonly device: DeviceChoice;
  readonly weights?: string;
  readonly base?: string;
  readonly templates?: string;
  readonly cache?: string;
  readonly limit?: string;
  readonly part?: string;
  readonly baselines?: string;
  readonly maxPixels?: string;
  readonly set: readonly string[];
}

async function finish(options: EvaluateOptions, results: readonly Result[]): Promise<void> {
  await writeText(options.out, `${JSON.stringify(results, null, 2)}\n`);
  remarks(options)(resultsTable(results));
}

async function evaluateFiles(options: EvaluateOptions): Promise<void> {
  const { task } = options;
  if (task === undefined)
    fail('Z703', 'evaluate of --features or --test needs --task', `--task ${tasks.join(', --task ')}`);
  const measured = await closing((keep) => {
    const open = async () => {
      const executor = keep(await openExecutor(options.device, { notify: remarks(options) }));
      return executor.kind === 'device' ? executor.device : undefined;
    };
    let device: ReturnType<typeof open> | undefined;
    return fromFiles[task](options, () => (device ??= open()), keep);
  });
  const dataset = basename(options.test!, '.safetensors');
  await finish(options, [{ dataset, task: taskNames[task], ...measured }]);
}

async function evaluateModel(
  group: Collective,
  reference: string,
  suites: readonly string[],
  options: EvaluateOptions,
): Promise<void> {
  const { task, templates, cache, limit, C } = options;
  const part = options.part === undefined ? undefined : parsePart(options.part);
  if (part !== undefined && cache === undefined)
    fail('Z703', '--part needs --cache DIR, where the parts leave what they have made');
  const entries = readSuite(suites, task);
  const knn = knnOptions(options);
  const limits = pictureLimits(options.maxPixels);
  const baselines = options.baselines === undefined ? [] : readBaselines(options.baselines);
  // Ranks but the first write nothing.
  const warn = group.rank === 0 ? note : () => {};
  const notify = group.rank === 0 ? remarks(options) : () => {};
  await closing(async (keep) => {
    const { model, weights } = await loadModelWithWeights(reference, options);
    keep(weights);
    const executor = keep(await openExecutor(options.device, { notify }));
    const evaluated = await evaluateSuite(entries, {
      ...{ model, weights, executor, group, knn, keep, baselines, notify },
      ...limits,
      ...(templates === undefined ? {} : { prompts: readPrompts(templates) }),
      ...(cache === undefined ? {} : { cache }),
      ...(limit === undefined ? {} : { limit: parseCount('--limit', limit) }),
      ...(part === undefined ? {} : { part }),
      ...(C === undefined ? {} : { C: parsePositive('--C', C) }),
      warn: ({ code, message }) => warn(`warning[${code}]: ${message}`),
    });
    if (evaluated === undefined)
      return notify(`part ${options.part} is done; the part that ends last writes ${options.out}`);
    if (group.rank > 0) return;
    const page = `${options.out.replace(/\.json$/, '')}.html`;
    await writeResultsPage(page, evaluated, baselines, await logitsOf(model, weights));
    await finish(
      options,
      evaluated.map(({ result }) => result),
    );
    notify(`wrote ${options.out} and ${page}`);
  });
}

export async function evaluate(
  model: string | undefined,
  suites: readonly string[],
  options: EvaluateOptions,
): Promise<void> {
  if (options.features !== undefined || options.test !== undefined) {
    if (model !== undefined)
      fail('Z703', `--features and --test are evaluated without a model, and ${model} is given`);
    await evaluateFiles(options);
    return;
  }
  if (model === undefined || suites.length === 0)
    fail('Z703', 'evaluate needs a model and data sets, or --test FILE', 'zooc evaluate --help');
  await onRanks({ note, report }, (group) => evaluateModel(group, model, suites, options));
}
