/** Size and samples of PNG and JPEG, which most pictures are, without asking sharp, for which it opens them twice. */
import type { Metadata } from 'sharp';

export type Header = Pick<Metadata, 'width' | 'height' | 'channels' | 'space' | 'depth' | 'hasAlpha'>;

function pngHeader(view: DataView): Header | undefined {
  if (view.byteLength < 33) return undefined;
  const kind = view.getUint8(25);
  const channels = [1, 0, 3, 3, 2, 0, 4][kind] as Header['channels'] | undefined;
  if (!channels) return undefined;
  const deep = view.getUint8(24) === 16;
  const grey = deep ? 'grey16' : 'b-w';
  return {
    width: view.getUint32(16),
    height: view.getUint32(20),
    channels,
    space: channels < 3 ? grey : 'srgb',
    depth: deep ? 'ushort' : 'uchar',
    hasAlpha: channels % 2 === 0,
  };
}

/** Markers of frames: SOF0 to SOF15 but for those that mean something else. */
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

function jpegHeader(view: DataView): Header | undefined {
  for (let at = 2; at + 10 <= view.byteLength && view.getUint8(at) === 0xff; ) {
    const marker = view.getUint8(at + 1);
    if (isFrame(marker)) {
      const height = view.getUint16(at + 5);
      const channels = view.getUint8(at + 9) as Header['channels'];
      const space = ({ 1: 'b-w', 3: 'srgb', 4: 'cmyk' } as const)[channels as 1 | 3 | 4];
      // A height of 0 stands behind the first scan.
      if (space === undefined || height === 0) return undefined;
      return { width: view.getUint16(at + 7), height, channels, space, depth: 'uchar', hasAlpha: false };
    }
    // Padding in front of a marker.
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return undefined;
}

/** Undefined where it cannot tell. */
export function quickHeader(bytes: Uint8Array, format: string): Header | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (format === 'PNG') return pngHeader(view);
  return format === 'JPEG' ? jpegHeader(view) : undefined;
}
