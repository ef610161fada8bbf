/**
 * The HTML page: the table of results, and some test pictures with their five best captions.
 *
 * One self-contained file (pictures are inlined), readable in light and dark, on a phone and on paper.
 */
import { readFileSync } from 'node:fs';
import type { Answer, Score } from './evaluate.ts';

export interface PageSection {
  readonly title: string;
  readonly explanation: string;
  readonly answers: readonly Answer[];
}

export interface PageContent {
  readonly heading: string;
  /** Facts under the heading: parameters, steps, seconds, adapter. */
  readonly facts: readonly string[];
  readonly scores: readonly Score[];
  readonly sections: readonly PageSection[];
}

const style = `
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #666d76; --paper: #fafaf8; --card: #fff; --line: #e4e4df; --bar: #c9d6ea; --right: #2e7d4f; --rightbar: #bfe3cd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e4; --soft: #9aa1aa; --paper: #16181b; --card: #1e2125; --line: #30343a; --bar: #34455f; --right: #7fd6a3; --rightbar: #245a3c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2.5rem 1.25rem 4rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.02em; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .2rem; }
p { margin: 0 0 1rem; color: var(--soft); max-width: 46rem; }
table { border-collapse: collapse; margin: 1.2rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem; text-align: right; border-bottom: 1px solid var(--line); }
th { font-weight: 500; color: var(--soft); font-size: .85rem; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td b { font-weight: 650; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: .9rem; }
figure { margin: 0; padding: .9rem; background: var(--card); border: 1px solid var(--line); border-radius: .7rem; display: flex; gap: .9rem; break-inside: avoid; }
figure img { width: 72px; height: 72px; flex: none; border-radius: .4rem; background: #fff; padding: 4px; }
figcaption { flex: 1; min-width: 0; }
.truth { font-size: .85rem; color: var(--soft); margin-bottom: .35rem; }
ol { list-style: none; margin: 0; padding: 0; font-size: .82rem; }
li { position: relative; padding: .1rem .4rem; margin-bottom: 2px; display: flex; gap: .5rem; border-radius: .25rem; overflow: hidden; }
li::before { content: ""; position: absolute; inset: 0 auto 0 0; width: var(--p); background: var(--bar); border-radius: .25rem; }
li.right { color: var(--right); font-weight: 600; }
li.right::before { background: var(--rightbar); }
li span { position: relative; }
li .name { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
li .p { font-variant-numeric: tabular-nums; }
footer { margin-top: 3rem; font-size: .8rem; color: var(--soft); }
`;

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

function figure(answer: Answer): string {
  const picture = readFileSync(answer.picture).toString('base64');
  const lines = answer.best.map(({ caption, probability }) => {
    const right = caption === answer.caption ? ' class="right"' : '';
    return `<li${right} style="--p: ${(100 * probability).toFixed(1)}%"><span class="name" title="${escapeHtml(caption)}">${escapeHtml(caption)}</span><span class="p">${percent(probability)}</span></li>`;
  });
  return `<figure><img alt="${escapeHtml(answer.caption)}" src="data:image/png;base64,${picture}"><figcaption><div class="truth">${escapeHtml(answer.caption)}</div><ol>${lines.join('')}</ol></figcaption></figure>`;
}

function scoreTable(scores: readonly Score[]): string {
  const rows = scores.map(
    (s) =>
      `<tr><td>${escapeHtml(s.name)}</td><td>${s.pictures}</td><td>${s.choices}</td><td><b>${percent(s.top1)}</b></td><td><b>${percent(s.top5)}</b></td><td>${percent(1 / s.choices)} / ${percent(5 / s.choices)}</td></tr>`,
  );
  return `<table><thead><tr><th>zero-shot test</th><th>pictures</th><th>captions</th><th>top-1</th><th>top-5</th><th>chance</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

/** The page as one HTML document. */
export function renderPage(content: PageContent): string {
  const sections = content.sections.map(
    (s) =>
      `<section><h2>${escapeHtml(s.title)}</h2><p>${escapeHtml(s.explanation)}</p><div class="grid">${s.answers.map(figure).join('\n')}</div></section>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(content.heading)}</title><style>${style}</style></head>
<body>
<header><h1>${escapeHtml(content.heading)}</h1><p>${content.facts.map(escapeHtml).join(' · ')}</p></header>
${scoreTable(content.scores)}
${sections.join('\n')}
<footer>Pictures: Twemoji © Twitter and contributors, CC BY 4.0; Noto Emoji © Google, Apache 2.0; OpenMoji © its authors, CC BY-SA 4.0.
Captions: Unicode CLDR through OpenMoji.</footer>
</body></html>
`;
}
