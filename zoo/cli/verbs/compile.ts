/**
 * `zooc compile`: the plan of one entry or of a training step as files, planned for a kind of
 * device and so without one.
 *
 * The memory table and the counts that decide speed go to stderr, or to stdout as JSON.
 */
import { existsSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CompileOptions as PlanOptions, Precision } from '../../../compiler/compile.ts';
import { printGraph } from '../../../compiler/graph/print.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { printJoins } from '../../../compiler/joins/print.ts';
import type { Plan, VerifiedPlan } from '../../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../../compiler/profile.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { refuseOther } from '../../../runtime/data/files/atomic.ts';
import { countSubmits, flopsPerSubmit } from '../../../runtime/submits.ts';
import { planTraining } from '../../../runtime/train/plan.ts';
import { checkSupported, unreadWarning } from '../../../runtime/train/supported.ts';
import { makeFolder } from '../../export/folder.ts';
import { compileFitting, unreadNames } from '../../run/entry.ts';
import { loadRecipe, parseCount, parseEntry, parseObjective } from '../models.ts';
import { count, gigaflop, note, printJson, writeText } from '../output.ts';
import { loadModel } from '../packages.ts';
import { memoryTable, type ProfileKind, profiles } from '../planned.ts';

interface CompileOptions {
  readonly entry?: string;
  readonly objective?: string;
  readonly batch?: string;
  /** Plan a recipe's training step instead of an entry. */
  readonly train?: boolean;
  readonly mode: 'eval' | 'train';
  readonly grad?: boolean;
  readonly precision?: Precision;
  readonly profile: ProfileKind;
  readonly memory?: string;
  readonly dumpAfter?: string;
  readonly out: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** What a plan costs, for people and for scripts. */
function summarize(plan: Plan, submits: number): Record<string, unknown> {
  return {
    model: plan.model,
    entry: plan.entry,
    batch: plan.batch,
    ...(plan.chunk === undefined ? {} : { chunk: plan.chunk }),
    mode: plan.mode,
    precision: plan.precision,
    profile: plan.profile,
    dispatches: plan.steps.length,
    submits,
    pipelines: plan.pipelines.length,
    flops: plan.flops,
    memory: plan.memory,
  };
}

function profileFor({ profile, memory }: CompileOptions): DeviceProfile {
  const kind: DeviceProfile = profiles[profile];
  if (memory === undefined) return kind;
  const gibibytes = Number(memory);
  if (!(gibibytes > 0)) fail('Z703', `--memory ${memory}: expected a number of GiB above 0`, '--memory 24');
  return { ...kind, memory: gibibytes * 2 ** 30 };
}

const planFile = 'plan.json';

/** Kernels of an earlier plan in the same folder would look like this one's. */
async function removeOthers(folder: string, own: ReadonlySet<string>): Promise<void> {
  if (!existsSync(join(folder, planFile))) return;
  for (const name of await readdir(folder))
    if (name.endsWith('.wgsl') && !own.has(name)) await rm(join(folder, name));
}

/**
 * Writes the files of a plan, in an order that ends with the plan itself. Into a folder that is there, which
 * may hold an earlier one, they are moved once all are on the disk.
 */
async function writePlan(
  out: string,
  files: readonly (readonly [name: string, text: string])[],
): Promise<void> {
  const fill = async (folder: string): Promise<void> => {
    for (const [name, text] of files) await writeText(join(folder, name), text);
  };
  if (!existsSync(out)) return makeFolder(out, fill);
  for (const [name] of files) await refuseOther(join(out, name));
  const beside = join(out, `.plan.${process.pid}.tmp`);
  await makeFolder(beside, fill);
  await removeOthers(out, new Set(files.map(([name]) => name)));
  for (const [name] of files) await rename(join(beside, name), join(out, name));
  await rm(beside, { recursive: true });
}

interface Planned {
  /** As traced, before gradients. */
  readonly graph: Graph;
  readonly plan: VerifiedPlan;
  /** Trainable weights that the loss does not read. */
  readonly unread: readonly string[];
}

async function planEntry(
  reference: string,
  options: CompileOptions,
  profile: DeviceProfile,
  observe: PlanOptions['observe'],
): Promise<Planned> {
  const model = await loadModel(reference, options.set);
  if (options.entry === undefined || options.batch === undefined)
    fail(
      'Z703',
      `--${options.entry === undefined ? 'entry' : 'batch'} is missing`,
      '--entry loss --batch 8, or --train with a recipe',
    );
  const objective = parseObjective(options.objective);
  const entry = parseEntry(model, options.entry, objective);
  const batch = parseCount('--batch', options.batch);
  const request = {
    entry,
    ...(objective === undefined ? {} : { objective }),
    batch,
    mode: options.mode,
    gradients: options.grad === true,
    precision: options.precision ?? 'f32',
  };
  const planned = compileFitting(model, request, profile, observe && { observe });
  return { ...planned, unread: unreadNames(model, planned.graph, request) };
}

/** A recipe says everything itself: `--set batch=64` changes it. */
function planRecipe(
  reference: string,
  options: CompileOptions,
  profile: DeviceProfile,
  observe: PlanOptions['observe'],
): Planned {
  const recipe = loadRecipe(reference, options.set);
  for (const name of ['entry', 'objective', 'batch', 'grad', 'precision'] as const)
    if (options[name] !== undefined)
      fail(
        'Z703',
        `--${name} and --train exclude each other: the recipe decides`,
        `--set batch=${recipe.batch}`,
      );
  checkSupported(recipe);
  return planTraining(recipe, profile, observe === undefined ? {} : { observe });
}

export async function compile(reference: string, options: CompileOptions): Promise<void> {
  const profile = profileFor(options);
  const stages = new Set<string>();
  /**
   * What kernels were made from: the graph behind the last pass with its joins, one for each graph of the
   * plan.
   */
  const lowered: string[] = [];
  const make = options.train === true ? planRecipe : planEntry;
  const { graph, plan, unread } = await make(reference, options, profile, (stage, graph, joins) => {
    stages.add(stage);
    const text =
      joins === undefined ? printGraph(graph) : `${printGraph(graph)}\n${printJoins(graph, joins)}`;
    if (joins !== undefined) lowered.push(text);
    if (stage === options.dumpAfter) note(text);
  });
  if (options.dumpAfter !== undefined && !stages.has(options.dumpAfter)) {
    fail('Z703', `--dump-after ${options.dumpAfter}: no such pass`, `passes: ${[...stages].join(', ')}`);
  }
  for (const warning of unreadWarning(plan.model, unread)) note(renderDiagnostics([warning]));
  const submits = countSubmits(plan, flopsPerSubmit[profile.kind]);
  const graphs = [printGraph(graph), ...lowered.map((text) => `# as kernels, with joins\n${text}`)];
  const kernels = plan.pipelines.map(({ label, wgsl }) => [`${label}.wgsl`, wgsl] as const);
  await writePlan(options.out, [
    ['graph.txt', graphs.join('\n')],
    ...kernels,
    [planFile, `${JSON.stringify(plan, null, 1)}\n`],
  ]);
  if (options.json === true) {
    printJson(summarize(plan, submits));
    return;
  }
  note(memoryTable(plan));
  note(
    `${count(plan.steps.length)} dispatches, ${submits} ${submits === 1 ? 'submit' : 'submits'}, ${plan.pipelines.length} pipelines, ${gigaflop(plan.flops)}`,
  );
  note(`wrote ${options.out}/plan.json, graph.txt and ${plan.pipelines.length} .wgsl files`);
}
