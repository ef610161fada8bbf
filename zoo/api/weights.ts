/** Weights from bytes of safetensors, in memory: the same checks as of a file. Nothing here is Node's. */
import { checkWeights } from '../../compiler/model/index.ts';
import type { Model, ModuleHost } from '../../compiler/model/types.ts';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../runtime/data/safetensors/tensors.ts';
import type { TensorFile } from '../weights/formats/tensor-file.ts';
import { replacedRemarks, replacedWeights } from '../weights/replaced.ts';
import { ruledWeights, type WeightSource } from '../weights/source.ts';
import {
  bundledMaps,
  detectNaming,
  prefixOf,
  wantedTensors,
  weightTensors,
} from '../weights/tensors/namings.ts';
import { fileWeights, formRemarks, presentIn, refuseMisfit } from '../weights/tensors/tensor-weights.ts';
import { isNamed, ownBytes } from './bytes.ts';
import type { Platform } from './platform.ts';
import type { WeightsInput } from './types.ts';

function memoryFile(bytes: Uint8Array, path: string): TensorFile {
  const { tensors } = readSafetensors(bytes, path);
  return {
    path,
    infos: tensors,
    read: async (name) => tensors.get(name)!,
    close: async () => {},
  };
}

/**
 * The weights of a model in bytes of safetensors.
 * @param replaced weights that the caller makes itself
 * @throws DiagnosticError Z411 for other bytes, Z401 that names every tensor which does not fit
 */
export function bytesWeights(
  model: Model,
  bytes: Uint8Array,
  host: ModuleHost,
  path = 'the weights',
  replaced: ReadonlySet<string> = new Set(),
): WeightSource {
  const file = memoryFile(bytes, path);
  const names = model.weights.map(({ name }) => name);
  const { prefix } = prefixOf(names, file.infos);
  const { stored, fresh, left } = replacedWeights(model, (name) => file.infos.has(prefix + name));
  const detected = detectNaming(
    stored,
    file.infos,
    bundledMaps(() => host),
    { unnamed: replaced },
  );
  const tensors = weightTensors(file.infos, detected);
  refuseMisfit(
    checkWeights(model, tensors, wantedTensors(detected), new Set([...replaced, ...left])),
    file,
    detected,
  );
  const remarks = replacedRemarks(path, fresh, presentIn(file, detected, stored, left));
  return fileWeights(file, detected, [...formRemarks(file, detected), ...remarks], 0);
}

/** Opens weights in any form. @throws DiagnosticError Z401, Z403, Z41x, Z42x, Z701 */
export async function openWeightsInput(
  platform: Platform,
  model: Model,
  input: WeightsInput,
  replaced?: ReadonlySet<string>,
): Promise<WeightSource> {
  if (typeof input === 'object' && 'seed' in input) return ruledWeights(model, `init:${input.seed}`)!;
  if (!isNamed(input)) return bytesWeights(model, await ownBytes(input), platform.host, undefined, replaced);
  return ruledWeights(model, String(input)) ?? (await platform.openWeights(model, input));
}

/** All weights of a model as bytes of safetensors under our names: f32, and i64 for counters. */
export async function weightsToBytes(model: Model, source: WeightSource): Promise<Uint8Array> {
  const tensors = new Map<string, Tensor>();
  for (const weight of model.weights) {
    const { name, shape, dtype } = weight;
    const values = await source.read(weight);
    tensors.set(
      name,
      dtype === 'i64'
        ? { dtype: 'I64', shape, data: BigInt64Array.from(values, (v) => BigInt(v)) }
        : { dtype: 'F32', shape, data: values },
    );
  }
  return encodeSafetensors(tensors, new Map([['model', model.name]]));
}
