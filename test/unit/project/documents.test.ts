/** The documents are true to the sources: every error code is listed, every command that they show exists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { modelCodes } from '../../../compiler/model/values/codes.ts';
import { outside } from '../../../docs/.vitepress/links.ts';
import { sidebar } from '../../../docs/.vitepress/sidebar.ts';
import { wordsDocument } from '../../../scripts/words.ts';
import { check } from '../../../zoo/api/node.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
}

/** Documents that a reader of the front page reaches. */
const documents = [
  'README.md',
  'CHANGELOG.md',
  'examples/emoji/README.md',
  'examples/ablation/README.md',
  'examples/prompts/README.md',
  'web/README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CODE_OF_CONDUCT.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => `docs/${name}`),
];

/** What stands in backticks, outside of code blocks. */
function quoted(document: string): string[] {
  const text = read(document).replace(/^```[\s\S]*?^```/gm, '');
  return [...text.matchAll(/`([^`\n]+)`/g)].map((m) => m[1]!);
}

const layers = ['grammar', 'compiler', 'runtime', 'editor', 'zoo'];

describe('documents', () => {
  it('list every error code of the sources, and no other', () => {
    const used = [...layers, 'examples']
      .flatMap(sources)
      .flatMap((text) => [...text.matchAll(/\bZ\d{3}\b(?=['":])/g)].map((m) => m[0]));
    const listed = [...read('docs/reference/errors.md').matchAll(/^\| (Z\d{3}) \|/gm)].map((m) => m[1]!);
    expect(listed).toEqual([...new Set(used)].sort());
  });

  it('say of each code of the model stage what the compiler says', () => {
    const rows = [...read('docs/reference/errors.md').matchAll(/^\| (Z\d{3}) \| (.*) \|$/gm)];
    const meanings = new Map(rows.map(([, code, meaning]) => [code, meaning]));
    for (const [code, meaning] of Object.entries(modelCodes)) expect(meanings.get(code), code).toBe(meaning);
  });

  it('have the table of words that the language has', () => {
    expect(read('docs/reference/words.md'), 'npm run docs:words writes it').toBe(wordsDocument());
  });

  it('show no text of the language that is wrong, in TypeScript either', () => {
    const texts = documents.flatMap((name) =>
      [...read(name).matchAll(/const text = `([^`]*)`/g)].map(([, text]) => ({ name, text: text! })),
    );
    expect(texts.length).toBeGreaterThan(0);
    const wrong = (text: string) => check(text).filter(({ severity }) => severity === 'error');
    for (const { name, text } of texts) expect(wrong(text), name).toEqual([]);
  });

  it('show only verbs, scripts and options that exist', () => {
    const main = read('zoo/cli/main.ts') + read('zoo/cli/options.ts');
    const verbs = new Set([...main.matchAll(/\.command\('(\w+)'\)/g)].map((m) => m[1]!));
    const { scripts } = JSON.parse(read('package.json'));
    // Guides to changes show what the changes bring, and are followed by a test.
    for (const document of documents.filter((name) => !name.startsWith('docs/contributing/'))) {
      const text = read(document);
      for (const [, verb] of text.matchAll(/^(?:npm run --silent zooc -- |npx zooc |zooc )([a-z]+)/gm)) {
        expect(verbs, `${document}: zooc ${verb}`).toContain(verb);
      }
      for (const [, script] of text.matchAll(/npm run (?:--silent )?([a-z:-]+)/g)) {
        expect(Object.keys(scripts), `${document}: npm run ${script}`).toContain(script);
      }
      for (const [, option] of text.matchAll(/^(?:npm run --silent zooc -- .*?|zooc .*?)(--[a-z-]+)/gm)) {
        expect(main, `${document}: ${option}`).toContain(option === '--silent' ? 'zooc' : option!);
      }
    }
  });

  it('link to files that exist', () => {
    for (const document of documents) {
      for (const [, target] of read(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        const path = join(root, dirname(document), target!);
        expect(existsSync(path), `${document}: ${target}`).toBe(true);
      }
    }
  });

  it('stand once in the sidebar of the site, which has no other page', () => {
    const pages = documents
      .filter((document) => document.startsWith('docs/') && !/\/(?:\[page\]|index)\.md$/.test(document))
      .map((document) => document.slice('docs'.length, -'.md'.length));
    const listed = sidebar.flatMap(({ items = [] }) => items).map(({ link }) => link!);
    const others = Object.values(outside).map((page) => `/${page}`);
    expect(listed.filter((link) => !link.endsWith('/')).sort()).toEqual([...pages, ...others].sort());
  });

  it('name files and folders that exist', () => {
    const path = new RegExp(
      `^(?:${[...layers, 'editor', 'test', 'docs', 'scripts', 'bench', 'examples', '.ci'].join('|')})/[\\w./-]*$`,
    );
    const placeholder = /\b[A-Z]{2,}\b/;
    const named = documents.flatMap((document) =>
      quoted(document)
        .filter((text) => path.test(text) && !placeholder.test(text))
        .map((text) => ({ document, text })),
    );
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter(({ text }) => !existsSync(join(root, text)))).toEqual([]);
  });

  it('speak of functions and types that the sources have', () => {
    const library = readdirSync(join(root, 'zoo/lib')).map((file) => read(`zoo/lib/${file}`));
    const texts = [...[...layers, 'editor'].flatMap(sources), ...library, read('biome.json')];
    const words = new Set(texts.flatMap((text) => text.match(/\w+/g) ?? []));
    const names = quoted('docs/explanation/architecture.md').filter(
      (text) => /^\w+(?:\.\w+)*$/.test(text) && /[a-z][A-Z]|\b[A-Z][a-z]/.test(text),
    );
    expect(names.length).toBeGreaterThan(80);
    expect(names.filter((name) => name.split('.').some((part) => !words.has(part)))).toEqual([]);
  });
});
