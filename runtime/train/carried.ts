/**
 * Weights that no step uses: kept on the host as they are, but for counters of batches, which the host counts along. And the
 * state that a run begins with.
 */
import type { Weight } from '../../compiler/model/types.ts';
import { averagePrefix } from '../../compiler/optimizers.ts';
import type { TrainSession } from './types.ts';

/** As a file of weights holds it. */
export interface CarriedTensor {
  readonly name: string;
  readonly dtype: 'F32' | 'I64';
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export class CarriedWeights {
  readonly #tensors = new Map<string, CarriedTensor>();
  readonly #counters: ReadonlySet<string>;
  readonly #seenPerStep: number;
  /** The step that the counters are of. */
  #at = 0;

  /**
   * @param counters weights that count batches seen by batch norm
   * @param seenPerStep how many a step shows it: one for each chunk
   */
  constructor(counters: ReadonlySet<string>, seenPerStep: number) {
    this.#counters = counters;
    this.#seenPerStep = seenPerStep;
  }

  /** The step that what is carried is of. */
  beginAt(step: number): void {
    this.#at = step;
  }

  carry(weight: Weight, data: ArrayLike<number>): void {
    this.#tensors.set(weight.name, stored(weight, data));
  }

  values(name: string): Float32Array {
    const { data } = this.#tensors.get(name)!;
    return Float32Array.from(data as ArrayLike<number | bigint>, Number);
  }

  /** All of them, as they are after `step` steps. */
  behind(step: number): CarriedTensor[] {
    const more = BigInt((step - this.#at) * this.#seenPerStep);
    return [...this.#tensors.values()].map((tensor) => {
      const { name, data } = tensor;
      if (!this.#counters.has(name) || !(data instanceof BigInt64Array)) return tensor;
      return { ...tensor, data: data.map((count) => count + more) };
    });
  }
}

/**
 * Writes the weights that a run starts from into its session, their moving averages as well; the rest is carried.
 * @param read values of one weight, row-major
 * @param told how many are done
 */
export async function beginState(
  session: TrainSession,
  weights: readonly Weight[],
  read: (weight: Weight) => Promise<Float32Array>,
  carried: CarriedWeights,
  told: (done: number, of: number) => void = () => {},
): Promise<void> {
  const known = new Set(session.state.map((s) => s.name));
  for (const [i, weight] of weights.entries()) {
    told(i + 1, weights.length);
    const data = await read(weight);
    if (known.has(weight.name)) session.writeState(weight.name, data);
    else carried.carry(weight, data);
    const average = averagePrefix + weight.name;
    if (known.has(average)) session.writeState(average, data);
  }
}

export function toFloat32(data: ArrayLike<number>): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

/** A weight as files hold it: F32, or I64 where the state_dict says so. */
function stored({ name, shape, dtype }: Weight, data: ArrayLike<number>): CarriedTensor {
  if (dtype !== 'i64') return { name, shape, dtype: 'F32', data: toFloat32(data) };
  return { name, shape, dtype: 'I64', data: BigInt64Array.from(Array.from(data), (x) => BigInt(x)) };
}
