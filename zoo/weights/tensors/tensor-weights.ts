/**
 * The weights of a model in tensors whose naming was found: read by our names, whatever holds them. Nothing here is Node's.
 */
import type { Weight } from '../../../compiler/model/types.ts';
import { type Diagnostic, refuseAll } from '../../../grammar/diagnostics.ts';
import type { TensorData } from '../../../runtime/data/safetensors/tensors.ts';
import type { TensorFile } from '../formats/tensor-file.ts';
import { initialWeight } from '../initial-weights.ts';
import { plainDtype, type WeightSource } from '../source.ts';
import { type Detected, triedNotes, undoShapes, undoTransforms } from './namings.ts';

/** Where in a file the weights were, and what was taken off their names. */
export function formRemarks({ path, remarks = [] }: TensorFile, { prefix }: Detected): string[] {
  return [
    ...remarks,
    ...(prefix === '' ? [] : [`${path}: all names begin with ${prefix}, which is taken off`]),
  ];
}

/** @throws DiagnosticError the problems, if there are any, with what was tried */
export function refuseMisfit(problems: readonly Diagnostic[], file: TensorFile, detected: Detected): void {
  refuseAll(problems, [`in ${file.path}`, ...triedNotes(file.infos, detected)]);
}

export function toFloat32(data: TensorData): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number | bigint>, Number);
}

/**
 * The weights in an open file that fits.
 * @param seed of what the file lacks
 */
export function fileWeights(
  file: TensorFile,
  detected: Detected,
  remarks: readonly string[],
  seed: number,
): WeightSource {
  const { naming } = detected;
  const mapped = (weight: Weight) => naming.stored(weight)!;
  // Counters of batch norm (i64) may be left out, and what is new in replaced layers; they start as the model says.
  const namesOf = (weight: Weight) => storedNames(file, detected, weight);
  return {
    description: file.path,
    file,
    naming: naming.name,
    remarks,
    storedShape(weight) {
      const names = namesOf(weight);
      if (names === undefined) return undefined;
      const shapes = names.map((name) => file.infos.get(name)!.shape);
      return undoShapes(mapped(weight), shapes);
    },
    async read(weight) {
      const names = namesOf(weight);
      if (names === undefined) return initialWeight(seed, weight.name, weight.shape, weight.init);
      const parts = [];
      for (const name of names) {
        const { shape, data } = await file.read(name);
        parts.push({ shape, data: toFloat32(data) });
      }
      return undoTransforms(mapped(weight), parts);
    },
    storedDtype(weight) {
      const names = namesOf(weight);
      if (names === undefined) return plainDtype(weight);
      const [first, ...rest] = names.map((name) => file.infos.get(name)!.dtype);
      return first !== undefined && rest.every((dtype) => dtype === first) ? first : 'F32';
    },
    close: () => file.close(),
  };
}

/** The tensors that a weight is in; undefined where the file lacks one. */
function storedNames(file: TensorFile, { naming, prefix }: Detected, weight: Weight): string[] | undefined {
  const names = naming.stored(weight)?.theirs.map((name) => prefix + name);
  return names?.every((name) => file.infos.has(name)) ? names : undefined;
}

/** Those of the weights so called that a file has. */
export function presentIn(
  file: TensorFile,
  detected: Detected,
  weights: readonly Weight[],
  names: ReadonlySet<string>,
): string[] {
  const there = (weight: Weight) => storedNames(file, detected, weight) !== undefined;
  return weights.filter((w) => names.has(w.name) && there(w)).map((w) => w.name);
}
