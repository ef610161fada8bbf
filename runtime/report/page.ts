/**
 * A report as one HTML document that needs nothing else: no network, no file beside it. Its policy lets nothing be loaded
 * and no script run but the two that are inlined, so texts of a run stay texts.
 */
import { type Chart, chartData, chartsOf } from './charts.ts';
import { factsOf, stepsOf } from './facts.ts';
import { count, moment } from './format.ts';
import { Html, html, jsonFor } from './html.ts';
import { sectionsOf } from './sections.ts';
import type { RunReport, RunState } from './types.ts';

/** What is inlined, and the SHA-256 of each script as policies name it. */
export interface PageAssets {
  readonly styles: readonly string[];
  readonly scripts: readonly { readonly text: string; readonly hash: string }[];
}

const states: Readonly<Record<RunState, string>> = {
  finished: 'finished',
  stopped: 'stopped, may go on',
  training: 'training',
  cut: 'cut, may go on',
};

function stateOf(run: RunReport): Html {
  const { done, end } = stepsOf(run);
  const where =
    run.state === 'finished' || end === undefined ? '' : ` · step ${count(done)} of ${count(end)}`;
  return html`<span class="state ${run.state}">${states[run.state]}${where}</span>`;
}

function subtitle({ summary }: RunReport): string {
  if (summary === undefined) return '';
  const { model, recipe, starts } = summary;
  const began = starts[0] === undefined ? '' : ` · began ${moment(starts[0].at)}`;
  return `${model} by recipe ${recipe}${began}`;
}

function oneHeader(run: RunReport): Html {
  const facts = factsOf(run).map(
    ({ name, value, note }) =>
      html`<div><dt>${name}</dt><dd>${value}${note === undefined ? undefined : html`<small>${note}</small>`}</dd></div>`,
  );
  return html`<h1>${run.name}</h1><p class="subtitle">${subtitle(run)} ${stateOf(run)}</p><dl class="facts">${facts}</dl>`;
}

/** Runs beside each other: a line each, in the colour of its curves. */
function severalHeader(runs: readonly RunReport[]): Html {
  const facts = runs.map(factsOf);
  const names = [...new Set(facts.flatMap((list) => list.map((f) => f.name)))];
  const rows = runs.map((run, i) => {
    const cells = names.map((name) => {
      const found = facts[i]!.find((f) => f.name === name);
      return html`<td>${found?.value ?? '–'}</td>`;
    });
    return html`<tr><th scope="row"><i class="swatch" style="background: var(--run-${i % 6})"></i>${run.name}<small>${subtitle(run)}</small></th><td>${stateOf(run)}</td>${cells}</tr>`;
  });
  return html`<h1>${runs.length} runs</h1><div class="scroll"><table class="runs"><thead><tr><th></th><th></th>${names.map((n) => html`<th scope="col">${n}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function chartBox({ column, title }: Chart): Html {
  return html`<article class="chart" data-column="${column}"><h3>${title}</h3><div class="plot"></div></article>`;
}

const groups: readonly (readonly [group: Chart['group'], title: string])[] = [
  ['training', 'Training'],
  ['speed', 'Speed'],
];

/** Those that have a chart. */
function groupsOf(charts: readonly Chart[]): typeof groups {
  return groups.filter(([group]) => charts.some((chart) => chart.group === group));
}

function curvesPart(charts: readonly Chart[]): Html {
  const parts = groupsOf(charts).map(([group, title]) => {
    const boxes = charts.filter((chart) => chart.group === group).map(chartBox);
    return html`<section id="${group}"><h2>${title}</h2><div class="charts">${boxes}</div></section>`;
  });
  return html`<div class="controls" hidden>
<label>smoothing <input id="smoothing" type="range" min="0" max="0.99" step="0.01" value="0"><output for="smoothing">0</output></label>
<label><input id="logarithmic" type="checkbox"> logarithmic</label>
<button id="unzoom" type="button" disabled>all steps</button>
<span class="hint">drag over a curve to zoom all, double click to leave</span>
</div>
<noscript><p>Curves are drawn by a script of this page, which your browser does not run.</p></noscript>
${parts}`;
}

export function renderReport(runs: readonly RunReport[], assets: PageAssets): string {
  const charts = chartsOf(runs);
  const sections = sectionsOf(runs);
  const title = runs.map((run) => run.name).join(', ');
  const links = [...groupsOf(charts), ...sections.map((s) => [s.id, s.title] as const)].map(
    ([id, text]) => html`<a href="#${id}">${text}</a>`,
  );
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src ${assets.scripts.map(({ hash }) => `'${hash}'`).join(' ')}`;
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
${assets.styles.map((style) => html`<style>${new Html(style)}</style>`)}</head>
<body>
<header>${runs.length === 1 ? oneHeader(runs[0]!) : severalHeader(runs)}</header>
<nav>${links}</nav>
<main>
${curvesPart(charts)}
${sections.map(({ id, title, body }) => html`<section id="${id}"><h2>${title}</h2>${body}</section>`)}
</main>
<script type="application/json" id="data">${jsonFor(chartData(runs, charts))}</script>
${assets.scripts.map(({ text }) => html`<script>${new Html(text)}</script>`)}
</body></html>
`;
  return page.text;
}
