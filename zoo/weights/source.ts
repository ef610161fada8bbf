/**
 * Where the weights of a model come from, one weight at a time; and weights by rule, which are functions of
 * their names: `init:SEED`, the model's own initialisers, and `hash`.
 */
import type { Model, Weight } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { isHubName } from '../hub/names.ts';
import type { SafetensorsDType } from './formats/safetensors.ts';
import type { TensorFile } from './formats/tensor-file.ts';
import { hashWeight } from './hash-weights.ts';
import { initialWeight } from './initial-weights.ts';
import type { NamingName } from './naming.ts';
import { firstNotFinite } from './tensors/finite.ts';

export interface WeightSource {
  /** For messages: the path, `init:0`, `hash`. */
  readonly description: string;
  /** The file that they are in; undefined for weights by rule. */
  readonly file?: Pick<TensorFile, 'path' | 'shards'>;
  /** Where the base of an adapter was found. */
  readonly base?: string;
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
 * A source whose weights are checked as they are read: one that is not a finite number spreads over whole features.
 * @throws DiagnosticError Z435 from `read`, with the name of the weight
 */
export function finiteWeights(source: WeightSource): WeightSource {
  return {
    ...source,
    async read(weight) {
      const values = await source.read(weight);
      const at = firstNotFinite(values);
      if (at >= 0)
        fail('Z435', `${weight.name} in ${source.description} is not finite: value ${at} is ${values[at]}`);
      return values;
    },
  };
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

/** Whether what the user names is a rule, not a path: `./hash` is a file. */
export function isRule(spec: string): boolean {
  return spec === 'hash' || spec.startsWith('init:');
}

/** Whether it is a rule or a name of a hub. */
export function isNoPath(spec: string): boolean {
  return isRule(spec) || isHubName(spec);
}

/** Weights that are a function of their names; undefined if `spec` is a path. */
export function ruledWeights(model: Model, spec: string): WeightSource | undefined {
  if (!isRule(spec)) return undefined;
  const shapes = new Map(model.weights.map((w) => [w.name, w.shape]));
  const rest = {
    description: spec,
    remarks: [],
    storedShape: (weight: Weight) => shapes.get(weight.name),
    storedDtype: plainDtype,
    close: async (): Promise<void> => {},
  };
  if (spec === 'hash') return { ...rest, read: async (weight) => hashWeight(weight.name, weight.shape) };
  const seed = seedOf(spec);
  return { ...rest, read: async (weight) => initialWeight(seed, weight.name, weight.shape, weight.init) };
}
