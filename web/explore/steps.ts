/** The steps of the plan as a table, sorted by any column, with times once they were measured. */
import type { StepInfo } from '../../zoo/api/browser.ts';
import { fill, h } from '../ui/dom.ts';
import { bytes, count, flops, shortTime } from '../ui/numbers.ts';
import type { Explored, Found, StepPlace } from '../worker/explore/exploring.ts';
import { breakable, type Pane, reveal, type Select } from './pane.ts';

interface Step {
  readonly info: StepInfo;
  readonly setup: boolean;
}

interface Column {
  readonly title: string;
  readonly value: (step: Step) => number | string;
  readonly cell: (step: Step) => string;
  readonly number?: boolean;
}

/** Rows that are made at once; the rest when it is asked for. */
const page = 400;

const keyOf = ({ index, setup }: StepPlace) => `${setup ? 's' : ''}${index}`;

export interface StepsPane extends Pane {
  /** Seconds of each step, in order; none before they were measured. */
  time(seconds: readonly number[] | undefined): void;
}

/** Kernel and block path of a label. */
export function partsOf(label: string): { readonly path: string; readonly kernel: string } {
  const at = label.lastIndexOf(': ');
  return at < 0 ? { path: '', kernel: label } : { path: label.slice(0, at), kernel: label.slice(at + 2) };
}

/** @param tools what stands above the table: the measuring */
export function makeSteps(select: Select, tools: HTMLElement): StepsPane {
  let steps: Step[] = [];
  let found: Found | undefined;
  let seconds: readonly number[] | undefined;
  let sorted: { readonly column: number; readonly down: boolean } = { column: 0, down: false };
  let most = page;
  let largest = { flops: 1, bytes: 1, seconds: 1 };
  const rows = new Map<string, HTMLTableRowElement>();

  const secondsOf = ({ info, setup }: Step) => (setup ? 0 : (seconds?.[info.index] ?? 0));
  const columns: readonly Column[] = [
    {
      title: '#',
      value: ({ info, setup }) => info.index - (setup ? 1e6 : 0),
      cell: ({ info, setup }) => `${setup ? 'setup ' : ''}${info.index}`,
      number: true,
    },
    { title: 'Step', value: ({ info }) => info.label, cell: ({ info }) => info.label },
    {
      title: 'Schedule',
      value: ({ info }) => info.schedule?.id ?? '',
      cell: ({ info }) => info.schedule?.id ?? '',
    },
    {
      title: 'Workgroups',
      value: ({ info }) => info.workgroups.reduce((a, b) => a * b, 1),
      cell: ({ info: { workgroups } }) => workgroups.join(' × '),
      number: true,
    },
    {
      title: 'FLOPs',
      value: ({ info }) => info.flops,
      cell: ({ info }) => (info.flops === 0 ? '–' : flops(info.flops)),
      number: true,
    },
    { title: 'Bytes', value: ({ info }) => info.bytes, cell: ({ info }) => bytes(info.bytes), number: true },
    {
      title: 'Time',
      value: secondsOf,
      cell: (step) => (secondsOf(step) === 0 ? '' : shortTime(secondsOf(step))),
      number: true,
    },
  ];
  const shares: Readonly<Record<string, (step: Step) => number>> = {
    FLOPs: ({ info }) => info.flops / largest.flops,
    Bytes: ({ info }) => info.bytes / largest.bytes,
    Time: (step) => secondsOf(step) / largest.seconds,
  };

  const headers = columns.map(({ title, number }, column) => {
    const button = h('button', { type: 'button', class: 'link', onclick: () => sort(column) }, title);
    return h('th', { scope: 'col', class: number ? 'number' : undefined }, button);
  });
  const body = h('tbody', {});
  const only = h('input', { type: 'checkbox', onchange: () => draw() });
  const note = h('p', { class: 'hint', role: 'status' });
  const more = h('button', { type: 'button', onclick: () => showMore() }, 'Show the rest');
  const box = h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Steps of the plan' },
    h('table', { class: 'steps' }, h('thead', {}, h('tr', {}, headers)), body),
    more,
  );

  const sort = (column: number): void => {
    // Numbers from the largest, but the index and names from the first.
    const down = sorted.column === column ? !sorted.down : column > 2;
    sorted = { column, down };
    draw();
  };
  const showMore = (): void => {
    most = Number.POSITIVE_INFINITY;
    draw();
  };
  const selectedKeys = () => new Set((found?.steps ?? []).map(keyOf));

  const row = (step: Step): HTMLTableRowElement => {
    const { info, setup } = step;
    const { path, kernel } = partsOf(info.label);
    const target = { kind: 'step', index: info.index, setup } as const;
    const cells = columns.map(({ title, cell, number }) => {
      if (title === 'Step') {
        const told = h('button', { type: 'button', class: 'link' }, kernel);
        return h('td', {}, told, h('small', {}, path === '' ? 'the entry' : breakable(path)));
      }
      const share = shares[title];
      const content = h('td', { class: number ? 'number' : undefined }, cell(step));
      if (share !== undefined && share(step) > 0) {
        const bar = h('i', {});
        bar.style.inlineSize = `${100 * share(step)}%`;
        content.classList.add('share');
        content.append(bar);
      }
      return content;
    });
    const made = h('tr', { onclick: () => select(target) }, cells);
    if (info.backward) made.classList.add('backward');
    return made;
  };

  const draw = (): void => {
    const { value } = columns[sorted.column]!;
    const chosen = selectedKeys();
    const wanted = steps.filter(
      (step) => !only.checked || chosen.has(keyOf({ ...step, index: step.info.index })),
    );
    const sign = sorted.down ? -1 : 1;
    wanted.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = typeof x === 'number' ? x - (y as number) : x.localeCompare(y as string);
      return sign * order;
    });
    headers.forEach((header, i) => {
      const order = sorted.down ? 'descending' : 'ascending';
      if (i === sorted.column) header.setAttribute('aria-sort', order);
      else header.removeAttribute('aria-sort');
    });
    headers.at(-1)!.hidden = seconds === undefined;
    box.classList.toggle('timed', seconds !== undefined);
    rows.clear();
    const shown = wanted.slice(0, most);
    fill(
      body,
      shown.map((step) => {
        const made = row(step);
        made.lastElementChild!.toggleAttribute('hidden', seconds === undefined);
        rows.set(keyOf({ index: step.info.index, setup: step.setup }), made);
        return made;
      }),
    );
    more.hidden = shown.length === wanted.length;
    more.textContent = `Show the other ${count(wanted.length - shown.length)}`;
    note.textContent = only.checked ? `${count(wanted.length)} of ${count(steps.length)} steps` : '';
    showMarks(false);
  };

  const showMarks = (scroll: boolean): void => {
    const chosen = selectedKeys();
    const single = found?.target.kind === 'step';
    let first: HTMLElement | undefined;
    for (const [key, element] of rows) {
      const on = chosen.has(key);
      element.classList.toggle('marked', on);
      if (on && single) element.setAttribute('aria-current', 'true');
      else element.removeAttribute('aria-current');
      if (on) first ??= element;
    }
    if (scroll && first !== undefined) reveal(box, first);
  };

  const label = h('label', { class: 'check' }, only, ' Only steps of what is selected');
  return {
    element: h(
      'div',
      { class: 'view steps-view' },
      h('div', { class: 'row tools-row' }, tools, label, note),
      box,
    ),
    show(explored: Explored) {
      steps = [
        ...explored.setup.map((info) => ({ info, setup: true })),
        ...explored.steps.map((info) => ({ info, setup: false })),
      ];
      found = undefined;
      seconds = undefined;
      most = page;
      if (sorted.column === columns.length - 1) sorted = { column: 0, down: false };
      largest = {
        flops: Math.max(1, ...steps.map(({ info }) => info.flops)),
        bytes: Math.max(1, ...steps.map(({ info }) => info.bytes)),
        seconds: 1,
      };
      draw();
    },
    mark(next) {
      found = next;
      const first = next?.steps[0];
      const hidden = first !== undefined && !rows.has(keyOf(first)) && most < steps.length;
      if (hidden) most = Number.POSITIVE_INFINITY;
      if (only.checked || hidden) draw();
      showMarks(true);
    },
    time(next) {
      seconds = next;
      largest = { ...largest, seconds: Math.max(1e-12, ...(next ?? [])) };
      draw();
    },
  };
}
