/** The Markdown that the language service writes, as elements: paragraphs, code, blocks of code, lists. Nothing of it is markup. */
import { type Child, h } from '../ui/dom.ts';
import { coloured } from './highlight.ts';

/** Text with `code` in it, as messages have it, too. */
export function inline(text: string): Child[] {
  return text.split(/(`[^`]+`)/).flatMap((piece) => {
    if (piece === '') return [];
    return piece.length > 2 && piece.startsWith('`') ? h('code', {}, piece.slice(1, -1)) : piece;
  });
}

function part(text: string): HTMLElement {
  const lines = text.split('\n');
  if (lines.every((line) => line.startsWith('- ')))
    return h(
      'ul',
      {},
      lines.map((line) => h('li', {}, inline(line.slice(2)))),
    );
  return h('p', {}, inline(text));
}

export function markdown(text: string): HTMLElement {
  const element = h('div', { class: 'markdown' });
  // Blocks of code hold empty lines; everything else is parted by them.
  for (const [i, piece] of text.split(/^```\w*\n([\s\S]*?)\n```$/m).entries())
    if (i % 2 === 1) element.append(h('pre', {}, coloured(piece)));
    else element.append(...piece.split(/\n{2,}/).flatMap((p) => (p.trim() === '' ? [] : part(p.trim()))));
  return element;
}
