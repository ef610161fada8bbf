/** How a file of tensors fits a whole model. */
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { formatShape } from '../../graph/types.ts';
import type { Model, Weight } from '../types.ts';
import { resizable } from '../values/grid.ts';
import { imageWeights } from './image-weights.ts';

export interface TensorInfo {
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** At most this many tensors are listed of each sort. */
const shown = 40;
/** Element types that an f32 weight can be read from. */
const floatTypes = ['F16', 'BF16', 'F32', 'F64'];

/** A tensor that a file must hold: a weight, or a part of one under another format's names. */
export interface WantedTensor extends TensorInfo {
  readonly weight: Weight;
}

/** The model's weights under their own names. */
function ownTensors(model: Model): Map<string, WantedTensor> {
  return new Map(
    model.weights.map((weight) => [weight.name, { weight, shape: weight.shape, dtype: weight.dtype }]),
  );
}

/**
 * Every way in which a file's tensors miss the model: missing, extra, misshapen, of the wrong element type;
 * one diagnostic.
 * @param wanted what the file must hold; by default the weights under their own names
 * @param replaced weights that get other values anyway, so that the file need not have them, nor in their
 * shape
 */
export function checkWeights(
  model: Model,
  tensors: ReadonlyMap<string, TensorInfo>,
  wanted: ReadonlyMap<string, WantedTensor> = ownTensors(model),
  replaced: ReadonlySet<string> = new Set(),
): Diagnostic[] {
  const missing = [...wanted]
    .filter(
      ([name, { weight }]) => weight.dtype !== 'i64' && !replaced.has(weight.name) && !tensors.has(name),
    )
    .map(([name, { shape }]) => `${name} ${formatShape(shape)}`);
  const extra = [...tensors]
    .filter(([name]) => !wanted.has(name))
    .map(([n, t]) => `${n} ${formatShape(t.shape)}`);
  const misshapen: string[] = [];
  const grids: string[] = [];
  const mistyped: string[] = [];
  for (const [name, { weight, shape }] of wanted) {
    const tensor = tensors.get(name);
    if (tensor === undefined || replaced.has(weight.name)) continue;
    if (!sameNumbers(tensor.shape, shape)) {
      misshapen.push(misfit(name, weight, shape, tensor, model));
      if (resizable(tensor.shape, shape)) grids.push(weight.name);
    } else if (weight.dtype === 'f32' && !floatTypes.includes(tensor.dtype)) {
      mistyped.push(`${name} is ${tensor.dtype} in the file, f32 in the model`);
    }
  }
  const notes = [
    ...listed('not in the file', missing),
    ...listed('not in the model', extra),
    ...(misshapen.length > 1 ? listed('of another shape', misshapen) : []),
    ...listed('of another element type', mistyped),
  ];
  const [first] = misshapen;
  if (first === undefined && notes.length === 0) return [];
  const message = first !== undefined ? `weights do not fit: ${first}` : `weights do not fit ${model.name}`;
  const pictures = grids.length === 0 ? undefined : imageWeights(model);
  const inits = grids
    .filter((name) => pictures?.has(name))
    .map((name) => `init ${name} = resize_grid(bicubic)`);
  const help = inits.length === 0 ? {} : { help: inits.join(', ') };
  return [{ code: 'Z401', severity: 'error', message, ...(notes.length === 0 ? {} : { notes }), ...help }];
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/**
 * `visual.positional_embedding is [50, 768] in the file, [145, 768] in the model (vision.resolution = 384)`
 */
function misfit(
  name: string,
  weight: Weight,
  shape: readonly number[],
  tensor: TensorInfo,
  model: Model,
): string {
  const resolution = /^visual\.(attnpool\.)?positional_embedding$/.test(weight.name)
    ? model.config.get('vision.resolution')
    : undefined;
  const because = resolution === undefined ? '' : ` (vision.resolution = ${resolution})`;
  return `${name} is ${formatShape(tensor.shape)} in the file, ${formatShape(shape)} in the model${because}`;
}

function listed(what: string, names: readonly string[]): string[] {
  const notes = names.slice(0, shown).map((name) => `${what}: ${name}`);
  return names.length > shown ? [...notes, `${what}: ${names.length - shown} more`] : notes;
}
