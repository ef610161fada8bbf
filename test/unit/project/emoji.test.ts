/** The emoji example: the join, the split that keeps test pictures out of training, and the page. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readCatalog } from '../../../examples/emoji/catalog.ts';
import { renderPage } from '../../../examples/emoji/page.ts';
import { resultsOf } from '../../../examples/emoji/results.ts';
import { evaluationSchema } from '../../../runtime/report/types.ts';

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

describe('page', () => {
  it('is one file that shows what it was given, with markup in captions made harmless', () => {
    const folder = mkdtempSync(join(tmpdir(), 'zooc-page-'));
    const picture = join(folder, 'a.png');
    writeFileSync(picture, 'png bytes');
    const caption = '<b>"keycap"</b> & more';
    const html = renderPage({
      heading: 'A page',
      facts: ['one fact'],
      scores: [{ name: 'a test', pictures: 10, choices: 20, top1: 0.25, top5: 0.5 }],
      sections: [
        {
          title: 'A section',
          explanation: 'why',
          answers: [{ picture, caption, best: [{ caption, probability: 0.75 }] }],
        },
      ],
    });
    rmSync(folder, { recursive: true });
    expect(html).not.toContain('<b>"');
    expect(html).toContain('&#60;b&#62;&#34;keycap&#34;&#60;/b&#62; &#38; more');
    expect(html).toContain('<b>25.0 %</b></td><td><b>50.0 %</b></td><td>5.0 % / 25.0 %');
    expect(html).toContain('class="right" style="--p: 75.0%"');
    expect(html).toContain(Buffer.from('png bytes').toString('base64'));
    expect(html).not.toMatch(/src="(?!data:)|href=/);
  });
});

describe('the results of a run', () => {
  it('are those of its tests, with pictures whose own caption was not the best, inlined', () => {
    const folder = mkdtempSync(join(tmpdir(), 'zooc-emoji-results-'));
    try {
      const picture = join(folder, 'x.png');
      writeFileSync(picture, 'png');
      const answer = (caption: string) => ({
        picture,
        caption,
        best: [{ caption: 'apple', probability: 0.75 }],
      });
      const score = (name: string) => ({ name, pictures: 2, choices: 9, top1: 0.5, top5: 1 });
      const [first, second] = resultsOf({
        scores: [score('unseen combinations'), score('unseen combinations, all captions')],
        combinations: [answer('apple'), answer('pear')],
        style: [],
      });
      expect(z.array(evaluationSchema).parse([first, second])).toEqual([first, second]);
      expect(first).toEqual({
        ...{ dataset: 'unseen combinations', task: 'zeroshot', n: 2, metrics: { acc1: 0.5, acc5: 1 } },
        wrong: [
          {
            picture: 'data:image/png;base64,cG5n',
            truth: 'pear',
            best: [{ label: 'apple', probability: 0.75 }],
          },
        ],
      });
      expect(second).not.toHaveProperty('wrong');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
