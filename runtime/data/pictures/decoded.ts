/** A decoded picture with all that decides how Pillow makes RGB bytes of one size of it. */
import type { Samples } from './resize.ts';

/**
 * What is done with the samples, after the modes that Pillow opens files in:
 *
 * - `colours` (L, RGB): bicubic. A further channel is a colour key, which counts for a background only.
 * - `alpha` (LA, RGBA): bicubic with premultiplied alpha, which is then dropped.
 * - `nearest` (1, P; here already as colours): the nearest pixel. Alpha as for `colours`.
 * - `cmyk`: bicubic, then the colours of ink.
 * - `wide` (I;16, I, F): one channel, bicubic in the samples' own type, then cut to 0 to 255.
 */
export type Mode = 'colours' | 'alpha' | 'nearest' | 'cmyk' | 'wide';

export interface Decoded extends Samples<Uint8Array | Uint16Array | Int32Array | Float32Array> {
  readonly mode: Mode;
}

/** A picture whose header was read. */
export interface Opened {
  readonly width: number;
  readonly height: number;
  /** Memory of its samples. */
  readonly bytes: number;
  /** @throws Error with the reason */
  decode(): Decoded | Promise<Decoded>;
}
