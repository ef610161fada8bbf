/**
 * Syntax errors as users see them: the exact text for each kind of mistake. Long because the texts are: each
 * case is a program and its whole report, and splitting them would hide that the list is complete.
 */
import { describe, expect, test } from 'vitest';
import { parse, parseExpression } from '../../../grammar/parser.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';

const shown = (text: string): string =>
  `\n${renderDiagnostics(parse({ path: 'test.zoo', text }).diagnostics)}\n`;

test('a keyword without what belongs behind it is not a misspelling of itself', () => {
  for (const setting of ['table 5', 'clamp 5', 'evaluate 5']) {
    const { diagnostics } = parse({ path: 'test.zoo', text: `train "t" of "m" { batch = 4\n${setting} }` });
    const [word] = setting.split(' ');
    expect(diagnostics[0]!.message).toBe(`expected a setting of the recipe, found \`${word}\``);
    expect(diagnostics[0]!.fix).toBeUndefined();
  }
});

describe('characters, strings, numbers', () => {
  test('Z101 bad characters, once per line', () => {
    expect(shown("block A {\n  a: B(1); b: C('x')\n}")).toMatchInlineSnapshot(`
      "
      error[Z101]: unexpected character \`;\`
        --> test.zoo:2:10
       2 |   a: B(1); b: C('x')
         |          ^
         = help: statements need no separator; remove it

      error[Z101]: unexpected character \`'\`
        --> test.zoo:2:17
       2 |   a: B(1); b: C('x')
         |                 ^
         = help: strings are written in double quotes: "..."
      "
    `);
    expect(shown('fn f(x: [B]) = x && y')).toMatchInlineSnapshot(`
      "
      error[Z101]: unexpected characters \`&&\`
        --> test.zoo:1:18
       1 | fn f(x: [B]) = x && y
         |                  ^^
         = help: write \`and\`
      "
    `);
    expect(shown('\u0000\u001b[31m')).toMatchInlineSnapshot(`
      "
      error[Z101]: unexpected characters \`\\u{0}\\u{1b}\`
        --> test.zoo:1:1
       1 | ��[31m
         | ^^

      error[Z103]: \`31m\` is not a number
        --> test.zoo:1:4
       1 | ��[31m
         |    ^^^
         = help: numbers look like 12, 0.5 or 1e-5; names start with a letter
      "
    `);
  });
  test('Z102 a string that is not closed', () => {
    expect(shown('block A {\n  require x else "too small\n  b: C\n}')).toMatchInlineSnapshot(`
      "
      error[Z102]: this string is not closed on its line
        --> test.zoo:2:18
       2 |   require x else "too small
         |                  ^^^^^^^^^^
         = help: end it with \`"\`
      "
    `);
  });
  test('Z103 bad numbers', () => {
    expect(shown('fn f(x: [B]) = x + 12ab + 10_000 + 0x1F + 1.5e')).toMatchInlineSnapshot(`
      "
      error[Z103]: \`12ab\` is not a number
        --> test.zoo:1:20
       1 | fn f(x: [B]) = x + 12ab + 10_000 + 0x1F + 1.5e
         |                    ^^^^
         = help: numbers look like 12, 0.5 or 1e-5; names start with a letter

      error[Z103]: \`10_000\` is not a number
        --> test.zoo:1:27
       1 | fn f(x: [B]) = x + 12ab + 10_000 + 0x1F + 1.5e
         |                           ^^^^^^
         = help: write \`10000\`

      error[Z103]: \`0x1F\` is not a number
        --> test.zoo:1:36
       1 | fn f(x: [B]) = x + 12ab + 10_000 + 0x1F + 1.5e
         |                                    ^^^^
         = help: numbers are decimal: 12, 0.5, 1e-5

      error[Z103]: \`1.5e\` is not a number
        --> test.zoo:1:43
       1 | fn f(x: [B]) = x + 12ab + 10_000 + 0x1F + 1.5e
         |                                           ^^^^
         = help: numbers look like 12, 0.5 or 1e-5; names start with a letter
      "
    `);
    expect(shown('fn f(x: [B]) = x + 99999999999999999999 + 1e999')).toMatchInlineSnapshot(`
      "
      error[Z103]: the integer \`99999999999999999999\` is too large
        --> test.zoo:1:20
       1 | fn f(x: [B]) = x + 99999999999999999999 + 1e999
         |                    ^^^^^^^^^^^^^^^^^^^^
         = help: integers go up to 9007199254740991

      error[Z103]: the number \`1e999\` is too large
        --> test.zoo:1:43
       1 | fn f(x: [B]) = x + 99999999999999999999 + 1e999
         |                                           ^^^^^
      "
    `);
  });
  test('Z104 unknown escapes', () => {
    expect(shown('model "a\\q\\u{110000}" = f()')).toMatchInlineSnapshot(`
      "
      error[Z104]: unknown escape \`\\q\`
        --> test.zoo:1:9
       1 | model "a\\q\\u{110000}" = f()
         |         ^^
         = help: escapes are \\" \\\\ \\n \\t \\r and \\u{...}

      error[Z104]: unknown escape \`\\u{110000}\`
        --> test.zoo:1:11
       1 | model "a\\q\\u{110000}" = f()
         |           ^^^^^^^^^^
         = help: escapes are \\" \\\\ \\n \\t \\r and \\u{...}
      "
    `);
  });
});

describe('depth', () => {
  test('Z105 too deep', () => {
    expect(shown(`model "m" = ${'('.repeat(101)}`)).toMatchInlineSnapshot(`
      "
      error[Z105]: brackets and \`if\`s are nested more than 100 levels deep
        --> test.zoo:1:113
       1 | … (((((((((((((((((((((((((
         |                           ^
         = help: name parts of it with \`let\`
      "
    `);
    expect(shown(`model "m" = 1${' + 1'.repeat(400)}`)).toMatchInlineSnapshot(`
      "
      error[Z105]: this expression has 401 operators in a row, more than 400
        --> test.zoo:1:13
       1 | model "m" = 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + …
         |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: name parts of it with \`let\`
      "
    `);
    expect(shown(`model "m" = x${' |> f'.repeat(401)}`)).toMatchInlineSnapshot(`
      "
      error[Z105]: this expression is nested more than 400 levels deep
        --> test.zoo:1:13
       1 | model "m" = x |> f |> f |> f |> f |> f |> f |> f |> f |> f |> f |> f |> f |> f |> f |> f |> f |> …
         |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: name parts of it with \`let\`
      "
    `);
  });
});

describe('Z106: something else was expected', () => {
  test('brackets', () => {
    expect(shown('block A(width: int) {\n  let x = f(a, b }\n}\n')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`)\` to close the argument list, found \`}\`
        --> test.zoo:2:18
       2 |   let x = f(a, b }
         |            - opened here
         |                  ^
      "
    `);
    expect(shown('block A {\n  b: C(1, 2\n  d: E\n}')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`,\` or \`)\` to close the argument list, found \`d\`
        --> test.zoo:3:3
       2 |   b: C(1, 2
         |       - opened here
       3 |   d: E
         |   ^
      "
    `);
    expect(shown('model "a" = f(1 2)')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`,\` or \`)\` to close the argument list, found \`2\`
        --> test.zoo:1:17
       1 | model "a" = f(1 2)
         |              - opened here
         |                 ^
      "
    `);
    expect(shown('fn f(x: [B, T) = x')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`]\` to close the shape, found \`)\`
        --> test.zoo:1:14
       1 | fn f(x: [B, T) = x
         |         - opened here
         |              ^
      "
    `);
    expect(shown('block A {\n  s: seq { a: B  let c = 1 }\n}')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`}\` to close the seq, found \`let\`
        --> test.zoo:2:18
       2 |   s: seq { a: B  let c = 1 }
         |          - opened here
         |                  ^^^
      "
    `);
    expect(shown('block A {\n  a: B\n')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`}\` to close the block, found the end of the file
        --> test.zoo:2:7
       1 | block A {
         |         - opened here
       2 |   a: B
         |       ^
      "
    `);
  });
  test('parts of members', () => {
    expect(shown('block A {\n  param weight [width] = ones\n}')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`:\` and the shape of the weight, found \`[\`
        --> test.zoo:2:16
       2 |   param weight [width] = ones
         |                ^
      "
    `);
    expect(shown('block A {\n  let = 5\n  let y 6\n}')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected a name for the value, found \`=\`
        --> test.zoo:2:7
       2 |   let = 5
         |       ^

      error[Z106]: expected \`=\` and the value, found \`6\`
        --> test.zoo:3:9
       3 |   let y 6
         |         ^
      "
    `);
    expect(shown('block A {\n  r[i of 0..2]: B\n  r[i in 0]: B\n}')).toMatchInlineSnapshot(`
      "
      error[Z110]: expected a member of the block, found \`r\`
        --> test.zoo:2:3
       2 |   r[i of 0..2]: B
         |   ^
         = help: a child is written \`r: Block(...)\`, a weight \`param r: [width]\`

      error[Z106]: expected \`..\` between the bounds of the range, found \`]\`
        --> test.zoo:3:11
       3 |   r[i in 0]: B
         |           ^
      "
    `);
    expect(shown('block A {\n  forward(x: [B]) -> [B] return x\n}')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected a body: \`{ ... }\` or \`= expression\`, found \`return\`
        --> test.zoo:2:26
       2 |   forward(x: [B]) -> [B] return x
         |                          ^^^^^^
      "
    `);
    expect(shown('fn f(x: [B]) { x + 1 }')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`return\` and the result of the body, found \`x\`
        --> test.zoo:1:16
       1 | fn f(x: [B]) { x + 1 }
         |                ^
      "
    `);
    expect(shown('fn f(x, y: int) = 1')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`:\` and the type of the parameter, found \`,\`
        --> test.zoo:1:7
       1 | fn f(x, y: int) = 1
         |       ^
      "
    `);
  });
  test('expressions', () => {
    expect(shown('block A {\n  let x =\n  param w: [3] = ones\n}')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected an expression, found \`param\`
        --> test.zoo:3:3
       3 |   param w: [3] = ones
         |   ^^^^^
      "
    `);
    expect(shown('fn f(x: [B]) = if x then y')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`else\`: an \`if\` always has both values, found the end of the file
        --> test.zoo:1:27
       1 | fn f(x: [B]) = if x then y
         |                           ^
      "
    `);
    expect(shown('fn f(x: [B]) = 1 + if x then y else z')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected an expression, found \`if\`
        --> test.zoo:1:20
       1 | fn f(x: [B]) = 1 + if x then y else z
         |                    ^^
         = help: put \`if ... then ... else ...\` in parentheses
      "
    `);
    expect(shown('fn f(x: [B]) = if x = 1 then y else z')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`then\` behind the condition, found \`=\`
        --> test.zoo:1:21
       1 | fn f(x: [B]) = if x = 1 then y else z
         |                     ^
         = help: equality is written \`==\`
      "
    `);
    expect(shown('fn f(x: [B]) = x[] + .5')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected an index or a slice such as \`0:2\`, found \`]\`
        --> test.zoo:1:18
       1 | fn f(x: [B]) = x[] + .5
         |                  ^
      "
    `);
    expect(shown('fn f(x: [B]) = x ** 2 // squared')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected an expression, found \`*\`
        --> test.zoo:1:19
       1 | fn f(x: [B]) = x ** 2 // squared
         |                   ^
         = help: powers are written \`a ^ b\`
      "
    `);
    expect(shown('fn f(x: [B]) = x. + 1')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected a name behind \`.\`, found \`+\`
        --> test.zoo:1:19
       1 | fn f(x: [B]) = x. + 1
         |                   ^
      "
    `);
    expect(shown('model "a" = f("b" with n = 1, m = 2)')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`)\` to close the argument list, found \`with\`
        --> test.zoo:1:19
       1 | model "a" = f("b" with n = 1, m = 2)
         |              - opened here
         |                   ^^^^
         = help: put \`... with ...\` in parentheses
      "
    `);
    expect(shown('model "a" = "b" with')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected an override such as \`layers = 2\` behind \`with\`, found the end of the file
        --> test.zoo:1:21
       1 | model "a" = "b" with
         |                     ^
      "
    `);
  });
  test('settings and rules', () => {
    expect(
      shown('train "a" of "b" {\n  checkpoint 1000 steps\n  remat\n  clamp x 0..1\n  lr = = 3\n}'),
    ).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`every\` and an interval such as \`1000 steps\`, found \`1000\`
        --> test.zoo:2:14
       2 |   checkpoint 1000 steps
         |              ^^^^

      error[Z106]: expected a pattern of weights, as in \`"visual.**"\`, found \`clamp\`
        --> test.zoo:4:3
       4 |   clamp x 0..1
         |   ^^^^^

      error[Z106]: expected an expression, found \`=\`
        --> test.zoo:5:8
       5 |   lr = = 3
         |        ^
      "
    `);
    expect(
      shown('train "a" of "b" {\n  lr 3\n  weight_decay "x" 0\n  layer_decy "y" = 1\n}'),
    ).toMatchInlineSnapshot(`
      "
      error[Z106]: expected a pattern of weights, as in \`"visual.**"\`, found \`3\`
        --> test.zoo:2:6
       2 |   lr 3
         |      ^

      error[Z106]: expected \`=\` and the rate, found \`0\`
        --> test.zoo:3:20
       3 |   weight_decay "x" 0
         |                    ^

      error[Z110]: expected a setting of the recipe, found \`layer_decy\`; did you mean \`layer_decay\`?
        --> test.zoo:4:3
       4 |   layer_decy "y" = 1
         |   ^^^^^^^^^^
      "
    `);
    expect(shown('train "a" {\n}')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`of\` and the model to train, found \`{\`
        --> test.zoo:1:11
       1 | train "a" {
         |           ^
      "
    `);
    expect(shown('names hf CLIP {\n}')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`for\` and the block that the map is for, found \`CLIP\`
        --> test.zoo:1:10
       1 | names hf CLIP {
         |          ^^^^
      "
    `);
    expect(shown('names hf for A {\n  "a" -> split(0)\n  "b" -> "c"\n}')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected a string: their name of the weight, found the string \`"b"\`
        --> test.zoo:3:3
       3 |   "b" -> "c"
         |   ^^^
      "
    `);
  });
});

describe('Z106: lists and replacements', () => {
  test('lists made by `for` have one range', () => {
    expect(shown('fn f(x: [B]) = [g(l) for l in layers]')).toMatchInlineSnapshot(`
      "
      error[Z106]: \`l\` must run over a range such as \`0..n\`
        --> test.zoo:1:31
       1 | fn f(x: [B]) = [g(l) for l in layers]
         |                               ^^^^^^
         = help: write \`for i in 0..len(layers)\` and \`layers[i]\` for \`l\`
      "
    `);
    expect(shown('fn f(x: [B]) = [g(i) for i in range(4)]')).toMatchInlineSnapshot(`
      "
      error[Z106]: \`i\` must run over a range such as \`0..n\`
        --> test.zoo:1:31
       1 | fn f(x: [B]) = [g(i) for i in range(4)]
         |                               ^^^^^^^^
         = help: write \`for i in 0..4\`
      "
    `);
    expect(shown('fn f(x: [B]) = [g(i) for i in 0..4 if i > 1]')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`]\` to close the list, found \`if\`
        --> test.zoo:1:36
       1 | fn f(x: [B]) = [g(i) for i in 0..4 if i > 1]
         |                - opened here       ^^
         = help: a list of this kind leaves nothing out: \`[if i > 0 then a else b for i in 0..n]\`
      "
    `);
    expect(shown('fn f(x: [B]) = [g(i, j) for i in 0..4 for j in 0..4]')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`]\` to close the list, found \`for\`
        --> test.zoo:1:39
       1 | fn f(x: [B]) = [g(i, j) for i in 0..4 for j in 0..4]
         |                - opened here          ^^^
         = help: lists of lists are nested: \`[[f(i, j) for j in 0..m] for i in 0..n]\`
      "
    `);
    expect(shown('fn f(x: [B]) = [g(i) for 3 in 0..4]')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`,\` or \`]\` to close the list, found \`for\`
        --> test.zoo:1:22
       1 | fn f(x: [B]) = [g(i) for 3 in 0..4]
         |                - opened here
         |                      ^^^
         = help: write a name and a range: \`[f(i) for i in 0..n]\`
      "
    `);
    expect(shown('fn f(x: [B]) = [g(i) for i]')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`,\` or \`]\` to close the list, found \`for\`
        --> test.zoo:1:22
       1 | fn f(x: [B]) = [g(i) for i]
         |                - opened here
         |                      ^^^
         = help: write a name and a range: \`[f(i) for i in 0..n]\`
      "
    `);
  });

  test('lists stand in brackets, and nothing loops', () => {
    expect(shown('fn f(x: [B]) = sum(g(i) for i in 0..4)')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`,\` or \`)\` to close the argument list, found \`for\`
        --> test.zoo:1:25
       1 | fn f(x: [B]) = sum(g(i) for i in 0..4)
         |                   - opened here
         |                         ^^^
         = help: a list stands in brackets: \`sum([f(i) for i in 0..n])\`
      "
    `);
    expect(shown('fn f(x: [B]) = sum(x, (g(i) for i in 0..4))')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`)\` to close the parentheses, found \`in\`
        --> test.zoo:1:35
       1 | fn f(x: [B]) = sum(x, (g(i) for i in 0..4))
         |                       - opened here
         |                                   ^^
         = help: a list stands in brackets: \`sum([f(i) for i in 0..n])\`
      "
    `);
    expect(shown('fn f(x: [B]) {\n  for i in 0..4 { x = g(x) }\n  return x\n}')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`return\` and the result of the body, found \`for\`
        --> test.zoo:2:3
       2 |   for i in 0..4 { x = g(x) }
         |   ^^^
         = help: there are no loops: \`[f(x, i) for i in 0..n]\` makes a list, and \`layers(x)\` runs through an array of children
      "
    `);
  });

  test('what replaces blocks stands behind `as`', () => {
    expect(shown('model "a" = "b" with "c.**" as')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected an expression, found the end of the file
        --> test.zoo:1:31
       1 | model "a" = "b" with "c.**" as
         |                               ^
      "
    `);
    expect(shown('model "a" = "b" with "c.**" LoRALinear(rank = 4)')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`=\` and the new value, found \`LoRALinear\`
        --> test.zoo:1:29
       1 | model "a" = "b" with "c.**" LoRALinear(rank = 4)
         |                             ^^^^^^^^^^
         = help: blocks are replaced with \`as\`: \`"visual.**.c_fc" as LoRALinear(rank = 4)\`
      "
    `);
    expect(shown('model "a" = "b" with c.d as B')).toMatchInlineSnapshot(`
      "
      error[Z106]: the blocks to replace are a pattern in quotes
        --> test.zoo:1:22
       1 | model "a" = "b" with c.d as B
         |                      ^^^
         = help: write \`"c.d" as ...\`
      "
    `);
  });
});

describe('operators and patterns', () => {
  test('Z107 operators that do not combine', () => {
    expect(shown('fn f(x: [B]) = x + not y')).toMatchInlineSnapshot(`
      "
      error[Z107]: \`not\` binds looser than the operator in front of it
        --> test.zoo:1:20
       1 | fn f(x: [B]) = x + not y
         |                    ^^^
         = help: put \`not ...\` in parentheses
      "
    `);
    expect(shown('fn f(x: [B]) = 0 < x < 1')).toMatchInlineSnapshot(`
      "
      error[Z107]: comparisons do not chain: \`<\` and \`<\` are both here
        --> test.zoo:1:22
       1 | fn f(x: [B]) = 0 < x < 1
         |                      ^
         = help: write \`a < b and b < c\`
      "
    `);
  });
  test('Z108 axis patterns', () => {
    expect(shown('fn f(x: [B]) = rearrange(x, [b, 2, c + 1] -> [b, 3])')).toMatchInlineSnapshot(`
      "
      error[Z108]: an axis pattern holds names, groups such as \`(h d)\` and \`1\` only
        --> test.zoo:1:33
       1 | fn f(x: [B]) = rearrange(x, [b, 2, c + 1] -> [b, 3])
         |                                 ^

      error[Z108]: an axis pattern holds names, groups such as \`(h d)\` and \`1\` only
        --> test.zoo:1:36
       1 | fn f(x: [B]) = rearrange(x, [b, 2, c + 1] -> [b, 3])
         |                                    ^^^^^

      error[Z108]: the only number in an axis pattern is 1
        --> test.zoo:1:50
       1 | fn f(x: [B]) = rearrange(x, [b, 2, c + 1] -> [b, 3])
         |                                                  ^
         = help: name the axis and give its length as an argument: \`[b, (n h)] -> ..., n = 3\`
      "
    `);
    expect(shown('fn f(x: [B]) = einsum(x, y[b] -> [b])')).toMatchInlineSnapshot(`
      "
      error[Z108]: the left of \`->\` is not an axis pattern
        --> test.zoo:1:23
       1 | fn f(x: [B]) = einsum(x, y[b] -> [b])
         |                       ^
         = help: write \`[b, t, (h d)] -> ...\` in rearrange, \`x[b, i], y[b, j] -> ...\` in einsum
      "
    `);
    expect(shown('fn f(x: [B]) = (h d) + 1')).toMatchInlineSnapshot(`
      "
      error[Z108]: an axis group can only stand in a pattern of rearrange or einsum
        --> test.zoo:1:16
       1 | fn f(x: [B]) = (h d) + 1
         |                ^^^^^
         = help: operators and commas are missing if this is a value
      "
    `);
  });
  test('Z109 types', () => {
    expect(shown('fn f(x: tensor, y: ) = x')).toMatchInlineSnapshot(`
      "
      error[Z109]: \`tensor\` is not a type
        --> test.zoo:1:9
       1 | fn f(x: tensor, y: ) = x
         |         ^^^^^^
         = help: types are int, float, bool, string, fn, block, lists such as [int], and tensors such as [B, width] or i32[B, 77]

      error[Z109]: expected a type such as \`int\`, \`block\` or \`[B, width]\`, found \`)\`
        --> test.zoo:1:20
       1 | fn f(x: tensor, y: ) = x
         |                    ^
      "
    `);
    expect(shown('block A {\n  param w: int = 1\n}')).toMatchInlineSnapshot(`
      "
      error[Z109]: a weight is a tensor: its type is a shape
        --> test.zoo:2:12
       2 |   param w: int = 1
         |            ^^^
         = help: write \`[width]\`, or \`[]\` for a scalar
      "
    `);
  });
});

describe('statements', () => {
  test('Z110 misspelt keywords', () => {
    expect(shown('blok A {\n  a: B\n}\nmodel "x" = A()')).toMatchInlineSnapshot(`
      "
      error[Z110]: expected a declaration (block, fn, model, objective, names or train), found \`blok\`; did you mean \`block\`?
        --> test.zoo:1:1
       1 | blok A {
         | ^^^^
      "
    `);
    expect(shown('block A {\n  parm weight: [3] = ones\n  b: C\n}')).toMatchInlineSnapshot(`
      "
      error[Z110]: expected a member of the block, found \`parm\`; did you mean \`param\`?
        --> test.zoo:2:3
       2 |   parm weight: [3] = ones
         |   ^^^^
      "
    `);
    expect(shown('train "a" of "b" {\n  chekpoint every 10 steps\n  lr = 1\n}')).toMatchInlineSnapshot(`
      "
      error[Z110]: expected a setting of the recipe, found \`chekpoint\`; did you mean \`checkpoint\`?
        --> test.zoo:2:3
       2 |   chekpoint every 10 steps
         |   ^^^^^^^^^
      "
    `);
  });
  test('Z110 what starts no statement', () => {
    expect(shown('block A {\n  fc Linear(3, 4)\n  n = 3\n  return x\n}')).toMatchInlineSnapshot(`
      "
      error[Z110]: expected a member of the block, found \`fc\`
        --> test.zoo:2:3
       2 |   fc Linear(3, 4)
         |   ^^
         = help: a child is written \`fc: Block(...)\`, a weight \`param fc: [width]\`
      "
    `);
    expect(shown('train "a" of "b" {\n  batch: 32\n  freeze "a" "b"\n}')).toMatchInlineSnapshot(`
      "
      error[Z110]: expected a setting of the recipe, found \`batch\`
        --> test.zoo:2:3
       2 |   batch: 32
         |   ^^^^^
         = help: settings are written \`batch = ...\`

      error[Z110]: expected a setting of the recipe, found the string \`"b"\`
        --> test.zoo:3:14
       3 |   freeze "a" "b"
         |              ^^^
         = help: patterns are separated by commas
      "
    `);
    expect(shown('param w: [3]\nnames a for B { x }')).toMatchInlineSnapshot(`
      "
      error[Z110]: expected a declaration (block, fn, model, objective, names or train), found \`param\`
        --> test.zoo:1:1
       1 | param w: [3]
         | ^^^^^
         = help: members stand between the braces of a block

      error[Z110]: expected a rule such as \`"ours" -> "theirs"\`, found \`x\`
        --> test.zoo:2:17
       2 | names a for B { x }
         |                 ^
      "
    `);
    expect(shown('block A {\n}\n}\n')).toMatchInlineSnapshot(`
      "
      error[Z110]: this \`}\` closes nothing
        --> test.zoo:3:1
       3 | }
         | ^
      "
    `);
  });
  test('Z111 the order of a file', () => {
    expect(shown('model "a" = f()\nimport nn { A }\npackage b')).toMatchInlineSnapshot(`
      "
      error[Z111]: imports stand in front of the first declaration
        --> test.zoo:2:1
       2 | import nn { A }
         | ^^^^^^^^^^^^^^^

      error[Z111]: \`package\` is the first line of a file
        --> test.zoo:3:1
       3 | package b
         | ^^^^^^^^^
      "
    `);
  });
  test('Z112 too many errors', () => {
    const { diagnostics } = parse({ path: 'test.zoo', text: 'block A { let }\n'.repeat(150) });
    expect(diagnostics.length).toBe(101);
    expect(diagnostics.at(-1)).toMatchObject({ code: 'Z112', message: '50 more syntax errors from here on' });
  });
});

describe('one expression', () => {
  test('is read to its end', () => {
    const read = (text: string): string => {
      const { expression, diagnostics } = parseExpression({ path: '--set x', text });
      return diagnostics.length === 0 ? expression.kind : `\n${renderDiagnostics(diagnostics)}\n`;
    };
    expect(read('[1, 2]')).toBe('list');
    expect(read('1 2')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected the end of the expression, found \`2\`
        --> --set x:1:3
       1 | 1 2
         |   ^
      "
    `);
    expect(read('')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected an expression, found the end of the expression
        --> --set x:1:1
       1 |
         | ^
      "
    `);
  });
});
