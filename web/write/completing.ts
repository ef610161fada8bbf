/** What can be written at a place, what stands there, and the parameters of the call around it. */
import {
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  completionStatus,
} from '@codemirror/autocomplete';
import { type Extension, StateEffect, StateField } from '@codemirror/state';
import {
  type EditorView,
  hoverTooltip,
  keymap,
  showTooltip,
  type Tooltip,
  ViewPlugin,
  type ViewUpdate,
} from '@codemirror/view';
import type { CompletionItem, SignatureHelp } from '../../editor/service/types.ts';
import { h } from '../ui/dom.ts';
import type { Asking } from './asking.ts';
import { markdown } from './markdown.ts';

// ── completion ─────────────────────────────────────────────────────────────────────────────────────────────

/** Kinds are written out: pictures for eighteen of them would have to be learned. */
interface Item extends Completion {
  readonly kind: string;
}

function itemOf({ label, kind, detail, documentation, insert }: CompletionItem, order: number): Item {
  return {
    label,
    kind,
    // The service's order holds among equal matches.
    boost: -order / 100,
    ...(detail === undefined ? {} : { detail }),
    ...(insert === undefined ? {} : { apply: insert }),
    ...(documentation === undefined ? {} : { info: () => markdown(documentation) }),
  };
}

async function completions(asking: Asking, context: CompletionContext): Promise<CompletionResult | null> {
  const { view, pos, explicit } = context;
  if (view === undefined) return null;
  // Unasked, behind a word that begins or what a name follows.
  if (!explicit && context.matchBefore(/[\w"./]/) === null) return null;
  const list = await asking.ask(view, (editing) => editing.completion(pos));
  if (list === undefined || list.items.length === 0) return null;
  const { start, end, items } = list;
  return { from: start, to: end, options: items.map(itemOf), validFor: /^\w*$/ };
}

// ── signatures ─────────────────────────────────────────────────────────────────────────────────────────────

/** Milliseconds without typing before the call is looked at. */
const pause = 150;

const setSignature = StateEffect.define<Tooltip | null>();

const signature = StateField.define<Tooltip | null>({
  create: () => null,
  update(before, { effects, changes }) {
    const told = effects.find((effect) => effect.is(setSignature));
    if (told !== undefined) return told.value;
    return before && { ...before, pos: changes.mapPos(before.pos) };
  },
  provide: (field) => showTooltip.from(field),
});

function signatureElement({ label, parameters, active, documentation }: SignatureHelp): HTMLElement {
  const now = active === undefined ? undefined : parameters[active];
  const head =
    now === undefined
      ? h('code', {}, label)
      : h(
          'code',
          {},
          label.slice(0, now.start),
          h('strong', {}, label.slice(now.start, now.end)),
          label.slice(now.end),
        );
  return h(
    'div',
    { class: 'signature' },
    head,
    documentation === undefined ? undefined : markdown(documentation),
  );
}

/** Shown while a call is typed, until the cursor leaves it or Escape is pressed. */
function signatures(asking: Asking): Extension {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const show = async (view: EditorView): Promise<void> => {
    const { head } = view.state.selection.main;
    const found = await asking.ask(view, (editing) => editing.signature(head));
    if (view.state.selection.main.head !== head) return;
    const tooltip: Tooltip | null =
      found === undefined
        ? null
        : { pos: head, above: true, create: () => ({ dom: signatureElement(found) }) };
    view.dispatch({ effects: setSignature.of(tooltip) });
  };
  return [
    signature,
    ViewPlugin.define(() => ({
      update({ view, state, docChanged, selectionSet, transactions }: ViewUpdate) {
        const typed =
          docChanged &&
          transactions.some(
            (t) => t.isUserEvent('input.type') || t.isUserEvent('input.complete') || t.isUserEvent('delete'),
          );
        const open = state.field(signature) !== null;
        if (!typed && !(open && selectionSet)) return;
        clearTimeout(timer);
        timer = setTimeout(() => void show(view), pause);
      },
      destroy: () => clearTimeout(timer),
    })),
    keymap.of([
      {
        key: 'Escape',
        run(view) {
          clearTimeout(timer);
          if (view.state.field(signature) !== null && completionStatus(view.state) === null)
            view.dispatch({ effects: setSignature.of(null) });
          // Escape also lets the next Tab out of the editor.
          return false;
        },
      },
    ]),
  ];
}

// ── hover ──────────────────────────────────────────────────────────────────────────────────────────────────

async function hovered(asking: Asking, view: EditorView, at: number): Promise<Tooltip | null> {
  const found = await asking.ask(view, (editing) => editing.hover(at));
  if (found === undefined) return null;
  const { start, end, contents } = found;
  const create = () => ({ dom: h('div', { class: 'hover' }, markdown(contents)) });
  return { pos: start, end, above: true, create };
}

export function assistance(asking: Asking): Extension {
  return [
    autocompletion({
      override: [(context) => completions(asking, context)],
      icons: false,
      addToOptions: [{ position: 90, render: (item) => h('span', { class: 'kind' }, (item as Item).kind) }],
    }),
    signatures(asking),
    hoverTooltip((view, at) => hovered(asking, view, at), { hideOnChange: true }),
  ];
}
