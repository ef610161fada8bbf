/** Results as one HTML document that needs nothing else: the table, robustness, worst classes, confusion, wrong pictures. */
import { percent } from '../../../runtime/report/format.ts';
import { Html, html } from '../../../runtime/report/html.ts';
import { countingMetric, groupMeans, type Result } from '../results.ts';
import type { Baselines } from '../robustness.ts';
import type { ClassResult, confusionMatrix } from './confusion.ts';
import { robustnessChart } from './robustness-chart.ts';
import type { WrongPicture } from './wrong.ts';

/** A data set as the page shows it. */
export interface PageSet {
  readonly result: Result;
  /** The worst first. */
  readonly classes: readonly ClassResult[];
  readonly confusion: ReturnType<typeof confusionMatrix>;
  readonly wrong: readonly WrongPicture[];
}

interface PageAssets {
  readonly styles: readonly string[];
}

/** Classes that are listed of a data set. */
const listed = 20;

const own = `
.summary td:not(:last-child), .summary th { white-space: nowrap; } .summary td:last-child { min-width: 24rem; }
.confusion { border-collapse: collapse; font-size: .75rem; }
.confusion td { width: 1.4em; height: 1.4em; padding: 0; text-align: center; border: 1px solid var(--line); background: color-mix(in srgb, var(--run-1) calc(var(--share) * 1%), transparent); }
.confusion td.right { background: color-mix(in srgb, var(--run-2) calc(var(--share) * 1%), transparent); }
.confusion th { padding: 0 .4em; font-weight: normal; text-align: right; white-space: nowrap; }
.scatter { max-width: 34rem; width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: var(--soft); }
.scatter .line { stroke: var(--soft); fill: none; } .scatter .band { stroke: var(--run-1); stroke-width: 2; }
.scatter circle { fill: var(--run-0); } .scatter .own { fill: var(--run-1); } .scatter .axis { stroke: var(--line); }
`;

function shareOrNumber(name: string, value: number): string {
  const share = value >= 0 && value <= 1 && !/rank|objective|^C$|robustness/.test(name);
  return share ? percent(value) : value.toPrecision(4);
}

function summary(results: readonly Result[]): Html {
  const rows = results.map((result) => {
    const { dataset, task, n, skipped = 0, metrics, ci95 } = result;
    const name = countingMetric(result);
    const [low, high] = ci95?.[name] ?? [];
    const range = low === undefined ? '' : `${percent(low)} – ${percent(high!)}`;
    const others = Object.entries(metrics)
      .filter(([other]) => other !== name)
      .map(([other, value]) => `${other} ${shareOrNumber(other, value)}`);
    return html`<tr><th scope="row">${dataset}</th><td>${task}</td><td>${n}${skipped > 0 ? ` (${skipped} unreadable)` : ''}</td><td>${name}</td><td><b>${shareOrNumber(name, metrics[name]!)}</b></td><td>${range}</td><td>${others.join(', ')}</td></tr>`;
  });
  const means = [...groupMeans(results)].map(
    ([name, mean]) =>
      html`<tr><th scope="row">mean of ${name}</th><td></td><td></td><td></td><td><b>${percent(mean)}</b></td><td></td><td></td></tr>`,
  );
  return html`<div class="scroll"><table class="summary"><thead><tr><th>data set</th><th>task</th><th>n</th><th>metric</th><th>value</th><th>95 %</th><th>others</th></tr></thead><tbody>${rows}${means}</tbody></table></div>`;
}

function worstClasses(classes: readonly ClassResult[]): Html | undefined {
  if (classes.length === 0) return undefined;
  const rows = classes.slice(0, listed).map(({ name, pictures, recall, takenFor }) => {
    const others = takenFor.map((other) => `${other.name} (${other.count})`).join(', ');
    return html`<tr><th scope="row">${name}</th><td>${pictures}</td><td>${percent(recall)}</td><td>${others}</td></tr>`;
  });
  return html`<h3>Worst classes</h3><div class="scroll"><table><thead><tr><th>class</th><th>pictures</th><th>recognised</th><th>taken for</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

function matrix(confusion: PageSet['confusion']): Html | undefined {
  if (confusion === undefined) return undefined;
  const { names, counts } = confusion;
  const rows = counts.map((row, truth) => {
    const all = row.reduce((a, b) => a + b, 0);
    const cells = row.map(
      (count, told) =>
        html`<td${told === truth ? html` class="right"` : undefined} style="--share: ${all === 0 ? 0 : Math.round((100 * count) / all)}" title="${names[truth]!} told as ${names[told]!}">${count === 0 ? '' : count}</td>`,
    );
    return html`<tr><th scope="row">${names[truth]!}</th>${cells}</tr>`;
  });
  return html`<h3>Confusion</h3><p>A row for each class, a column for what it was told as, in the same order.</p><div class="scroll"><table class="confusion"><tbody>${rows}</tbody></table></div>`;
}

function wrongFigures(wrong: readonly WrongPicture[]): Html | undefined {
  if (wrong.length === 0) return undefined;
  const figures = wrong.map(({ picture, truth, best }) => {
    const items = best.map(
      ({ label, probability }) =>
        html`<li${label === truth ? html` class="right"` : undefined} style="--part: ${(100 * probability).toFixed(1)}%"><span title="${label}">${label}</span><b>${percent(probability)}</b></li>`,
    );
    return html`<figure><img alt="${truth}" src="${picture}"><figcaption><p>${truth}</p><ol>${items}</ol></figcaption></figure>`;
  });
  return html`<h3>Wrong pictures</h3><div class="figures">${figures}</div>`;
}

export function renderResults(
  sets: readonly PageSet[],
  baselines: readonly Baselines[],
  { styles }: PageAssets,
): string {
  const [first] = sets;
  const results = sets.map(({ result }) => result);
  const charts = baselines.map((all) => robustnessChart(all, results));
  const parts = sets.flatMap(({ result, classes, confusion, wrong }) => {
    const body = [worstClasses(classes), matrix(confusion), wrongFigures(wrong)].filter(
      (part) => part !== undefined,
    );
    return body.length === 0 ? [] : [html`<section><h2>${result.dataset}</h2>${body}</section>`];
  });
  const title = `${first!.result.model ?? 'features'}: results`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
${[...styles, own].map((style) => html`<style>${new Html(style)}</style>`)}</head>
<body><header><h1>${title}</h1><p class="subtitle">${first!.result.pretrained}</p></header>
<main><section><h2>Results</h2>${summary(results)}</section>
${charts.length === 0 ? undefined : html`<section><h2>Robustness</h2>${charts}</section>`}
${parts}</main></body></html>
`.text;
}
