/**
 * Storages and the strided views into them: how reshape, transpose, slice and expand cost nothing.
 *
 * A `Storage` is one allocation; a `View` says where each element of a node's logical shape lies in it. All
 * strides and offsets count elements. A stride of 0 repeats (expand).
 */
import { type DType, denseStrides } from '../../graph/types.ts';

export { denseStrides };

export interface Storage {
  readonly id: number;
  readonly dtype: DType;
  readonly elements: number;
  /** What it holds, for dumps: `%12 layer_norm` or `param visual.proj`. */
  readonly label: string;
  /** Where it lives: fixed places are known before planning, `workspace` is placed by liveness. */
  readonly place:
    | 'weights'
    | 'gradients'
    | 'moment1'
    | 'moment2'
    | 'average'
    | 'workspace'
    | 'input'
    | 'output'
    | 'features'
    | 'hyper'
    | 'halves'
    | 'scaler'
    | 'derived';
  /** Name of the weight, input, output or gradient it holds, for fixed places. */
  readonly name?: string;
}

/** Makes storages. One for all graphs of a plan and its update, so that no two storages are taken for one. */
export class Storages {
  #count = 0;

  make(storage: Omit<Storage, 'id'>): Storage {
    return { ...storage, id: this.#count++ };
  }
}

export interface View {
  readonly storage: Storage;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

export function denseView(storage: Storage, shape: readonly number[], offset = 0): View {
  return { storage, shape, strides: denseStrides(shape), offset };
}

/** Row-major without gaps (axes of length 1 may have any stride). */
export function isDense(view: View): boolean {
  const dense = denseStrides(view.shape);
  return view.shape.every((n, i) => n === 1 || view.strides[i] === dense[i]);
}
