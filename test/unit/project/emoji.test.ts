/** The example of emoji: the join, the split that keeps test pictures out of training, the suite on it, and the page. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCatalog } from '../../../examples/emoji/catalog.ts';
import { promptsOf } from '../../../examples/emoji/command.ts';
import { renderPage } from '../../../examples/emoji/page.ts';
import { resultTables } from '../../../examples/emoji/results.ts';
import { tablesOf } from '../../../examples/emoji/tables.ts';
import { loadRecipe } from '../../../zoo/cli/models.ts';
import { openData, testSplit, trainSplit } from '../../../zoo/evaluate/data/open.ts';
import type { OpenedData } from '../../../zoo/evaluate/data/types.ts';
import { nameOfClass } from '../../../zoo/evaluate/prompts.ts';
import type { Result } from '../../../zoo/evaluate/results.ts';
import { readSuite } from '../../../zoo/evaluate/suite.ts';

const catalog = readCatalog();

describe('catalog', () => {
  it('joins three packages on code points', () => {
    expect(catalog).toHaveLength(3786);
    expect(catalog.filter((e) => e.variant)).toHaveLength(1875);
    expect(new Set(catalog.map((e) => e.code)).size).toBe(3786);
    expect(new Set(catalog.map((e) => e.title)).size).toBe(3786);
    const santa = catalog.find((e) => e.code === '1F385-1F3FE')!;
    expect(santa).toMatchObject({ title: 'Santa Claus: medium-dark skin tone', variant: true, tags: [] });
    for (const path of [santa.twemoji, santa.noto, santa.openmoji]) expect(existsSync(path)).toBe(true);
  });

  it('holds out about 15 % of the variants, whose every word is also in a training caption', () => {
    const heldOut = catalog.filter((e) => e.heldOut);
    expect(heldOut.length / 1875).toBeGreaterThan(0.13);
    expect(heldOut.length / 1875).toBeLessThan(0.17);
    expect(heldOut.every((e) => e.variant)).toBe(true);
    expect(catalog.filter((e) => e.styleTest).every((e) => !e.heldOut)).toBe(true);
    const words = (title: string): string[] => title.toLowerCase().split(/[^\p{L}\p{N}]+/u);
    const seen = new Set(catalog.filter((e) => !e.heldOut).flatMap((e) => words(e.title)));
    for (const { title } of heldOut) for (const word of words(title)) expect(seen, title).toContain(word);
  });
});

const example = 'examples/emoji';

describe('suite', () => {
  let folder: string;
  const byCode = new Map(catalog.map((e) => [e.code.toLowerCase(), e]));
  const suite = () => readSuite([join(folder, 'suite.json')]);
  const open = (name: string, split?: string) => {
    const entry = suite().find((one) => one.name === name)!;
    return openData(entry, split ?? testSplit(entry), { notes: { warn: () => {}, note: () => {} } });
  };
  /** The emoji and the style of each picture. */
  const drawn = ({ pictures }: OpenedData) =>
    Promise.all(
      Array.from({ length: pictures.count }, async (_, i) => {
        const { name } = await pictures.picture(i);
        return { emoji: byCode.get(basename(name, '.png'))!, style: basename(dirname(name)) };
      }),
    );

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'zooc-emoji-suite-'));
    for (const [name, text] of tablesOf(catalog)) {
      const path = join(folder, 'data', name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    for (const name of ['suite.json', 'prompts.txt'])
      writeFileSync(join(folder, name), readFileSync(join(example, name)));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('takes the prompts of training', async () => {
    const { prompts } = await open('unseen combinations');
    for (const recipe of ['quick', 'gpu'])
      expect(prompts).toEqual({ templates: promptsOf(loadRecipe(`${example}/emoji.zoo#${recipe}`, [])) });
  });

  it.each([
    ['unseen combinations', 299],
    ['unseen combinations, all captions', 3786],
    ['trained styles', 282],
    ['unseen style', 282],
    ['unseen style, all captions', 3786],
  ])('has the own caption of each picture of %s among %i', async (name, captions) => {
    const data = await open(name);
    const { truth, classes } = data;
    expect(classes).toHaveLength(captions);
    const found = await drawn(data);
    const labels = truth.kind === 'classification' ? truth.labels : [];
    expect(Array.from(labels, (label) => nameOfClass(classes![label]!))).toEqual(
      found.map(({ emoji }) => emoji.title),
    );
    const combinations = name.startsWith('unseen combinations');
    expect(found.every(({ emoji }) => (combinations ? emoji.heldOut : emoji.styleTest))).toBe(true);
    const styles = name.startsWith('unseen style') ? ['openmoji'] : ['noto', 'twemoji'];
    expect([...new Set(found.map(({ style }) => style))].sort()).toEqual(styles);
  });

  it('tests groups on concepts whose labels were not learned, of which the largest has 21 %', async () => {
    const train = await drawn(await open('groups, unseen style, probe', trainSplit));
    const learned = new Set(train.map(({ emoji }) => emoji.code));
    expect(train.some(({ style }) => style === 'openmoji')).toBe(false);
    for (const name of ['groups, trained styles, probe', 'groups, unseen style, probe']) {
      const { truth, classes, ...data } = await open(name);
      const found = await drawn({ truth, classes, ...data });
      expect(found.filter(({ emoji }) => learned.has(emoji.code))).toEqual([]);
      expect(classes).toHaveLength(9);
      const labels = truth.kind === 'classification' ? [...truth.labels] : [];
      expect(labels.map((label) => classes![label])).toEqual(found.map(({ emoji }) => emoji.group));
      const sizes = classes!.map((_, label) => labels.filter((own) => own === label).length);
      expect(Math.round((100 * Math.max(...sizes)) / labels.length)).toBe(21);
    }
  });

  it('retrieves pictures and texts of which none is twice, and keywords', async () => {
    const texts = async (name: string) => {
      const { truth } = await open(name);
      return truth.kind === 'retrieval' ? truth.texts : [];
    };
    const combinations = (await texts('pairs of unseen combinations')).flat();
    expect(new Set(combinations).size).toBe(299);
    const style = await texts('pairs in the unseen style');
    expect(style).toHaveLength(282);
    expect(style.flat().length).toBeGreaterThan(5 * 282);
  });

  it('has every set in one row of the tables that are shown', () => {
    const shares = ['acc1', 'acc5', 'lp_acc1', 'knn_acc1@10'];
    const recalls = ['image', 'text'].flatMap((kind) =>
      [1, 5, 10].map((k) => `${kind}_retrieval_recall@${k}`),
    );
    const results = suite().map(
      ({ name: dataset }, i): Result => ({
        dataset,
        task: 'x',
        n: 1000 + i,
        metrics: Object.fromEntries([...shares, ...recalls].map((metric) => [metric, (10 + i) / 1000])),
        ci95: { acc1: [0.001, 0.5] },
      }),
    );
    const tables = resultTables(results, { combinations: 200, concepts: 100, captions: 1000 });
    const text = JSON.stringify(tables);
    for (const i of results.keys()) {
      const percent = `${((10 + i) / 10).toFixed(1)} %`;
      const recall = `${((10 + i) / 10).toFixed(1)} / `;
      expect(text.includes(percent) || text.includes(recall), results[i]!.dataset).toBe(true);
    }
    expect(tables[0]!.rows[0]).toEqual([
      'the name alone',
      ...['1,000', '200', '1.0 %', '0.1 to 50.0 %', '1.0 %', '0.5 % / 2.5 %'],
    ]);
    for (const { head, rows } of tables) for (const row of rows) expect(row).toHaveLength(head.length);
  });
});

describe('page', () => {
  it('is one file that shows what it was given, with markup in texts made harmless', () => {
    const folder = mkdtempSync(join(tmpdir(), 'zooc-page-'));
    const picture = join(folder, 'a.png');
    writeFileSync(picture, 'png bytes');
    const heading = '<b>"keycap"</b> & more';
    const html = renderPage({
      heading: 'A page',
      facts: ['one fact'],
      sections: [
        {
          table: { head: ['a test', 'top-1'], rows: [[heading, '25.0 %']] },
          heading,
          explanation: 'why',
          pictures: [[picture]],
        },
      ],
      links: [{ file: 'results.html', text: 'the rest' }],
    });
    rmSync(folder, { recursive: true });
    expect(html).not.toContain('<b>"');
    const harmless = '&#60;b&#62;&#34;keycap&#34;&#60;/b&#62; &#38; more';
    expect(html).toContain(`<h2>${harmless}</h2><p>why</p>`);
    expect(html).toContain(`<td>${harmless}</td><td>25.0 %</td>`);
    expect(html).toContain(Buffer.from('png bytes').toString('base64'));
    expect(html).toContain('<a href="results.html">');
    // Nothing is loaded, and links lead to what lies beside it.
    expect(html).not.toMatch(/src="(?!data:)|href="(?!results\.html)|url\(/);
  });
});
