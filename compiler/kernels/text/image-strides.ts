/** How images and filters lie in memory for kernels of convolutions. */

/** Dense strides of [B, C, H, W] with the channels innermost. */
export function channelsLastStrides(shape: readonly number[]): number[] {
  const [, channels, height, width] = shape as [number, number, number, number];
  return [height * width * channels, 1, width * channels, channels];
}

/** Whether an image [B, C, H, W] has its channels innermost. */
export function isChannelsLast({ strides }: { readonly strides: readonly number[] }): boolean {
  return strides[1] === 1 && strides[3] !== 1;
}

/** Dense strides of filters [O, C, kh, kw] in the order in which products read them: taps, then C, then O. */
export function tapStrides(shape: readonly number[]): number[] {
  const [out, inner, , kw] = shape as [number, number, number, number];
  return [1, out, kw * inner * out, inner * out];
}
