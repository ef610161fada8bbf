/** What the page says of each table of results, and the pictures that it shows beside it. */
import { join } from 'node:path';
import type { PageSection } from './page.ts';
import type { EmojiData } from './prepare.ts';
import type { ResultTable } from './results.ts';
import { trainedStyles } from './tables.ts';

/** Groups of pictures that are shown beside a table. */
const shown = 12;

/** `count` of a list, spread evenly over it. */
function spread<T>(list: readonly T[], count: number): T[] {
  const most = Math.min(count, list.length);
  return Array.from({ length: most }, (_, i) => list[Math.floor(((i + 0.5) * list.length) / most)]!);
}

/** @param tables in the order of `resultTables` */
export function pageSections(tables: readonly ResultTable[], data: EmojiData): PageSection[] {
  const path = (filepath: string) => join(data.folder, filepath);
  const combinations = spread(data.holdout, shown).map((row) => [path(row.filepath)]);
  // A concept in the trained styles, then in the unseen one.
  const styles = spread(data.style, shown / 2).map(({ filepath }) =>
    [...trainedStyles.map((style) => filepath.replace(/^openmoji/, style)), filepath].map(path),
  );
  const texts = [
    {
      heading: 'Unseen combinations, and what prompts are worth',
      explanation:
        'Skin-tone variants that training never saw, in Twemoji’s and Noto’s styles. Every word of their captions was seen, the combination never. A caption is sought by its name alone, in one prompt (“picture of …”), and as the mean of its features in the four prompts of training, as the CLIP paper’s ensembles.',
      pictures: combinations,
    },
    {
      heading: 'An unseen style',
      explanation:
        'Concepts that were trained, in the styles that were trained (these very pictures), and in OpenMoji’s, which no step of training saw: how far the model is from reading a drawing instead of knowing it.',
      pictures: styles,
    },
    {
      heading: 'Groups, by labels',
      explanation:
        'Nine groups of CLDR (people, flags, food, …) learned from the features of labelled pictures in the trained styles: by logistic regression, and by the vote of the nearest. Tested on concepts without labels, in both kinds of styles; the largest group has 21 % of them.',
      pictures: [],
    },
    {
      heading: 'Retrieval',
      explanation:
        'The picture of a text among all pictures of its set, and the text of a picture among all texts. OpenMoji’s drawings have names and keywords, of which several may fit another picture as well.',
      pictures: [],
    },
  ];
  return texts.map((text, i) => ({ ...text, table: tables[i]! }));
}
