/**
 * A file of tensors, whatever its format: names, types and shapes at once, values one tensor at a time.
 *
 * `SafetensorsFile`, `TorchFile` and `ShardedFile` are such files; `open-tensors.ts` tells them apart.
 */
import type { SafetensorsDType, Tensor } from './safetensors.ts';

export interface StoredInfo {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

export interface TensorFile {
  /** What it was opened by, for messages. */
  readonly path: string;
  readonly infos: ReadonlyMap<string, StoredInfo>;
  /** One tensor of `infos`, row-major. F16 and BF16 arrive as float32. */
  read(name: string): Promise<Tensor>;
  /** Safe to call twice. */
  close(): Promise<void>;
}
