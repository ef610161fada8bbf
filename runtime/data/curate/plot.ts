/** Pairs by query before and after the choice, queries sorted by them, over logarithmic axes: one SVG. */
import { escapeHtml } from '../../report/html.ts';

interface Curves {
  readonly before: Float64Array;
  readonly after: Float64Array;
  /** Drawn for comparison. */
  readonly perQuery: number;
}

const [width, height] = [640, 420];
const plot = { left: 64, right: width - 20, top: 34, bottom: height - 48 };
/** Points of a curve, evenly over the axis. */
const points = 200;

const style = `text{font:13px system-ui,sans-serif;fill:#555}.grid{stroke:#e2e2e2}.level{stroke:#888;stroke-dasharray:4 4}
.line{fill:none;stroke-width:2;stroke:currentColor}.name{fill:currentColor;font-weight:600}.before{color:#b0560f}.after{color:#3563ab}`;

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

/** Pairs of the queries that have any, the most first. */
function ranked(counts: Float64Array): Float64Array {
  return counts.filter((count) => count > 0).sort((a, b) => b - a);
}

/** Ranks from 1 to `last`. */
function ranks(last: number): number[] {
  const all = Array.from({ length: points }, (_, i) => Math.round(last ** (i / (points - 1))));
  return [...new Set(all)];
}

function powersOfTen(top: number): number[] {
  return Array.from({ length: Math.floor(Math.log10(top)) + 1 }, (_, i) => 10 ** i);
}

export function plotCounts({ before, after, perQuery }: Curves): string {
  const curves = { before: ranked(before), after: ranked(after) };
  const most = Math.max(10, curves.before.length);
  const highest = Math.max(10, perQuery, curves.before[0] ?? 0);
  const across = (rank: number) =>
    (plot.left + (Math.log(rank) / Math.log(most)) * (plot.right - plot.left)).toFixed(1);
  const up = (count: number) =>
    (plot.bottom - (Math.log(count) / Math.log(highest)) * (plot.bottom - plot.top)).toFixed(1);
  const horizontal = (at: number, kind: string) =>
    `<line class="${kind}" x1="${plot.left}" x2="${plot.right}" y1="${up(at)}" y2="${up(at)}"/>`;
  const middle = (plot.top + plot.bottom) / 2;
  const label = (text: string, x: number | string, y: number | string, anchor: string) =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}">${escapeHtml(text)}</text>`;
  const parts = [
    ...powersOfTen(highest).map(
      (at) =>
        `${horizontal(at, 'grid')}${label(compact.format(at), plot.left - 8, Number(up(at)) + 4, 'end')}`,
    ),
    ...powersOfTen(most).map((at) => label(compact.format(at), across(at), plot.bottom + 20, 'middle')),
    horizontal(perQuery, 'level'),
    label(`${compact.format(perQuery)} per query`, plot.right - 4, Number(up(perQuery)) - 6, 'end'),
    label('queries, those with the most pairs first', (plot.left + plot.right) / 2, height - 8, 'middle'),
    `<text x="14" y="${middle}" text-anchor="middle" transform="rotate(-90 14 ${middle})">pairs that match</text>`,
    ...Object.entries(curves).map(([name, counts], i) => {
      const line = ranks(counts.length).map((rank) => `${across(rank)},${up(counts[rank - 1]!)}`);
      const drawn = counts.length === 0 ? '' : `<polyline class="line" points="${line.join(' ')}"/>`;
      const hit = `${name}: ${counts.length.toLocaleString('en-US')} queries hit`;
      return `<g class="${name}">${drawn}<text class="name" x="${plot.left + 220 * i}" y="20">${hit}</text></g>`;
    }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="pairs by query, before and after">
<style>${style}</style>
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}
