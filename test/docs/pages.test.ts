/** What the documents show is what happens: their commands are run, their outputs compared, their programs checked. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from '../../grammar/parser.ts';

import { openGpu } from '../../runtime/node/gpu.ts';
import { skipFor } from '../support/needs.ts';
import { type Block, blocksOf, pageBefore, shows } from './blocks.ts';
import { Checkout } from './checkout.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => `docs/${name}`)
    .sort(),
]
  .map((page) => ({ page, text: readFileSync(join(root, page), 'utf8') }))
  .map(({ page, text }) => ({ page, before: pageBefore(text), blocks: blocksOf(text) }));

const marked = pages.flatMap(({ page, blocks }) =>
  blocks.filter(({ reason }) => reason !== undefined).map((block) => ({ page, ...block })),
);

/** What a part of a program may stand in. */
const places = [
  (text: string) => text,
  (text: string) => `block X() { ${text} }`,
  (text: string) => `train "x" of "y" { ${text} }`,
  (text: string) => `block X() { forward(x: []) -> [] { ${text} return x } }`,
];

/** `…` stands for what is left out: lines, or an expression. */
function isPart(shown: string): boolean {
  const text = shown.replace(/^\s*…\s*$/gm, '').replaceAll('…', '0');
  return places.some((place) => parse({ path: 'part.zoo', text: place(text) }).diagnostics.length === 0);
}

const runs = ({ language, file, reason }: Block) =>
  reason === undefined && (language === 'sh' || file !== undefined);

const needed = pages.filter(({ blocks }) => blocks.some(runs));
const adapter = await openGpu().then(
  ({ device }) => {
    device.close();
    return true;
  },
  (error: Error) => skipFor(`no WebGPU adapter (${error.message})`) ?? false,
);

describe.skipIf(!adapter)('commands of a page do what it shows', () => {
  const checkout = new Checkout();
  beforeAll(() => checkout.build());
  afterAll(() => checkout.remove());

  const done = new Map<string, string>();

  /** @returns the folder with what the page's commands made */
  function runPage(name: string): string {
    const before = done.get(name);
    if (before !== undefined) return before;
    const { page, before: first, blocks } = pages.find(({ page }) => page === name)!;
    const folder = checkout.folder(first === undefined ? undefined : runPage(first));
    for (const { language, text, line, file, fails, output } of blocks.filter(runs)) {
      const place = `${page}:${line}`;
      if (file !== undefined) writeFileSync(join(folder, file), `${text}\n`);
      if (file !== undefined && language !== 'zoo') continue;
      const { code, printed } = checkout.run(folder, file === undefined ? text : `zooc check ${file}`);
      expect(code, `${place}\n${printed}`).toBe(fails ? 1 : 0);
      if (output !== undefined && !shows(output, printed)) expect(printed, place).toBe(output);
    }
    done.set(page, folder);
    return folder;
  }

  it.each(needed)('$page', ({ page }) => {
    runPage(page);
  });
});

describe('the blocks of the pages', () => {
  it('are marked with a reason where they are not run', () => {
    const counts = new Map<string, number>();
    for (const { reason } of marked) counts.set(reason!, (counts.get(reason!) ?? 0) + 1);
    const run = pages.flatMap(({ blocks }) => blocks.filter(runs)).length;
    console.error(`${run} blocks are run, ${marked.length} are not:`);
    for (const [reason, count] of counts) console.error(`  ${count} × ${reason}`);
    expect(run).toBeGreaterThan(40);
  });

  it.each(pages)('$page shows programs that are programs', ({ page, blocks }) => {
    const wrong = blocks
      .filter(
        ({ language, file, reason }) => language === 'zoo' && file === undefined && reason === undefined,
      )
      .filter(({ text }) => !isPart(text))
      .map(({ line }) => `${page}:${line}`);
    expect(wrong).toEqual([]);
  });
});
