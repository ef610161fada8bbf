/**
 * Weights from what the user names: a file in any format that CLIP's weights come in, a folder that holds one
 * (an export, a train run, a download), `init:SEED`, or `hash`.
 *
 * A file is compared with the model by its names and shapes before a value is read: every missing, extra
 * or misshapen tensor is reported at once. Values are then read one tensor at a time, so a 1.7 GB file
 * never lies in memory twice.
 */
import { basename } from 'node:path';
import { checkWeights } from '../../compiler/model/index.ts';
import type { Model, Weight } from '../../compiler/model/types.ts';
import { type Diagnostic, DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { averagedWeights, openTensors, tensorsPath } from './formats/open-tensors.ts';
import { type SafetensorsDType, SafetensorsFile, type TensorData } from './formats/safetensors.ts';
import type { LazyTensor, TensorFile } from './formats/tensor-file.ts';
import { hashWeight } from './hash-weights.ts';
import { initialWeight } from './initial-weights.ts';
import {
  commonPrefix,
  type Detected,
  describeTried,
  detectNaming,
  type NamingName,
  undoShapes,
  undoTransforms,
  wantedTensors,
  weightTensors,
} from './naming.ts';
import { replacedRemarks, replacedWeights } from './replaced.ts';

export interface WeightSource {
  /** For messages: the path, `init:0`, `hash`. */
  readonly description: string;
  /** The names that the weights' file uses; undefined for weights by rule. */
  readonly naming?: NamingName;
  /** What a person must know about how it fits the model. */
  readonly remarks: readonly string[];
  /**
   * A safetensors file that holds the weights under our names, so that copying it is as good as reading it.
   */
  readonly copyable?: string;
  /** The shape that it has a weight in; undefined for what it does not have. */
  storedShape(weight: Weight): readonly number[] | undefined;
  /** One weight of the model, row-major in the shape that the source has it in. */
  read(weight: Weight): Promise<Float32Array>;
  /**
   * The element type that the source keeps the weight in; what is made by rule, not
   * stored, is F32 (counters I64).
   */
  storedDtype(weight: Weight): SafetensorsDType;
  close(): Promise<void>;
}

/**
 * Compares a file's names and shapes with the model.
 * @throws DiagnosticError Z401 that names every tensor that does not fit
 */
function checkFit(model: Model, file: TensorFile, detected: Detected, replaced: ReadonlySet<string>): void {
  const tensors = weightTensors(file.infos, detected);
  refuseMisfit(checkWeights(model, tensors, wantedTensors(detected), replaced), file, detected);
}

/** @throws DiagnosticError the problems, if there are any, with what was tried */
export function refuseMisfit(problems: readonly Diagnostic[], file: TensorFile, detected: Detected): void {
  if (problems.length === 0) return;
  const remarks = [`in ${file.path}`, `names tried: ${describeTried(detected)}`];
  throw new DiagnosticError(problems.map((d) => ({ ...d, notes: [...(d.notes ?? []), ...remarks] })));
}

/** open_clip's models without a text tower of their own have OpenAI's names. */
const acceptable: Readonly<Record<NamingName, readonly NamingName[]>> = {
  openai: ['openai'],
  open_clip: ['open_clip', 'openai'],
  hf: ['hf'],
};

/** @throws DiagnosticError Z424 when the file's names are not those insisted on */
function checkNaming(model: Model, path: string, detected: Detected, wanted: NamingName): void {
  const found = detected.naming.name;
  if (detected.found > 0 && acceptable[wanted].includes(found)) return;
  const known = detected.tried.some(({ naming }) => naming.name === wanted);
  const message = known
    ? `${path} does not hold ${model.name} under the names of ${wanted}`
    : `${wanted} has no names for the weights of ${model.name}`;
  const help = detected.found > 1 ? { help: `--format ${found}` } : {};
  const notes = [`names tried: ${describeTried(detected)}`];
  throw new DiagnosticError([{ code: 'Z424', severity: 'error', message, notes, ...help }]);
}

function toFloat32(data: TensorData): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number | bigint>, Number);
}

/** The element type of a weight that is made by rule. */
export function plainDtype(weight: Weight): SafetensorsDType {
  return weight.dtype === 'i64' ? 'I64' : weight.dtype === 'i32' ? 'I32' : 'F32';
}

function seedOf(spec: string): number {
  const seed = Number(spec.slice('init:'.length));
  if (spec === 'init:' || !Number.isSafeInteger(seed) || seed < 0) {
    fail('Z403', `${spec}: expected a whole number behind init:`, 'init:0');
  }
  return seed;
}

/** Weights that are a function of their names; undefined if `spec` is a path. */
function ruledWeights(model: Model, spec: string): WeightSource | undefined {
  const shapes = new Map(model.weights.map((w) => [w.name, w.shape]));
  const rest = {
    description: spec,
    remarks: [],
    storedShape: (weight: Weight) => shapes.get(weight.name),
    storedDtype: plainDtype,
    close: async (): Promise<void> => {},
  };
  if (spec === 'hash') return { ...rest, read: async (weight) => hashWeight(weight.name, weight.shape) };
  if (!spec.startsWith('init:')) return undefined;
  const seed = seedOf(spec);
  return { ...rest, read: async (weight) => initialWeight(seed, weight.name, weight.shape, weight.init) };
}

/**
 * The weights in an open file that fits.
 * @param seed of what the file lacks
 */
export function fileWeights(
  file: TensorFile,
  { naming, prefix }: Detected,
  remarks: readonly string[],
  seed: number,
): WeightSource {
  const mapped = (weight: Weight) => naming.stored(weight)!;
  const namesOf = (weight: Weight) => mapped(weight).theirs.map((name) => prefix + name);
  // Counters of batch norm (i64) may be left out, and what is new in replaced layers; they start as the model says.
  const isStored = (weight: Weight) =>
    naming.stored(weight) !== undefined && namesOf(weight).every((name) => file.infos.has(name));
  const plain = naming.name === 'openai' && prefix === '' && remarks.length === 0;
  const ours = plain && file instanceof SafetensorsFile;
  return {
    description: file.path,
    naming: naming.name,
    remarks,
    ...(ours ? { copyable: file.path } : {}),
    storedShape(weight) {
      if (!isStored(weight)) return undefined;
      const shapes = namesOf(weight).map((name) => file.infos.get(name)!.shape);
      return undoShapes(mapped(weight), shapes);
    },
    async read(weight) {
      if (!isStored(weight)) return initialWeight(seed, weight.name, weight.shape, weight.init);
      const parts = [];
      for (const name of namesOf(weight)) {
        const { shape, data } = await file.read(name);
        parts.push({ shape, data: toFloat32(data) });
      }
      return undoTransforms(mapped(weight), parts);
    },
    storedDtype(weight) {
      if (!isStored(weight)) return plainDtype(weight);
      const [first, ...rest] = namesOf(weight).map((name) => file.infos.get(name)!.dtype);
      return first !== undefined && rest.every((dtype) => dtype === first) ? first : 'F32';
    },
    close: () => file.close(),
  };
}

/** Those of the weights so called that a file has. */
function presentIn(
  file: TensorFile,
  { naming, prefix }: Detected,
  weights: readonly Weight[],
  names: ReadonlySet<string>,
): string[] {
  const there = (weight: Weight) =>
    naming.stored(weight)?.theirs.every((name) => file.infos.has(prefix + name)) === true;
  return weights.filter((w) => names.has(w.name) && there(w)).map((w) => w.name);
}

/**
 * Opens the weights that `spec` names for `model`.
 * @param format insists on a file with these names
 * @param replaced weights that the caller makes itself: a file may lack them or have them in another shape
 * @param seed of weights that start fresh, 0 by default
 * @throws DiagnosticError Z403 for a malformed spec, Z41x and Z42x for a file that cannot be read, Z401 and
 * Z424 for one that does not fit
 */
export async function openWeights(
  model: Model,
  spec: string,
  options: { format?: NamingName; replaced?: ReadonlySet<string>; seed?: number } = {},
): Promise<WeightSource> {
  const ruled = ruledWeights(model, spec);
  if (ruled !== undefined) return ruled;
  const path = tensorsPath(spec);
  const file = await openTensors(path);
  try {
    const { format, replaced = new Set<string>(), seed = 0 } = options;
    const prefix = commonPrefix([...file.infos.keys()]);
    const { stored, fresh, left } = replacedWeights(model, (name) => file.infos.has(prefix + name));
    const detected = detectNaming(stored, file.infos, format !== undefined);
    if (format !== undefined) checkNaming(model, file.path, detected, format);
    checkFit(model, file, detected, new Set([...replaced, ...left]));
    const remarks = replacedRemarks(file.path, fresh, presentIn(file, detected, stored, left));
    const source = fileWeights(file, detected, remarks, seed);
    if (path === spec || basename(path) !== averagedWeights) return source;
    const averaged = `${path}: the moving average of the weights; weights.safetensors beside it has the last step's`;
    return { ...source, remarks: [averaged, ...remarks] };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** How floats are written: as the source stores them, or all in one type. */
export type FloatChoice = 'stored' | 'F32' | 'F16';

/** The element type to write a weight in. Doubles, which nothing here computes in, become F32. */
function writtenDtype(weights: WeightSource, weight: Weight, floats: FloatChoice): SafetensorsDType {
  if (weight.dtype !== 'f32') return plainDtype(weight);
  if (floats !== 'stored') return floats;
  const stored = weights.storedDtype(weight);
  return stored === 'F16' || stored === 'BF16' ? stored : 'F32';
}

/** From here on binary16 rounds to infinity. */
const f16Limit = 65520;

/** @throws DiagnosticError Z433 */
function checkRange(name: string, values: Float32Array): void {
  const large = values.find((v) => Number.isFinite(v) && Math.abs(v) >= f16Limit);
  if (large !== undefined)
    fail('Z433', `${name} holds ${large}, which f16 cannot: its largest number is 65504`, '--dtype f32');
}

/**
 * All weights as tensors to write under our names, in state_dict order; each is read when its turn comes, and
 * refused with Z433 where F16 would make a number infinite.
 */
export function weightsToWrite(
  model: Model,
  weights: WeightSource,
  floats: FloatChoice = 'stored',
): LazyTensor[] {
  return model.weights.map((weight) => {
    const dtype = writtenDtype(weights, weight, floats);
    return {
      name: weight.name,
      dtype,
      shape: weight.shape,
      data: async () => {
        const values = await weights.read(weight);
        if (dtype === 'F16' && weights.storedDtype(weight) !== 'F16') checkRange(weight.name, values);
        if (dtype === 'I64') return BigInt64Array.from(values, (v) => BigInt(v));
        return dtype === 'I32' ? Int32Array.from(values) : values;
      },
    };
  });
}
