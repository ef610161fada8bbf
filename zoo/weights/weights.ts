/**
 * Weights from what the user names: a file in any format that CLIP's weights come in, a folder that holds one
 * (an export, a train run, a download), an adapter with its base, `init:SEED`, or `hash`.
 *
 * Values are read one tensor at a time, so a 1.7 GB file never lies in memory twice.
 */
import type { Model, Weight } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { openAdapter } from './adapter.ts';
import { adapterFacts, refuseBase } from './adapter-file.ts';
import { type FitOptions, namedFileWeights } from './file-weights.ts';
import type { SafetensorsDType } from './formats/safetensors.ts';
import type { LazyTensor } from './formats/tensor-file.ts';
import { openNamed } from './named.ts';
import type { NamingName } from './naming.ts';

import { plainDtype, ruledWeights, type WeightSource } from './source.ts';

export interface OpenOptions extends FitOptions {
  /** Insists on a file with these names. */
  readonly format?: NamingName;
  /** Where the base of an adapter is; by default where the adapter says. */
  readonly base?: string | undefined;
  /** The same for what may be no adapter. */
  readonly baseIfAdapter?: string | undefined;
}

/**
 * Opens the weights that `spec` names for `model`.
 * @throws DiagnosticError Z403 for a malformed spec, Z41x and Z42x for a file that cannot be read, Z430 for a damaged package, Z401 and
 * Z424 for one that does not fit, Z440 to Z442 for an adapter without its base, Z703 for a base without one
 */
export async function openWeights(
  model: Model,
  spec: string,
  options: OpenOptions = {},
): Promise<WeightSource> {
  const { base, baseIfAdapter, format } = options;
  const ruled = ruledWeights(model, spec);
  if (ruled !== undefined) {
    refuseBase(`${spec} is none`, base);
    return ruled;
  }
  const file = await openNamed(spec);
  try {
    const facts = adapterFacts(file);
    if (facts === undefined) {
      refuseBase(`${spec} is none`, base);
      return namedFileWeights(model, spec, file, options);
    }
    if (format !== undefined)
      fail('Z424', `${spec} is an adapter of zooc, no file of another project`, `zooc export ${spec}`);
    return await openAdapter(model, file, facts, { ...options, base: base ?? baseIfAdapter });
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
