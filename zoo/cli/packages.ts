/**
 * MODEL on the command line, for every verb that takes one: a bundled name, `file.zoo#name`, a folder that
 * `export` or `train` wrote, or a name of a hub. The latter two bring their weights, everything else needs `--weights`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { resolveModel } from '../../compiler/model/index.ts';
import type { Model, ModuleHost } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { statOf } from '../../runtime/data/files/read-fully.ts';
import { bundledModels } from '../bundled.ts';
import { isPackage, loadPackage } from '../export/index.ts';
import { nodeHost } from '../host.ts';
import { isHubName } from '../hub/names.ts';
import type { Pulled } from '../hub/pull.ts';
import { isOwnPackage } from '../weights/package.ts';
import type { WeightSource } from '../weights/source.ts';
import { openWeights } from '../weights/weights.ts';
import { fetched, fetchedWeights, localEntry } from './fetched.ts';
import { fittingModels } from './fitting.ts';
import { parseOverrides, unwrap } from './models.ts';
import { note } from './output.ts';

interface LoadedModel {
  readonly model: Model;
  readonly weights: WeightSource;
}

/** Whether a reference means a folder: a bundled model's name does not, whatever lies around. */
function isFolder(reference: string): boolean {
  if (statOf(reference)?.isDirectory() !== true) return false;
  return !bundledModels(nodeHost()).includes(reference);
}

/** Where a model's text is, and its weights if it brings some. */
interface Location {
  /** What `resolveModel` understands. */
  readonly reference: string;
  readonly host: ModuleHost;
  readonly weights?: string;
}

/**
 * A folder's model is that of its text, once the folder is verified.
 * @throws DiagnosticError Z430 for a damaged package, Z704 for another folder without a model
 */
export async function locateModel(reference: string): Promise<Location> {
  if (isHubName(reference)) return locatePulled(reference, await fetched(reference));
  if (!isFolder(reference)) {
    const entry = bundledModels(nodeHost()).includes(reference) ? undefined : localEntry(reference);
    return entry === undefined ? { reference, host: nodeHost() } : loadPackage(entry);
  }
  if (isPackage(reference)) return loadPackage(reference);
  const path = join(reference, 'model.zoo');
  if (existsSync(path)) return { reference: path, host: nodeHost(), weights: reference };
  fail('Z704', `${reference} is a folder without model.zoo`, 'zooc export --format zoo makes such folders');
}

/** What was pulled: a package, weights of a model that the name says, or those of the bundled one that they fit. */
export async function locatePulled(
  reference: string,
  { name, path, model }: Pick<Pulled, 'name' | 'path' | 'model'>,
  candidates: readonly string[] = bundledModels(nodeHost()),
): Promise<Location> {
  const host = nodeHost();
  if (model !== undefined) return { reference: model, host, weights: name };
  if (isOwnPackage(path)) return loadPackage(path);
  const fitting = await fittingModels(path, candidates);
  if (fitting.length === 1) {
    note(`${reference} is taken as ${fitting[0]}`);
    return { reference: fitting[0]!, host, weights: name };
  }
  const found = fitting.length === 0 ? 'no bundled model' : `several bundled models: ${fitting.join(', ')}`;
  fail('Z704', `the weights of ${reference} fit ${found}`, `name the model, and --weights ${reference}`);
}

/** The model at a location. */
export function modelAt({ reference, host }: Location, settings: readonly string[]): Model {
  return unwrap(resolveModel(host, reference, parseOverrides(settings)));
}

export async function loadModel(reference: string, settings: readonly string[]): Promise<Model> {
  return modelAt(await locateModel(reference), settings);
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
  const location = await locateModel(reference);
  const given = (await fetchedWeights(weights)) ?? location.weights;
  if (given === undefined)
    fail('Z703', `${reference} needs weights`, '--weights FILE, or an exported folder as MODEL');
  const model = modelAt(location, set);
  const opened = await openWeights(model, given, { base: await fetchedWeights(base) });
  for (const remark of opened.remarks) note(remark);
  return { model, weights: opened };
}
