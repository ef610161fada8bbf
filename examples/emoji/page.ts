/** The HTML page: what was measured, beside some of the pictures that it was measured on, inlined. */
import { readFileSync } from 'node:fs';
import { escapeHtml } from '../../runtime/report/html.ts';
import { renderDocument, textTable, trainingSources } from './document.ts';
import type { ResultTable } from './results.ts';

export interface PageSection {
  readonly table: ResultTable;
  readonly heading: string;
  readonly explanation: string;
  /** Paths of pictures, in groups that belong together. */
  readonly pictures: readonly (readonly string[])[];
}

export interface PageContent {
  readonly heading: string;
  /** Facts under the heading: parameters, steps, seconds. */
  readonly facts: readonly string[];
  readonly sections: readonly PageSection[];
  /** Pages beside this one. */
  readonly links: readonly { readonly file: string; readonly text: string }[];
}

const style = `
.strip { display: flex; flex-wrap: wrap; gap: .6rem; margin: .8rem 0; }
.strip div { display: flex; gap: 2px; padding: .35rem; background: #fff; border: 1px solid var(--line); border-radius: .6rem; }
.strip img { width: 44px; height: 44px; }
td:nth-child(n+2) { white-space: nowrap; }
a { color: inherit; }
`;

function strip(groups: PageSection['pictures']): string {
  if (groups.length === 0) return '';
  const image = (path: string) =>
    `<img alt="" src="data:image/png;base64,${readFileSync(path).toString('base64')}">`;
  return `<div class="strip">${groups.map((group) => `<div>${group.map(image).join('')}</div>`).join('\n')}</div>`;
}

/** The page as one HTML document. */
export function renderPage({ heading, facts, sections, links }: PageContent): string {
  const shown = sections.map(
    ({ table, heading, explanation, pictures }) =>
      `<section><h2>${escapeHtml(heading)}</h2><p>${escapeHtml(explanation)}</p>${strip(pictures)}${textTable(table.head, table.rows)}</section>`,
  );
  const more = links.map(
    ({ file, text }) => `<li><a href="${escapeHtml(file)}">${escapeHtml(file)}</a>: ${escapeHtml(text)}</li>`,
  );
  const { pictures, captions } = trainingSources;
  return renderDocument({
    heading,
    facts,
    style,
    body: [...shown, `<section><h2>More</h2><ul>${more.join('')}</ul></section>`].join('\n'),
    sources: `Pictures: ${pictures}; OpenMoji © its authors, CC BY-SA 4.0. Captions: ${captions}.`,
  });
}
