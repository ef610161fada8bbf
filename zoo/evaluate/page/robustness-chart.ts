/** Accuracy on a shifted data set over that on its base, on axes of logits: standard models, their line, the model. */

import { expectedShift } from '../../../runtime/eval/metrics/robustness.ts';
import { type Html, html } from '../../../runtime/report/html.ts';
import type { Result } from '../results.ts';
import { type Baselines, robustnessOf } from '../robustness.ts';

const side = 360;
const room = 48;
const ticks = [0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99];

const logit = (p: number) => Math.log(p / (1 - p));

export function robustnessChart(baselines: Baselines, results: readonly Result[]): Html {
  const found = robustnessOf(results, baselines);
  const { own, band } = found;
  const values = [...baselines.models, own].flatMap(({ base, shift }) => [base, shift]);
  const low = logit(Math.min(...values)) - 0.3;
  const high = logit(Math.max(...values)) + 0.3;
  const x = (p: number) => Number((room + ((logit(p) - low) / (high - low)) * (side - room)).toFixed(1));
  const y = (p: number) =>
    Number((side - room - ((logit(p) - low) / (high - low)) * (side - room)).toFixed(1));
  const inside = ticks.filter((tick) => logit(tick) > low && logit(tick) < high);
  const bases = Array.from({ length: 33 }, (_, i) => 1 / (1 + Math.exp(-(low + (i / 32) * (high - low)))));
  const onLine = bases.map((base) => [base, expectedShift(found, base)] as const);
  const path = onLine
    .filter(([, shift]) => logit(shift) > low && logit(shift) < high)
    .map(([base, shift], i) => `${i === 0 ? 'M' : 'L'}${x(base)} ${y(shift)}`)
    .join('');
  const grid = inside.map(
    (tick) =>
      html`<path class="axis" d="M${x(tick)} 0V${side - room}M${room} ${y(tick)}H${side}"/><text x="${x(tick)}" y="${side - room + 16}" text-anchor="middle">${tick * 100} %</text><text x="${room - 6}" y="${y(tick) + 4}" text-anchor="end">${tick * 100} %</text>`,
  );
  const points = baselines.models.map(
    ({ name, base, shift }) =>
      html`<circle cx="${x(base)}" cy="${y(shift)}" r="4"><title>${name ?? 'standard model'}</title></circle>`,
  );
  const percent = (p: number) => `${(100 * p).toFixed(1)} %`;
  return html`<figure><svg class="scatter" viewBox="0 0 ${side} ${side}" role="img" aria-label="${baselines.shift} over ${baselines.base}">${grid}<path class="line" d="${path}"/>${points}<path class="band" d="M${x(own.base)} ${y(band[0])}V${y(band[1])}"/><circle class="own" cx="${x(own.base)}" cy="${y(own.shift)}" r="6"/><text x="${side}" y="${side - 8}" text-anchor="end">${baselines.base}</text><text x="0" y="12">${baselines.shift}</text></svg>
<figcaption><p>${percent(own.shift)} on ${baselines.shift}, where ${percent(own.base)} on ${baselines.base} lets expect ${percent(found.expected)} (95 %: ${percent(band[0])} to ${percent(band[1])}): effective robustness ${(100 * found.effective).toFixed(1)} points.</p></figcaption></figure>`;
}
