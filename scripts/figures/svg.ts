/**
 * Charts as SVG, readable on light and dark ground: colours are variables, which the site sets by its own theme, and which
 * follow the reader's where a figure is shown by itself.
 */

/** Width of every figure, in its own units. */
const width = 720;

const style = `<style>
svg { --ink: #1f2328; --soft: #6e7781; --line: #d0d7de; --a: #0969da; --b: #bc4c00; --c: #1a7f37; --d: #8250df; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --a: #58a6ff; --b: #ffa657; --c: #56d364; --d: #d2a8ff; }
}
</style>`;

export type Colour = 'a' | 'b' | 'c' | 'd' | 'ink' | 'soft' | 'line';

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

export function text(
  x: number,
  y: number,
  content: string,
  { colour = 'ink', anchor = 'start', size = 13 }: { colour?: Colour; anchor?: string; size?: number } = {},
): string {
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}" fill="var(--${colour})">${escaped(content)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function line(points: readonly (readonly [number, number])[], colour: Colour, wide = 2): string {
  const path = points.map(([x, y]) => `${round(x)} ${round(y)}`).join('L');
  return `<path d="M${path}" fill="none" stroke="var(--${colour})" stroke-width="${wide}"/>`;
}

/** @param title what the figure says to those who do not see it */
export function figure(height: number, title: string, parts: readonly string[]): string {
  const shown = [`<title>${escaped(title)}</title>`, ...parts].join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" font-family="system-ui, sans-serif">
${style}
${shown}
</svg>
`;
}

export interface Curve {
  readonly name: string;
  readonly colour: Colour;
  readonly points: readonly (readonly [number, number])[];
  /** The ground below is filled. */
  readonly filled?: boolean;
}

export interface Axis {
  readonly label: string;
  readonly max: number;
  readonly ticks: readonly number[];
}

/** Curves over a common horizontal axis that begins at 0, as both do. */
export function chart(
  title: string,
  x: Axis,
  y: Axis,
  curves: readonly Curve[],
  /** Drawn over the curves, in the figure's units. */
  notes: readonly string[] = [],
): string {
  const [left, right, top, bottom] = [64, width - 16, 40, 300];
  const atX = (value: number) => left + (value / x.max) * (right - left);
  const atY = (value: number) => bottom - (value / y.max) * (bottom - top);
  const grid = y.ticks.flatMap((tick) => [
    line(
      [
        [left, atY(tick)],
        [right, atY(tick)],
      ],
      'line',
      1,
    ),
    text(left - 8, atY(tick) + 4, `${tick}`, { colour: 'soft', anchor: 'end' }),
  ]);
  const below = x.ticks.map((tick) =>
    text(atX(tick), bottom + 20, `${tick}`, { colour: 'soft', anchor: 'middle' }),
  );
  const drawn = curves.flatMap(({ points, colour, filled }) => {
    const places = points.map(([px, py]) => [atX(px), atY(py)] as const);
    const path = places.map(([px, py]) => `${round(px)} ${round(py)}`).join('L');
    const ground = `<path d="M${round(places[0]![0])} ${bottom}L${path}L${round(places.at(-1)![0])} ${bottom}z" fill="var(--${colour})" opacity="0.18"/>`;
    return [...(filled ? [ground] : []), line(places, colour)];
  });
  let at = left;
  const key = curves.map(({ name, colour }) => {
    const entry = `<rect x="${at}" y="14" width="12" height="12" fill="var(--${colour})"/>${text(at + 18, 25, name)}`;
    at += 34 + name.length * 7.2;
    return entry;
  });
  return figure(340, title, [
    ...grid,
    ...below,
    text(right, bottom + 36, x.label, { colour: 'soft', anchor: 'end' }),
    text(left - 8, 25, y.label, { colour: 'soft', anchor: 'end' }),
    ...drawn,
    ...key,
    ...notes,
  ]);
}
