/** Pictures that are moved a little: the augmentation that costs next to nothing, apart from the rest for pages. */
import { type RandomKey, randomBelow } from '../random.ts';

/** Moves the picture by up to `pixels` in x and y; its edge is repeated into what becomes free. */
export function shifted(bytes: Uint8Array, size: number, pixels: number, key: RandomKey): Uint8Array {
  const dx = randomBelow(key, 0, 2 * pixels + 1) - pixels;
  const dy = randomBelow(key, 1, 2 * pixels + 1) - pixels;
  const clamp = (v: number) => Math.max(0, Math.min(v, size - 1));
  const out = new Uint8Array(bytes.length);
  for (let y = 0; y < size; y++) {
    const row = clamp(y - dy) * size;
    for (let x = 0; x < size; x++) {
      const from = (row + clamp(x - dx)) * 3;
      const to = (y * size + x) * 3;
      out[to] = bytes[from]!;
      out[to + 1] = bytes[from + 1]!;
      out[to + 2] = bytes[from + 2]!;
    }
  }
  return out;
}
