/** Curves over a logarithmic axis as SVG that takes its colours from the page. */
import { escapeHtml } from '../../runtime/report/html.ts';

export interface Point {
  /** Above 0. */
  readonly x: number;
  /** From 0 to 1. */
  readonly y: number;
  /** Of several runs around `y`; drawn as a bar up and down. */
  readonly deviation?: number;
}

export interface Series {
  readonly label: string;
  readonly points: readonly Point[];
}

export interface Chart {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** For comparison. */
  readonly levels: readonly { readonly label: string; readonly y: number }[];
}

const width = 480;
const height = 340;
const plot = { left: 56, right: width - 16, top: 14, bottom: height - 52 };

/** Of a line of text with room around it. */
const lineHeight = 24;

/** Shapes as well as colours tell series apart. */
const markers = [
  (x: number, y: number) => `<circle cx="${x}" cy="${y}" r="4.5"/>`,
  (x: number, y: number) => `<rect x="${x - 4}" y="${y - 4}" width="8" height="8"/>`,
  (x: number, y: number) => `<path d="M${x - 5} ${y + 4}h10l-5 -9z"/>`,
] as const;
const signs = ['●', '■', '▲'] as const;

export const chartStyle = `
.chart { max-width: 46rem; background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: .9rem; }
.chart svg { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; fill: var(--soft); }
.chart .grid { stroke: var(--line); }
.chart .level { stroke: var(--soft); stroke-dasharray: 4 4; }
.chart .line { fill: none; stroke-width: 2; stroke: currentColor; }
.chart .mark { fill: currentColor; }
.chart .legend { margin: 0; }
.chart .legend span { margin-right: 1.2em; white-space: nowrap; }
.series0 { color: #3563ab; } .series1 { color: #b0560f; } .series2 { color: #2e7d4f; }
@media (prefers-color-scheme: dark) { .series0 { color: #8db4f2; } .series1 { color: #f0a35e; } .series2 { color: #7fd6a3; } }
`;

/** The least of 1, 2 and 5 times a power of ten that leaves at most five lines below `top`. */
function tickStep(top: number): number {
  const power = 10 ** Math.floor(Math.log10(top / 5));
  return power * [1, 2, 5, 10].find((factor) => top / (factor * power) <= 5)!;
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 2 });

/** A number as SVG has it. */
function digits(value: number): number {
  return Number(value.toFixed(1));
}

export function renderChart({ title, x, y, series, levels }: Chart): string {
  const xs = [...new Set(series.flatMap(({ points }) => points.map((p) => p.x)))].sort((a, b) => a - b);
  const highest = series.flatMap(({ points }) => points.map((p) => p.y + (p.deviation ?? 0)));
  const top = Math.max(...levels.map((level) => level.y), ...highest) * 1.05;
  const [first, last] = [Math.log(xs[0]!), Math.log(xs.at(-1)!)];
  const across = (value: number): number =>
    digits(plot.left + ((Math.log(value) - first) / (last - first || 1)) * (plot.right - plot.left));
  const up = (value: number): number => digits(plot.bottom - (value / top) * (plot.bottom - plot.top));
  const step = tickStep(top);
  const ticks = Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step);
  const horizontal = (at: number, kind: string): string =>
    `<line class="${kind}" x1="${plot.left}" x2="${plot.right}" y1="${up(at)}" y2="${up(at)}"/>`;
  const middle = (plot.top + plot.bottom) / 2;
  const right = series
    .flatMap(({ points }) => points)
    .filter((p) => across(p.x) > (plot.left + plot.right) / 2);
  /** Whether curves pass where a level's label would stand, above its right end. */
  const crowded = (level: number): boolean =>
    right.some((p) => up(p.y) < up(level) && up(p.y) > up(level) - lineHeight);
  const parts = [
    ...ticks.map(
      (at) =>
        `${horizontal(at, 'grid')}<text x="${plot.left - 8}" y="${up(at) + 4}" text-anchor="end">${digits(100 * at)} %</text>`,
    ),
    ...xs.map(
      (at) =>
        `<text x="${across(at)}" y="${plot.bottom + 20}" text-anchor="middle">${compact.format(at)}</text>`,
    ),
    `<text x="${(plot.left + plot.right) / 2}" y="${height - 8}" text-anchor="middle">${escapeHtml(x)}</text>`,
    `<text x="12" y="${middle}" text-anchor="middle" transform="rotate(-90 12 ${middle})">${escapeHtml(y)}</text>`,
    ...levels.map(
      (level) =>
        `${horizontal(level.y, 'level')}<text x="${plot.right - 4}" y="${up(level.y) + (crowded(level.y) ? 17 : -6)}" text-anchor="end">${escapeHtml(level.label)}</text>`,
    ),
    ...series.map(({ points }, s) => {
      const places = points.map((p) => [across(p.x), up(p.y)] as const);
      const line = `<polyline class="line" points="${places.map((place) => place.join(',')).join(' ')}"/>`;
      const bars = points.flatMap(({ x: at, y: mean, deviation }) =>
        deviation === undefined
          ? []
          : `<path class="line" d="M${across(at)} ${up(Math.max(0, mean - deviation))}V${up(mean + deviation)}"/>`,
      );
      const marks = places.map(([px, py]) => markers[s % markers.length]!(px, py));
      return `<g class="series${s}">${line}${bars.join('')}<g class="mark">${marks.join('')}</g></g>`;
    }),
  ];
  const legend = series.map(
    ({ label }, s) => `<span class="series${s}">${signs[s % signs.length]} ${escapeHtml(label)}</span>`,
  );
  return `<div class="chart"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">
${parts.join('\n')}
</svg><p class="legend">${legend.join(' ')}</p></div>`;
}
