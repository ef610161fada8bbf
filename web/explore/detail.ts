/** What is known of the one thing that is selected: a step with its kernel in WGSL, a block with its weights, an operation. */
import type { CostedBlock, StepInfo } from '../../zoo/api/browser.ts';
import type { Context } from '../app/context.ts';
import { type Child, fill, h } from '../ui/dom.ts';
import { bytes, compact, count, flops, shape } from '../ui/numbers.ts';
import type { BoundBuffer, Explored, Found, StepDetail, StepPlace } from '../worker/explore/exploring.ts';
import { pieces, tokens } from './highlight.ts';
import type { Pane, Select } from './pane.ts';
import { partsOf } from './steps.ts';

/** Items of a list before `and N more`. */
const most = 40;

function facts(rows: Readonly<Record<string, string | undefined>>): HTMLElement {
  const given = Object.entries(rows).filter(([, value]) => value !== undefined && value !== '');
  return h(
    'dl',
    { class: 'facts' },
    given.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  );
}

function code(wgsl: string): HTMLElement {
  const parts = pieces(wgsl, tokens(wgsl, 'wgsl'), []).map(({ text, kind }) =>
    kind === undefined ? text : h('span', { class: kind }, text),
  );
  return h('pre', { class: 'wgsl', tabindex: 0, 'aria-label': 'WGSL' }, h('code', {}, parts));
}

function buffersTable(buffers: readonly BoundBuffer[]): HTMLElement {
  const rows = buffers.map(({ access, role, offset, size, holds }, i) =>
    h(
      'tr',
      {},
      h('td', { class: 'number' }, String(i)),
      h(
        'td',
        {},
        holds.length > 3 ? `${holds.slice(0, 3).join(', ')} and ${holds.length - 3} more` : holds.join(', '),
      ),
      h('td', {}, role),
      h('td', {}, access === 'read' ? 'reads' : 'reads, writes'),
      h('td', { class: 'number' }, bytes(size)),
      h('td', { class: 'number' }, count(offset)),
    ),
  );
  const titles = ['Binding', 'Holds', 'Buffer', 'Access', 'Size', 'Offset'];
  const head = titles.map((title) =>
    h(
      'th',
      { scope: 'col', class: ['Binding', 'Size', 'Offset'].includes(title) ? 'number' : undefined },
      title,
    ),
  );
  const table = h('table', { class: 'small' }, h('thead', {}, h('tr', {}, head)), h('tbody', {}, rows));
  return h('div', { class: 'wide', tabindex: 0, role: 'region', 'aria-label': 'Buffers' }, table);
}

export function makeDetail(context: Context, select: Select): Pane {
  let explored: Explored | undefined;
  let wanted = 0;
  const title = h('h2', {});
  const box = h('div', { class: 'scroll' });

  const link = (text: string, act: () => void): HTMLElement =>
    h('button', { type: 'button', class: 'link', onclick: act }, text);
  const stepLinks = (steps: readonly StepPlace[]): Child => {
    if (steps.length === 0)
      return h('p', { class: 'hint' }, 'No step of its own: views and what passes remove have none.');
    const links = steps.slice(0, most).map((place) => {
      const { label } = (place.setup ? explored!.setup : explored!.steps)[place.index]!;
      const { path, kernel } = partsOf(label);
      return h(
        'li',
        {},
        link(`${place.index} ${kernel}`, () => select({ kind: 'step', ...place })),
        ` ${path}`,
      );
    });
    const rest = steps.length - links.length;
    return h(
      'ul',
      { class: 'plain-list' },
      links,
      rest > 0 ? h('li', {}, `and ${count(rest)} more`) : undefined,
    );
  };

  const stepContent = (info: StepInfo, place: StepPlace, { wgsl, buffers, kernel }: StepDetail): Child => {
    const origins = info.origins.map(({ node, op, path, backward }) =>
      h(
        'li',
        {},
        link(op, () => select({ kind: 'node', view: 'traced', node })),
        ` ${path === '' ? 'in the entry' : path}${backward ? ', its gradient' : ''}`,
      ),
    );
    const ratio = info.bytes === 0 ? undefined : `${(info.flops / info.bytes).toPrecision(3)} FLOP a byte`;
    return [
      facts({
        Workgroups: info.workgroups.join(' × '),
        FLOPs: info.flops === 0 ? undefined : flops(info.flops),
        Bytes: bytes(info.bytes),
        Intensity: info.flops === 0 ? undefined : ratio,
        Schedule: info.schedule && `${info.schedule.id} of ${info.schedule.family}`,
        Problem: info.schedule?.key,
        Runs: place.setup ? 'once, behind the weights' : undefined,
      }),
      h('h3', {}, 'What it does'),
      origins.length === 0
        ? h('p', { class: 'hint' }, 'Nothing of the text: what only gradients need.')
        : h('ul', { class: 'plain-list' }, origins),
      h('h3', {}, 'Buffers'),
      buffersTable(buffers),
      h('h3', {}, `${kernel}.wgsl`),
      code(wgsl),
    ];
  };

  const blockContent = (block: CostedBlock, found: Found): Child => {
    const { parameters, flops: cost, activations, weights, arguments: given, path } = block;
    const values = Object.entries(given).map(([name, value]) => `${name} = ${String(value)}`);
    const rows = weights.map(({ name, shape: sizes, kind }) =>
      h(
        'tr',
        {},
        h('td', {}, name),
        h('td', {}, shape(sizes)),
        h('td', {}, kind),
        h('td', { class: 'number' }, compact(sizes.reduce((a, b) => a * b, 1))),
      ),
    );
    return [
      facts({
        Path: path,
        Declared: block.block && `${block.block.name} in ${block.block.origin}`,
        Parameters: count(parameters),
        FLOPs: flops(cost),
        Gives: activations.map((each) => shape(each.shape)).join(', '),
        Arguments: values.join(', '),
      }),
      rows.length > 0 ? h('h3', {}, 'Weights of its own') : undefined,
      rows.length > 0 ? h('table', { class: 'small' }, h('tbody', {}, rows)) : undefined,
      h('h3', {}, `Steps (${count(found.steps.length)})`),
      stepLinks(found.steps),
    ];
  };

  const blockOf = (id: number): CostedBlock => {
    let at = explored!.tree;
    while (at.id !== id) at = at.children.findLast((child) => child.id <= id)!;
    return at;
  };
  const lineContent = (found: Found): Child => {
    const blocks = found.blocks.map((id) => {
      const { name, path } = blockOf(id);
      return h(
        'li',
        {},
        link(path === '' ? name : path, () => select({ kind: 'block', block: id })),
      );
    });
    return [
      h('h3', {}, `Blocks (${count(blocks.length)})`),
      blocks.length === 0
        ? h('p', { class: 'hint' }, 'This line makes nothing in this entry.')
        : h('ul', { class: 'plain-list' }, blocks.slice(0, most)),
      h('h3', {}, `Steps (${count(found.steps.length)})`),
      stepLinks(found.steps),
    ];
  };

  const showStep = async (place: StepPlace): Promise<void> => {
    const mine = wanted;
    const info = (place.setup ? explored!.setup : explored!.steps)[place.index]!;
    const detail = await context.language.exploring.step(explored!.generation, place);
    if (detail === undefined || mine !== wanted) return;
    title.textContent = `${place.setup ? 'Setup step' : 'Step'} ${place.index} · ${info.label}`;
    fill(box, stepContent(info, place, detail));
    box.scrollTop = 0;
  };

  const nothing = (): void => {
    title.textContent = 'Nothing selected';
    fill(
      box,
      h(
        'p',
        { class: 'hint' },
        'Select a block, an operation, a step or a line: all views show the same thing.',
      ),
    );
  };
  nothing();
  return {
    element: h('div', { class: 'pane detail' }, title, box),
    show(next) {
      explored = next;
      wanted++;
      nothing();
    },
    mark(found) {
      wanted++;
      if (found === undefined) {
        nothing();
        return;
      }
      const { target, node } = found;
      box.scrollTop = 0;
      switch (target.kind) {
        case 'step':
          showStep(target).catch((error) => context.report(error));
          return;
        case 'block': {
          const block = blockOf(target.block);
          title.textContent = `Block · ${block.path === '' ? block.name : block.path}`;
          fill(box, blockContent(block, found));
          return;
        }
        case 'node':
          title.textContent = `Operation · ${node!.op} %${target.node}`;
          fill(
            box,
            facts({
              Gives: shape(node!.shape),
              Attributes: node!.attributes === '{}' ? undefined : node!.attributes,
              Block: found.blocks.map((id) => blockOf(id).path || blockOf(id).name).join(', '),
            }),
            h('h3', {}, `Steps (${count(found.steps.length)})`),
            stepLinks(found.steps),
          );
          return;
        case 'line':
          title.textContent = `Line of ${target.file}`;
          fill(box, lineContent(found));
      }
    },
  };
}
