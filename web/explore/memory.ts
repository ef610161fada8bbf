/** Memory: what the device holds, and what of the workspace is alive at each step and where it lies. */
import type { MemoryRange } from '../../zoo/api/browser.ts';
import { fill, h, svg } from '../ui/dom.ts';
import { bytes, count } from '../ui/numbers.ts';
import type { Explored, Found } from '../worker/explore/exploring.ts';
import type { Pane, Select } from './pane.ts';

/** A range of the workspace, which has both steps. */
type Live = MemoryRange & { readonly firstStep: number; readonly lastStep: number };

/** Height of the map of offsets, in units of its own. */
const high = 1000;
/** Ranges that are drawn with borders, at most. */
const dense = 250;
/** Rows of the table of what is alive. */
const most = 12;

const looks: readonly (readonly [string, RegExp])[] = [
  ['product', /matmul|conv2d|einsum|attention/],
  ['norm', /norm|softmax|moments/],
  ['view', /copy|concat|reshape|transpose|slice/],
];
const lookOf = (name: string) => looks.find(([, pattern]) => pattern.test(name))?.[0] ?? 'elementwise';

const parts = ['weights', 'derived', 'inputs', 'outputs', 'gradients', 'workspace'] as const;

export function makeMemory(select: Select): Pane {
  let explored: Explored | undefined;
  let ranges: readonly Live[] = [];
  let boxes: readonly SVGElement[] = [];
  let largest = 1;
  const totals = h('div', { class: 'totals' });
  const told = h('p', { class: 'told', role: 'status' });
  const alive = h('tbody', {});
  const curve = svg('path', { class: 'live' });
  const top = svg('path', { class: 'limit' });
  const cursors = [svg('path', { class: 'cursor' }), svg('path', { class: 'cursor' })];
  const map = svg('g', {});
  const upper = svg(
    'svg',
    { class: 'live-chart', preserveAspectRatio: 'none', 'aria-hidden': true },
    curve,
    top,
    cursors[0]!,
  );
  const lower = svg(
    'svg',
    { class: 'map-chart', preserveAspectRatio: 'none', 'aria-hidden': true },
    map,
    cursors[1]!,
  );
  const maximum = h('span', { class: 'maximum' });
  const stepOf = () => Number(slider.value);
  // While it is dragged, the charts alone follow.
  const slider = h('input', {
    type: 'range',
    min: 0,
    step: 1,
    'aria-label': 'Step',
    oninput: () => showStep(stepOf()),
    onchange: () => select({ kind: 'step', index: stepOf(), setup: false }),
  });

  /** Of the range under the pointer, or undefined. */
  let hovered: Live | undefined;
  const tell = (step: number): void => {
    const { live } = explored!.memory;
    const { label } = explored!.steps[step]!;
    const range = hovered;
    told.textContent =
      range === undefined
        ? `Step ${step}, ${label}: ${bytes(live[step]!)} alive`
        : `${range.name}: ${bytes(range.bytes)} at ${count(range.offset)}, steps ${range.firstStep} to ${range.lastStep}`;
    slider.setAttribute('aria-valuetext', `step ${step}, ${label}, ${bytes(live[step]!)} alive`);
  };
  const showStep = (step: number): void => {
    slider.value = String(step);
    const now = ranges.filter(({ firstStep, lastStep }) => firstStep <= step && step <= lastStep);
    const middle = step + 0.5;
    for (const cursor of cursors) cursor.setAttribute('d', `M${middle} 0V${high}`);
    for (const [i, range] of ranges.entries()) boxes[i]!.classList.toggle('alive', now.includes(range));
    tell(step);
    const rows = now
      .toSorted((a, b) => b.bytes - a.bytes)
      .slice(0, most)
      .map(({ name, bytes: size, offset, firstStep, lastStep }) =>
        h(
          'tr',
          {},
          h('td', {}, h('span', { class: `swatch ${lookOf(name)}` }), name),
          h('td', { class: 'number' }, bytes(size)),
          h('td', { class: 'number' }, count(offset)),
          h('td', { class: 'number' }, `${firstStep} – ${lastStep}`),
        ),
      );
    const rest = now.length - rows.length;
    fill(alive, rows, rest > 0 ? h('tr', {}, h('td', { colspan: 4 }, `and ${rest} more`)) : undefined);
  };
  const stepAt = ({ clientX }: MouseEvent): number => {
    const { left, width } = lower.getBoundingClientRect();
    const { length } = explored!.steps;
    return Math.max(0, Math.min(length - 1, Math.floor(((clientX - left) / width) * length)));
  };
  for (const chart of [upper, lower]) {
    chart.addEventListener('pointermove', (event) => {
      const index = boxes.indexOf(event.target as SVGElement);
      hovered = index < 0 ? undefined : ranges[index];
      tell(stepAt(event));
    });
    chart.addEventListener('pointerleave', () => {
      hovered = undefined;
      tell(stepOf());
    });
    chart.addEventListener('click', (event) => {
      const step = stepAt(event);
      hovered = undefined;
      showStep(step);
      select({ kind: 'step', index: step, setup: false });
    });
  }

  const drawTotals = ({ memory }: Explored): void => {
    const given = parts.filter((part) => memory[part] > 0);
    const bar = given.map((part) => {
      const piece = h('i', { class: part });
      piece.style.flexGrow = String(memory[part] / memory.total);
      return piece;
    });
    fill(
      totals,
      h('div', { class: 'stack', 'aria-hidden': true }, bar),
      h(
        'dl',
        {},
        given.map((part) =>
          h(
            'div',
            {},
            h('dt', {}, h('span', { class: `swatch ${part}` }), part),
            h('dd', {}, bytes(memory[part])),
          ),
        ),
        h('div', {}, h('dt', {}, 'in all'), h('dd', {}, bytes(memory.total))),
      ),
    );
  };

  const drawCharts = ({ memory, steps }: Explored): void => {
    const { live } = memory;
    largest = Math.max(1, memory.workspace);
    const y = (value: number) => (high * (1 - value / largest)).toFixed(1);
    for (const chart of [upper, lower]) chart.setAttribute('viewBox', `0 0 ${steps.length} ${high}`);
    curve.setAttribute('d', `M0 ${high}${live.map((value, i) => `V${y(value)}H${i + 1}`).join('')}V${high}Z`);
    const peak = Math.max(0, ...live);
    top.setAttribute('d', `M0 ${y(peak)}H${steps.length}`);
    maximum.textContent = `at most ${bytes(peak)} alive, at step ${live.indexOf(peak)}; ${bytes(memory.workspace)} planned`;
    boxes = ranges.map(({ name, offset, bytes: size, firstStep, lastStep }) =>
      svg('rect', {
        class: lookOf(name),
        x: firstStep,
        width: lastStep - firstStep + 1,
        // The first byte lies at the bottom.
        y: y(offset + size),
        height: ((high * size) / largest).toFixed(1),
      }),
    );
    // Borders would hide ranges that are thinner than they.
    lower.classList.toggle('dense', boxes.length > dense);
    fill(map, boxes);
  };

  const table = h(
    'table',
    { class: 'small' },
    h('caption', {}, 'Alive at this step'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'Tensor'),
        h('th', { scope: 'col', class: 'number' }, 'Size'),
        h('th', { scope: 'col', class: 'number' }, 'Offset'),
        h('th', { scope: 'col', class: 'number' }, 'Steps'),
      ),
    ),
    alive,
  );
  return {
    element: h(
      'div',
      { class: 'view memory' },
      h(
        'div',
        { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Memory' },
        totals,
        h('h3', {}, 'Alive in the workspace ', maximum),
        upper,
        h('h3', {}, 'Where it lies'),
        lower,
        slider,
        told,
        table,
      ),
    ),
    show(next) {
      explored = next;
      hovered = undefined;
      ranges = next.memory.ranges.filter(({ kind }) => kind === 'workspace') as readonly Live[];
      slider.max = String(next.steps.length - 1);
      drawTotals(next);
      drawCharts(next);
      showStep(0);
    },
    mark(found: Found | undefined) {
      const first = found?.steps.find(({ setup }) => !setup);
      if (first !== undefined) showStep(first.index);
    },
  };
}
