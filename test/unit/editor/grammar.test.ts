/** The editor's grammar against the lexer: the same keywords, strings, numbers and comments in every `.zoo` file that is here. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { createOnigScanner, createOnigString, loadWASM } from 'vscode-oniguruma';
import type { IGrammar } from 'vscode-textmate';
import { builtinNames } from '../../../compiler/model/builtins/builtins.ts';
import { classifyText, createService } from '../../../editor/service/index.ts';
import { textMateGrammar } from '../../../editor/vscode/grammar.ts';
import { nodeHost } from '../../../zoo/host.ts';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../../..', import.meta.url));

const files = ['zoo/lib', 'test/fixtures', 'examples', 'web/emoji']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  )
  .filter((name) => name.endsWith('.zoo'));

/** What lexer and grammar both tell. */
const kinds = ['keyword', 'string', 'number', 'comment'] as const;
const scopes: Readonly<Record<string, (typeof kinds)[number]>> = {
  'keyword.zoo': 'keyword',
  'string.quoted.double.zoo': 'string',
  'constant.numeric.zoo': 'number',
  'comment.line.number-sign.zoo': 'comment',
};

let grammar: IGrammar;
beforeAll(async () => {
  const wasm = readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm'));
  await loadWASM(wasm);
  // A bundle of CommonJS, whose names an import does not see.
  const { INITIAL, Registry } = require('vscode-textmate') as typeof import('vscode-textmate');
  initial = INITIAL;
  const registry = new Registry({
    onigLib: Promise.resolve({ createOnigScanner, createOnigString }),
    loadGrammar: async () => textMateGrammar() as never,
  });
  grammar = (await registry.loadGrammar('source.zoo'))!;
});
let initial: import('vscode-textmate').StateStack;

/** Scope of each character. */
function scopesOf(text: string): string[] {
  const found: string[] = [];
  let state = initial;
  for (const line of text.split('\n')) {
    const { tokens, ruleStack } = grammar.tokenizeLine(line, state);
    for (const { startIndex, endIndex, scopes } of tokens)
      for (let i = startIndex; i < Math.min(endIndex, line.length); i++) found.push(scopes[1] ?? scopes[0]!);
    found.push('');
    state = ruleStack;
  }
  return found;
}

/** Words, literals and comments by kind, as the grammar has them. */
function byGrammar(text: string): string[] {
  const scoped = scopesOf(text);
  const found: string[] = [];
  for (let i = 0; i < text.length; ) {
    const kind = scopes[scoped[i]!];
    let end = i + 1;
    while (end < text.length && scoped[end] === scoped[i] && kind !== undefined) end++;
    // Spaces in front of a word belong to its rule's match, not to its capture.
    if (kind !== undefined) found.push(`${i} ${kind} ${text.slice(i, end)}`);
    i = end;
  }
  return found;
}

function byLexer(text: string): string[] {
  return classifyText(text)
    .filter(({ kind }) => (kinds as readonly string[]).includes(kind))
    .map(({ start, end, kind }) => `${start} ${kind} ${text.slice(start, end)}`);
}

describe('the TextMate grammar', () => {
  it('is compared over all packages, fixtures and examples', () => {
    expect(files.length).toBeGreaterThan(35);
  });

  for (const name of files)
    it(`tells the tokens of ${name} as the lexer does`, () => {
      const text = readFileSync(join(root, name), 'utf8');
      expect(byGrammar(text)).toEqual(byLexer(text));
    });

  for (const [what, text] of [
    [
      'words of statements that are names',
      'block A(block: block, model: int) {\n  init: Linear(3, text = 4, of = 5)\n  let train = model.block + init\n}\n',
    ],
    [
      'strings and numbers that are damaged',
      'let a = "open\nlet b = 12ab + 1.5e-3 + 0x1f + 1e5\nlet c = "q\\"uote" # "no"\n',
    ],
    [
      'words that are settings and arguments',
      'train "t" of "m" {\n  steps = 3\n  from = 1\n  a = b(keep = 2, for = 3)\n}\nblock B(in: int, of: int) {\n  as: Linear(in = 3)\n}\n',
    ],
    [
      'joints',
      'train "t" of "m" from "b" {\n  freeze "**", "!a.*"\n  lr "x.**" = 1e-5\n  checkpoint every 100 steps keep 2\n  total = cosine(warmup = 20 steps, total = 3 epochs)\n}\n',
    ],
    [
      'lists and variants',
      'model "m" = "b" with "a.**" as B(rank = 4), vision.layers = 2\nfn f(x: [B]) = sum([x * i for i in 0..3])\n',
    ],
    [
      'calls of forward',
      'block A() {\n  forward(x: [B]) = x\n  entry b(x: [B]) = forward(x)\n  entry c(x: [B]) {\n    return forward(x)\n  }\n}\n',
    ],
  ] as const)
    it(`knows ${what}`, () => {
      expect(byGrammar(text)).toEqual(byLexer(text));
    });

  it('knows every built-in word, where it stands for itself', () => {
    const host = nodeHost();
    const missing: string[] = [];
    let seen = 0;
    for (const name of host.bundledNames()) {
      const service = createService(host);
      const text = service.text(`zooc:${name}`)!;
      const scoped = scopesOf(text);
      for (const { start, end, kind } of service.semanticTokens(`zooc:${name}`)) {
        if (kind !== 'builtin') continue;
        seen++;
        if (scoped[start] !== 'support.function.zoo') missing.push(text.slice(start, end));
      }
    }
    expect(seen).toBeGreaterThan(200);
    expect(missing).toEqual([]);
    for (const word of builtinNames()) expect(scopesOf(`${word}(x)`)[0], word).toBe('support.function.zoo');
  });
});
