/**
 * `zooc compile`: the plan of one entry as files, planned for a kind of device and so without one.
 *
 * The memory table and the counts that decide speed go to stderr, or to stdout as JSON.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { compileGraph } from '../../../compiler/compile.ts';
import { printGraph } from '../../../compiler/graph/print.ts';
import { traceEntry } from '../../../compiler/model/index.ts';
import type { Plan } from '../../../compiler/plan/types.ts';
import { discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import { loadModel, parseCount, parseEntry, trainableNames, unwrap } from '../models.ts';
import { count, gigaflop, mebibytes, note, printJson, table, writeText } from '../output.ts';

interface CompileOptions {
  readonly entry: string;
  readonly batch: string;
  readonly mode: 'eval' | 'train';
  readonly grad?: boolean;
  readonly profile: 'cpu' | 'gpu';
  readonly out: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** What a plan costs, for people and for scripts. `submits` is 1: a session encodes all steps at once. */
export function summarize(plan: Plan): Record<string, unknown> {
  return {
    model: plan.model,
    entry: plan.entry,
    batch: plan.batch,
    mode: plan.mode,
    precision: plan.precision,
    profile: plan.profile,
    dispatches: plan.steps.length,
    pipelines: plan.pipelines.length,
    flops: plan.flops,
    memory: plan.memory,
  };
}

export function memoryTable(plan: Plan): string {
  const { weights, gradients, optimizer, workspace, workspaceLowerBound, io, total } = plan.memory;
  const rows: [string, number, string][] = [
    ['weights', weights, ''],
    ['gradients', gradients, ''],
    ['optimizer', optimizer, ''],
    ['workspace', workspace, `largest live set ${mebibytes(workspaceLowerBound)}`],
    ['inputs and outputs', io, ''],
    ['total', total, ''],
  ];
  return table(
    rows.filter(([, bytes]) => bytes > 0).map(([name, bytes, remark]) => [name, mebibytes(bytes), remark]),
    [1],
  );
}

export async function compile(reference: string, options: CompileOptions): Promise<void> {
  const model = loadModel(reference, options.set);
  const entry = parseEntry(model, options.entry);
  const batch = parseCount('--batch', options.batch);
  const graph = unwrap(traceEntry(model, entry, { batch, training: options.mode === 'train' }));
  const plan = compileGraph(graph, {
    model: model.name,
    entry,
    batch,
    mode: options.mode,
    profile: options.profile === 'gpu' ? discreteProfile : lavapipeProfile,
    ...(options.grad === true ? { gradients: trainableNames(model, entry) } : {}),
  });
  mkdirSync(options.out, { recursive: true });
  await writeText(join(options.out, 'graph.txt'), printGraph(graph));
  for (const pipeline of plan.pipelines) {
    await writeText(join(options.out, `${pipeline.label}.wgsl`), pipeline.wgsl);
  }
  await writeText(join(options.out, 'plan.json'), `${JSON.stringify(plan, null, 1)}\n`);
  if (options.json === true) {
    printJson(summarize(plan));
    return;
  }
  note(memoryTable(plan));
  note(
    `${count(plan.steps.length)} dispatches, 1 submit, ${plan.pipelines.length} pipelines, ${gigaflop(plan.flops)}`,
  );
  note(`wrote ${options.out}/plan.json, graph.txt and ${plan.pipelines.length} .wgsl files`);
}
