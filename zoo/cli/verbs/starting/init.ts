/** `zooc init`: a folder with a model, a recipe and a README that fit the data and the device. */
import { basename, resolve } from 'node:path';
import { zooPackages } from '../../../../compiler/model/modules/imports.ts';
import type { Model } from '../../../../compiler/model/types.ts';
import type { DeviceProfile } from '../../../../compiler/profile.ts';
import { DiagnosticError, fail } from '../../../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../../../grammar/render.ts';
import { openGpu } from '../../../../runtime/node/gpu.ts';
import { bundledModels, packageOfModel } from '../../../bundled.ts';
import { refuseExisting } from '../../../export/folder.ts';
import { nodeHost } from '../../../host.ts';
import { isHubName } from '../../../hub/names.ts';
import { type Ask, openAsking } from '../../../init/ask.ts';
import { type InitTask, initTasks, makeProject, type ProjectOptions } from '../../../init/project.ts';
import { seenFrom } from '../../../init/survey.ts';
import { shellWord } from '../../../init/texts.ts';
import { parseCount, parsePositive } from '../../models.ts';
import { note, print, printJson } from '../../output.ts';
import { loadModel } from '../../packages.ts';
import { type ProfileKind, profiles } from '../../planned.ts';

interface InitOptions {
  readonly task?: InitTask;
  readonly data?: string;
  readonly image: string;
  readonly text?: string;
  readonly model?: string;
  readonly weights?: string;
  readonly name?: string;
  readonly epochs?: string;
  readonly profile?: ProfileKind;
  readonly memory?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** What has to be known, by option; the rest has defaults. */
const questions = {
  task: { text: 'What is it for?', choices: initTasks },
  data: {
    text: "Where is the data? A table (.csv, .tsv), a folder of class folders, or shards ('a-{0000..0099}.tar')",
  },
  model: { text: 'Which model? A bundled one (ViT-B/32) or file.zoo#name' },
  weights: { text: 'Where are its weights? A file, a folder or hf:OWNER/REPO' },
} as const;
type Asked = keyof typeof questions;

const wantedFor = (task: InitTask | undefined): readonly Asked[] =>
  task === 'finetune' ? ['task', 'data', 'model', 'weights'] : ['task', 'data'];

type Answers = Partial<Record<Asked, string>>;

/** What the options do not say, asked at a terminal. */
async function completed(options: InitOptions, ask: Ask | undefined): Promise<Answers> {
  const answers: Answers = { ...options };
  const missing = () =>
    wantedFor(answers.task as InitTask | undefined).filter((name) => answers[name] === undefined);
  if (missing().length > 0 && ask === undefined) {
    const flags = missing().map((name) => `--${name}`);
    fail(
      'Z703',
      `init needs ${flags.join(', ')}${options.yes === true ? '' : ', and there is no terminal to ask at'}`,
      'zooc init DIR --task train --data pairs.csv',
    );
  }
  for (let [next] = missing(); next !== undefined; [next] = missing())
    answers[next] = await ask!(questions[next]);
  return answers;
}

function terminal({ yes }: InitOptions): ReturnType<typeof openAsking> | undefined {
  if (yes === true || process.stdin.isTTY !== true || process.stderr.isTTY !== true) return undefined;
  return openAsking(process.stdin, process.stderr);
}

/** How a file names a model: the package, or the path in quotes. */
function importOf(reference: string, out: string): string {
  if (bundledModels(nodeHost()).includes(reference))
    return packageOfModel(nodeHost(), reference) ?? zooPackages[0];
  const [path] = reference.split('#') as [string];
  if (!path.endsWith('.zoo'))
    fail('Z703', `--model ${reference}: expected a bundled model or file.zoo#name`, 'zooc list');
  const seen = seenFrom(out, path);
  return JSON.stringify(/^\.{0,2}\//.test(seen) ? seen : `./${seen}`);
}

async function baseOf(
  { model, weights }: Answers,
  out: string,
): Promise<{ readonly model: Model; readonly from: string; readonly weights: string }> {
  const from = importOf(model!, out);
  return {
    model: await loadModel(model!, []),
    from,
    weights: isHubName(weights!) ? weights! : seenFrom(out, weights!),
  };
}

/** The adapter, or without one a kind of device, with what a plan may take of its memory. */
async function profileFor({ profile, memory }: InitOptions): Promise<ProjectOptions['profile']> {
  const device = profile === undefined ? await adapterProfile() : profiles[profile];
  if (memory !== undefined) return { ...device, memory: parsePositive('--memory', memory) * 2 ** 30 };
  // Of the host's memory half; of a GPU, which does not tell, as much as one buffer may have.
  const known = device.memory === undefined ? device.limits.maxBufferSize : device.memory / 2;
  return { ...device, memory: known };
}

async function adapterProfile(): Promise<DeviceProfile> {
  try {
    const { device } = await openGpu({ warn: note });
    try {
      return device.profile;
    } finally {
      device.close();
    }
  } catch (error) {
    if (!(error instanceof DiagnosticError) || error.diagnostics[0]!.code !== 'Z601') throw error;
    note('no adapter on this machine: planned for a GPU in general (--profile names another kind)');
    return profiles.gpu;
  }
}

/** A name that a file of the language and a shell take as it is. */
function nameFor(out: string, given: string | undefined): string {
  return (given ?? basename(resolve(out))).replaceAll(/[^\w.+@/-]+/g, '-');
}

export async function init(out: string, options: InitOptions, asked?: Ask): Promise<void> {
  await refuseExisting(out);
  const at = asked === undefined ? terminal(options) : undefined;
  let answers: Answers;
  try {
    answers = await completed(options, asked ?? at?.ask);
  } finally {
    at?.close();
  }
  const task = answers.task as InitTask;
  const base = task === 'finetune' ? { base: await baseOf(answers, out) } : {};
  const project = await makeProject(
    {
      ...{ out, task, data: answers.data!, name: nameFor(out, options.name), image: options.image, ...base },
      text: options.text ?? (task === 'classify' ? 'label' : 'title'),
      ...(options.epochs === undefined ? {} : { epochs: parseCount('--epochs', options.epochs) }),
      profile: await profileFor(options),
    },
    { warn: (warning) => note(renderDiagnostics([warning])), note },
  );
  const { files, commands, survey, plan, model } = project;
  const next = [`cd ${shellWord(out)}`, ...commands];
  if (options.json === true) {
    const { captions: _, ...data } = survey;
    printJson({ out, files, data, model, memory: plan.memory.total, next });
    return;
  }
  note(`wrote ${files.join(', ')}`);
  print(next.join('\n'));
}
