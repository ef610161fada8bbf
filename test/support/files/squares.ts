/** Small pictures that any features tell apart by their colour. */
import sharp from 'sharp';

export const colours = ['red', 'green', 'blue', 'white', 'black', 'yellow'] as const;

/** A square of nearly one colour. @param number where its grey dot is */
export function square(colour: string, number: number): Promise<Buffer> {
  const side = 16;
  const dot = {
    input: { create: { width: 4, height: 4, channels: 3, background: '#808080' } },
    left: number % 12,
    top: number >> 1,
  } as const;
  return sharp({ create: { width: side, height: side, channels: 3, background: colour } })
    .composite([dot])
    .png()
    .toBuffer();
}
