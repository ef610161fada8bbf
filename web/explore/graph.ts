/** The graph of a block: its own operations, inner blocks as boxes that lead into them, and a list that says the same. */
import type { CostedBlock } from '../../zoo/api/browser.ts';
import type { Context } from '../app/context.ts';
import { fill, h, newId, svg } from '../ui/dom.ts';
import type { Explored, Found } from '../worker/explore/exploring.ts';
import type { DrawnGraph, DrawnNode, GraphWish } from '../worker/explore/graph.ts';
import { type Layout, layOut, type Placed } from './layout.ts';
import { type Pane, reveal, type Select } from './pane.ts';

const products: readonly string[] = [
  'matmul',
  'einsum',
  'conv2d',
  'attention',
  'attention_grad',
  'conv2d_grad',
];
const views: readonly string[] = [
  'reshape',
  'transpose',
  'slice',
  'expand',
  'concat',
  'cast',
  'flip',
  'stop_gradient',
  'rank_gather',
];
const norm = /norm|softmax|moments/;

/** The class of a node, by which it has its colour. */
function looks({ kind, label }: DrawnNode): string {
  if (kind !== 'operation') return kind;
  if (products.includes(label)) return 'product';
  if (norm.test(label)) return 'norm';
  return views.includes(label) ? 'view' : 'elementwise';
}

const kinds: Readonly<Record<DrawnNode['kind'], string>> = {
  operation: '',
  weight: 'weight ',
  block: 'block ',
  from: 'from outside: ',
  to: 'to outside: ',
};

const spoken = ({ kind, label, detail }: DrawnNode) => `${kinds[kind]}${label}, ${detail}`;

function drawing(
  { width, height, nodes, edges }: Layout,
  name: string,
  draw: (placed: Placed) => SVGElement,
) {
  const arrow = newId('arrow');
  const head = svg(
    'marker',
    {
      id: arrow,
      viewBox: '0 0 8 8',
      refX: 7,
      refY: 4,
      markerWidth: 7,
      markerHeight: 7,
      orient: 'auto-start-reverse',
    },
    svg('path', { d: 'M0 0.5L8 4L0 7.5z' }),
  );
  return svg(
    'svg',
    { width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': name },
    svg('defs', {}, head),
    edges.map(({ path }) => svg('path', { class: 'edge', d: path, 'marker-end': `url(#${arrow})` })),
    nodes.map(draw),
  );
}

/** Choices of which one is taken, as buttons in a row. */
function switches<T extends string>(
  label: string,
  options: Readonly<Record<T, string>>,
  first: NoInfer<T>,
  chosen: (value: T) => void,
): HTMLElement {
  const buttons = (Object.entries(options) as [T, string][]).map(([value, text]) => {
    const button = h('button', { type: 'button', 'aria-pressed': value === first }, text);
    button.setAttribute('aria-pressed', String(value === first));
    button.addEventListener('click', () => {
      for (const each of buttons) each.setAttribute('aria-pressed', String(each === button));
      chosen(value);
    });
    return button;
  });
  return h('div', { class: 'switches', role: 'group', 'aria-label': label }, buttons);
}

export function makeGraph(context: Context, select: Select): Pane {
  let explored: Explored | undefined;
  let wish: GraphWish = { block: 0, view: 'traced', inner: 'boxes' };
  let found: Found | undefined;
  let shown: DrawnGraph | undefined;
  let wanted = 0;
  const crumbs = h('nav', { class: 'crumbs', 'aria-label': 'Blocks around' });
  const canvas = h('div', { class: 'scroll canvas', tabindex: 0, role: 'region', 'aria-label': 'Graph' });
  const list = h('ol', {});

  const act = ({ block, node }: DrawnNode) => {
    if (block !== undefined) select({ kind: 'block', block });
    else if (node !== undefined) select({ kind: 'node', view: wish.view, node });
  };
  const draw = (placed: Placed): SVGElement => {
    const { node, x, y, width, height, label, detail } = placed;
    const place = { x: x - width / 2, y: y - height / 2, width, height, rx: node.kind === 'block' ? 4 : 9 };
    const group = svg(
      'g',
      {
        class: `node ${looks(node)}`,
        role: 'button',
        tabindex: 0,
        'data-id': node.id,
      },
      svg('title', {}, spoken(node)),
      svg('rect', place),
      svg('text', { x, y: y - 3 }, label),
      svg('text', { x, y: y + 12, class: 'detail' }, detail),
    );
    group.addEventListener('click', () => act(node));
    group.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      act(node);
    });
    return group;
  };

  const blocksTo = (id: number): CostedBlock[] => {
    const path: CostedBlock[] = [];
    for (let at = explored?.tree; at !== undefined; at = at.children.findLast((child) => child.id <= id)) {
      path.push(at);
      if (at.id === id) break;
    }
    return path;
  };
  const showCrumbs = (): void => {
    const path = blocksTo(wish.block);
    const last = path.length - 1;
    fill(
      crumbs,
      path.map((block, i) =>
        i === last
          ? h('span', { 'aria-current': 'true' }, block.name)
          : h(
              'button',
              { type: 'button', onclick: () => select({ kind: 'block', block: block.id }) },
              block.name,
            ),
      ),
    );
  };
  const showList = ({ nodes, edges }: DrawnGraph): void => {
    const names = new Map(nodes.map((node, i) => [node.id, `${i + 1} ${node.label}`]));
    const items = nodes.map((node) => {
      const reads = edges.filter(({ to }) => to === node.id).map(({ from }) => names.get(from));
      const button = h('button', { type: 'button', class: 'link', onclick: () => act(node) }, spoken(node));
      return h('li', {}, button, reads.length > 0 ? ` reads ${reads.join('; ')}` : '');
    });
    fill(list, items);
  };
  const showMarks = (): void => {
    const marks = new Set(found?.nodes[wish.view]);
    // All of a block would be marked where that itself is what is seen.
    const whole = found?.target.kind === 'block';
    let first: Element | undefined;
    for (const element of canvas.querySelectorAll<SVGElement>('.node')) {
      const node = shown?.nodes.find(({ id }) => id === element.dataset.id);
      const inside = node?.node !== undefined && node.kind !== 'to' && marks.has(node.node);
      const around = node?.block !== undefined && found !== undefined && holds(node.block, found.blocks);
      const on = !whole && (inside || around);
      element.classList.toggle('marked', on);
      if (on) first ??= element;
    }
    if (first === undefined) return;
    reveal(canvas, first);
    const [box, node] = [canvas.getBoundingClientRect(), first.getBoundingClientRect()];
    if (node.left < box.left || node.right > box.right)
      canvas.scrollLeft += (node.left + node.right - box.left - box.right) / 2;
  };
  const holds = (outer: number, ids: readonly number[]): boolean =>
    ids.some((id) => blocksTo(id).some((block) => block.id === outer));

  const update = async (): Promise<void> => {
    if (explored === undefined) return;
    wanted++;
    const mine = wanted;
    showCrumbs();
    try {
      const graph = await context.language.exploring.graph(explored.generation, wish);
      if (graph === undefined || mine !== wanted) return;
      const layout = graph.nodes.length === 0 ? undefined : await layOut(graph);
      if (mine !== wanted) return;
      shown = graph;
      showList(graph);
      const { name } = blocksTo(wish.block).at(-1)!;
      const empty =
        graph.size === 0
          ? 'The entry computes nothing in this block.'
          : `${graph.size} nodes are too many to be read: choose an inner block, or show inner blocks as boxes.`;
      fill(
        canvas,
        layout === undefined ? h('p', { class: 'hint' }, empty) : drawing(layout, `Graph of ${name}`, draw),
      );
      canvas.scrollTop = 0;
      canvas.scrollLeft = Math.max(0, ((layout?.width ?? 0) - canvas.clientWidth) / 2);
      showMarks();
    } catch (error) {
      context.report(error);
    }
  };
  const change = (part: Partial<GraphWish>): void => {
    wish = { ...wish, ...part };
    void update();
  };

  const tools = h(
    'div',
    { class: 'row tools-row' },
    switches('Graph', { traced: 'As written', optimized: 'Optimized' }, 'traced', (view) => change({ view })),
    switches('Inner blocks', { boxes: 'Blocks as boxes', operations: 'All operations' }, 'boxes', (inner) =>
      change({ inner }),
    ),
  );
  const told = h('details', { class: 'as-list' }, h('summary', {}, 'As a list'), list);
  return {
    element: h('div', { class: 'view graph' }, crumbs, tools, canvas, told),
    show(next) {
      explored = next;
      found = undefined;
      change({ block: 0 });
    },
    mark(next) {
      found = next;
      const [block] = next?.blocks ?? [];
      const seen = shown?.nodes.some(
        ({ node, kind }) =>
          kind === 'operation' && node !== undefined && next?.nodes[wish.view].includes(node),
      );
      if (block === undefined || (next?.target.kind !== 'block' && seen)) showMarks();
      else change({ block });
    },
  };
}
