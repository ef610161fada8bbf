/**
 * A model's weights from an adapter and its base, and what of a model's weights an adapter has to hold.
 *
 * The base is opened as any weights are, in every format and naming; what is taken from it is compared by its
 * digest with what the adapter was exported beside, so that no other base gives wrong numbers without a word.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { sameShape } from '../../compiler/graph/types.ts';
import { checkWeights } from '../../compiler/model/index.ts';
import type { Model, Weight } from '../../compiler/model/types.ts';
import { DiagnosticError, fail, refuseAll } from '../../grammar/diagnostics.ts';
import { pulledPath } from '../hub/located.ts';
import { isHubName } from '../hub/names.ts';
import {
  type AdapterFacts,
  adapterFacts,
  byName,
  bytesOf,
  digestWeights,
  pathIn,
  plainShape,
  WeightsDigest,
} from './adapter-file.ts';
import { checkBeside } from './beside/compare.ts';
import { type FitOptions, namedFileWeights } from './file-weights.ts';
import type { TensorFile } from './formats/tensor-file.ts';
import { openNamed } from './named.ts';
import type { AdapterBase } from './package.ts';
import { isRule, ruledWeights, type WeightSource } from './source.ts';
import { toFloat32 } from './tensors/tensor-weights.ts';

/** How a person finds a base again. */
function identityOf(base: AdapterBase): string[] {
  const file = base.file_sha256 === undefined ? [] : [`SHA-256 of its file: ${base.file_sha256}`];
  return [`SHA-256 of the ${base.weights} weights that are taken from it: ${base.weights_sha256}`, ...file];
}

/**
 * Where the base of an adapter is: where the adapter says, or beside it.
 * @param path of the adapter
 * @throws DiagnosticError Z441 when it is in neither place
 */
export function locateBase(path: string, base: AdapterBase): string {
  if (isRule(base.path)) return base.path;
  const folder = dirname(path);
  const hub = isHubName(base.path);
  // A stranger's file fetches nothing: what it names at a hub is taken if it was pulled.
  const places = hub
    ? [base.path]
    : [...new Set([pathIn(folder, base.path), join(folder, basename(base.path))])];
  const found = places.find((place) => (hub ? pulledPath(place) !== undefined : existsSync(place)));
  if (found !== undefined) return found;
  throw new DiagnosticError([
    {
      code: 'Z441',
      severity: 'error',
      message: `the base of ${path} is not there`,
      notes: [`looked for ${places.join(', ')}`, ...identityOf(base)],
      help: hub ? `zooc pull ${base.path}, or --base FILE` : '--base FILE',
    },
  ]);
}

/**
 * Opens what may be the base of an adapter; it may hold more than the model's weights.
 * @throws DiagnosticError Z401 for what does not fit, Z440 for an adapter
 */
export async function openBase(model: Model, spec: string, options: FitOptions): Promise<WeightSource> {
  const ruled = ruledWeights(model, spec);
  if (ruled !== undefined) return ruled;
  const file = await openNamed(spec);
  try {
    if (adapterFacts(file) !== undefined)
      fail(
        'Z440',
        `${spec} is an adapter itself, so it is no base`,
        `zooc export ${spec} --format zoo --model MODEL --out DIR writes the whole weights`,
      );
    return namedFileWeights(model, spec, file, { ...options, more: true });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** @throws DiagnosticError Z440 for another model, Z442 for another base */
async function checkBase(
  path: string,
  { model, base }: AdapterFacts,
  found: { readonly model: string; readonly weights: readonly Weight[]; readonly source: WeightSource },
): Promise<void> {
  const { weights, source } = found;
  if (weights.length !== base.weights)
    fail(
      'Z440',
      `${path} does not fit ${found.model}: it was exported for ${model}, which takes ${base.weights} weights of its base, not ${weights.length}`,
    );
  const digest = await digestWeights(weights, source);
  if (digest === base.weights_sha256) return;
  throw new DiagnosticError([
    {
      code: 'Z442',
      severity: 'error',
      message: `${source.description} is not the base of ${path}`,
      notes: [`SHA-256 of these weights in ${source.description}: ${digest}`, ...identityOf(base)],
      help: `--base FILE: what was ${base.path}, seen from the adapter's folder`,
    },
  ]);
}

/**
 * The weights in an open adapter, and those of its base.
 * @param base where that is; by default where the adapter says
 * @throws DiagnosticError Z401 for what does not fit, Z440 to Z442 when the base is missing or another
 */
export async function openAdapter(
  model: Model,
  file: TensorFile,
  facts: AdapterFacts,
  { base: given, replaced = new Set(), ...rest }: FitOptions & { readonly base?: string | undefined },
): Promise<WeightSource> {
  const weights = model.weights.filter(({ name }) => file.infos.has(name));
  const own = new Set(weights.map(({ name }) => name));
  refuseAll(checkWeights({ ...model, weights }, file.infos, undefined, replaced), [
    `in ${file.path}, an adapter that was exported for ${facts.model}`,
  ]);
  checkBeside(model, file.path, { resized: replaced.size > 0 });
  const spec = given ?? locateBase(file.path, facts.base);
  const options = { ...rest, replaced: new Set([...replaced, ...own]) };
  const base = await openBase(model, spec, options).catch((error: unknown) => {
    if (error instanceof DiagnosticError) refuseAll(error.diagnostics, [`as the base of ${file.path}`]);
    throw error;
  });
  try {
    const taken = model.weights.filter((w) => !own.has(w.name) && base.storedShape(w) !== undefined);
    await checkBase(file.path, facts, { model: model.name, weights: taken, source: base });
  } catch (error) {
    await base.close();
    throw error;
  }
  return {
    description: file.path,
    base: spec,
    remarks: [
      ...base.remarks,
      `${file.path} has ${own.size} of the weights, the others are those of ${base.description}`,
    ],
    storedShape: (weight) => file.infos.get(weight.name)?.shape ?? base.storedShape(weight),
    storedDtype: (weight) => file.infos.get(weight.name)?.dtype ?? base.storedDtype(weight),
    read: async (weight) =>
      file.infos.has(weight.name) ? toFloat32((await file.read(weight.name)).data) : base.read(weight),
    async close() {
      await base.close();
      await file.close();
    },
  };
}

interface Comparison {
  /** Weights that the base lacks, or has with other numbers. */
  readonly own: readonly Weight[];
  /** How many weights are the base's, bit for bit, and their digest. */
  readonly taken: number;
  readonly digest: string;
}

/** A model's weights as a base has them or not, compared as the float32 numbers that are computed with. */
export async function compareWithBase(
  model: Model,
  weights: WeightSource,
  base: WeightSource,
): Promise<Comparison> {
  const taken = new Set<Weight>();
  const digest = new WeightsDigest();
  for (const weight of byName(model.weights)) {
    const shape = base.storedShape(weight);
    if (shape === undefined || !sameShape(plainShape(shape), plainShape(weight.shape))) continue;
    const bytes = bytesOf(await base.read(weight));
    if (Buffer.compare(bytesOf(await weights.read(weight)), bytes) !== 0) continue;
    taken.add(weight);
    digest.add(weight.name, shape, bytes);
  }
  return { own: model.weights.filter((w) => !taken.has(w)), taken: taken.size, digest: digest.hex() };
}
