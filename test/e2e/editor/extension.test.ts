/** The extension for Visual Studio Code: what its archive holds, that its server runs from there, and that its snippets are right. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import yauzl from 'yauzl';
import { createService } from '../../../editor/service/index.ts';
import { parse } from '../../../grammar/parser.ts';
import { format } from '../../../grammar/printer.ts';
import { packVsix } from '../../../scripts/vsix.ts';
import { memoryHost } from '../../errors/report.ts';
import { LanguageClient } from '../../support/language-client.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Bytes by path. */
async function unzipped(bytes: Buffer): Promise<Map<string, Buffer>> {
  const zip = await yauzl.fromBufferPromise(bytes, { lazyEntries: true });
  const files = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry())
    files.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)));
  return files;
}

describe('the extension', () => {
  let bytes: Buffer;
  let files: Map<string, Buffer>;
  const folder = mkdtempSync(join(tmpdir(), 'zooc-vsix-'));
  const json = (path: string) => JSON.parse(files.get(`extension/${path}`)!.toString());

  beforeAll(async () => {
    bytes = await packVsix();
    files = await unzipped(bytes);
    for (const [path, content] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('has what its manifests name, and the packages of the language', () => {
    const lib = ['clip', 'nn', 'losses'].map((name) => `extension/dist/zoo/lib/${name}.zoo`);
    expect([...files.keys()]).toEqual(expect.arrayContaining(lib));
    const { main, version, contributes } = json('package.json');
    expect(version).toBe(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version);
    const named: string[] = [
      main,
      ...contributes.languages.map(({ configuration }: { configuration: string }) => configuration),
      ...[...contributes.grammars, ...contributes.snippets].map(({ path }: { path: string }) => path),
    ];
    for (const path of named) expect([...files.keys()]).toContain(`extension/${path.replace('./', '')}`);
    const manifest = files.get('extension.vsixmanifest')!.toString();
    const assets = [...manifest.matchAll(/ Path="([^"]+)"/g)].map(([, path]) => path);
    expect(assets).toEqual(['extension/package.json', 'extension/README.md', 'extension/LICENSE.txt']);
    for (const path of assets) expect([...files.keys()]).toContain(path);
    expect(manifest).toContain(`Version="${version}" Publisher="zooc"`);
    const extensions = [...files.keys()].map((path) => path.slice(path.lastIndexOf('.')));
    for (const extension of new Set(extensions.filter((e) => e !== '.xml')))
      expect(files.get('[Content_Types].xml')!.toString()).toContain(`Extension="${extension}"`);
    for (const name of ['chevrotain', 'vscode-languageclient', 'vscode-languageserver'])
      expect(files.get('extension/licenses.txt')!.toString()).toContain(`\n${name} `);
  });

  it('is the same for the same sources', async () => {
    expect((await packVsix()).equals(bytes)).toBe(true);
  });

  it('runs its server with nothing beside it', async () => {
    const client = new LanguageClient({}, [join(folder, 'extension', 'dist', 'server.mjs')]);
    expect((await client.initialize()).serverInfo?.version).toBe(json('package.json').version);
    await client.open('a.zoo', 'model "mine" = "ViT-B/23"\n');
    expect((await client.diagnostics('a.zoo')).map(({ code }) => code)).toEqual(['Z213']);
    const hover = await client.ask<{ contents: { value: string } }>('hover', 'a.zoo', {
      position: { line: 0, character: 8 },
    });
    expect(hover.contents.value).toContain('model "mine"');
    expect(client.logged).toEqual([]);
    expect(await client.end()).toBe(0);
  });
});

interface Snippet {
  readonly body: readonly string[];
}

/** What is there as soon as a snippet is inserted. */
const inserted = ({ body }: Snippet) =>
  body
    .join('\n')
    .replace(/\$\{\d+:([^}]*)\}/g, '$1')
    .replace(/\$\d+/g, '');

/** What a snippet names that another one declares. */
const around: Readonly<Record<string, readonly string[]>> = { train: ['model'] };

describe('snippets', () => {
  const snippets: Record<string, Snippet> = JSON.parse(
    readFileSync(join(root, 'editor/vscode/snippets.json'), 'utf8'),
  );
  for (const [name, snippet] of Object.entries(snippets))
    it(`${name} is right, and in the canonical form`, () => {
      const text = inserted(snippet);
      const { program, diagnostics } = parse({ path: 'main.zoo', text });
      expect(diagnostics).toEqual([]);
      expect(format(program).trim()).toBe(text.trim());
      const service = createService(memoryHost({}));
      service.open(
        'main.zoo',
        [...(around[name] ?? []).map((other) => inserted(snippets[other]!)), text].join('\n'),
      );
      expect(service.diagnostics('main.zoo').filter(({ severity }) => severity === 'error')).toEqual([]);
    });
});
