/** Pictures turned and mirrored as an orientation of TIFF and EXIF says. */
import type { Decoded } from '../decoded.ts';

/** By orientation: whether x and y change places first, then whether the result is mirrored in x and in y. */
const turns: Readonly<Record<number, readonly [swap: boolean, x: boolean, y: boolean]>> = {
  2: [false, true, false],
  3: [false, true, true],
  4: [false, false, true],
  5: [true, false, false],
  6: [true, true, false],
  7: [true, true, true],
  8: [true, false, true],
};

/** The picture as it is to be seen; unknown orientations change nothing. */
export function turned(image: Decoded, orientation: number): Decoded {
  const turn = turns[orientation];
  if (turn === undefined) return image;
  const [swap, mirrorX, mirrorY] = turn;
  const { channels, data } = image;
  const width = swap ? image.height : image.width;
  const height = swap ? image.width : image.height;
  const out = data.slice();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const across = mirrorX ? width - 1 - x : x;
      const down = mirrorY ? height - 1 - y : y;
      const from = (swap ? across * image.width + down : down * image.width + across) * channels;
      const to = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) out[to + c] = data[from + c]!;
    }
  }
  return { ...image, width, height, data: out };
}
