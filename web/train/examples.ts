/** Held-out pictures with the captions that the model finds best now. */
import type { EmojiPictures } from '../app/emoji.ts';
import { bars } from '../try/bars.ts';
import { fill, h } from '../ui/dom.ts';
import type { Seen } from '../worker/train/held-out.ts';

export interface Examples {
  readonly element: HTMLElement;
  show(pictures: EmojiPictures, seen: readonly Seen[], step: number): Promise<void>;
}

export function makeExamples(): Examples {
  const addresses = new Map<number, string>();
  const told = h('p', { class: 'hint' }, 'They are shown when the run first looks at them.');
  const list = h('ul', { class: 'seen' });

  const addressOf = async ({ emoji, blobOf }: EmojiPictures, picture: number): Promise<string> => {
    const known = addresses.get(picture) ?? URL.createObjectURL(await blobOf(emoji[picture]!));
    addresses.set(picture, known);
    return known;
  };
  const item = ({ title, found }: Seen, src: string): HTMLElement => {
    const right = found[0]!.label === title;
    return h(
      'li',
      {},
      h('img', { src, alt: title, width: 64, height: 64 }),
      h(
        'div',
        {},
        h('p', {}, title, h('span', { class: right ? 'right' : 'other' }, right ? ' ✓ first' : ' not first')),
        bars(found),
      ),
    );
  };
  return {
    element: h('div', {}, h('h2', {}, 'Held-out pictures'), told, list),
    async show(pictures, seen, step) {
      const sources = await Promise.all(seen.map(({ picture }) => addressOf(pictures, picture)));
      told.textContent = `Their best captions of all held-out ones, behind ${step} steps.`;
      fill(
        list,
        seen.map((one, i) => item(one, sources[i]!)),
      );
    },
  };
}
