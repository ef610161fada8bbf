/** The `evaluate` lines of a recipe: the verb's tasks, and the loss on data that is not trained on. */
import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { Model, Recipe, StaticCall } from '../../compiler/model/types.ts';
import { failAt, parseOptions, texts } from '../../runtime/data/options.ts';
import { findFile, openBatchSource } from '../../runtime/data/sources/open.ts';
import type { SourceContext } from '../../runtime/data/sources/source-context.ts';
import { allNumbers, type Collective } from '../../runtime/dist/collective.ts';
import type { EvaluationResult, PlannedEvaluation, WeightValues } from '../../runtime/train/evaluations.ts';
import { openData, testSplit, trainSplit } from '../evaluate/data/open.ts';
import { evaluateSuite } from '../evaluate/evaluate.ts';
import { type Task, tasks } from '../evaluate/results.ts';
import { learns } from '../evaluate/set-tasks.ts';
import type { SuiteEntry } from '../evaluate/suite.ts';
import { plainDtype, type WeightSource } from '../weights/source.ts';
import type { Executor } from './devices.ts';
import { openEntry } from './entry.ts';

interface Context {
  readonly recipe: Recipe;
  readonly executor: Executor;
  readonly group: Collective;
  readonly warn: NonNullable<SourceContext['warn']>;
  notify(text: string): void;
}

/** Without `every`. */
const usually = { value: 1, unit: 'epochs' } as const;

function sourceOf(model: Model, weights: WeightValues): WeightSource {
  const shapes = new Map(model.weights.map(({ name, shape }) => [name, shape]));
  return {
    description: 'the run',
    remarks: [],
    storedShape: ({ name }) => shapes.get(name),
    storedDtype: plainDtype,
    read: async ({ name }) => weights.get(name)!,
    close: async () => {},
  };
}

const setSchema = z.object({
  data: z.string(),
  /** What results call it. */
  name: z.string().optional(),
  split: z.string().optional(),
  /** A file, or names. */
  classes: texts.optional(),
  /** A file, or templates. */
  templates: texts.optional(),
  limit: z.int().positive().optional(),
  /** Of neighbours. */
  k: z
    .union([
      z
        .int()
        .positive()
        .transform((k) => [k]),
      z.array(z.int().positive()).min(1),
    ])
    .optional(),
  temperature: z.number().positive().optional(),
  /** Of a probe; without it the sweep. */
  C: z.number().positive().optional(),
});

/** A single text is the name of a file. */
function fileOrList(list: readonly string[] | undefined): string | string[] | undefined {
  return list?.length === 1 ? list[0]! : list && [...list];
}

/** One data set. @throws DiagnosticError Z521, Z522, and those of opening it */
async function setEvaluation(call: StaticCall, task: Task, context: Context) {
  const { recipe, executor, group, warn, notify } = context;
  const options = parseOptions(call, setSchema, ['data']);
  const folder = dirname(recipe.source.path);
  const data = resolve(findFile(options.data, folder));
  const [classes, templates] = [fileOrList(options.classes), fileOrList(options.templates)];
  const entry: SuiteEntry = {
    name: options.name ?? basename(data),
    ...{ data, task, folder },
    ...(options.split === undefined ? {} : { split: options.split }),
    ...(classes === undefined ? {} : { classes }),
    ...(templates === undefined ? {} : { templates }),
  };
  const limit = options.limit === undefined ? {} : { limit: options.limit };
  // What is wrong with the data is said before anything is trained.
  const notes = { warn, note: notify };
  await openData(entry, testSplit(entry), { ...limit, notes });
  if (learns.has(task)) await openData(entry, trainSplit, { ...limit, notes });
  return async (weights: WeightValues): Promise<EvaluationResult[]> => {
    const opened: { close(): void }[] = [];
    try {
      const evaluated = await evaluateSuite([entry], {
        ...{ model: recipe.model, weights: sourceOf(recipe.model, weights), executor, group, warn },
        ...limit,
        knn: {
          k: options.k ?? [1, 10, 20],
          ...(options.temperature === undefined ? {} : { temperature: options.temperature }),
        },
        ...(options.C === undefined ? {} : { C: options.C }),
        notify: () => {},
        keep: (resource) => {
          opened.push(resource);
          return resource;
        },
      });
      return evaluated!.map(({ result: { dataset, task, n, metrics } }) => ({ dataset, task, n, metrics }));
    } finally {
      for (const resource of opened.reverse()) resource.close();
    }
  };
}

const lossSchema = z.object({
  data: z.custom<StaticCall>(
    (value) => typeof value === 'object' && value !== null && 'args' in value,
    'expected a data source such as csv("FILE")',
  ),
  name: z.string().optional(),
  /** Samples that are compared with each other. */
  batch: z.int().positive().optional(),
  /** Batches; one epoch without it. */
  batches: z.int().positive().optional(),
});

/** Pairs of a batch, where the recipe's is larger. */
const mostPairs = 256;

/** The mean loss over batches of data, in evaluation mode. Each rank takes every R-th batch. */
function lossEvaluation(call: StaticCall, { recipe, executor, group, warn, notify }: Context) {
  const options = parseOptions(call, lossSchema, ['data']);
  const { model, inputs, tables, objective } = recipe;
  const batch = options.batch ?? Math.min(recipe.chunk ?? recipe.batch, mostPairs);
  const name = options.name ?? String(options.data.args[0] ?? options.data.name);
  return async (weights: WeightValues): Promise<EvaluationResult[]> => {
    const source = await openBatchSource(options.data, {
      folder: dirname(recipe.source.path),
      ...{ batch, inputs, tables, seed: 0, normalization: model.normalization, warn, note: notify },
    });
    try {
      const batches = options.batches ?? source.batchesPerEpoch;
      if (batches === undefined)
        failAt(call, 'Z522', 'nothing says how many batches the data has', 'batches = 100');
      const entry = await openEntry(executor, model, sourceOf(model, weights), {
        entry: 'loss',
        ...(objective === undefined ? {} : { objective }),
        ...{ batch, mode: 'eval', gradients: false },
      });
      try {
        const names: string[] = [];
        const own: number[] = [];
        for (let i = 0; i < batches; i++) {
          const { inputs: fed } = await source.next();
          if (i % group.size !== group.rank) continue;
          const results = [...(await entry.run(fed))].filter(([, { shape }]) => shape.length === 0);
          if (names.length === 0) names.push(...results.map(([term]) => term));
          own.push(...results.map(([, { data }]) => data[0]!));
        }
        return [await meanOf({ names, own, batches, name, batch }, group)];
      } finally {
        entry.close();
      }
    } finally {
      await source.close();
    }
  };
}

/** The same on any number of ranks: batches are added up in their order. */
async function meanOf(
  found: {
    readonly names: readonly string[];
    readonly own: readonly number[];
    readonly batches: number;
    readonly name: string;
    readonly batch: number;
  },
  group: Collective,
): Promise<EvaluationResult> {
  const { names, own, batches, name, batch } = found;
  const most = Math.ceil(batches / group.size);
  const terms = names.length;
  const padded = Array.from({ length: most * Math.max(1, terms) }, (_, i) => own[i] ?? 0);
  const all = await allNumbers(group, 'the losses of an evaluation', padded);
  const metrics = names.map((term, t) => {
    let sum = 0;
    for (let i = 0; i < batches; i++) sum += all[i % group.size]![Math.floor(i / group.size) * terms + t]!;
    return [term, sum / batches] as const;
  });
  return { dataset: name, task: 'loss', n: batches * batch, metrics: Object.fromEntries(metrics) };
}

function isTask(name: string): name is Task {
  return (tasks as readonly string[]).includes(name);
}

/**
 * What a recipe evaluates on the way, with its data opened once to see that it is there.
 * @throws DiagnosticError Z521, Z522, and those of opening data
 */
export async function plannedEvaluations(context: Context): Promise<PlannedEvaluation[]> {
  const planned: PlannedEvaluation[] = [];
  for (const { what, every = usually } of context.recipe.evaluate) {
    const run = isTask(what.name)
      ? await setEvaluation(what, what.name, context)
      : lossEvaluation(what, context);
    planned.push({ every, run });
  }
  return planned;
}
