/** Colours and their alpha, four bytes a pixel, rounded as Pillow rounds. */

/** a * b / 255. */
export function times255(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/** Colours times alpha. */
export function premultiplied(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data);
  for (let i = 0; i < out.length; i += 4) {
    const alpha = out[i + 3]!;
    for (let c = 0; c < 3; c++) out[i + c] = times255(out[i + c]!, alpha);
  }
  return out;
}

/** Undoes `premultiplied`. */
export function unpremultiplied(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data);
  for (let i = 0; i < out.length; i += 4) {
    const alpha = out[i + 3]!;
    if (alpha === 0 || alpha === 255) continue;
    for (let c = 0; c < 3; c++) out[i + c] = Math.min(Math.trunc((255 * out[i + c]!) / alpha), 255);
  }
  return out;
}
