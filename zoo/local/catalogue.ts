/** The local zoo as one HTML document that needs nothing else: a table, then a card of each model with its results. */
import { count, digits, size } from '../../runtime/report/format.ts';
import { Html, html } from '../../runtime/report/html.ts';
import { countingResult, type Entry, type EntryResult, entryBytes } from './entries.ts';

const style = new Html(`
  :root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
  body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
  table { border-collapse: collapse; margin: 1rem 0 }
  th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8884; vertical-align: top }
  .number { text-align: right; font-variant-numeric: tabular-nums }
  section { margin-top: 2.5rem }
  pre { white-space: pre-wrap; background: #8881; padding: 1rem; border-radius: 4px }
`);

function row(name: string, value: string | undefined): Html {
  return value === undefined ? html`` : html`<tr><th>${name}</th><td>${value}</td></tr>`;
}

/** `pets: acc1 0.63` */
function best(result: EntryResult): string {
  const { metric, value } = countingResult(result);
  return `${result.dataset}: ${metric} ${digits(value)}`;
}

function resultsOf({ results }: Entry): Html {
  if (results.length === 0) return html`<p>No results were added.</p>`;
  const rows = results.flatMap(({ dataset, task, metrics, n }) =>
    Object.entries(metrics).map(
      ([metric, value], i) =>
        html`<tr><td>${i === 0 ? dataset : ''}</td><td>${i === 0 ? task : ''}</td><td class="number">${i === 0 ? count(n) : ''}</td><td>${metric}</td><td class="number">${digits(value)}</td></tr>`,
    ),
  );
  return html`<table><tr><th>data</th><th>task</th><th class="number">samples</th><th>metric</th><th class="number">value</th></tr>
${rows}</table>`;
}

function card(entry: Entry): Html {
  const { manifest, name, card } = entry;
  const { training, preprocessing, tokenizer, base } = manifest;
  return html`<section id="${name}"><h2>${name}</h2>
<table>
${row('model', manifest.name)}${row('parameters', count(manifest.parameters))}
${row('width of the shared embedding', manifest.embed === undefined ? undefined : String(manifest.embed))}
${row('pictures', preprocessing && `${preprocessing.resolution} pixels, ${preprocessing.resize}`)}
${row('texts', tokenizer && `${tokenizer.context} tokens of ${count(tokenizer.vocab)}`)}
${row('training', training && `${training.recipe ?? ''} ${count(training.steps)} steps, loss ${digits(training.loss)}`.trim())}
${row('base', base?.path)}${row('size', size(entryBytes(entry)))}${row('added', entry.added.slice(0, 10))}
</table>
${resultsOf(entry)}
<details><summary>Model card</summary><pre>${card}</pre></details></section>
`;
}

export function renderCatalogue(entries: readonly Entry[]): string {
  const rows = entries.map(
    (entry) =>
      html`<tr><td><a href="#${entry.name}">${entry.name}</a></td><td class="number">${count(entry.manifest.parameters)}</td><td class="number">${size(entryBytes(entry))}</td><td>${entry.results.map(best).join(', ')}</td></tr>`,
  );
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>zooc: local zoo</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>${style}</style></head>
<body><h1>Local zoo</h1>
<table><tr><th>model</th><th class="number">parameters</th><th class="number">size</th><th>results</th></tr>
${rows}</table>
${entries.map(card)}</body></html>
`.text;
}
