/**
 * MODEL on the command line, for every verb that takes one: a bundled name, `file.zoo#name`, or a folder that
 * `export` or `train` wrote. A folder brings its weights, everything else needs `--weights`.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { resolveModel } from '../../compiler/model/index.ts';
import { zooPackages } from '../../compiler/model/modules/imports.ts';
import type { Model, ModuleHost } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { parse } from '../../grammar/parser.ts';
import { isPackage, loadPackage } from '../export/index.ts';
import { nodeHost } from '../host.ts';
import type { WeightSource } from '../weights/source.ts';
import { openWeights } from '../weights/weights.ts';
import { parseOverrides, unwrap } from './models.ts';
import { note } from './output.ts';

interface LoadedModel {
  readonly model: Model;
  readonly weights: WeightSource;
}

/** Names of the models that bundled packages declare, in order of declaration. */
export function bundledModels(host: ModuleHost): string[] {
  return zooPackages.flatMap((name) => {
    const { program } = parse(host.bundled(name)!);
    return program.items.flatMap((item) => (item.kind === 'model' ? [item.name.text] : []));
  });
}

/** Whether a reference means a folder: a bundled model's name does not, whatever lies around. */
function isFolder(reference: string): boolean {
  if (statSync(reference, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
  return !bundledModels(nodeHost()).includes(reference);
}

/**
 * The reference that `resolveModel` understands: a folder's is that of its model, once the folder is
 * verified.
 * @throws DiagnosticError Z430 for a damaged package, Z704 for another folder without a model
 */
export async function modelReference(reference: string): Promise<string> {
  if (!isFolder(reference)) return reference;
  if (isPackage(reference)) return (await loadPackage(reference)).reference;
  const path = join(reference, 'model.zoo');
  if (existsSync(path)) return path;
  fail('Z704', `${reference} is a folder without model.zoo`, 'zooc export --format zoo makes such folders');
}

export async function loadModel(reference: string, settings: readonly string[]): Promise<Model> {
  const overrides = parseOverrides(settings);
  return unwrap(resolveModel(nodeHost(), await modelReference(reference), overrides));
}

/** What a verb was given beside MODEL. */
interface WeightsOptions {
  readonly weights?: string;
  /** Of an adapter. */
  readonly base?: string;
  readonly set: readonly string[];
}

/** Loads the model and opens its weights; close them when done. */
export async function loadModelWithWeights(
  reference: string,
  { weights, base, set }: WeightsOptions,
): Promise<LoadedModel> {
  const source = weights ?? (isFolder(reference) ? reference : undefined);
  if (source === undefined)
    fail('Z703', `${reference} needs weights`, '--weights FILE, or an exported folder as MODEL');
  const model = await loadModel(reference, set);
  const opened = await openWeights(model, source, { base });
  for (const remark of opened.remarks) note(remark);
  return { model, weights: opened };
}
