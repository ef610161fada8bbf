/** What a page offers and Node's types have no names for: the little of it that is used here. */
import type { BitmapInput } from '../types.ts';

interface Context2d {
  drawImage(image: BitmapInput, x: number, y: number): void;
  getImageData(
    x: number,
    y: number,
    width: number,
    height: number,
    settings: { colorSpace: 'srgb' },
  ): { readonly data: Uint8ClampedArray };
}

interface Page {
  createImageBitmap(blob: Blob, options: Readonly<Record<string, string>>): Promise<BitmapInput>;
  readonly OffscreenCanvas: new (
    width: number,
    height: number,
  ) => { getContext(kind: '2d', options: { willReadFrequently: boolean }): Context2d };
  readonly navigator: { readonly gpu?: GPU; readonly userAgent: string };
}

export const page = globalThis as unknown as Page;
