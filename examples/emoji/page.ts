/**
 * The HTML page: the table of results, and some test pictures, inlined, with their five best captions.
 */
import { readFileSync } from 'node:fs';
import { escapeHtml } from '../../runtime/report/html.ts';
import { chanceText, htmlTable, percent, renderDocument, trainingSources } from './document.ts';
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
`;

function figure(answer: Answer): string {
  const picture = readFileSync(answer.picture).toString('base64');
  const lines = answer.best.map(({ caption, probability }) => {
    const right = caption === answer.caption ? ' class="right"' : '';
    return `<li${right} style="--p: ${(100 * probability).toFixed(1)}%"><span class="name" title="${escapeHtml(caption)}">${escapeHtml(caption)}</span><span class="p">${percent(probability)}</span></li>`;
  });
  return `<figure><img alt="${escapeHtml(answer.caption)}" src="data:image/png;base64,${picture}"><figcaption><div class="truth">${escapeHtml(answer.caption)}</div><ol>${lines.join('')}</ol></figcaption></figure>`;
}

function scoreTable(scores: readonly Score[]): string {
  const head = ['zero-shot test', 'pictures', 'captions', 'top-1', 'top-5', 'chance'];
  const rows = scores.map((s) => [
    escapeHtml(s.name),
    `${s.pictures}`,
    `${s.choices}`,
    `<b>${percent(s.top1)}</b>`,
    `<b>${percent(s.top5)}</b>`,
    chanceText(s.choices),
  ]);
  return htmlTable(head, rows);
}

/** The page as one HTML document. */
export function renderPage({ heading, facts, scores, sections }: PageContent): string {
  const shown = sections.map(
    (s) =>
      `<section><h2>${escapeHtml(s.title)}</h2><p>${escapeHtml(s.explanation)}</p><div class="grid">${s.answers.map(figure).join('\n')}</div></section>`,
  );
  const { pictures, captions } = trainingSources;
  return renderDocument({
    heading,
    facts,
    style,
    body: [scoreTable(scores), ...shown].join('\n'),
    sources: `Pictures: ${pictures}; OpenMoji © its authors, CC BY-SA 4.0. Captions: ${captions}.`,
  });
}
