/** ONNX files on a disk. */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { writeFully } from '../../../runtime/data/files/atomic.ts';
import type { LazyTensor } from '../../weights/formats/tensor-file.ts';
import type { OnnxModel } from './onnx-graph.ts';
import { encodeOnnx, weightBytes } from './write-onnx.ts';

/**
 * Writes a model, and a file of its weights beside it where they are too large for one.
 * @param limit bytes of weights that one file may hold
 * @returns names of the files
 */
export async function writeOnnx(
  path: string,
  name: string,
  model: OnnxModel,
  tensors: ReadonlyMap<string, LazyTensor>,
  limit: number,
): Promise<readonly string[]> {
  const large = weightBytes(model, tensors) > limit;
  const dataName = `${basename(path)}_data`;
  const file = await open(path, 'wx');
  const data = large ? await open(`${path}_data`, 'wx') : undefined;
  try {
    for await (const { bytes, offset } of encodeOnnx(name, model, tensors, large ? dataName : undefined))
      await (offset === undefined ? writeFully(file, bytes) : writeFully(data!, bytes, offset));
  } finally {
    await file.close();
    await data?.close();
  }
  return large ? [basename(path), dataName] : [basename(path)];
}
