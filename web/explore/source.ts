/** The text that the model was made from, line by line: what is selected is marked, and a line selects what it made. */
import { fill, h, newId } from '../ui/dom.ts';
import type { Found, Mark, SourceText } from '../worker/explore/exploring.ts';
import { pieces, type Token, tokens } from './highlight.ts';
import { type Pane, reveal, type Select } from './pane.ts';

interface Line {
  readonly start: number;
  readonly text: string;
  readonly found: readonly Token[];
  readonly element: HTMLElement;
  readonly code: HTMLElement;
}

/** Milliseconds that a caret rests on a line before it is selected. */
const rest = 150;

function titleOf(path: string): string {
  if (path === 'text.zoo') return 'your text';
  return path.replace(/^zooc:/, '');
}

export function makeSource(select: Select): Pane {
  let files: readonly SourceText[] = [];
  let file: string | undefined;
  let lines: Line[] = [];
  let caret = 0;
  let found: Found | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const id = newId('line');
  const tabs = h('div', { class: 'switches', role: 'group', 'aria-label': 'File' });
  const listing = h('div', {
    class: 'scroll listing',
    role: 'listbox',
    tabindex: 0,
    'aria-label': 'Source, line by line',
  });
  const others = h('p', { class: 'hint' });

  const choose = (): void => {
    const line = lines[caret]!;
    const start = line.start + line.text.search(/\S|$/);
    select({ kind: 'line', file: file!, start, end: line.start + line.text.trimEnd().length });
  };
  const move = (to: number): void => {
    lines[caret]?.element.classList.remove('caret');
    caret = Math.max(0, Math.min(lines.length - 1, to));
    const line = lines[caret];
    if (line === undefined) return;
    line.element.classList.add('caret');
    listing.setAttribute('aria-activedescendant', line.element.id);
  };
  listing.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: caret + 1,
      ArrowUp: caret - 1,
      PageDown: caret + 15,
      PageUp: caret - 15,
      Home: 0,
      End: lines.length - 1,
      Enter: caret,
      ' ': caret,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
    reveal(listing, lines[caret]!.element, 'near');
    clearTimeout(timer);
    timer = setTimeout(choose, rest);
  });
  listing.addEventListener('click', (event) => {
    const element = (event.target as Element).closest<HTMLElement>('.line');
    if (element === null) return;
    move(Number(element.dataset.line));
    choose();
  });

  const draw = ({ code, text, found: words }: Line, marks: readonly (Mark & { start: number })[]): void => {
    fill(
      code,
      pieces(text, words, marks).map(({ text: part, kind, mark }) => {
        if (kind === undefined && mark === undefined) return part;
        return h('span', { class: [kind, mark && `mark-${mark}`].filter(Boolean).join(' ') }, part);
      }),
    );
  };

  const showFile = (path: string): void => {
    file = path;
    for (const tab of tabs.querySelectorAll('button'))
      tab.setAttribute('aria-pressed', String(tab.dataset.path === path));
    const { text } = files.find((each) => each.path === path)!;
    const all = tokens(text, 'zoo');
    let [start, at] = [0, 0];
    lines = text.split('\n').map((content, i) => {
      const end = start + content.length;
      const own: Token[] = [];
      for (; at < all.length && all[at]!.start < end; at++)
        own.push({ ...all[at]!, start: all[at]!.start - start, end: all[at]!.end - start });
      const code = h('code', {});
      const element = h(
        'div',
        { class: 'line', role: 'option', id: `${id}-${i}`, 'aria-selected': 'false', 'data-line': i },
        h('span', { class: 'gutter', 'aria-hidden': true }, String(i + 1)),
        code,
      );
      const line = { start, text: content, found: own, element, code };
      draw(line, []);
      start = end + 1;
      return line;
    });
    fill(
      listing,
      lines.map(({ element }) => element),
    );
    listing.scrollTop = 0;
    caret = 0;
  };

  const showMarks = (): void => {
    const marks = (found?.marks ?? []).filter((mark) => mark.file === file);
    let first: Line | undefined;
    for (const line of lines) {
      const end = line.start + line.text.length;
      const here = marks.filter((mark) => mark.start < end && line.start < mark.end);
      const strong = here.some((mark) => mark.strong);
      if (here.length > 0 || line.element.classList.contains('on'))
        draw(
          line,
          here.map((mark) => ({ ...mark, start: mark.start - line.start, end: mark.end - line.start })),
        );
      line.element.classList.toggle('on', here.length > 0);
      line.element.setAttribute('aria-selected', String(strong));
      if (strong) first ??= line;
    }
    if (first !== undefined && found?.target.kind !== 'line') {
      move(lines.indexOf(first));
      reveal(listing, first.element);
    }
  };

  return {
    element: h(
      'div',
      { class: 'pane source' },
      h('div', { class: 'pane-head' }, h('h2', {}, 'Source'), tabs),
      listing,
      others,
    ),
    show(explored) {
      files = explored.files;
      found = undefined;
      fill(
        tabs,
        files.map(({ path }) =>
          h(
            'button',
            {
              type: 'button',
              'data-path': path,
              onclick() {
                showFile(path);
                showMarks();
              },
            },
            titleOf(path),
          ),
        ),
      );
      showFile(files.find(({ path }) => path === file)?.path ?? files[0]!.path);
      others.textContent = '';
    },
    mark(next) {
      found = next;
      const strong = next?.marks.filter((mark) => mark.strong) ?? [];
      const [first] = strong;
      if (first !== undefined && strong.every((mark) => mark.file !== file)) showFile(first.file);
      showMarks();
      const elsewhere = new Set(strong.map((mark) => mark.file).filter((path) => path !== file));
      others.textContent =
        elsewhere.size === 0 ? '' : `Also in ${[...elsewhere].map(titleOf).join(' and ')}.`;
    },
  };
}
