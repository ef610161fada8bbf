/** The tree of blocks with what each has and costs. Rows are made when their parent is opened. */
import type { CostedBlock } from '../../zoo/api/browser.ts';
import { fill, h } from '../ui/dom.ts';
import { compact, flops, shape } from '../ui/numbers.ts';
import { type Pane, reveal, type Select } from './pane.ts';

interface Row {
  readonly block: CostedBlock;
  readonly parent: Row | undefined;
  readonly item: HTMLElement;
  /** Holds it and the group of its children. */
  readonly place: HTMLLIElement;
  /** Of its children, once it was opened. */
  group?: HTMLUListElement;
}

/** Words that only screen readers say. */
const spoken = (text: string) => h('span', { class: 'unseen' }, text);

/** A number with its share of the whole as a bar below it. */
function shared(text: string, unit: string, share: number): HTMLElement {
  const bar = h('i', {});
  bar.style.inlineSize = `${Math.max(share > 0 ? 1 : 0, 100 * share)}%`;
  return h('span', { class: 'number share' }, text, spoken(unit), bar);
}

export function makeTree(select: Select): Pane {
  const rows = new Map<number, Row>();
  let root: CostedBlock | undefined;
  let marked: Row[] = [];
  const tree = h('ul', { role: 'tree', 'aria-label': 'Blocks', 'aria-multiselectable': true });
  const box = h(
    'div',
    { class: 'scroll' },
    h(
      'div',
      { class: 'block-row head', 'aria-hidden': true },
      h('span', {}, 'Block'),
      h('span', { class: 'number' }, 'Parameters'),
      h('span', { class: 'number' }, 'FLOPs'),
      h('span', {}, 'Gives'),
    ),
    tree,
  );

  const isOpen = ({ item }: Row) => item.getAttribute('aria-expanded') === 'true';
  const setOpen = (row: Row, open: boolean): void => {
    if (row.block.children.length === 0) return;
    if (open && row.group === undefined) {
      row.group = h('ul', { role: 'group' });
      row.place.append(row.group);
      for (const child of row.block.children) row.group.append(makeRow(child, row).place);
    }
    row.item.setAttribute('aria-expanded', String(open));
    if (row.group !== undefined) row.group.hidden = !open;
  };
  const focus = (row: Row): void => {
    for (const { item } of rows.values()) item.tabIndex = -1;
    row.item.tabIndex = 0;
    row.item.focus({ preventScroll: true });
    reveal(box, row.item, 'near');
  };

  const makeRow = (block: CostedBlock, parent: Row | undefined): Row => {
    const level = parent === undefined ? 1 : Number(parent.item.getAttribute('aria-level')) + 1;
    const inner = block.children.length > 0;
    const name = h(
      'span',
      { class: 'name' },
      h('span', { class: 'twist', 'aria-hidden': true }),
      h('span', {}, h('b', {}, block.name), ' ', h('small', {}, block.block?.name ?? block.kind)),
    );
    name.style.paddingInlineStart = `${(level - 1) * 0.85}rem`;
    const gives = block.activations[0];
    const calls = block.activations.length > 1 ? ` ×${block.activations.length}` : '';
    const item = h(
      'div',
      {
        class: 'block-row',
        role: 'treeitem',
        'aria-level': level,
        'aria-selected': 'false',
        'aria-expanded': inner ? 'false' : undefined,
        tabindex: -1,
      },
      name,
      shared(compact(block.parameters), ' parameters', block.parameters / Math.max(1, root!.parameters)),
      shared(
        block.flops === 0 ? '–' : flops(block.flops).replace('FLOP', ''),
        'FLOP',
        block.flops / Math.max(1, root!.flops),
      ),
      h('span', { class: 'gives' }, gives === undefined ? '' : `${shape(gives.shape)}${calls}`),
    );
    if (block.flops === 0 && gives === undefined) item.classList.add('unused');
    const row: Row = { block, parent, item, place: h('li', { role: 'none' }, item) };
    item.addEventListener('click', (event) => {
      const onTwist = (event.target as Element).classList.contains('twist');
      if (onTwist) setOpen(row, !isOpen(row));
      else select({ kind: 'block', block: block.id });
      focus(row);
    });
    item.addEventListener('dblclick', () => setOpen(row, !isOpen(row)));
    rows.set(block.id, row);
    return row;
  };

  /** Rows that are seen, in order. */
  const visible = (): Row[] => [...rows.values()].filter(({ item }) => item.offsetParent !== null).sort(byId);
  const byId = (a: Row, b: Row) => a.block.id - b.block.id;
  tree.addEventListener('keydown', (event) => {
    const seen = visible();
    const at = seen.findIndex(({ item }) => item === document.activeElement);
    const row = seen[at];
    if (row === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves: Readonly<Record<string, () => Row | undefined>> = {
      ArrowDown: () => seen[at + 1],
      ArrowUp: () => seen[at - 1],
      Home: () => seen[0],
      End: () => seen.at(-1),
      ArrowRight() {
        if (isOpen(row)) return seen[at + 1]?.parent === row ? seen[at + 1] : undefined;
        setOpen(row, true);
        return undefined;
      },
      ArrowLeft() {
        if (!isOpen(row)) return row.parent;
        setOpen(row, false);
        return undefined;
      },
      Enter() {
        select({ kind: 'block', block: row.block.id });
        return undefined;
      },
    };
    const move = moves[event.key === ' ' ? 'Enter' : event.key];
    if (move === undefined) return;
    event.preventDefault();
    const next = move();
    if (next !== undefined) focus(next);
  });

  /** The blocks from the root to one, by their numbers. */
  const pathTo = (id: number): CostedBlock[] => {
    const path = root === undefined ? [] : [root];
    for (let at = root; at !== undefined && at.id !== id; ) {
      at = at.children.findLast((child) => child.id <= id);
      if (at !== undefined) path.push(at);
    }
    return path;
  };

  return {
    element: h('div', { class: 'pane blocks' }, h('h2', {}, 'Blocks'), box),
    show(explored) {
      const open = new Set([...rows.values()].filter(isOpen).map(({ block }) => block.path + block.name));
      const first = rows.size === 0;
      rows.clear();
      marked = [];
      root = explored.tree;
      const top = makeRow(root, undefined);
      top.item.tabIndex = 0;
      fill(tree, top.place);
      setOpen(top, true);
      // What was open stays so, where it is still there.
      for (const row of rows.values())
        if (first ? row.parent === top : open.has(row.block.path + row.block.name)) setOpen(row, true);
    },
    mark(found) {
      for (const { item } of marked) item.setAttribute('aria-selected', 'false');
      const [first, ...rest] = found?.blocks ?? [];
      marked = [];
      if (first === undefined) return;
      for (const { id } of pathTo(first).slice(0, -1)) setOpen(rows.get(id)!, true);
      marked = [first, ...rest].flatMap((id) => rows.get(id) ?? []);
      for (const { item } of marked) item.setAttribute('aria-selected', 'true');
      const row = rows.get(first);
      if (row !== undefined) reveal(box, row.item);
    },
  };
}
