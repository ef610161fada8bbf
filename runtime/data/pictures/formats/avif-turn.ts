/**
 * How an AVIF says it is to be turned: libheif does so, Pillow leaves it to whoever asks for the orientation.
 *
 * The file is boxes in boxes: meta / iprp / ipco / irot (quarter turns against the clock), imir (a mirror, behind the
 * turn).
 */
import type { Decoded } from '../decoded.ts';
import { turned } from './turn.ts';

export interface AvifTurn {
  /** Quarter turns against the clock. */
  readonly quarters: number;
  /** 0 exchanges top and bottom, 1 left and right. */
  readonly mirror: number | undefined;
}

/** The contents of the first box of this kind among those of `part`. */
function box(part: Uint8Array | undefined, kind: string): Uint8Array | undefined {
  if (part === undefined) return undefined;
  const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
  for (let at = 0; at + 8 <= part.length; ) {
    const size = view.getUint32(at);
    if (Buffer.from(part.subarray(at + 4, at + 8)).toString('latin1') === kind)
      return part.subarray(at + 8, size === 0 ? part.length : at + size);
    // 1 stands for a longer number, which boxes in front of the wanted ones have no need of.
    if (size < 8) return undefined;
    at += size;
  }
  return undefined;
}

export function avifTurn(bytes: Uint8Array): AvifTurn {
  // meta begins with its version.
  const properties = box(box(box(bytes, 'meta')?.subarray(4), 'iprp'), 'ipco');
  const rotation = box(properties, 'irot')?.[0] ?? 0;
  const mirror = box(properties, 'imir')?.[0];
  return { quarters: rotation & 3, mirror: mirror === undefined ? undefined : mirror & 1 };
}

/** The picture as it was before it was turned. */
export function turnedBack(image: Decoded, { quarters, mirror }: AvifTurn): Decoded {
  const upright = mirror === undefined ? image : turned(image, mirror === 0 ? 4 : 2);
  return turned(upright, [1, 6, 3, 8][quarters]!);
}
