/**
 * Looks of the editor. It stands in a shadow tree, where CodeMirror makes its sheets without style elements, which the page's
 * policy would refuse; custom properties of the page reach into it.
 */
import { EditorView } from '@codemirror/view';

const kinds: Readonly<Record<string, readonly string[]>> = {
  '--zoo-comment': ['comment'],
  '--zoo-keyword': ['keyword'],
  '--zoo-number': ['number'],
  '--zoo-string': ['string', 'pattern', 'package'],
  '--zoo-mark': ['operator', 'punctuation'],
  '--zoo-block': ['block', 'type', 'dimension'],
  '--zoo-model': ['model', 'recipe'],
  '--zoo-function': ['function', 'objective', 'builtin', 'entry'],
  '--zoo-name': ['parameter', 'setting', 'field'],
  '--zoo-weight': ['weight', 'child'],
};

const colours = Object.fromEntries(
  Object.entries(kinds).map(([property, names]) => [
    names.map((name) => `.zoo-${name}`).join(', '),
    { color: `var(${property})` },
  ]),
);

const box = {
  border: '1px solid var(--line)',
  borderRadius: '0.4rem',
  backgroundColor: 'var(--raised)',
  color: 'var(--ink)',
};
const tinted = (part: number) => `color-mix(in srgb, var(--accent) ${part}%, transparent)`;
const squiggle = (colour: string) => ({
  backgroundImage: 'none',
  paddingBottom: '0',
  textDecoration: `underline wavy var(${colour}) 1px`,
  textUnderlineOffset: '3px',
});

export const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--ink)', backgroundColor: 'var(--paper)', fontSize: '0.875rem' },
  // The page draws the focus around all of it.
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55' },
  '.cm-content': { caretColor: 'var(--ink)', padding: '0.5rem 0' },
  '.cm-cursor, .cm-dropCursor': { borderLeftColor: 'var(--ink)' },
  '.cm-gutters': { border: 'none', backgroundColor: 'var(--paper)', color: 'var(--soft)' },
  '.cm-lineNumbers .cm-gutterElement': { minWidth: '2rem' },
  '.cm-activeLine': { backgroundColor: tinted(7) },
  '.cm-activeLineGutter': { backgroundColor: 'transparent', color: 'var(--ink)' },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': {
    backgroundColor: tinted(28),
  },
  '.cm-selectionMatch': { backgroundColor: tinted(18) },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: tinted(28), outline: 'none' },
  '&.cm-focused .cm-nonmatchingBracket': { backgroundColor: 'transparent', color: 'var(--wrong)' },
  '.cm-searchMatch': { backgroundColor: tinted(28) },
  '.cm-searchMatch-selected': { outline: '1px solid var(--accent)' },
  '.cm-foldPlaceholder': { ...box, padding: '0 0.4rem', margin: '0 0.15rem', color: 'var(--soft)' },
  '.fold': { cursor: 'pointer', color: 'var(--soft)' },
  '.inlay': {
    padding: '0 0.3rem',
    marginLeft: '0.15rem',
    borderRadius: '0.25rem',
    backgroundColor: 'var(--raised)',
    color: 'var(--soft)',
    fontSize: '0.9em',
  },
  ...colours,
  '.zoo-comment': { color: 'var(--zoo-comment)', fontStyle: 'italic' },

  '.cm-lintRange-error': squiggle('--wrong'),
  '.cm-lintRange-warning': squiggle('--warn'),
  '.cm-lintPoint:after': { borderBottomColor: 'var(--wrong)' },
  '.cm-lintPoint-warning:after': { borderBottomColor: 'var(--warn)' },
  '.cm-gutter-lint': { width: '1.1rem' },
  '.cm-lint-marker': { width: '0.6rem', height: '0.6rem', margin: '0.4em 0.2rem', borderRadius: '50%' },
  '.cm-lint-marker-error': { content: '""', backgroundColor: 'var(--wrong)' },
  '.cm-lint-marker-warning': { content: '""', backgroundColor: 'var(--warn)' },
  '.cm-diagnostic': { padding: '0.4rem 0.7rem', whiteSpace: 'normal' },
  '.cm-diagnostic-error': { borderLeft: '4px solid var(--wrong)' },
  '.cm-diagnostic-warning': { borderLeft: '4px solid var(--warn)' },
  '.cm-diagnosticText': { display: 'block' },
  '.cm-diagnosticAction': {
    margin: '0.4rem 0 0',
    padding: '0.2rem 0.5rem',
    border: '1px solid var(--line)',
    borderRadius: '0.4rem',
    backgroundColor: 'var(--paper)',
    color: 'inherit',
    font: 'inherit',
    cursor: 'pointer',
  },

  '.cm-tooltip': { ...box, boxShadow: '0 4px 16px rgb(0 0 0 / 20%)', maxWidth: 'min(40rem, 92vw)' },
  '.cm-tooltip-section:not(:first-child)': { borderTop: '1px solid var(--line)' },
  '.hover, .signature, .cm-completionInfo': {
    padding: '0.4rem 0.7rem',
    maxHeight: '20rem',
    overflow: 'auto',
    overflowWrap: 'anywhere',
  },
  '.cm-tooltip p, .markdown ul': { margin: '0.25rem 0' },
  '.markdown ul': { paddingLeft: '1.2rem' },
  '.cm-tooltip pre': { margin: '0 0 0.25rem', whiteSpace: 'pre-wrap' },
  '.cm-tooltip code': { fontFamily: 'var(--mono)', fontSize: '0.9em' },
  '.cm-tooltip code.error': { color: 'var(--wrong)' },
  '.cm-tooltip code.warning': { color: 'var(--warn)' },
  '.cm-tooltip .hint': { color: 'var(--soft)' },
  '.signature strong': { color: 'var(--accent)' },

  '.cm-tooltip.cm-tooltip-autocomplete > ul': {
    fontFamily: 'var(--mono)',
    maxHeight: '16rem',
    minWidth: '16rem',
    maxWidth: 'min(28rem, 92vw)',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': {
    display: 'flex',
    gap: '0.75rem',
    alignItems: 'baseline',
    padding: '0.15rem 0.6rem',
  },
  '.cm-tooltip-autocomplete ul li[aria-selected]': {
    backgroundColor: 'var(--accent)',
    color: 'var(--on-accent)',
  },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '700' },
  '.cm-completionDetail': {
    flex: '1 1 auto',
    minWidth: '0',
    marginLeft: '0',
    overflow: 'hidden',
    textOverflow: 'ellipsis',
    fontStyle: 'normal',
    color: 'var(--soft)',
  },
  '.kind': {
    marginLeft: 'auto',
    fontFamily: 'system-ui, sans-serif',
    fontSize: '0.85em',
    color: 'var(--soft)',
  },
  'li[aria-selected] .kind, li[aria-selected] .cm-completionDetail': { color: 'inherit' },

  '.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--ink)' },
  '.cm-panels.cm-panels-bottom': { borderTop: '1px solid var(--line)' },
  '.cm-panel.cm-search': { padding: '0.4rem 1.6rem 0.4rem 0.6rem' },
  '.cm-panel.cm-search :is(input, button, label)': { fontSize: '0.85rem' },
  '.cm-textfield': { border: '1px solid var(--line)', backgroundColor: 'var(--paper)', color: 'var(--ink)' },
  '.cm-button': {
    border: '1px solid var(--line)',
    backgroundColor: 'var(--paper)',
    backgroundImage: 'none',
    color: 'var(--ink)',
  },
  '.cm-panel.cm-search [name=close]': { color: 'var(--ink)' },
});
