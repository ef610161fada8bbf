/** jax-js, which runs our export to ONNX on the same GPU. It is loaded when it is asked for. */
import type { numpy } from '@jax-js/jax';

export interface OtherModel {
  /** One forward: pictures in, features out, both on the host. */
  run(images: Float32Array): Promise<Float32Array>;
  close(): void;
}

/** A model that this library cannot run, with the reason in words. */
export class Incapable extends Error {}

/** The library's own words about what it does not have. */
function inWords(error: unknown): Incapable {
  const message = error instanceof Error ? error.message : String(error);
  const operation = /Unsupported ONNX operation: (\w+)/.exec(message)?.[1];
  return new Incapable(
    operation === undefined
      ? `jax-js cannot run this export: ${message}`
      : `jax-js has no operation ${operation} of ONNX, which this model takes`,
  );
}

/**
 * @param onnx takes `pixel_values` and gives `features`
 * @param shape of the pictures, [batch, 3, height, width]
 * @throws Incapable where it has no WebGPU or cannot read the model
 */
export async function openOther(
  onnx: Uint8Array<ArrayBuffer>,
  shape: readonly number[],
): Promise<OtherModel> {
  const [jax, { ONNXModel }] = await Promise.all([import('@jax-js/jax'), import('@jax-js/onnx')]);
  const found = await jax.init('webgpu');
  if (!found.includes('webgpu')) throw new Incapable('jax-js finds no WebGPU here');
  jax.defaultDevice('webgpu');
  let model: InstanceType<typeof ONNXModel>;
  try {
    model = new ONNXModel(onnx);
  } catch (error) {
    throw inWords(error);
  }
  const forward = jax.jit((pixels: numpy.Array) => model.run({ pixel_values: pixels }).features!);
  return {
    async run(images) {
      try {
        const pixels = jax.numpy.array(images as Float32Array<ArrayBuffer>).reshape([...shape]);
        return (await forward(pixels).data()) as Float32Array;
      } catch (error) {
        throw inWords(error);
      }
    },
    close() {
      forward.dispose();
      model.dispose();
    },
  };
}
