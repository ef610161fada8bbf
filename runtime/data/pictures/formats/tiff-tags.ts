/** What the first directory of a TIFF says about its samples, and sharp does not. */

export interface TiffTags {
  readonly width: number;
  readonly height: number;
  /** 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 and 9 CIELAB. */
  readonly photometric: number;
  readonly bits: number;
  /** What further channels are: 0 nothing, 1 premultiplied alpha, 2 alpha. */
  readonly extra: number | undefined;
  /** Where `extra` stands: a short. */
  readonly extraAt: number | undefined;
  /** 1 unsigned, 2 signed, 3 floats. */
  readonly sampleFormat: number;
  /** Where `sampleFormat` stands: a short. */
  readonly sampleFormatAt: number | undefined;
  readonly orientation: number;
  readonly littleEndian: boolean;
}

const [widthTag, heightTag, bitsTag, photometricTag, orientationTag, extraTag, formatTag] = [
  256, 257, 258, 262, 274, 338, 339,
];
const wanted = [widthTag, heightTag, bitsTag, photometricTag, orientationTag, extraTag, formatTag];

/** Types of values. */
const [short, long] = [3, 4];

/** @throws Error when the directory lies outside of the file */
export function readTiffTags(file: Uint8Array): TiffTags {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const little = file[0] === 0x49;
  const big = view.getUint16(2, little) === 43;
  const offset = (at: number) => (big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little));
  const values = new Map<number, { value: number; at: number }>();
  try {
    const directory = offset(big ? 8 : 4);
    const count = big ? offset(directory) : view.getUint16(directory, little);
    const entries = directory + (big ? 8 : 2);
    for (let i = 0; i < count; i++) {
      const entry = entries + i * (big ? 20 : 12);
      const tag = view.getUint16(entry, little);
      const type = view.getUint16(entry + 2, little);
      if (!wanted.includes(tag) || (type !== short && type !== long)) continue;
      const place = entry + (big ? 12 : 8);
      // Several values that do not fit the entry lie elsewhere; the first is enough.
      const bytes = offset(entry + 4) * (type === short ? 2 : 4);
      const at = bytes > (big ? 8 : 4) ? offset(place) : place;
      const value = type === short ? view.getUint16(at, little) : view.getUint32(at, little);
      values.set(tag, { value, at });
    }
  } catch {
    throw new Error('its directory lies outside of the file');
  }
  const of = (tag: number, otherwise: number) => values.get(tag)?.value ?? otherwise;
  return {
    width: of(widthTag, 0),
    height: of(heightTag, 0),
    photometric: of(photometricTag, 1),
    bits: of(bitsTag, 1),
    extra: values.get(extraTag)?.value,
    extraAt: values.get(extraTag)?.at,
    sampleFormat: of(formatTag, 1),
    sampleFormatAt: values.get(formatTag)?.at,
    orientation: of(orientationTag, 1),
    littleEndian: little,
  };
}
