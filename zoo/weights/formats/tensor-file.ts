/**
 * A file of tensors, whatever its format: names, types and shapes at once, values one tensor at a time.
 *
 * `SafetensorsFile`, `TorchFile` and `ShardedFile` are such files; `open-tensors.ts` tells them apart.
 */
import type { SafetensorsDType, Tensor, TensorData } from './safetensors.ts';

export interface StoredInfo {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

export interface TensorFile {
  /** What it was opened by, for messages. */
  readonly path: string;
  readonly infos: ReadonlyMap<string, StoredInfo>;
  /** The files that hold the tensors, where `path` is an index that names them. */
  readonly shards?: readonly string[];
  /** What a person must know about where in the file the tensors were, and what was left in it. */
  readonly remarks?: readonly string[];
  /** One tensor of `infos`, row-major. F16 and BF16 arrive as float32. */
  read(name: string): Promise<Tensor>;
  /** Safe to call twice. */
  close(): Promise<void>;
}

/** A tensor to be written, whose values are made when its turn comes: float32 for F32, F16 and BF16. */
export interface LazyTensor extends StoredInfo {
  readonly name: string;
  readonly data: () => Promise<TensorData>;
}
