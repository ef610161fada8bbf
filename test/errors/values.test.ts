/** Numbers and sizes: each mistake as a person sees it. */
import { describe, expect, it } from 'vitest';
import { check } from './report.ts';

describe('numbers and sizes', () => {
  it('Z306: a division with a remainder', () => {
    const source = `
block A(width: int = 100, heads: int = width / 3) {
  param weight: [width / 8] = ones
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z306]: width / 3 = 100 / 3 is not a whole number
        --> main.zoo:1:40
       1 | block A(width: int = 100, heads: int = width / 3) {
         |                                        ^^^^^^^^^ 100 = 33 * 3 + 1
         = note: width = 100 at main.zoo:1
         = help: nearest width that works: 99, 102
      "
    `);
  });

  it('Z306: a default that cannot divide', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "mine" = CLIP(
  vision = VisionTransformer(resolution = 224, patch = 32, width = 100, layers = 12, embed = 512),
  text = TextTransformer(width = 512, embed = 512))
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z306]: width / 64 = 100 / 64 is not a whole number
        --> main.zoo:3:60
       3 |   vision = VisionTransformer(resolution = 224, patch = 32, width = 100, layers = 12, embed = 512),
         |                                                            ^^^^^^^^^^^ 100 = 1 * 64 + 36
         = note: needed in clip.zoo:73
         = help: nearest width that works: 64, 128
      "
    `);
  });

  it('Z308: another condition', () => {
    const source = `
block A(layers: int) {
  require layers > 0 else "a tower needs at least one layer, got {layers}"
  forward(image: [B, 3, 8, 8]) -> [B, 192] = rearrange(image, [b, c, h, w] -> [b, (c h w)])
}
model "m" = A(layers = 0)
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z308]: a tower needs at least one layer, got 0
        --> main.zoo:5:15
       5 | model "m" = A(layers = 0)
         |               ^^^^^^^^^^
         = note: required at main.zoo:2
      "
    `);
  });

  it('Z304, Z305: the number to change is told by what is built with it, not by the words', () => {
    const source = `
block Split(width: int, heads: int) {
  require width % heads == 0 else "{width} is no multiple"
  param w: [width] = ones
  forward(x: [B, width]) -> [B, heads, width / heads] = rearrange(x * w, [b, (h d)] -> [b, h, d], h = heads)
}
block Grid(width: int, patch: int) {
  require width % (patch) == 0 else "{width} is not divisible by {patch}"
  let count = width / patch
  param w: [count, width] = ones
  forward(x: [B, width]) -> [B, count] = x @ w.T
}
model "split" = Split(width = 10, heads = 4)
model "grid" = Grid(width = 10, patch = 4)
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z305]: 10 is no multiple
        --> main.zoo:12:35
      12 | model "split" = Split(width = 10, heads = 4)
         |                       ---------- width = 10
         |                                   ^^^^^^^^^
         = note: required at main.zoo:2
         = help: divisors near 4: 2, 5 (heads)

      error[Z304]: 10 is not divisible by 4
        --> main.zoo:13:21
      13 | model "grid" = Grid(width = 10, patch = 4)
         |                     ^^^^^^^^^^ 10 = 2 * 4 + 2
         |                                 --------- patch = 4
         = note: required at main.zoo:7
         = help: nearest sizes that work: 8, 12
      "
    `);
  });

  it('Z313: numbers out of range', () => {
    const source = `
block A(n: int = 2 ^ 60, z: int = 1 / 0, f: float = ln(0)) {
  param a: [0] = ones
  param b: [4] = normal(-1)
}
block B(width: int = -3) { param w: [width] = ones }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z313]: this int does not fit into 53 bits
        --> main.zoo:1:18
       1 | block A(n: int = 2 ^ 60, z: int = 1 / 0, f: float = ln(0)) {
         |                  ^^^^^^

      error[Z313]: 1 / 0 has no value
        --> main.zoo:1:35
       1 | block A(n: int = 2 ^ 60, z: int = 1 / 0, f: float = ln(0)) {
         |                                   ^^^^^

      error[Z313]: this has no finite value
        --> main.zoo:1:53
       1 | block A(n: int = 2 ^ 60, z: int = 1 / 0, f: float = ln(0)) {
         |                                                     ^^^^^

      error[Z313]: an axis of a weight must be from 1 to 2147483647, got -3
        --> main.zoo:5:38
       5 | block B(width: int = -3) { param w: [width] = ones }
         |                      -- width = -3   ^^^^^
      "
    `);
  });

  it('Z314: too large to elaborate', () => {
    const source = `
import nn { Linear }
block A(n: int = 1000000000) { layer[i in 0..n]: Linear(4, 4) }
block B { param w: [2000000000, 2000000000] = ones }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z314]: \`layer\` would run from 0 to 1000000000; it can be at most 4096
        --> main.zoo:2:43
       2 | block A(n: int = 1000000000) { layer[i in 0..n]: Linear(4, 4) }
         |                                           ^^^^

      error[Z314]: \`w\` [2000000000, 2000000000] has too many elements
        --> main.zoo:3:20
       3 | block B { param w: [2000000000, 2000000000] = ones }
         |                    ^^^^^^^^^^^^^^^^^^^^^^^^
      "
    `);
  });

  it('Z315: forwards that are no models', () => {
    const source = `
import nn { Linear }
block A { fc: Linear(4, 4)  forward(x: [8, 4]) -> [8, 4] = fc(x) }
block C { forward(image: [B, 3, H, H]) -> [B, 3] = mean(image, axis = [2, 3]) }
block D { forward(image: [B, B]) -> [B, B] = image }
model "a" = A()
model "c" = C()
model "d" = D()
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z315]: \`x\` cannot be fed: an input is a tensor [B, ...] or i32[B, ...], the batch first and all other sizes fixed, or a table whose sizes are all fixed
        --> main.zoo:5:13
       2 | block A { fc: Linear(4, 4)  forward(x: [8, 4]) -> [8, 4] = fc(x) }
         |                                     --------- declared here
       5 | model "a" = A()
         |             ^^^

      error[Z315]: \`image\` cannot be fed: an input is a tensor [B, ...] or i32[B, ...], the batch first and all other sizes fixed, or a table whose sizes are all fixed
        --> main.zoo:6:13
       3 | block C { forward(image: [B, 3, H, H]) -> [B, 3] = mean(image, axis = [2, 3]) }
         |                   ------------------- declared here
       6 | model "c" = C()
         |             ^^^

      error[Z315]: \`image\` cannot be fed: an input is a tensor [B, ...] or i32[B, ...], the batch first and all other sizes fixed, or a table whose sizes are all fixed
        --> main.zoo:7:13
       4 | block D { forward(image: [B, B]) -> [B, B] = image }
         |                   ------------- declared here
       7 | model "d" = D()
         |             ^^^
      "
    `);
  });

  it('Z303, Z313: arithmetic that integers do not have', () => {
    const source = `
block A {
  param w: [4] = ones
  forward(tokens: i32[B, 4]) -> i32[B, 4] {
    let a = tokens / 0
    let b = tokens + 1.5
    let c = w % tokens
    let d = tokens * 3000000000
    let e = exp(tokens)
    let f = tokens ^ -1
    return max(tokens % 7, -2) ^ 3
  }
}
model "a" = A()
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z313]: an integer / 0 has no value
        --> main.zoo:4:13
       4 |     let a = tokens / 0
         |             ^^^^^^^^^^

      error[Z303]: cannot add i32[B, 4] and f32[]: element types differ
        --> main.zoo:5:13
       5 |     let b = tokens + 1.5
         |             ^^^^^^^^^^^^
         = help: float(...) turns integers into f32

      error[Z303]: cannot take the remainder of f32[4] and i32[B, 4]: element types differ
        --> main.zoo:6:13
       6 |     let c = w % tokens
         |             ^^^^^^^^^^
         = help: float(...) turns integers into f32

      error[Z313]: 3000000000 does not fit into an i32
        --> main.zoo:7:22
       7 |     let d = tokens * 3000000000
         |                      ^^^^^^^^^^

      error[Z303]: cannot take exp of i32[B, 4]: it holds integers
        --> main.zoo:8:13
       8 |     let e = exp(tokens)
         |             ^^^^^^^^^^^
         = help: float(...) turns integers into f32

      error[Z303]: cannot take the power of i32[B, 4] and f32[]: element types differ
        --> main.zoo:9:13
       9 |     let f = tokens ^ -1
         |             ^^^^^^^^^^^
         = help: float(...) turns integers into f32
      "
    `);
  });

  it('Z313: ids that may leave their table', () => {
    const source = `
block A {
  param table: [16, 4] = ones
  forward(tokens: i32[B, 8]) -> { text: [B, 4] } {
    let before = embedding(table, tokens - 1)
    let places = embedding(table, iota(20))
    let length = embedding(table, tokens - tokens[:, 0:1])
    let entry = take(before, argmax(tokens, axis = 1) + 1, axis = 1)
    let fine = embedding(table, max(tokens[:, 1:] % 8 + tokens[:, 0:1] / 2, 0))
    return { text = entry + sum(fine, axis = 1) + sum(length, axis = 1) + sum(places, axis = 0) }
  }
}
model "a" = A()
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z313]: the ids of embedding can be -1 to 16, the table has rows 0 to 15
        --> main.zoo:4:18
       4 |     let before = embedding(table, tokens - 1)
         |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: keep the ids inside: max(min(ids, 15), 0), or ids % 16

      error[Z313]: the ids of embedding can be 0 to 19, the table has rows 0 to 15
        --> main.zoo:5:18
       5 |     let places = embedding(table, iota(20))
         |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: keep the ids inside: max(min(ids, 15), 0), or ids % 16

      error[Z313]: the ids of embedding can be -17 to 17, the table has rows 0 to 15
        --> main.zoo:6:18
       6 |     let length = embedding(table, tokens - tokens[:, 0:1])
         |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: keep the ids inside: max(min(ids, 15), 0), or ids % 16

      error[Z313]: the index of take can be 1 to 8, the axis has positions 0 to 7
        --> main.zoo:7:17
       7 |     let entry = take(before, argmax(tokens, axis = 1) + 1, axis = 1)
         |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: keep the index inside: max(min(index, 7), 0), or index % 8
      "
    `);
  });
});
