/** The formatter: inverse to the parser on any tree, idempotent, and careful with comments. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Program } from '../../../grammar/ast.ts';
import { parse } from '../../../grammar/parser.ts';
import { format } from '../../../grammar/printer.ts';
import { tokenize } from '../../../grammar/tokens.ts';
import { samplePrograms } from '../../fixtures/fuzz.ts';
import { program } from '../../fixtures/program-arbitrary.ts';
import { strip } from '../../fixtures/strip.ts';

/** Parses without errors. */
function read(text: string): Program {
  const result = parse({ path: 'test.zoo', text });
  expect(result.diagnostics, text).toEqual([]);
  return result.program;
}

/** Formats, and checks that formatting again changes nothing. */
function formatted(text: string): string {
  const printed = format(read(text));
  expect(format(read(printed))).toBe(printed);
  return printed;
}

const commentTexts = (tree: Program): string[] => tree.comments.map((comment) => comment.text);

describe('sample programs', () => {
  test.each([...samplePrograms()])('%s keeps its meaning and its comments', (_, text) => {
    const before = read(text);
    const printed = format(before);
    const after = read(printed);
    expect(strip(after)).toEqual(strip(before));
    expect(commentTexts(after)).toEqual(commentTexts(before));
    expect(format(after)).toBe(printed);
    const code = printed.split('\n').filter((line) => !line.includes('#'));
    expect(Math.max(...code.map((line) => line.length))).toBeLessThanOrEqual(110);
  });
});

describe('random programs', () => {
  test('printing and parsing are inverse, and printing twice changes nothing', () => {
    fc.assert(
      fc.property(program, (tree) => {
        const text = format(tree);
        const again = read(text);
        expect(strip(again, { groups: false }), text).toEqual(strip(tree, { groups: false }));
        expect(format(again)).toBe(text);
      }),
      { numRuns: 150, seed: 7 },
    );
  });

  test('newlines mean nothing: tokens may be spread over lines or put on one', () => {
    const samples = [...samplePrograms().values()];
    const separators = fc.array(fc.constantFrom(' ', '\n', '\n\n', '  \n '), { minLength: 7, maxLength: 7 });
    fc.assert(
      fc.property(fc.constantFrom(...samples), separators, (text, spaces) => {
        const tokens = tokenize({ path: '', text }).tokens;
        const spread = tokens
          .map((token, i) => token.image + spaces[(i * 5 + (i >> 2)) % spaces.length])
          .join('');
        expect(strip(read(spread))).toEqual(strip(read(text)));
      }),
      { numRuns: 20, seed: 7 },
    );
  });
});

describe('comments', () => {
  test('between any two tokens they are kept, and the program with them', () => {
    const samples = [...samplePrograms().values()];
    const places = fc.array(fc.tuple(fc.nat(2000), fc.constantFrom(' ', '\n', '\n\n')), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.constantFrom(...samples), places, (text, inserts) => {
        const tokens = tokenize({ path: '', text }).tokens;
        const offsets = [...tokens.map((token) => token.startOffset), text.length];
        const sorted = inserts.map(([n, space]) => ({ at: offsets[n % offsets.length]!, space }));
        sorted.sort((a, b) => b.at - a.at);
        const commented = sorted.reduce(
          (result, { at, space }, i) => `${result.slice(0, at)}${space}# c${i}\n${result.slice(at)}`,
          text,
        );
        const before = read(commented);
        const printed = format(before);
        const after = read(printed);
        expect(strip(after), printed).toEqual(strip(before));
        expect(commentTexts(after).sort()).toEqual(commentTexts(before).sort());
        expect(format(after)).toBe(printed);
      }),
      { numRuns: 120, seed: 7 },
    );
  });

  test('stay where they were', () => {
    const text = `# header

# about the package
package demo  # its name

# about A
block A(
  # the width
  width: int,  # in features
  heads: int = 8
  # no more
) {  # opening
  # first
  param weight: [width] = ones  # trailing

  # second
  fc: seq {
    # a child
    a: Linear(width, width)  # its size
    # end of seq
  }
  fd: Linear(
    width,
    # half
    width / 2  # rounded
  )
  forward(x: [B, width]) -> [B, width] {
    # before the let
    let y = fc(x)  # computed

    return y  # done
    # end of body
  }
  # end of block
}  # behind A

train "r" of A {
  # only a comment
}

# end of file
`;
    expect(formatted(text)).toBe(text);
  });

  test('inside an expression move in front of the statement', () => {
    const text = 'block A {\n  let x = 1 + # one\n    2 # two\n}\n';
    expect(formatted(text)).toBe('block A {\n  # one\n  let x = 1 + 2  # two\n}\n');
  });

  test('alone in a file or a list', () => {
    expect(formatted('   # nothing   ')).toBe('# nothing\n');
    expect(formatted('block A { # nothing\n}')).toBe('block A {  # nothing\n}\n');
    expect(formatted('fn f(# none\n) = g()')).toBe('fn f(  # none\n) = g()\n');
    expect(formatted('fn f() = g([ # none\n])')).toBe('fn f() = g(\n  [  # none\n  ]\n)\n');
  });
});

describe('layout', () => {
  test('an empty file stays empty', () => {
    expect(formatted('')).toBe('');
    expect(formatted(' \n\n')).toBe('');
  });

  test('one member per line, blank lines kept, at most one', () => {
    const text = 'block A{a:B(1) b:B(2)\n\n\n\nc:B(3)}model"m"=A()model "n"=A()';
    expect(formatted(text)).toBe(
      'block A {\n  a: B(1)\n  b: B(2)\n\n  c: B(3)\n}\n\nmodel "m" = A()\nmodel "n" = A()\n',
    );
  });

  test('operators have spaces, slices and index ranges none', () => {
    const text =
      'fn f(x:[B,T])=-x[:,0:n+1]^-0.5*2@y+(a?:b)|>g.T(k=0)\nblock A { r[i in 0..n]:B r2[i in 0..n+1]:B }';
    expect(formatted(text)).toBe(
      [
        'fn f(x: [B, T]) = -x[:, 0:n + 1] ^ -0.5 * 2 @ y + (a ?: b) |> g.T(k = 0)',
        '',
        'block A {',
        '  r[i in 0..n]: B',
        '  r2[i in 0 .. n + 1]: B',
        '}',
        '',
      ].join('\n'),
    );
  });

  test('lists made by `for`, parts of chains, replacements', () => {
    const long = 'a_rather_long_name_of_a_value_for_this';
    const text = `fn f(x:[B])=[layers [ i ](x)for i in 0 .. n][1 ..]+a[ 0..- 1](x)+b[..n + 1]+c[ 0 .. n+1 ]
fn g(x:[B])=[${long}(x, i) + ${long} for i in ${long}..${long}]
model "m"="n" with "a.**"as B(rank=4),c=2
model "o"="n" with "visual.**.${long}"as ${long}(rank=4),"transformer.**" as B`;
    expect(formatted(text)).toBe(
      [
        'fn f(x: [B]) = [layers[i](x) for i in 0..n][1..] + a[0..-1](x) + b[..n + 1] + c[0 .. n + 1]',
        'fn g(x: [B]) = [',
        `  ${long}(x, i) + ${long}`,
        `  for i in ${long}..${long}`,
        ']',
        'model "m" = "n" with "a.**" as B(rank = 4), c = 2',
        'model "o" = "n" with',
        `  "visual.**.${long}" as ${long}(rank = 4),`,
        '  "transformer.**" as B',
        '',
      ].join('\n'),
    );
  });

  test('long chains break in front of their operators, long calls one argument per line', () => {
    const long = 'a_rather_long_name_of_a_value_for_this';
    const text = `fn f(x: [B]) = ${long} |> ${long} |> g(${long}, k = ${long}, m = ${long})`;
    expect(formatted(text)).toBe(
      [
        `fn f(x: [B]) = ${long}`,
        `  |> ${long}`,
        '  |> g(',
        `    ${long},`,
        `    k = ${long},`,
        `    m = ${long}`,
        '  )',
        '',
      ].join('\n'),
    );
  });

  test('a short seq stays on its line, `when` behind it', () => {
    const text = 'block A { d: seq{"0":B(1)\n"1":C} when stride>1 or not same }';
    expect(formatted(text)).toBe(
      'block A {\n  d: seq { "0": B(1)  "1": C } when stride > 1 or not same\n}\n',
    );
  });

  test('strings are escaped, numbers stay as written', () => {
    const text = 'model "a\\"b\\\\\\u{1F600}\\n" = f(1E+2, 1.50, 007, "\\u{0}\\u{d800}")';
    expect(formatted(text)).toBe('model "a\\"b\\\\😀\\n" = f(1E+2, 1.50, 7, "\\u{0}\\u{d800}")\n');
  });
});
