/**
 * Grids inside weights at another size, so that a model can start from weights of another
 * resolution or patch size.
 *
 * Positions are interpolated as open_clip does (resize_pos_embed: bicubic with antialiasing, pixel centres
 * aligned, the class token's row kept), which is PyTorch's kernel with a = -0.5, widened when shrinking.
 * Filters go the same way and are then scaled by the ratio of the areas, so that a flat picture gives the
 * features that it gave before.
 */
import { gridOf, gridShapes, resizable } from '../../compiler/model/values/grid.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { cubicTaps, type Taps } from '../../runtime/data/pictures/resize.ts';

/** One pass over [outer, side, inner] along its middle axis, in double precision. */
function resizeAxis(
  data: Float64Array,
  outer: number,
  inner: number,
  side: number,
  taps: Taps,
): Float64Array {
  const size = taps.first.length;
  const out = new Float64Array(outer * size * inner);
  for (let o = 0; o < outer; o++)
    for (let p = 0; p < size; p++) {
      const to = (o * size + p) * inner;
      for (let t = 0; t < taps.count[p]!; t++) {
        const from = (o * side + taps.first[p]! + t) * inner;
        const weight = taps.weights[p * taps.stride + t]!;
        for (let i = 0; i < inner; i++) out[to + i]! += weight * data[from + i]!;
      }
    }
  return out;
}

/** [outer, side, side, inner] to [outer, size, size, inner]. */
function resizeSquares(
  data: Float64Array,
  outer: number,
  inner: number,
  side: number,
  size: number,
): Float64Array {
  const taps = cubicTaps(side, size, 0, size);
  const across = resizeAxis(data, outer * side, inner, side, taps);
  return resizeAxis(across, outer, size * inner, side, taps);
}

/**
 * Refuses what cannot be resized, by shapes alone.
 * @throws DiagnosticError Z402
 */
export function checkResize(name: string, from: readonly number[], to: readonly number[]): void {
  if (resizable(from, to)) return;
  const what = `${name} is [${from.join(', ')}] in the weights, [${to.join(', ')}] in the model`;
  const [a, b] = [gridOf(from), gridOf(to)];
  if (from.join() === to.join())
    fail('Z402', `${what}: there is nothing to resize`, `leave out: init ${name} = resize_grid(...)`);
  if (a === undefined || b === undefined)
    fail('Z402', `${what}: no square grid to resize`, `resize_grid takes ${gridShapes}`);
  if (a.kind === b.kind && a.extra !== b.extra)
    fail('Z402', `${what}: only one of them has the row of a class token`);
  fail('Z402', `${what}: they differ in more than the grid`);
}

/**
 * A weight's values at another grid size.
 * @param data row-major in the shape `from`
 * @throws DiagnosticError Z402
 */
export function resizeGrid(
  name: string,
  data: Float32Array,
  from: readonly number[],
  to: readonly number[],
): Float32Array {
  checkResize(name, from, to);
  const [{ kind, side, extra }, { side: size }] = [gridOf(from)!, gridOf(to)!];
  if (kind === 'filter') {
    const area = (side / size) ** 2;
    const out = resizeSquares(Float64Array.from(data), from[0]! * from[1]!, 1, side, size);
    return Float32Array.from(out, (x) => x * area);
  }
  const width = from.at(-1)!;
  const kept = data.subarray(0, extra * width);
  const squares = resizeSquares(Float64Array.from(data.subarray(kept.length)), 1, width, side, size);
  const out = new Float32Array(kept.length + squares.length);
  out.set(kept);
  out.set(squares, kept.length);
  return out;
}
