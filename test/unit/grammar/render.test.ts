/** The renderer of diagnostics: layout, labels in two files, long and strange lines, order, JSON. */
import { describe, expect, test } from 'vitest';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { diagnosticToJson, renderDiagnostics } from '../../../grammar/render.ts';
import type { SourceFile, Span } from '../../../grammar/source.ts';

/** The n-th place of `piece` in a file. */
function at(file: SourceFile, piece: string, n = 0): Span {
  let start = file.text.indexOf(piece);
  for (let i = 0; i < n; i++) {
    start = file.text.indexOf(piece, start + 1);
  }
  return { file, start, end: start + piece.length };
}

const shown = (...diagnostics: Diagnostic[]): string => `\n${renderDiagnostics(diagnostics)}\n`;

const enc: SourceFile = {
  path: 'enc.zoo',
  text: `${'\n'.repeat(11)}  mlp: seq { a: Linear(width, 3072)  b: Linear(3072, 512) }\n  forward(x: [B]) {\n    return y + mlp(y)\n`,
};
const mine: SourceFile = {
  path: 'mine.zoo',
  text: 'import "./enc.zoo" { A }\n\nmodel "m" = A(width = 768)\n',
};

describe('renderDiagnostics', () => {
  test('as in the specification: labels of the same file in line order', () => {
    expect(
      shown({
        code: 'Z301',
        severity: 'error',
        message: 'cannot add [B, 50, 768] and [B, 50, 512]: axis 2 differs',
        span: at(enc, 'y + mlp(y)'),
        caption: 'left is 768 (width = 768, mine.zoo:3), right is 512',
        labels: [{ span: at(enc, 'Linear(3072, 512)'), text: 'gives 512' }],
        help: 'Linear(3072, width)',
      }),
    ).toBe(`
error[Z301]: cannot add [B, 50, 768] and [B, 50, 512]: axis 2 differs
  --> enc.zoo:14:12
12 |   mlp: seq { a: Linear(width, 3072)  b: Linear(3072, 512) }
   |                                         ----------------- gives 512
14 |     return y + mlp(y)
   |            ^^^^^^^^^^ left is 768 (width = 768, mine.zoo:3), right is 512
   = help: Linear(3072, width)
`);
  });

  test('labels of another file have their own place', () => {
    expect(
      shown({
        code: 'Z304',
        severity: 'warning',
        message: 'width',
        span: at(mine, 'width = 768'),
        labels: [{ span: at(enc, 'width'), text: 'declared here' }],
        notes: ['one', 'two\nlines'],
        help: 'change it',
      }),
    ).toMatchInlineSnapshot(`
      "
      warning[Z304]: width
        --> mine.zoo:3:15
       3 | model "m" = A(width = 768)
         |               ^^^^^^^^^^^
        --> enc.zoo:12:24
      12 |   mlp: seq { a: Linear(width, 3072)  b: Linear(3072, 512) }
         |                        ----- declared here
         = note: one
         = note: two
                 lines
         = help: change it
      "
    `);
  });

  test('without a place', () => {
    expect(shown({ code: 'Z401', severity: 'error', message: 'no file w.safetensors', help: 'init:1' })).toBe(
      '\nerror[Z401]: no file w.safetensors\n   = help: init:1\n',
    );
  });

  test('marks on one line share a row where there is room', () => {
    const file: SourceFile = { path: 'a.zoo', text: 'let x = f(a, bcd, e' };
    const base = { code: 'Z301', severity: 'error', message: 'm' } as const;
    expect(
      shown({ ...base, span: at(file, 'e', 1), labels: [{ span: at(file, 'x'), text: 'x' }] }),
    ).toMatchInlineSnapshot(`
      "
      error[Z301]: m
        --> a.zoo:1:19
       1 | let x = f(a, bcd, e
         |     - x           ^
      "
    `);
    expect(
      shown({
        ...base,
        span: at(file, 'bcd'),
        caption: 'here',
        labels: [{ span: at(file, '('), text: 'opened' }],
      }),
    ).toMatchInlineSnapshot(`
      "
      error[Z301]: m
        --> a.zoo:1:14
       1 | let x = f(a, bcd, e
         |          - opened
         |              ^^^ here
      "
    `);
  });

  test('long lines are cut around the marks', () => {
    const text = `model "m" = CLIP(${'abcdefgh = 1234, '.repeat(20)}patch = 32, ${'abcdefgh = 1234, '.repeat(20)}last = 1)`;
    const file: SourceFile = { path: 'long.zoo', text };
    const base = { code: 'Z301', severity: 'error', message: 'm' } as const;
    expect(shown({ ...base, span: at(file, 'patch = 32'), caption: 'this' })).toMatchInlineSnapshot(`
      "
      error[Z301]: m
        --> long.zoo:1:358
       1 | … 1234, abcdefgh = 1234, patch = 32, abcdefgh = 1234, abcdefgh = 1234, abcdefgh = 1234, abcdefgh = …
         |                          ^^^^^^^^^^ this
      "
    `);
    expect(shown({ ...base, span: at(file, 'model') })).toMatchInlineSnapshot(`
      "
      error[Z301]: m
        --> long.zoo:1:1
       1 | model "m" = CLIP(abcdefgh = 1234, abcdefgh = 1234, abcdefgh = 1234, abcdefgh = 1234, abcdefgh = …
         | ^^^^^
      "
    `);
    expect(
      shown({ ...base, span: at(file, 'last'), labels: [{ span: at(file, 'CLIP'), text: 'the call' }] }),
    ).toMatchInlineSnapshot(`
      "
      error[Z301]: m
        --> long.zoo:1:710
       1 | model "m" = CLIP(abcdefgh = 1234, abcdefgh = 1234, abcdefgh = 1234, abcdefgh = 1234, abcdefgh = …
         |             ---- the call
       1 | … 1234, abcdefgh = 1234, last = 1)
         |                          ^^^^
      "
    `);
    expect(shown({ ...base, span: { file, start: 0, end: text.length } })).toMatchInlineSnapshot(`
      "
      error[Z301]: m
        --> long.zoo:1:1
       1 | model "m" = CLIP(abcdefgh = 1234, abcdefgh = 1234, abcdefgh = 1234, abcdefgh = 1234, abcdefgh = …
         | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      "
    `);
    for (const line of shown({ ...base, span: { file, start: 0, end: text.length } }).split('\n')) {
      expect(line.length).toBeLessThanOrEqual(110);
    }
  });

  test('tabs, wide characters, control characters, carriage returns, the end of the file', () => {
    const file: SourceFile = { path: 'odd.zoo', text: '\tlet 漢字 = "🦊\u001b[31m" + x\r\nlast' };
    const base = { code: 'Z301', severity: 'error', message: 'm\u001b[0m' } as const;
    expect(shown({ ...base, span: at(file, 'x'), caption: 'x' })).toMatchInlineSnapshot(`
      "
      error[Z301]: m�[0m
        --> odd.zoo:1:23
       1 |  let 漢字 = "🦊�[31m" + x
         |                         ^ x
      "
    `);
    expect(
      shown({ ...base, span: { file, start: file.text.length, end: file.text.length } }),
    ).toMatchInlineSnapshot(`
      "
      error[Z301]: m�[0m
        --> odd.zoo:2:5
       2 | last
         |     ^
      "
    `);
  });

  test('a place over several lines is marked on its first', () => {
    const file: SourceFile = { path: 'a.zoo', text: 'block A {\n  b: C\n}\n' };
    expect(
      shown({ code: 'Z301', severity: 'error', message: 'm', span: { file, start: 0, end: 18 } }),
    ).toMatchInlineSnapshot(`
      "
      error[Z301]: m
        --> a.zoo:1:1
       1 | block A {
         | ^^^^^^^^^
      "
    `);
  });

  test('sorted by file and position, duplicates once', () => {
    const make = (message: string, span?: Span): Diagnostic => ({
      code: 'Z301',
      severity: 'error',
      message,
      ...(span === undefined ? {} : { span }),
    });
    const all = [
      make('d', at(mine, 'A')),
      make('c', at(mine, 'enc')),
      make('b', at(enc, 'mlp')),
      make('a'),
      make('c', at(mine, 'enc')),
    ];
    const order = renderDiagnostics(all).match(/(?<=error\[Z301\]: )./g);
    expect(order).toEqual(['a', 'b', 'c', 'd']);
    expect(renderDiagnostics([])).toBe('');
  });

  test('the first hundred, and how many more there are; many mistakes on one long line', () => {
    const text = Array.from({ length: 20_000 }, (_, i) => `mistake${i}`).join(' ');
    const file = { path: 'long.zoo', text };
    const starts = Array.from(text.matchAll(/m/g), ({ index }) => index);
    const all = starts.map(
      (start): Diagnostic => ({
        code: 'Z201',
        severity: 'error',
        message: `at ${start}`,
        span: { file, start, end: start + 7 },
      }),
    );
    const shown = renderDiagnostics(all).split('\n\n');
    expect(shown).toHaveLength(101);
    expect(shown[99]).toContain(`long.zoo:1:${starts[99]! + 1}\n`);
    expect(shown[100]).toBe('… and 19900 more');
    expect(all.map(diagnosticToJson).at(-1)).toMatchObject({ line: 1, column: starts.at(-1)! + 1 });
  });

  test('colours on demand only, and they change nothing else', () => {
    const d: Diagnostic = { code: 'Z301', severity: 'error', message: 'm', span: at(mine, 'A'), help: 'h' };
    const colored = renderDiagnostics([d], { color: true });
    // biome-ignore lint/complexity/useRegexLiterals: a literal may not hold the escape character
    expect(colored.replace(new RegExp('\\u001b\\[[\\d;]*m', 'g'), '')).toBe(renderDiagnostics([d]));
    expect(colored).not.toBe(renderDiagnostics([d]));
  });
});

describe('diagnosticToJson', () => {
  test('has lines and columns from 1, the end behind the last character', () => {
    const d: Diagnostic = { code: 'Z301', severity: 'error', message: 'm', span: at(mine, '768'), help: 'h' };
    expect(diagnosticToJson(d)).toEqual({
      code: 'Z301',
      severity: 'error',
      message: 'm',
      file: 'mine.zoo',
      line: 3,
      column: 23,
      endLine: 3,
      endColumn: 26,
      help: 'h',
    });
  });
  test('without a place', () => {
    expect(diagnosticToJson({ code: 'Z301', severity: 'warning', message: 'm' })).toEqual({
      code: 'Z301',
      severity: 'warning',
      message: 'm',
      file: null,
      line: null,
      column: null,
      endLine: null,
      endColumn: null,
    });
  });
});
