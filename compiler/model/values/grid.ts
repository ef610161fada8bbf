/**
 * Grids inside weights, which `resize_grid` brings to another size: positions of patches and square filters.
 *
 * Positions are [g * g, width] or, behind the row of a class token, [g * g + 1, width], with leading axes of
 * 1. The number of rows decides which: g * g and g * g + 1 are never both squares of a grid.
 */

interface Grid {
  readonly kind: 'positions' | 'filter';
  /** Rows before the grid: 1 with a class token. */
  readonly extra: number;
  /** The grid is side * side. */
  readonly side: number;
}

/** The grid that a weight of this shape holds; undefined if it cannot be one. */
export function gridOf(shape: readonly number[]): Grid | undefined {
  if (shape.length === 4 && shape[2] === shape[3]) return { kind: 'filter', extra: 0, side: shape[3]! };
  if (shape.length < 2 || shape.slice(0, -2).some((n) => n !== 1)) return undefined;
  const rows = shape.at(-2)!;
  for (const extra of [0, 1]) {
    const side = Math.round(Math.sqrt(rows - extra));
    if (side > 0 && side * side === rows - extra) return { kind: 'positions', extra, side };
  }
  return undefined;
}

/** Whether a weight of one shape can be resized to another: only the grid differs. */
export function resizable(from: readonly number[], to: readonly number[]): boolean {
  const [a, b] = [gridOf(from), gridOf(to)];
  if (a === undefined || b === undefined || from.length !== to.length) return false;
  if (a.kind !== b.kind || a.extra !== b.extra || a.side === b.side) return false;
  const rest = (shape: readonly number[]) => (a.kind === 'filter' ? shape.slice(0, 2) : shape.slice(-1));
  return rest(from).every((n, i) => n === rest(to)[i]);
}

/** What `resize_grid` works on, for messages. */
export const gridShapes = 'positions [g * g, width] or [g * g + 1, width], or filters [out, in, k, k]';
