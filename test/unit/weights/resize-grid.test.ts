/**
 * `resize_grid`: grids of positions and filters at another size, against numbers derived by hand and against
 * the definition written out densely.
 */
import { describe, expect, it } from 'vitest';
import { gridOf, resizable } from '../../../compiler/model/values/grid.ts';
import { resizeGrid } from '../../../zoo/weights/resize-grid.ts';
import { randomNumbers } from '../../support/random.ts';

const name = 'visual.positional_embedding';

/** Keys' cubic convolution with a = -1/2, from the paper's two polynomials (1981, equation 15). */
function keys(x: number): number {
  const s = Math.abs(x);
  if (s < 1) return 1.5 * s ** 3 - 2.5 * s ** 2 + 1;
  return s < 2 ? -0.5 * s ** 3 + 2.5 * s ** 2 - 4 * s + 2 : 0;
}

/**
 * The weight of input `j` for output `i`: the kernel around the output's centre, stretched when shrinking,
 * normalised.
 */
function dense(inSize: number, outSize: number): number[][] {
  const scale = inSize / outSize;
  const stretch = Math.max(1, scale);
  return Array.from({ length: outSize }, (_, i) => {
    const row = Array.from({ length: inSize }, (_, j) => keys((j + 0.5 - (i + 0.5) * scale) / stretch));
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((w) => w / sum);
  });
}

function random(size: number): Float32Array {
  const next = randomNumbers(size);
  return Float32Array.from({ length: size }, () => 2 * next() - 1);
}

describe('by hand', () => {
  // 2 to 4: centres 1/4, 3/4, 5/4, 7/4 between inputs at 1/2 and 3/2. keys(1/4) = 111/128, keys(5/4) = -9/128,
  // keys(3/4) = 29/128, so the rows of weights are (111, -9)/102, (111, 29)/140 and their mirrors.
  const up = [-3 / 34, 29 / 140, 111 / 140, 37 / 34];
  // 4 to 2: the kernel is twice as wide; the first row is (111, 111, 29, -9)/242.
  const down = [111 / 242, 111 / 242, 29 / 242, -9 / 242];

  it('enlarges a 2 x 2 grid, the row of the class token kept', () => {
    // Column 0 holds the grid 0 1 / 0 1, column 1 the grid 0 0 / 1 1.
    const rows = Float32Array.of(7, -8, 0, 0, 1, 0, 0, 1, 1, 1);
    const out = resizeGrid(name, rows, [5, 2], [17, 2]);
    expect([...out.subarray(0, 2)]).toEqual([7, -8]);
    for (let y = 0; y < 4; y++)
      for (let x = 0; x < 4; x++) {
        expect(out[2 + 2 * (4 * y + x)]).toBe(Math.fround(up[x]!));
        expect(out[3 + 2 * (4 * y + x)]).toBe(Math.fround(up[y]!));
      }
  });

  it('shrinks a 4 x 4 grid with antialiasing', () => {
    const rows = new Float32Array(16);
    rows[4 * 1 + 2] = 1;
    const out = resizeGrid(name, rows, [1, 16, 1], [1, 4, 1]);
    const [y0, y1] = [down[1]!, down[2]!];
    const [x0, x1] = [down[2]!, down[1]!];
    [y0 * x0, y0 * x1, y1 * x0, y1 * x1].forEach((v, i) => {
      expect(out[i]).toBeCloseTo(v, 7);
    });
  });

  it('keeps the features of a flat picture when filters change their size', () => {
    const sum = (data: Float32Array) => data.reduce((a, b) => a + b, 0);
    for (const k of [2, 3, 4, 16]) {
      const out = resizeGrid(
        'visual.conv1.weight',
        new Float32Array(3 * 64).fill(0.25),
        [1, 3, 8, 8],
        [1, 3, k, k],
      );
      expect(out).toHaveLength(3 * k * k);
      expect(sum(out)).toBeCloseTo(0.25 * 3 * 64, 4);
    }
  });
});

describe('against the definition', () => {
  it.each([
    [7, 14, 1],
    [7, 24, 1],
    [16, 9, 1],
    [14, 7, 0],
    [1, 3, 1],
    [5, 1, 0],
  ])('positions from %d to %d, %d rows before them', (side, size, extra) => {
    const width = 3;
    const from = [extra + side * side, width];
    const to = [extra + size * size, width];
    const data = random(from[0]! * width);
    const out = resizeGrid(name, data, from, to);
    const weights = dense(side, size);
    expect(out.subarray(0, extra * width)).toEqual(data.subarray(0, extra * width));
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++)
        for (let c = 0; c < width; c++) {
          let sum = 0;
          for (let j = 0; j < side; j++)
            for (let i = 0; i < side; i++)
              sum += weights[y]![j]! * weights[x]![i]! * data[(extra + j * side + i) * width + c]!;
          expect(out[(extra + y * size + x) * width + c]!).toBeCloseTo(sum, 6);
        }
  });

  it('filters, scaled by the ratio of the areas', () => {
    const data = random(2 * 3 * 16);
    const out = resizeGrid('visual.conv1.weight', data, [2, 3, 4, 4], [2, 3, 6, 6]);
    const weights = dense(4, 6);
    for (let f = 0; f < 6; f++)
      for (let y = 0; y < 6; y++)
        for (let x = 0; x < 6; x++) {
          let sum = 0;
          for (let j = 0; j < 4; j++)
            for (let i = 0; i < 4; i++) sum += weights[y]![j]! * weights[x]![i]! * data[f * 16 + j * 4 + i]!;
          expect(out[f * 36 + y * 6 + x]!).toBeCloseTo((sum * 16) / 36, 6);
        }
  });
});

describe('shapes', () => {
  it.each([
    [[50, 768], { kind: 'positions', extra: 1, side: 7 }],
    [[49, 768], { kind: 'positions', extra: 0, side: 7 }],
    [[1, 196, 768], { kind: 'positions', extra: 0, side: 14 }],
    [[2, 8], { kind: 'positions', extra: 1, side: 1 }],
    [[768, 3, 32, 32], { kind: 'filter', extra: 0, side: 32 }],
    [[77, 512], undefined],
    [[2, 196, 768], undefined],
    [[768, 3, 32, 16], undefined],
    [[512], undefined],
    [[], undefined],
  ])('%j holds %j', (shape, grid) => {
    expect(gridOf(shape)).toEqual(grid);
  });

  it('fit where only the grid differs', () => {
    expect(resizable([50, 768], [145, 768])).toBe(true);
    expect(resizable([50, 768], [145, 512])).toBe(false);
    expect(resizable([50, 768], [49, 768])).toBe(false);
    expect(resizable([50, 768], [50, 768])).toBe(false);
    expect(resizable([768, 3, 32, 32], [768, 3, 16, 16])).toBe(true);
    expect(resizable([768, 3, 32, 32], [768, 4, 16, 16])).toBe(false);
    expect(resizable([1, 196, 8], [256, 8])).toBe(false);
  });

  it('that do not are refused with what is wrong', () => {
    const refused = (from: number[], to: number[]) => () => resizeGrid(name, new Float32Array(0), from, to);
    expect(refused([50, 8], [50, 8])).toThrow(/Z402.*\[50, 8\] in the weights.*nothing to resize/);
    expect(refused([51, 8], [50, 8])).toThrow(/Z402.*no square grid/);
    expect(refused([50, 8], [49, 8])).toThrow(/Z402.*only one of them has the row of a class token/);
    expect(refused([50, 8], [145, 16])).toThrow(/Z402.*differ in more than the grid/);
    expect(refused([50, 8], [8, 3, 4, 4])).toThrow(/Z402.*differ in more than the grid/);
  });
});
