/** Mistakes with chains and lists, as a person sees them. */
import { describe, expect, it } from 'vitest';
import { check } from './report.ts';

const block = (body: string, members = '') => `
import nn { Linear }
block Pair(width: int) {
  forward(x: { a: [B, width], b: [B, width] }) -> { a: [B, width], b: [B, width] } = { a = x.b, b = x.a }
}
block Masked(width: int) {
  proj: Linear(width, width)
  forward(x: [B, width], mask: [width]) -> [B, width] = proj(x) * mask
}
block Net(width: int = 8) {
  layers[i in 0..4]: Linear(width, width)
  masked[i in 0..2]: Masked(width)
  pairs[i in 0..2]: Pair(width)
  mlp: seq { a: Linear(width, 12)  act: quick_gelu  b: Linear(12, width) }
  mixed: seq { a: Linear(width, 12)  b: Pair(12) }
  ${members}
  forward(x: [B, 8]) -> [B, width] = ${body}
}
model "net" = Net()
`;

describe('parts of chains', () => {
  it('are cut by `..`, and tensors by `:`', () => {
    expect(check(block('layers[1:3](x)'))).toMatchInlineSnapshot(`
      "
      error[Z210]: \`:\` cuts the axis of a tensor; a part of a list or chain has \`..\`
        --> main.zoo:16:45
      16 |   forward(x: [B, 8]) -> [B, width] = layers[1:3](x)
         |                                             ^^^
         = help: \`layers[1..3]\`
      "
    `);
    expect(check(block('x[0..2]'))).toMatchInlineSnapshot(`
      "
      error[Z210]: \`..\` cuts a list or a chain; a part of an axis has \`:\`
        --> main.zoo:16:40
      16 |   forward(x: [B, 8]) -> [B, width] = x[0..2]
         |                                        ^^^^
         = help: write \`0:2\`
      "
    `);
  });

  it('stay inside', () => {
    expect(check(block('layers[2..5](x)'))).toMatchInlineSnapshot(`
      "
      error[Z311]: index 5 is outside \`layers\`: it has 4 items
        --> main.zoo:16:48
      16 |   forward(x: [B, 8]) -> [B, width] = layers[2..5](x)
         |                                                ^
      "
    `);
    expect(check(block('layers[-5](x)'))).toMatchInlineSnapshot(`
      "
      error[Z311]: index -5 is outside \`layers\`: it has 4 items
        --> main.zoo:16:45
      16 |   forward(x: [B, 8]) -> [B, width] = layers[-5](x)
         |                                             ^^
      "
    `);
    expect(check(block('layers[-2..0](x)'))).toMatchInlineSnapshot(`
      "
      error[Z311]: \`layers[-2..0]\` ends before it starts: from item 2 to item 0
        --> main.zoo:16:45
      16 |   forward(x: [B, 8]) -> [B, width] = layers[-2..0](x)
         |                                             ^^^^^
         = help: to the end: \`layers[-2..]\`
      "
    `);
    expect(check(block('layers[0, 1](x)'))).toMatchInlineSnapshot(`
      "
      error[Z210]: \`layers\` takes one index
        --> main.zoo:16:38
      16 |   forward(x: [B, 8]) -> [B, width] = layers[0, 1](x)
         |                                      ^^^^^^^^^^^^
      "
    `);
  });

  it('have static bounds', () => {
    expect(check(block('layers[0.5](x)'))).toMatchInlineSnapshot(`
      "
      error[Z209]: an index must be an int, got a float
        --> main.zoo:16:45
      16 |   forward(x: [B, 8]) -> [B, width] = layers[0.5](x)
         |                                             ^^^
      "
    `);
    expect(check(block('layers[argmax(x, axis = 0)](x)'))).toMatchInlineSnapshot(`
      "
      error[Z209]: an index must be an int, got a tensor
        --> main.zoo:16:45
      16 |   forward(x: [B, 8]) -> [B, width] = layers[argmax(x, axis = 0)](x)
         |                                             ^^^^^^^^^^^^^^^^^^^
         = help: stack(layers) and take(x, index, axis = 0) pick by a tensor of indices
      "
    `);
    expect(check(block('layers[0 .. width / 3](x)'))).toMatchInlineSnapshot(`
      "
      error[Z306]: width / 3 = 8 / 3 is not a whole number
        --> main.zoo:16:50
      16 |   forward(x: [B, 8]) -> [B, width] = layers[0 .. width / 3](x)
         |                                                  ^^^^^^^^^ 8 = 2 * 3 + 2
         = note: width = 8 at main.zoo:9
         = help: nearest width that works: 6, 9
      "
    `);
  });
});

describe('calls of chains', () => {
  it('need what runs through', () => {
    expect(check(block('layers()'))).toMatchInlineSnapshot(`
      "
      error[Z208]: \`layers\` is a chain: its first argument, without a name, runs through its links
        --> main.zoo:16:38
      16 |   forward(x: [B, 8]) -> [B, width] = layers()
         |                                      ^^^^^^^^
         = help: \`layers(x)\`; further arguments go to every link: \`layers(x, mask)\`
      "
    `);
    expect(check(block('mlp(x = x)'))).toMatchInlineSnapshot(`
      "
      error[Z208]: \`mlp\` is a chain: its first argument, without a name, runs through its links
        --> main.zoo:16:38
      16 |   forward(x: [B, 8]) -> [B, width] = mlp(x = x)
         |                                      ^^^^^^^^^^
         = help: \`mlp(x)\`; further arguments go to every link: \`mlp(x, mask)\`
      "
    `);
  });

  it('hand further arguments to every link, which must take them', () => {
    expect(check(block('masked(x)'))).toMatchInlineSnapshot(`
      "
      error[Z202]: masked needs \`mask: [width]\` and none was given
        --> main.zoo:16:38
      16 |   forward(x: [B, 8]) -> [B, width] = masked(x)
         |                                      ^^^^^^^^^
         = note: declared at main.zoo:7
      "
    `);
    expect(check(block('mlp(x, x)'))).toMatchInlineSnapshot(`
      "
      error[Z208]: a takes 1 argument, got 2
        --> main.zoo:16:45
      16 |   forward(x: [B, 8]) -> [B, width] = mlp(x, x)
         |                                             ^
         = note: further arguments of a chain go to every link, and this link takes none
         = help: it takes (x: [..., inputs])
      "
    `);
    expect(check(block('masked(x, mask = x)'))).toMatchInlineSnapshot(`
      "
      error[Z302]: argument \`mask\` of masked[0] needs 1 axis [width], got [B, 8]
        --> main.zoo:16:48
      16 |   forward(x: [B, 8]) -> [B, width] = masked(x, mask = x)
         |                                                ^^^^^^^^
      "
    `);
  });

  it('are checked link by link', () => {
    expect(check(block('pairs(x)'))).toMatchInlineSnapshot(`
      "
      error[Z309]: argument \`x\` of pairs[0] must be a record { a, b }, got a tensor
        --> main.zoo:16:44
      16 |   forward(x: [B, 8]) -> [B, width] = pairs(x)
         |                                            ^
      "
    `);
    expect(check(block('mixed(x)'))).toMatchInlineSnapshot(`
      "
      error[Z209]: the result of Net must be a tensor, got a record
        --> main.zoo:16:38
      16 |   forward(x: [B, 8]) -> [B, width] = mixed(x)
         |                                      ^^^^^^^^

      error[Z309]: argument \`x\` of b must be a record { a, b }, got a tensor
        --> main.zoo:16:44
      16 |   forward(x: [B, 8]) -> [B, width] = mixed(x)
         |                                            ^
      "
    `);
    expect(check(block('pairs({ a = x, b = x })'))).toMatchInlineSnapshot(`
      "
      error[Z209]: the result of Net must be a tensor, got a record
        --> main.zoo:16:38
      16 |   forward(x: [B, 8]) -> [B, width] = pairs({ a = x, b = x })
         |                                      ^^^^^^^^^^^^^^^^^^^^^^^
      "
    `);
  });
});

describe('lists', () => {
  it('run over static ranges', () => {
    expect(check(block('sum([layers[i](x) for i in 0..B])'))).toMatchInlineSnapshot(`
      "
      error[Z209]: the range of a list needs ints, got an open dimension
        --> main.zoo:16:65
      16 |   forward(x: [B, 8]) -> [B, width] = sum([layers[i](x) for i in 0..B])
         |                                                                 ^^^^
      "
    `);
    expect(check(block('sum([layers[i](x) for i in 3..1])'))).toMatchInlineSnapshot(`
      "
      error[Z313]: this list would run from 3 to 1; it must not end before it starts
        --> main.zoo:16:65
      16 |   forward(x: [B, 8]) -> [B, width] = sum([layers[i](x) for i in 3..1])
         |                                                                 ^^^^
      "
    `);
    expect(check(block('sum([layers[i](x) for i in 0..width / 3])'))).toMatchInlineSnapshot(`
      "
      error[Z306]: width / 3 = 8 / 3 is not a whole number
        --> main.zoo:16:68
      16 |   forward(x: [B, 8]) -> [B, width] = sum([layers[i](x) for i in 0..width / 3])
         |                                                                    ^^^^^^^^^ 8 = 2 * 3 + 2
         = note: width = 8 at main.zoo:9
         = help: nearest width that works: 6, 9
      "
    `);
    expect(check(block('sum([x for i in 0..100000])'))).toMatchInlineSnapshot(`
      "
      error[Z314]: this list would run from 0 to 100000; it must have at most 4096 items
        --> main.zoo:16:54
      16 |   forward(x: [B, 8]) -> [B, width] = sum([x for i in 0..100000])
         |                                                      ^^^^^^^^^
      "
    `);
    expect(check(block('sum([layers[i](x) for i in 0..5])'))).toMatchInlineSnapshot(`
      "
      error[Z311]: index 4 is outside \`layers\`: it has 4 items
        --> main.zoo:16:50
      16 |   forward(x: [B, 8]) -> [B, width] = sum([layers[i](x) for i in 0..5])
         |                                                  ^
      "
    `);
  });

  it('are no tensors', () => {
    expect(check(block('[f(x) for f in 0..2]'))).toMatchInlineSnapshot(`
      "
      error[Z209]: the result of Net must be a tensor, got a list
        --> main.zoo:16:38
      16 |   forward(x: [B, 8]) -> [B, width] = [f(x) for f in 0..2]
         |                                      ^^^^^^^^^^^^^^^^^^^^
         = help: sum(list), concat(list, axis = 0) or stack(list, axis = 0) make one of it

      error[Z210]: \`f\` is an int and cannot be called
        --> main.zoo:16:39
      16 |   forward(x: [B, 8]) -> [B, width] = [f(x) for f in 0..2]
         |                                       ^^^^
      "
    `);
    expect(check(block('[x for i in 0..2]'))).toMatchInlineSnapshot(`
      "
      error[Z209]: the result of Net must be a tensor, got a list
        --> main.zoo:16:38
      16 |   forward(x: [B, 8]) -> [B, width] = [x for i in 0..2]
         |                                      ^^^^^^^^^^^^^^^^^
         = help: sum(list), concat(list, axis = 0) or stack(list, axis = 0) make one of it
      "
    `);
    expect(check(block('[x for i in 0..2] + x'))).toMatchInlineSnapshot(`
      "
      error[Z209]: \`+\` needs numbers, got a list
        --> main.zoo:16:38
      16 |   forward(x: [B, 8]) -> [B, width] = [x for i in 0..2] + x
         |                                      ^^^^^^^^^^^^^^^^^^^^^ [x for i in 0..2] + x
         = help: sum(list), concat(list, axis = 0) or stack(list, axis = 0) make one of it
      "
    `);
  });
});

describe('sizes', () => {
  it('are whole where they are sizes, and floats where they are numbers', () => {
    // The children of this block are for other tests.
    expect(check(block('x * (width / 3)'))).not.toContain('error');
    expect(check(block('mlp(x)', 'param w: [width / 3 * 2]'))).toMatchInlineSnapshot(`
      "
      error[Z306]: width / 3 = 8 / 3 is not a whole number
        --> main.zoo:15:13
      15 |   param w: [width / 3 * 2]
         |             ^^^^^^^^^ 8 = 2 * 3 + 2
         = note: width = 8 at main.zoo:9
         = help: nearest width that works: 6, 9
      "
    `);
    expect(check(block('odd(x)', 'odd: Linear(width, width / 3)'))).toMatchInlineSnapshot(`
      "
      error[Z306]: width / 3 = 8 / 3 is not a whole number
        --> main.zoo:15:22
      15 |   odd: Linear(width, width / 3)
         |                      ^^^^^^^^^ 8 = 2 * 3 + 2
         = note: width = 8 at main.zoo:9
         = help: nearest width that works: 6, 9
      "
    `);
  });

  it('of the batch may be multiples, other arithmetic gives tensors', () => {
    expect(
      check('objective o(out: { x: [B, E] }) -> [] = sum(expand(mean(out.x), [N - 1]))'),
    ).toMatchInlineSnapshot(`
      "
      error[Z209]: \`shape\` of expand must be a list of sizes, got a list
        --> main.zoo:1:65
       1 | objective o(out: { x: [B, E] }) -> [] = sum(expand(mean(out.x), [N - 1]))
         |                                                                 ^^^^^^^
         = help: sizes are static: an int, or a multiple of the batch such as \`2 * N\`
      "
    `);
    expect(
      check('objective o(out: { x: [B, E] }) -> [] = if N > 1 then mean(out.x) else sum(out.x)'),
    ).toMatchInlineSnapshot(`
      "
      error[Z209]: \`if\` needs a bool, got a tensor
        --> main.zoo:1:44
       1 | objective o(out: { x: [B, E] }) -> [] = if N > 1 then mean(out.x) else sum(out.x)
         |                                            ^^^^^
         = help: conditions are static; where(mask, a, b) chooses element by element
      "
    `);
    expect(
      check('objective o(out: { x: [B, E] }) -> [] = sum(out.x) / (N - 1) + (2 * N) + N / 2 + N ^ 2 - (-N)'),
    ).toMatchInlineSnapshot(`
      "

      "
    `);
  });
});
