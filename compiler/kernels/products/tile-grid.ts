/**
 * Which tile of a product's result a workgroup makes: its number along the rows and its batch, from the workgroup's own.
 *
 * Batches lie along z. A product of one batch may have more tiles along its rows than a dispatch takes workgroups in one
 * dimension (the first convolution of 96 pictures of 224 pixels has 1.2 million rows): those go on in further layers of z.
 */
import type { Contraction } from './contraction.ts';

/** Workgroups in one dimension, on every device. */
const most = 65535;

/** Layers of z that the tiles along the rows take. */
export function layersOf({ m, batch }: Contraction, rows: number): number {
  return batch === 1 ? Math.ceil(Math.ceil(m / rows) / most) : 1;
}

/** Statements for `first`, the first row of the tile, and `batch`; a workgroup without a tile ends. */
export function printTilePlace(c: Contraction, rows: number, down: 'x' | 'y', first: string): string[] {
  if (layersOf(c, rows) === 1) return [`let ${first} = group.${down} * ${rows}u;`, 'let batch = group.z;'];
  return [
    `let ${first} = (group.${down} + group.z * ${most}u) * ${rows}u;`,
    'let batch = 0u;',
    `if (${first} >= ${c.m}u) { return; }`,
  ];
}

/** The grid of a product with `across` tiles side by side, whose rows are numbered along `down`. */
export function tileGrid(
  c: Contraction,
  rows: number,
  across: number,
  down: 'x' | 'y' = 'y',
): [number, number, number] {
  const layers = layersOf(c, rows);
  const tiles = layers === 1 ? Math.ceil(c.m / rows) : most;
  const z = layers === 1 ? c.batch : layers;
  return down === 'y' ? [across, tiles, z] : [tiles, across, z];
}
