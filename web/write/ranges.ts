/** Between what a slider moves: around the value that the text has. */

export interface SliderRange {
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

/** Largest power of two that divides a whole number, up to 64: widths and pictures come in such steps. */
function stepOf(value: number): number {
  let step = 1;
  while (step < 64 && value % (2 * step) === 0) step *= 2;
  return step;
}

/** Undefined for what is set by typing: an epsilon. */
export function rangeOf(kind: 'int' | 'float', value: number): SliderRange | undefined {
  if (kind === 'float') {
    if (value !== 0 && Math.abs(value) < 1e-3) return undefined;
    return Math.abs(value) <= 1
      ? { min: 0, max: 1, step: 0.05 }
      : { min: 0, max: 2 * value, step: value / 20 };
  }
  if (value <= 32) return { min: Math.min(value, 1), max: Math.max(8, 2 * value), step: 1 };
  const step = stepOf(value);
  return { min: step, max: 3 * value, step };
}
