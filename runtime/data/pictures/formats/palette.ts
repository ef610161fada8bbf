/** Tables of colours, three bytes each, that GIF and BMP have. */

/** Whether a table is the ramp of greys. */
export function isGreyRamp(palette: Uint8Array): boolean {
  return palette.every((value, i) => value === Math.floor(i / 3));
}

/** Colours of indices; those behind the last one are black. With a fourth channel if one is transparent. */
export function paletteColours(
  indices: Uint8Array,
  palette: Uint8Array,
  transparent: number | undefined,
): { channels: number; data: Uint8Array } {
  const channels = transparent === undefined ? 3 : 4;
  const table = new Uint8Array(256 * channels).fill(transparent === undefined ? 0 : 255);
  for (let i = 0; i < 256; i++) for (let c = 0; c < 3; c++) table[i * channels + c] = palette[i * 3 + c] ?? 0;
  if (transparent !== undefined) table[transparent * 4 + 3] = 0;
  const data = new Uint8Array(indices.length * channels);
  for (let i = 0, o = 0; i < indices.length; i++)
    for (let c = 0, from = indices[i]! * channels; c < channels; c++) data[o++] = table[from + c]!;
  return { channels, data };
}
