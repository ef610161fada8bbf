/** Programs to begin with. */
import type { Context } from '../app/context.ts';
import { firstProgram } from '../app/program.ts';
import { fill, h } from '../ui/dom.ts';

/** Gives `use` the text that is chosen. */
export function makeStarts(context: Context, use: (text: string, name: string) => void): HTMLElement {
  const { editing } = context.language;
  const own: readonly { readonly name: string; readonly text: () => string | Promise<string> }[] = [
    { name: 'empty', text: () => '' },
    { name: 'tiny CLIP', text: () => firstProgram.text },
    { name: 'emoji', text: () => editing.emojiStart() },
  ];
  const title = h('option', { value: '' }, 'Start from …');
  const bundled = h('optgroup', { label: 'Bundled models' });
  const select = h(
    'select',
    { 'aria-label': 'Start from', onchange: () => void choose(select.value) },
    title,
    own.map(({ name }) => h('option', { value: name }, name)),
    bundled,
  );
  const choose = async (name: string): Promise<void> => {
    // A choice can be made again.
    select.value = '';
    if (name === '') return;
    try {
      const start = own.find((one) => one.name === name);
      use(await (start === undefined ? editing.bundledStart(name) : start.text()), name);
      context.report(undefined);
    } catch (error) {
      context.report(error);
    }
  };
  void context.language.bundled().then((models) =>
    fill(
      bundled,
      models.map((name) => h('option', { value: name }, name)),
    ),
  );
  return select;
}
