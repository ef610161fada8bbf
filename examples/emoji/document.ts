/**
 * What the pages of the examples have in common: one self-contained HTML document, readable in light and dark,
 * on a phone and on paper, with the licences of the data at its foot.
 */
import { escapeHtml } from '../../runtime/report/html.ts';

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
.scroll { overflow-x: auto; }
footer { margin-top: 3rem; font-size: .8rem; color: var(--soft); }
`;

export function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

/** A table whose cells are markup. */
export function htmlTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
  const body = rows.map((row) => line(row, 'td'));
  return `<div class="scroll"><table><thead>${line(head, 'th')}</thead><tbody>${body.join('')}</tbody></table></div>`;
}

/** A table whose cells are text. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return htmlTable(
    head.map(escapeHtml),
    rows.map((row) => row.map(escapeHtml)),
  );
}

/** What guessing gives: top-1 / top-5. */
export function chanceText(choices: number): string {
  return `${percent(1 / choices)} / ${percent(5 / choices)}`;
}

export interface HtmlDocument {
  readonly heading: string;
  /** Short facts under the heading. */
  readonly facts: readonly string[];
  /** Rules beside the common ones. */
  readonly style: string;
  /** Markup. */
  readonly body: string;
  /** What the data are, with their licences. */
  readonly sources: string;
}

export function renderDocument({ heading, facts, style: own, body, sources }: HtmlDocument): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(heading)}</title><style>${style}${own}</style></head>
<body>
<header><h1>${escapeHtml(heading)}</h1><p>${facts.map(escapeHtml).join(' · ')}</p></header>
${body}
<footer>${escapeHtml(sources)}</footer>
</body></html>
`;
}

/** Of the pictures that are trained on, and of the captions. */
export const trainingSources = {
  pictures: 'Twemoji © Twitter and contributors, CC BY 4.0; Noto Emoji © Google, Apache 2.0',
  captions: 'Unicode CLDR through OpenMoji',
};
