/** The language server as an editor has it: a process that is spoken to over standard input and output. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  CodeAction,
  CodeLens,
  CompletionList,
  Hover,
  Location,
  TextEdit,
  WorkspaceEdit,
} from 'vscode-languageserver/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { LanguageClient } from '../../support/language-client.ts';

const towers = `import clip { CLIP, VisionTransformer, TextTransformer }

model "mini" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 48),
  text = TextTransformer(context = 16, vocab = 4096, width = 64, layers = 1, embed = 48)
)
`;

const net = `import nn { Linear }
import "./shared.zoo" { Gate }

block Net(width: int = 8) {
  up: Linear(width, 4 * width)
  gate: Gate(4 * width)

  forward(x: [B, T, width]) -> [B, T, 4 * width] {
    let wide = up(x)
    return gate(wide)
  }
}

block Root() {
  net: Net()
  forward(features: [B, 6, 8]) = { out = net(features) }
}

model "net" = Root()
`;

const shared = `import nn { Linear }

block Gate(width: int) {
  fc: Linear(width, width)
  forward(x: [..., width]) -> [..., width] = x * sigmoid(fc(x))
}
`;

const mistaken = `${towers}
train "t" of "mini" {
  data = csv("a.csv")
  batch = 64
  sed = 3
  clamp logit_scal in 0 .. ln(100)
}
`;

/** Line and character of a text within another one. */
function placeOf(text: string, what: string, within = 0) {
  return TextDocument.create('', '', 0, text).positionAt(text.indexOf(what) + within);
}

function zooc(args: readonly string[]) {
  const main = fileURLToPath(new URL('../../../zoo/cli/main.ts', import.meta.url));
  return spawnSync(process.execPath, ['--import', 'tsx', main, ...args], { encoding: 'utf8' });
}

const applied = (text: string, edits: readonly TextEdit[]) =>
  TextDocument.applyEdits(TextDocument.create('', '', 0, text), [...edits]);

describe('zooc lsp --stdio', () => {
  let client: LanguageClient;
  beforeAll(async () => {
    client = new LanguageClient({ 'shared.zoo': shared, 'user.zoo': net, 'broken.zoo': 'block {' });
    const { serverInfo } = await client.initialize({ commands: ['zooc.train'] });
    expect(serverInfo?.name).toBe('zooc');
  });
  afterAll(async () => {
    expect(client.logged).toEqual([]);
    expect(await client.end()).toBe(0);
  });

  it('tells two mistakes of a file, mends one, and then has the other', async () => {
    await client.open('two.zoo', mistaken);
    const found = await client.diagnostics('two.zoo');
    expect(found).toEqual([
      {
        range: { start: { line: 10, character: 2 }, end: { line: 10, character: 5 } },
        severity: 1,
        code: 'Z501',
        source: 'zooc',
        message: 'a recipe has no setting `sed`; did you mean `seed`?',
      },
      {
        range: { start: { line: 11, character: 8 }, end: { line: 11, character: 18 } },
        severity: 1,
        code: 'Z504',
        source: 'zooc',
        message: 'mini has no weight `logit_scal`; did you mean `logit_scale`?',
      },
    ]);
    const [action, ...more] = await client.ask<CodeAction[]>('codeAction', 'two.zoo', {
      range: found[0]!.range,
      context: { diagnostics: [found[0]] },
    });
    expect(more).toEqual([]);
    expect(action).toEqual({
      title: 'replace with `seed`',
      kind: 'quickfix',
      diagnostics: [found[0]],
      isPreferred: true,
      edit: { changes: { [client.uri('two.zoo')]: [{ range: found[0]!.range, newText: 'seed' }] } },
    });
    const [edit] = action!.edit!.changes![client.uri('two.zoo')]!;
    await client.change('two.zoo', 2, edit!.range.start, edit!.range.end, edit!.newText);
    const [left, ...others] = await client.diagnostics('two.zoo', 2);
    expect(others).toEqual([]);
    expect(left).toEqual(found[1]);
  });

  it('shows the shape of a `let` inside a block, and where each number came from', async () => {
    await client.open('net.zoo', net);
    expect(await client.diagnostics('net.zoo')).toEqual([]);
    const position = placeOf(net, 'wide = up');
    expect(await client.ask<Hover>('hover', 'net.zoo', { position })).toEqual({
      contents: {
        kind: 'markdown',
        value: [
          '```zoo\nlet wide = up(x)\n```',
          '`[B, 6, 32]` in `net`',
          '- axis 2: 32, `outputs = 32` (net.zoo:5), given by `up`',
        ].join('\n\n'),
      },
      range: { start: position, end: { line: position.line, character: position.character + 4 } },
    });
  });

  it('completes paths of weights within `freeze`, and settings of a recipe', async () => {
    const labels = async (name: string, body: string, behind: string) => {
      const text = `${towers}\ntrain "t" of "mini" {\n  data = csv("a.csv")\n  ${body}\n}\n`;
      await client.open(name, text);
      const position = placeOf(text, behind, behind.length);
      const { items } = await client.ask<CompletionList>('completion', name, { position });
      return items;
    };
    const paths = await labels('freeze.zoo', 'freeze "visual.', 'freeze "visual.');
    expect(paths.map(({ label }) => label)).toEqual([
      'visual.class_embedding',
      'visual.positional_embedding',
      'visual.proj',
      'visual.conv1',
      'visual.ln_pre',
      'visual.transformer',
      'visual.ln_post',
      'visual.**',
    ]);
    expect(paths[2]).toEqual({
      label: 'visual.proj',
      kind: 5,
      detail: '[64, 48]',
      sortText: '2',
      textEdit: {
        range: { start: { line: 9, character: 10 }, end: { line: 9, character: 17 } },
        newText: 'visual.proj',
      },
    });
    const settings = await labels('recipe.zoo', 'opti', 'opti');
    expect(settings.map(({ label }) => label)).toContain('optimizer');
    expect(settings.map(({ label }) => label)).not.toContain('data');
  });

  it('renames across files, those of the workspace that nobody opened among them', async () => {
    await client.open('shared.zoo', shared);
    const position = placeOf(shared, 'Gate');
    expect(await client.ask('prepareRename', 'shared.zoo', { position })).toEqual({
      start: position,
      end: { ...position, character: position.character + 4 },
    });
    const { changes } = await client.ask<WorkspaceEdit>('rename', 'shared.zoo', {
      position,
      newName: 'Valve',
    });
    expect(Object.keys(changes!).sort()).toEqual(
      ['net.zoo', 'shared.zoo', 'user.zoo'].map((n) => client.uri(n)),
    );
    expect(applied(shared, changes![client.uri('shared.zoo')]!)).toBe(shared.replaceAll('Gate', 'Valve'));
    for (const name of ['net.zoo', 'user.zoo'])
      expect(applied(net, changes![client.uri(name)]!)).toBe(net.replaceAll('Gate', 'Valve'));
    await expect(client.ask('rename', 'shared.zoo', { position, newName: 'let' })).rejects.toThrow(
      '`let` is a word of the language',
    );
  });

  it('leads into bundled packages, whose files an editor can open', async () => {
    const position = placeOf(net, 'Linear(width');
    const { uri, range } = await client.ask<Location>('definition', 'net.zoo', { position });
    const lib = fileURLToPath(new URL('../../../zoo/lib/nn.zoo', import.meta.url));
    expect(uri).toBe(pathToFileURL(lib).href);
    const text = readFileSync(join(lib), 'utf8');
    expect(range.start).toEqual(placeOf(text, 'block Linear', 'block '.length));
  });

  it('has lenses, hints, signatures, symbols, folds and the canonical form', async () => {
    const lenses = await client.ask<CodeLens[]>('codeLens', 'two.zoo');
    expect(lenses.map(({ command }) => command?.command)).toEqual([undefined, 'zooc.train']);
    const resolved = await client.connection.sendRequest<CodeLens>('codeLens/resolve', lenses[0]);
    expect(resolved.command?.title).toBe('433,089 parameters');
    const range = { start: { line: 0, character: 0 }, end: placeOf(net, 'model "net"') };
    expect(await client.ask('inlayHint', 'net.zoo', { range })).toEqual([
      { position: placeOf(net, 'T, width', 1), label: ' = 6', kind: 1 },
      { position: placeOf(net, 'wide =', 4), label: ': [B, 6, 32]', kind: 1 },
    ]);
    const position = placeOf(net, 'Linear(width, ', 'Linear(width, '.length);
    const help = await client.ask<{ activeParameter: number }>('signatureHelp', 'net.zoo', { position });
    expect(help.activeParameter).toBe(1);
    const symbols = await client.ask<{ name: string; children: { name: string }[] }[]>(
      'documentSymbol',
      'net.zoo',
    );
    expect(symbols.map(({ name, children }) => [name, children.map((child) => child.name)])).toEqual([
      ['Net', ['up', 'gate', 'forward']],
      ['Root', ['net', 'forward']],
      ['net', []],
    ]);
    expect(await client.ask('foldingRange', 'net.zoo')).toContainEqual({
      startLine: 3,
      endLine: 10,
      kind: 'region',
    });
    expect(
      await client.ask('formatting', 'two.zoo', { options: { tabSize: 2, insertSpaces: true } }),
    ).toEqual([]);
    expect(await client.ask('documentHighlight', 'net.zoo', { position: placeOf(net, 'up: ') })).toHaveLength(
      2,
    );
  });

  it('answers about what it cannot read, and goes on', async () => {
    await client.open('wild.zoo', '}}}} block ((( "\u{1F600}\ud800\n\tmodel "x" = (');
    const found = await client.diagnostics('wild.zoo');
    expect(found.length).toBeGreaterThan(0);
    for (const method of ['hover', 'completion', 'signatureHelp', 'definition', 'prepareRename'])
      await client.ask(method, 'wild.zoo', { position: { line: 0, character: 7 } });
    // Places that are not there, and documents that nobody opened.
    expect(await client.ask('hover', 'wild.zoo', { position: { line: 99, character: 99 } })).toBeNull();
    expect(await client.ask('hover', 'none.zoo', { position: { line: 0, character: 0 } })).toBeNull();
    expect(await client.ask<Hover>('hover', 'net.zoo', { position: placeOf(net, 'Net(') })).toMatchObject({
      contents: { kind: 'markdown' },
    });
  });

  it('gives no answer to what is cancelled', async () => {
    const position = placeOf(shared, 'fc:');
    const params = { textDocument: { uri: client.uri('shared.zoo') }, position };
    const answers = await client.exchange([
      { id: 'one', method: 'textDocument/definition', params },
      { id: 'two', method: 'textDocument/definition', params },
      { method: '$/cancelRequest', params: { id: 'one' } },
    ]);
    const range = { start: position, end: { ...position, character: position.character + 2 } };
    expect(answers).toEqual([
      { jsonrpc: '2.0', id: 'one', error: { code: -32800, message: 'cancelled' } },
      { jsonrpc: '2.0', id: 'two', result: { uri: client.uri('shared.zoo'), range } },
    ]);
  });

  it('follows changes of ranges', async () => {
    const at = { line: 0, character: 0 };
    await client.change('net.zoo', 2, at, at, '# above\n');
    expect(await client.diagnostics('net.zoo', 2)).toEqual([]);
    const position = placeOf(`# above\n${net}`, 'wide = up');
    expect(await client.ask<Hover>('hover', 'net.zoo', { position })).toMatchObject({
      contents: { value: expect.stringContaining('`[B, 6, 32]` in `net`') },
    });
  });
});

describe('zooc lsp', () => {
  it('without --stdio says what it takes', () => {
    const { status, stdout, stderr } = zooc(['lsp']);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('zooc lsp --stdio');
  });
});
