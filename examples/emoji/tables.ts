/**
 * The tables of the data set, tab-separated with a header line: what the recipes train on, and the data sets of
 * suite.json.
 *
 * - `train.csv`: both trained styles of everything that is not held out, with names and keywords.
 * - `captions.txt`: every name.
 * - `captions/`: pictures labelled with their names. `holdout.csv` has the held-out skin-tone variants in both
 *   styles, `unseen.csv` OpenMoji's drawings of trained concepts, `trained.csv` these concepts in the trained styles.
 * - `groups/`: pictures labelled with CLDR's groups. `trained.csv` and `unseen.csv` are those of `captions/`,
 *   `train.csv` has all other concepts in the trained styles.
 * - `pairs/`: pictures with one text a row. `holdout.csv` has each held-out variant in one of its styles, as the
 *   other one would have the same text; `unseen.csv` has OpenMoji's drawings with names and keywords.
 */
import type { Emoji } from './catalog.ts';

export interface Row {
  /** Relative to the data folder. */
  readonly filepath: string;
  readonly title: string;
  readonly tags: readonly string[];
}

export const trainedStyles = ['twemoji', 'noto'] as const;
type Style = (typeof trainedStyles)[number] | 'openmoji';

function pathOf(style: Style, { code }: Emoji): string {
  return `${style}/${code.toLowerCase()}.png`;
}

export function rows(catalog: readonly Emoji[], styles: readonly Style[]): Row[] {
  return styles.flatMap((style) =>
    catalog.map((e) => ({ filepath: pathOf(style, e), title: e.title, tags: e.tags })),
  );
}

/** Titles, tags and groups hold no tabs, quotes or line breaks. */
function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  return `${[head, ...lines].map((cells) => cells.join('\t')).join('\n')}\n`;
}

/** Pictures with something that is said of them, for tables in a folder of their own. */
function pictures(
  column: 'label' | 'title',
  styles: readonly Style[],
  catalog: readonly Emoji[],
  said: (emoji: Emoji) => readonly string[],
): string {
  const lines = styles.flatMap((style) =>
    catalog.flatMap((e) => said(e).map((text) => [`../${pathOf(style, e)}`, text])),
  );
  return table(['filepath', column], lines);
}

/** Of rows that hold every emoji in one style and then in the other: each emoji once, in alternating styles. */
export function alternateStyles<R>(rows: readonly R[]): R[] {
  const emoji = rows.length / 2;
  return Array.from({ length: emoji }, (_, i) => rows[i + (i % 2) * emoji]!);
}

/** By name within the data folder. */
export function tablesOf(catalog: readonly Emoji[]): Map<string, string> {
  const heldOut = catalog.filter((e) => e.heldOut);
  const styleTest = catalog.filter((e) => e.styleTest);
  // CLDR's components are five swatches of skin tones.
  const grouped = catalog.filter((e) => !e.variant && e.group !== 'component');
  const shifted = grouped.filter((e) => e.styleTest);
  const name = (e: Emoji) => [e.title];
  const group = (e: Emoji) => [e.group];
  const training = rows(
    catalog.filter((e) => !e.heldOut),
    trainedStyles,
  );
  const pairs = alternateStyles(rows(heldOut, trainedStyles));
  return new Map([
    [
      'train.csv',
      table(
        ['filepath', 'title', 'tags'],
        training.map((row) => [row.filepath, row.title, row.tags.join('|')]),
      ),
    ],
    ['captions.txt', `${catalog.map((e) => e.title).join('\n')}\n`],
    ['captions/holdout.csv', pictures('label', trainedStyles, heldOut, name)],
    ['captions/trained.csv', pictures('label', trainedStyles, styleTest, name)],
    ['captions/unseen.csv', pictures('label', ['openmoji'], styleTest, name)],
    [
      'groups/train.csv',
      pictures(
        'label',
        trainedStyles,
        grouped.filter((e) => !e.styleTest),
        group,
      ),
    ],
    ['groups/trained.csv', pictures('label', trainedStyles, shifted, group)],
    ['groups/unseen.csv', pictures('label', ['openmoji'], shifted, group)],
    [
      'pairs/holdout.csv',
      table(
        ['filepath', 'title'],
        pairs.map((row) => [`../${row.filepath}`, row.title]),
      ),
    ],
    [
      'pairs/unseen.csv',
      pictures('title', ['openmoji'], styleTest, (e) => [...new Set([e.title, ...e.tags])]),
    ],
  ]);
}
