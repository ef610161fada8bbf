/**
 * Weights from what the user names: a safetensors file, a folder that holds `weights.safetensors` (an export or a
 * train run), `init:SEED`, or `hash`.
 *
 * A file is compared with the model by its header before a value is read: every missing, extra or misshapen tensor is
 * reported at once. Values are then read one tensor at a time, so a 1.7 GB file never lies in memory twice.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { checkWeights } from '../compiler/model/index.ts';
import type { Model, Weight } from '../compiler/model/types.ts';
import { DiagnosticError, fail } from '../grammar/diagnostics.ts';
import { hashWeight } from './formats/hash-weights.ts';
import { initialWeight } from './formats/initial-weights.ts';
import {
  openSafetensors,
  type SafetensorsDType,
  type SafetensorsFile,
  type TensorData,
} from './formats/safetensors.ts';

export interface WeightSource {
  /** For messages: the path, `init:0`, `hash`. */
  readonly description: string;
  /** One weight of the model, row-major in its own shape. */
  read(weight: Weight): Promise<Float32Array>;
  /** The element type that the source keeps the weight in; what is made by rule, not stored, is F32 (counters I64). */
  storedDtype(weight: Weight): SafetensorsDType;
  close(): Promise<void>;
}

/** Tensors that published OpenAI checkpoints carry beside the weights. */
const alien = new Set(['input_resolution', 'context_length', 'vocab_size']);

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** The safetensors file that a path means: itself, or the one in the folder. */
export function weightsFile(path: string): string {
  return isFolder(path) ? join(path, 'weights.safetensors') : path;
}

/**
 * Compares a file's header with the model.
 * @throws DiagnosticError Z401 that names every tensor that does not fit
 */
function checkFit(model: Model, file: SafetensorsFile): void {
  const tensors = new Map([...file.infos].filter(([name]) => !alien.has(name)));
  const problems = checkWeights(model, tensors);
  if (problems.length === 0) return;
  throw new DiagnosticError(problems.map((d) => ({ ...d, notes: [...(d.notes ?? []), `in ${file.path}`] })));
}

function toFloat32(data: TensorData): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number | bigint>, Number);
}

/** The element type of a weight that is made by rule. */
function plainDtype(weight: Weight): SafetensorsDType {
  return weight.dtype === 'i64' ? 'I64' : weight.dtype === 'i32' ? 'I32' : 'F32';
}

function seedOf(spec: string): number {
  const seed = Number(spec.slice('init:'.length));
  if (spec === 'init:' || !Number.isSafeInteger(seed) || seed < 0) {
    fail('Z403', `${spec}: expected a whole number behind init:`, 'init:0');
  }
  return seed;
}

/** Opens the weights that `spec` names for `model`. */
export async function openWeights(model: Model, spec: string): Promise<WeightSource> {
  const nothingToClose = async (): Promise<void> => {};
  if (spec === 'hash') {
    return {
      description: spec,
      read: async (weight) => hashWeight(weight.name, weight.shape),
      storedDtype: plainDtype,
      close: nothingToClose,
    };
  }
  if (spec.startsWith('init:')) {
    const seed = seedOf(spec);
    return {
      description: spec,
      read: async (weight) => initialWeight(seed, weight.name, weight.shape, weight.init),
      storedDtype: plainDtype,
      close: nothingToClose,
    };
  }
  const file = await openSafetensors(weightsFile(spec));
  try {
    checkFit(model, file);
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    description: file.path,
    // Counters of batch norm (i64) may be left out; they start as the model says.
    read: async (weight) =>
      file.infos.has(weight.name)
        ? toFloat32((await file.read(weight.name)).data)
        : initialWeight(0, weight.name, weight.shape, weight.init),
    storedDtype: (weight) => file.infos.get(weight.name)?.dtype ?? plainDtype(weight),
    close: () => file.close(),
  };
}
