/** `zooc show`: a model as a table for people, or as JSON in state_dict order for programs. */

import { entryFlops } from '../../../compiler/flops.ts';
import { blocksOf } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { count, gigaflop, mebibytes, print, printJson, table } from '../output.ts';
import { loadModel } from '../packages.ts';

interface ShowOptions {
  readonly set: readonly string[];
  readonly json?: boolean;
}

function toJson(model: Model): Record<string, unknown> {
  const replaced = replacedRows(model).map(([path, block, before]) => ({ path, block, before }));
  return {
    name: model.name,
    parameters: model.parameters,
    weights: model.weights.map(({ name, shape, dtype, kind }) => ({ name, shape, dtype, kind })),
    entries: model.entries,
    flops: Object.fromEntries(model.entries.map(({ name }) => [name, entryFlops(model, name)])),
    config: Object.fromEntries(model.config),
    ...(replaced.length > 0 ? { replaced } : {}),
  };
}

/** Blocks that stand in others' places: path, block, what was there. */
function replacedRows(model: Model): [path: string, block: string, before: string][] {
  return [...blocksOf(model.root)].flatMap(({ path, definition, replaces }) =>
    replaces === undefined ? [] : [[path, definition?.name ?? 'seq', replaces.definition?.name ?? 'seq']],
  );
}

/** One input or output: `images [B, 3, 224, 224]`. */
function signature(list: readonly { readonly name: string; readonly shape: string }[]): string {
  return list.map(({ name, shape }) => `${name} ${shape}`).join(', ');
}

function printModel(model: Model): void {
  print(`${model.name}: ${count(model.parameters)} parameters (${mebibytes(4 * model.parameters)} in f32)`);
  print('');
  const weights = model.weights.map((w) => [
    w.name,
    `[${w.shape.join(', ')}]`,
    w.dtype,
    w.kind,
    count(w.shape.reduce((a, b) => a * b, 1)),
  ]);
  print(table([['weight', 'shape', 'dtype', 'kind', 'elements'], ...weights], [4]));
  print('');
  const entries = model.entries.map((e) => [
    e.name,
    signature(e.inputs),
    signature(e.outputs),
    gigaflop(entryFlops(model, e.name)),
  ]);
  print(table([['entry', 'inputs', 'outputs', 'batch 1'], ...entries], [3]));
  print('');
  const replaced = replacedRows(model);
  if (replaced.length > 0) {
    print(table([['replaced', 'block', 'in place of'], ...replaced]));
    print('');
  }
  print(table([...model.config].map(([path, value]) => [path, JSON.stringify(value)])));
}

export async function show(reference: string, options: ShowOptions): Promise<void> {
  const model = await loadModel(reference, options.set);
  if (options.json === true) printJson(toJson(model));
  else printModel(model);
}
