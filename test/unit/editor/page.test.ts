/** What is drawn of a text: tokens, hints, lenses, symbols, folds, and its canonical form. */
import { describe, expect, it } from 'vitest';
import { edited, encoder, mini, opened, words } from '../../support/service.ts';

describe('the page', () => {
  it('has tokens by what their names stand for', () => {
    const { service, text } = opened(
      'import nn { Linear }  # layers\nblock A(w: int) {\n  a: Linear(w, 3)\n}\n',
    );
    const tokens = service
      .semanticTokens('main.zoo')
      .map(({ start, end, kind }) => [text.slice(start, end), kind]);
    expect(tokens.filter(([, kind]) => kind !== 'punctuation')).toEqual([
      ['import', 'keyword'],
      ['nn', 'package'],
      ['Linear', 'block'],
      ['# layers', 'comment'],
      ['block', 'keyword'],
      ['A', 'block'],
      ['w', 'parameter'],
      ['int', 'type'],
      ['a', 'child'],
      ['Linear', 'block'],
      ['w', 'parameter'],
      ['3', 'number'],
    ]);
  });

  it('has shapes behind `let`s, and sizes behind dimension variables', () => {
    const text = `${encoder.replace('side, side]) -> [B, T', 'S, S]) -> [B, T')}model "net" = Net(encoder = Encoder(width = 3))\n`;
    const { service } = opened(text);
    expect(
      service
        .inlayHints('main.zoo')
        .map(({ offset, label }) => [text.slice(0, offset).split(' ').at(-1), label]),
    ).toEqual([
      ['doubled', ' = 24'],
      ['S', ' = 6'],
      ['T', ' = 36'],
      ['flat', ': [B, 36, 3]'],
      ['wide', ': [B, 36, 12]'],
    ]);
  });

  it('has the parameters of a call that is being written', () => {
    const { service, offset } = opened('import nn { Embedding }\nblock A() {\n  a: Embedding(count = 3, ‸');
    const help = service.signatureHelp('main.zoo', offset)!;
    expect(help.label).toMatch(/^Embedding\(count: int, width: int, /);
    expect(help.parameters[1]).toEqual({ name: 'width', start: 22, end: 32 });
  });

  it('has what can be shown above models and recipes', () => {
    const { service, text } = opened(
      `${mini}\ntrain "t" of "mini" {\n  batch = 4\n}\nmodel "no" = Nothing()\n`,
    );
    expect(
      service.lenses('main.zoo').map(({ start, end, ...lens }) => ({ at: text.slice(start, end), ...lens })),
    ).toEqual([
      { at: '"mini"', name: 'mini', about: 'size' },
      { at: '"mini"', name: 'mini', about: 'show' },
      { at: '"t"', name: 't', about: 'train' },
      { at: '"no"', name: 'no', about: 'size' },
      { at: '"no"', name: 'no', about: 'show' },
    ]);
    expect(service.sizeText('main.zoo', 'mini')).toBe('433,089 parameters');
    expect(service.sizeText('main.zoo', 'no')).toBeUndefined();
  });

  it('has symbols, folds and the canonical form', () => {
    const { service, text } = opened(`${mini}train   "t" of "mini" {\n  batch = 4\n}\n`);
    expect(
      service.symbols('main.zoo').map(({ name, kind, children }) => [name, kind, children.length]),
    ).toEqual([
      ['mini', 'model', 0],
      ['t', 'recipe', 1],
    ]);
    expect(words(service, 'main.zoo', service.folding('main.zoo')).map((fold) => fold.trim())).toEqual([
      mini.slice(mini.indexOf('CLIP(\n') + 5, -2).trim(),
      'batch = 4',
    ]);
    expect(edited(text, service.format('main.zoo'))).toBe(`${mini}\ntrain "t" of "mini" {\n  batch = 4\n}\n`);
    expect(opened('block {').service.format('main.zoo')).toEqual([]);
  });

  it('knows nothing of a file that is not there', () => {
    const { service } = opened('');
    expect(service.diagnostics('other.zoo')).toEqual([]);
    expect(service.hover('other.zoo', 0)).toBeUndefined();
    expect(service.completion('other.zoo', 3).items).toEqual([]);
    expect(service.completion('main.zoo', 99)).toMatchObject({ start: 0, end: 0 });
  });
});
