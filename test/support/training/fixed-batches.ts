/** Ready-made batches of CLIP's two inputs, as files hold them. */
import type { Tensor } from '../../../zoo/weights/formats/safetensors.ts';

/** What a file for `data = tensors(...)` holds: waves as pictures, captions of two words. */
export function fixedBatches(
  steps: number,
  batch: number,
  of: { readonly resolution: number; readonly context: number; readonly vocab: number },
): Map<string, Tensor> {
  const { resolution, context, vocab } = of;
  const rows = steps * batch;
  const images = Float32Array.from({ length: rows * 3 * resolution ** 2 }, (_, i) =>
    Math.sin(i * 0.37 + (i >> 8)),
  );
  const tokens = new Int32Array(rows * context);
  for (let row = 0; row < rows; row++) {
    const words = [row, 29 + ((row * 7) % 40)].map((word) => 1 + (word % (vocab - 3)));
    tokens.set([vocab - 2, ...words, vocab - 1], row * context);
  }
  return new Map<string, Tensor>([
    ['images', { dtype: 'F32', shape: [steps, batch, 3, resolution, resolution], data: images }],
    ['tokens', { dtype: 'I32', shape: [steps, batch, context], data: tokens }],
  ]);
}

/** The first of such batches alone, as `run --inputs` takes it. */
export function firstBatch(batches: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(
    [...batches].map(([name, { dtype, shape, data }]) => {
      const [steps, ...sizes] = shape;
      return [name, { dtype, shape: sizes, data: data.slice(0, data.length / steps!) }];
    }),
  );
}
