/** `picture("COLUMN", augment = …, background = …)`: paths of pictures, relative to the table's folder. */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { ModelInput } from '../../../../compiler/model/types.ts';
import { callValue, parseOptions } from '../../options.ts';
import { makeAugmentation } from '../../pictures/augment.ts';
import { type Colour, makeNormalizer } from '../../pictures/images.ts';
import { randomKey } from '../../random.ts';
import { type Column, type ColumnKind, viewKey } from './column.ts';
import { pathIn } from './path.ts';

const colours: Readonly<Record<string, Colour>> = {
  white: [255, 255, 255],
  black: [0, 0, 0],
  grey: [128, 128, 128],
};

const colour = z
  .string()
  .regex(/^(white|black|grey|#[0-9a-fA-F]{6})$/, 'expected "white", "black", "grey" or "#rrggbb"')
  .transform((text): Colour => {
    const value = Number.parseInt(text.slice(1), 16);
    return colours[text] ?? [value >> 16, (value >> 8) & 255, value & 255];
  });

export const pictureOptions = {
  augment: z.union([callValue.transform((call) => [call]), z.array(callValue)]).default([]),
  /** Colour that transparent pictures are put on. */
  background: colour.optional(),
  /** Larger pictures count as unreadable. */
  max_pixels: z.int().positive().optional(),
};

const schema = z.object({ column: z.string(), ...pictureOptions });

export function pictureColumn(options: z.infer<typeof schema>, input: ModelInput, view: number): Column {
  const { column, augment, background, max_pixels: maxPixels } = options;
  const size = input.sizes[1]!;
  const changes = augment.map(makeAugmentation);
  return {
    columns: [column],
    async open(rows, { seed, pictures, normalization }) {
      const normalize = makeNormalizer(normalization);
      const folder = dirname(resolve(rows.path));
      const paths = () => Array.from({ length: rows.count }, (_, i) => pathIn(folder, rows.cell(column, i)));
      const place = pictures.add(
        column,
        {
          size,
          ...(background === undefined ? {} : { background }),
          ...(maxPixels === undefined ? {} : { maxPixels }),
        },
        paths,
      );
      return (into, { epoch, index, pictures: bytes }) => {
        const key = (i: number) => randomKey(seed, 'augment', i, epoch, index, ...viewKey(view));
        const changed = changes.reduce((picture, change, i) => change(picture, size, key(i)), bytes[place]!);
        normalize(into as Float32Array, 0, changed);
      };
    },
  };
}

export const picture: ColumnKind = (call, input, view) =>
  pictureColumn(parseOptions(call, schema, ['column']), input, view);
