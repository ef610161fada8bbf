/**
 * Weights from what the user names: a safetensors file, a folder that holds `weights.safetensors` (an export or a
 * train run), `init:SEED`, or `hash`.
 *
 * A file is compared with the model by its header before a value is read: every missing, extra or misshapen tensor is
 * reported at once. Values are then read one tensor at a time, so a 1.7 GB file never lies in memory twice.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Model, Weight } from '../compiler/model/types.ts';
import { type Diagnostic, DiagnosticError, fail } from '../grammar/diagnostics.ts';
import { hashWeight } from './formats/hash-weights.ts';
import { initialWeight } from './formats/initial-weights.ts';
import { openSafetensors, type SafetensorsFile, type TensorData } from './formats/safetensors.ts';

export interface WeightSource {
  /** For messages: the path, `init:0`, `hash`. */
  readonly description: string;
  /** One weight of the model, row-major in its own shape. */
  read(weight: Weight): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Tensors that published OpenAI checkpoints carry beside the weights. */
const alien = new Set(['input_resolution', 'context_length', 'vocab_size']);
/** At most this many tensors are named one by one. */
const mostNamed = 20;
const floats = new Set(['F32', 'F16', 'BF16', 'F64']);

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** The safetensors file that a path means: itself, or the one in the folder. */
export function weightsFile(path: string): string {
  return isFolder(path) ? join(path, 'weights.safetensors') : path;
}

function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** What is wrong with the tensors of a file; empty if they fit the model. */
function compare(model: Model, file: SafetensorsFile): string[] {
  const wanted = new Map(model.weights.map((w) => [w.name, w]));
  const problems: string[] = [];
  for (const weight of model.weights) {
    const found = file.infos.get(weight.name);
    if (found === undefined) {
      problems.push(`${weight.name} is missing in the file, ${shapeText(weight.shape)} in the model`);
    } else if (shapeText(found.shape) !== shapeText(weight.shape)) {
      problems.push(
        `${weight.name} is ${shapeText(found.shape)} in the file, ${shapeText(weight.shape)} in the model`,
      );
    } else if (weight.dtype !== 'i64' && !floats.has(found.dtype)) {
      problems.push(`${weight.name} is ${found.dtype} in the file, F32 in the model`);
    }
  }
  for (const [name, info] of file.infos) {
    if (!wanted.has(name) && !alien.has(name)) {
      problems.push(`${name} ${shapeText(info.shape)} is in the file, not in the model`);
    }
  }
  return problems;
}

/** Throws one Z401 per tensor that does not fit. */
function checkFit(model: Model, file: SafetensorsFile): void {
  const problems = compare(model, file);
  if (problems.length === 0) return;
  const named: Diagnostic[] = problems
    .slice(0, mostNamed)
    .map((text) => ({ code: 'Z401', severity: 'error', message: `weights do not fit: ${text}` }));
  const rest = problems.length - named.length;
  const last: Diagnostic = {
    code: 'Z402',
    severity: 'error',
    message: `${file.path} does not hold the weights of ${model.name}: ${problems.length} of its tensors differ${rest > 0 ? ` (${rest} not shown)` : ''}`,
  };
  throw new DiagnosticError([...named, last]);
}

function toFloat32(data: TensorData): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number | bigint>, Number);
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
      close: nothingToClose,
    };
  }
  if (spec.startsWith('init:')) {
    const seed = seedOf(spec);
    return {
      description: spec,
      read: async (weight) => initialWeight(seed, weight.name, weight.shape, weight.init),
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
    read: async (weight) => toFloat32((await file.read(weight.name)).data),
    close: () => file.close(),
  };
}
