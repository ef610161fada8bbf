/** A new project: data is looked at, sizes are chosen, the plan of a training step says whether they fit, the folder appears whole. */
import { join } from 'node:path';
import { resolveRecipe } from '../../compiler/model/index.ts';
import type { Model } from '../../compiler/model/types.ts';
import type { Plan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { writeText } from '../../runtime/data/files/atomic.ts';
import type { SourceContext } from '../../runtime/data/sources/source-context.ts';
import { planTraining } from '../../runtime/train/plan.ts';
import { makeFolder, refuseExisting } from '../export/folder.ts';
import { nodeHost } from '../host.ts';
import { batchFor, type ModelSizes, sizesFor } from './sizes.ts';
import { type Survey, survey } from './survey.ts';
import {
  classifierModel,
  clipModel,
  importedModel,
  labelsFile,
  type RecipeNumbers,
  readmeText,
  recipeText,
  shellWord,
  template,
  templatesFile,
  towerModel,
  zooFile,
} from './texts.ts';

/** What a project can be for, as the question says it. */
export const initTasks = {
  train: 'a new CLIP from pairs of pictures and captions: a table or shards',
  finetune: 'a model whose weights are there goes on learning from your pairs or classes',
  classify: 'a new classifier of your classes: a folder of class folders, or a table with labels',
  tower: 'the same as train, with an image tower of your own as a text to change',
} as const;
export type InitTask = keyof typeof initTasks;

export interface ProjectOptions {
  readonly out: string;
  readonly name: string;
  readonly task: InitTask;
  readonly data: string;
  /** Columns of a table. */
  readonly image: string;
  readonly text: string;
  readonly epochs?: number;
  /** Of finetune: the model, what a file imports it from, and its weights as the recipe names them. */
  readonly base?: { readonly model: Model; readonly from: string; readonly weights: string };
  /** The device to fit, with the memory that a plan may take. */
  readonly profile: DeviceProfile & { readonly memory: number };
}

export interface Project {
  readonly out: string;
  readonly files: readonly string[];
  /** To be run in the folder. */
  readonly commands: readonly string[];
  readonly survey: Survey;
  readonly plan: Plan;
  readonly model: { readonly name: string; readonly parameters: number };
}

const fineTuning = { batch: 128, lr: 1e-5, epochs: 5 };
const usualEpochs = 20;

/** @throws DiagnosticError Z703 where the task wants other data */
function checkData({ task, data }: ProjectOptions, { kind }: Survey): void {
  if (task === 'classify' && kind === 'shards')
    fail('Z703', `--task classify: ${data} are shards, and classes are read from folders or a table`);
  if ((task === 'train' || task === 'tower') && kind === 'folders')
    fail(
      'Z703',
      `--task ${task} learns from captions, and ${data} has classes alone`,
      '--task classify, or --task finetune with a model that knows texts already',
    );
}

const modelTexts = { train: clipModel, tower: towerModel, classify: classifierModel } as const;

function modelText({ task, name, base }: ProjectOptions, sizes: ModelSizes, found: Survey): string {
  if (task !== 'finetune') return modelTexts[task](name, sizes, found);
  return importedModel(name, base!.model.name, base!.from);
}

function numbersOf({ task, epochs }: ProjectOptions, sizes: ModelSizes, { samples }: Survey): RecipeNumbers {
  if (task !== 'finetune') return { batch: sizes.batch, lr: sizes.lr, epochs: epochs ?? usualEpochs };
  const { batch, lr } = fineTuning;
  return { batch: batchFor(samples, batch), lr, epochs: epochs ?? fineTuning.epochs };
}

/** What to do with a model that was trained. */
function useOf({ task, text, image }: ProjectOptions, { kind, place, picture }: Survey): string {
  if (task === 'classify' || kind === 'folders')
    return `npx zooc classify run --labels ${labelsFile} --templates ${templatesFile} ${shellWord(picture!)}`;
  if (kind === 'shards') return `npx zooc embed run --shards ${shellWord(place)} --out features`;
  if (text === 'title' && image === 'filepath')
    return `npx zooc evaluate run ${shellWord(place)} --task retrieval --out results.json`;
  return `npx zooc embed run --images ${shellWord(picture!)} --out features.npy`;
}

/** The files whose plan fits: chunks are halved until it does. */
async function fitted(
  folder: string,
  profile: DeviceProfile,
  numbers: RecipeNumbers,
  write: (numbers: RecipeNumbers) => Promise<void>,
): Promise<{ readonly plan: Plan; readonly model: Model }> {
  await write(numbers);
  const recipe = resolveRecipe(nodeHost(), join(folder, 'recipe.zoo'), []);
  if (!recipe.ok) throw new DiagnosticError(recipe.diagnostics);
  const { model } = recipe.value;
  try {
    return { model, plan: planTraining(recipe.value, profile).plan };
  } catch (error) {
    const chunk = (numbers.chunk ?? numbers.batch) / 2;
    const large = error instanceof DiagnosticError && error.diagnostics.every((d) => d.code === 'Z605');
    if (!large || chunk < 1) throw error;
    return fitted(folder, profile, { ...numbers, chunk }, write);
  }
}

const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/** What was found and chosen, in lines. */
function foundLines(
  found: Survey,
  { plan, model }: { readonly plan: Plan; readonly model: Model },
  { batch, chunk, epochs }: RecipeNumbers,
  profile: ProjectOptions['profile'],
): string[] {
  const { samples, side, classes, place } = found;
  return [
    `data: ${place}, ${samples} pictures, short side ${side}${classes === undefined ? '' : `, ${classes.length} classes`}`,
    `model: ${model.parameters.toLocaleString('en-US')} parameters`,
    `training: batches of ${batch}${chunk === undefined ? '' : ` in chunks of ${chunk}`}, ${epochs} epochs`,
    `memory of a step: ${mebibytes(plan.memory.total)}, planned for ${profile.name} with at most ${mebibytes(profile.memory)}`,
  ];
}

/**
 * Makes the folder, whole or not at all.
 * @throws DiagnosticError Z431 where it is there and not empty, Z4xx for the data, Z605 where nothing fits, Z703
 */
export async function makeProject(
  options: ProjectOptions,
  notes: Pick<SourceContext, 'warn' | 'note'>,
): Promise<Project> {
  const { out, name, task, data, image, text, base, profile } = options;
  await refuseExisting(out);
  const classes = task === 'classify';
  const found = await survey({ data, image, text, classes, folder: out }, notes);
  checkData(options, found);
  const prompt = found.classes === undefined ? '{}' : template;
  const sizes = await sizesFor(found, profile.kind, prompt);
  const commands = [
    // What it imports counts as a model of the file, too.
    `npx zooc show ${base === undefined ? 'model.zoo' : shellWord(`model.zoo#${name}`)}`,
    'npx zooc train recipe.zoo --out run',
    useOf(options, found),
  ];
  let numbers = numbersOf(options, sizes, found);
  return makeFolder(out, async (folder) => {
    const written: string[] = [];
    const write = async ([file, content]: readonly [string, string]): Promise<void> => {
      await writeText(join(folder, file), content);
      if (!written.includes(file)) written.push(file);
    };
    if (found.classes !== undefined) {
      await write([labelsFile, `${found.classes.join('\n')}\n`]);
      await write([templatesFile, `${template}\n`]);
    }
    await write(zooFile('model.zoo', modelText(options, sizes, found)));
    const fits = await fitted(folder, profile, numbers, async (smaller) => {
      numbers = smaller;
      const from = base === undefined ? {} : { from: base.weights };
      await write(
        zooFile('recipe.zoo', recipeText({ task, name, survey: found, numbers, image, text, ...from })),
      );
    });
    const about = initTasks[task];
    const lines = foundLines(found, fits, numbers, profile);
    await write([
      'README.md',
      readmeText({ name, about: `${about[0]!.toUpperCase()}${about.slice(1)}.`, commands, found: lines }),
    ]);
    for (const line of lines) notes.note?.(line);
    const { plan, model } = fits;
    return {
      ...{ out, files: written, commands, survey: found, plan },
      model: { name: model.name, parameters: model.parameters },
    };
  });
}
