/** Shapes: each mistake as a person sees it. */
import { describe, expect, it } from 'vitest';
import { check } from './report.ts';

describe('shapes', () => {
  it('Z301: a product whose inner axes differ', () => {
    const source = `
block A(width: int = 64, embed: int = 32) {
  param proj: [embed, width] = ones
  forward(x: [B, width]) -> [B, embed] = x @ proj
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z301]: cannot multiply [B, 64] @ [32, 64]: inner axes are 64 and 32
        --> main.zoo:3:42
       3 |   forward(x: [B, width]) -> [B, embed] = x @ proj
         |                                          ^^^^^^^^ left is 64 (width = 64, main.zoo:1), right is 32 (embed = 32, main.zoo:1)
      "
    `);
  });

  it('Z309: a convolution of the wrong channels', () => {
    const source = `
import nn { Conv2d }
block A {
  conv1: Conv2d(3, 8, kernel = 3)
  conv2: Conv2d(16, 8, kernel = 3)
  forward(x: [B, 3, 32, 32]) -> [B, 8, 28, 28] = x |> conv1 |> conv2
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z309]: argument \`x\` of conv2 must be [B, inputs, H, W], got [B, 8, 30, 30]: axis 1 differs
        --> main.zoo:5:50
       3 |   conv1: Conv2d(3, 8, kernel = 3)
         |          ------------------------ gives 8
       5 |   forward(x: [B, 3, 32, 32]) -> [B, 8, 28, 28] = x |> conv1 |> conv2
         |                                                  ^^^^^^^^^^ axis 1 is 8, wanted 16 (inputs = 16, main.zoo:4)
      "
    `);
  });

  it('Z302: parts that cannot be joined', () => {
    const source = `
block A {
  param cls: [1, 64] = zeros
  forward(x: [B, T, 64]) -> [B, T, 64] = concat(cls, x, axis = 1)
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z302]: cannot concatenate [1, 64] and [B, 96, 64] along axis 1: numbers of axes differ
        --> main.zoo:3:42
       3 |   forward(x: [B, T, 64]) -> [B, T, 64] = concat(cls, x, axis = 1)
         |                                          ^^^^^^^^^^^^^^^^^^^^^^^^
      "
    `);
  });

  it('Z302: an axis that is not there', () => {
    const source = `
fn f(x: [B, T]) -> [B] = mean(x, axis = 2)
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z302]: there is no axis 2 in [B, 96], which has 2 axes
        --> main.zoo:1:34
       1 | fn f(x: [B, T]) -> [B] = mean(x, axis = 2)
         |                                  ^^^^^^^^
      "
    `);
  });

  it('Z302: a matrix transposed with too many axes, and too many subscripts', () => {
    const source = `
fn f(x: [B, T, W]) -> [B, W, T] = x.T
fn g(x: [B, T]) -> [B] = x[:, 0, 0]
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z302]: \`.T\` needs 2 axes, this tensor has 3
        --> main.zoo:1:35
       1 | fn f(x: [B, T, W]) -> [B, W, T] = x.T
         |                                   ^^^
         = help: rearrange names the axes: rearrange(x, [a, b, c] -> [a, c, b])

      error[Z302]: 3 subscripts for [B, 96], which has 2 axes
        --> main.zoo:2:26
       2 | fn g(x: [B, T]) -> [B] = x[:, 0, 0]
         |                          ^^^^^^^^^^
      "
    `);
  });

  it('Z303: element types', () => {
    const source = `
import nn { Embedding }
block A {
  table: Embedding(100, 8)
  param ids: i32[3] = zeros
  buffer seen: i16[] = zeros
  forward(x: [B, T]) -> [B, T, 8] = table(x)
}
fn f(x: i32[B, T]) -> [B, T] = exp(x)
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z303]: a param is trained, so it holds f32; integers belong in a buffer
        --> main.zoo:4:14
       4 |   param ids: i32[3] = zeros
         |              ^^^

      error[Z303]: weights cannot hold \`i16\`
        --> main.zoo:5:16
       5 |   buffer seen: i16[] = zeros
         |                ^^^
         = help: element types of weights: f32, i32, i64

      error[Z303]: argument \`ids\` of table must be i32 i32[B, T], got f32
        --> main.zoo:6:43
       6 |   forward(x: [B, T]) -> [B, T, 8] = table(x)
         |                                           ^

      error[Z303]: cannot take exp of i32[B, 96]: it holds integers
        --> main.zoo:8:32
       8 | fn f(x: i32[B, T]) -> [B, T] = exp(x)
         |                                ^^^^^^
         = help: float(...) turns integers into f32
      "
    `);
  });

  it('Z307: one axis name with two sizes in a function', () => {
    const source = `
import nn { Linear }
fn dot(a: [B, D], b: [B, D]) -> [B] = sum(a * b, axis = 1)
block A(width: int = 64) {
  narrow: Linear(width, 32)
  forward(x: [B, width]) -> [B] = dot(x, narrow(x))
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z307]: D cannot be both 64 and 32: \`a\` gives 64, \`narrow\` gives 32
        --> main.zoo:4:25
       3 | block A(width: int = 64) {
         |                      -- gives 64
       4 |   narrow: Linear(width, 32)
         |                         ^^ gives 32
      "
    `);
  });

  it('Z309: an argument and a result of the wrong size', () => {
    const source = `
import nn { Linear }
block A(width: int = 64) {
  fc: Linear(128, 32)
  up: Linear(width, 96)
  forward(x: [B, width]) -> [B, width] {
    let y = fc(x)
    return up(x)
  }
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z309]: argument \`x\` of fc must be [..., inputs], got [B, 64]: axis 1 differs
        --> main.zoo:6:16
       6 |     let y = fc(x)
         |                ^ axis 1 is 64 (width = 64, main.zoo:2), wanted 128 (inputs = 128, main.zoo:3)

      error[Z309]: the result of A must be [B, width], got [B, 96]: axis 1 differs
        --> main.zoo:7:12
       4 |   up: Linear(width, 96)
         |       ----------------- gives 96
       7 |     return up(x)
         |            ^^^^^ axis 1 is 96, wanted 64 (width = 64, main.zoo:2)
      "
    `);
  });

  it('Z309: a record without a field', () => {
    const source = `
fn f(x: [B, E]) -> { image: [B, E], text: [B, E] } = { image = x, texts = x }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z309]: the result of f lacks the field \`text\`
        --> main.zoo:1:54
       1 | fn f(x: [B, E]) -> { image: [B, E], text: [B, E] } = { image = x, texts = x }
         |                                                      ^^^^^^^^^^^^^^^^^^^^^^^^
      "
    `);
  });

  it('Z310: patterns of rearrange', () => {
    const source = `
fn a(x: [B, T, W]) -> [B, W, T] = rearrange(x, [b, t, w] -> [b, w])
fn b(x: [B, T, W]) -> [B, W, T] = rearrange(x, [b, t, w] -> [b, w, s])
fn c(x: [B, 12]) -> [B, 4, 3] = rearrange(x, [b, (h d)] -> [b, h, d])
fn d(x: [B, 12]) -> [B, 5, 3] = rearrange(x, [b, (h d)] -> [b, h, d], h = 5)
fn e(x: [B, 12]) -> [B, 4, 3] = rearrange(x, [b, (h d)] -> [b, h, d], heads = 4)
fn f(x: [B, T, W]) -> [B, W, T] = rearrange(x, [b, t] -> [t, b])
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z310]: axis \`t\` is missing on the right of the pattern
        --> main.zoo:1:52
       1 | fn a(x: [B, T, W]) -> [B, W, T] = rearrange(x, [b, t, w] -> [b, w])
         |                                                    ^

      error[Z310]: axis \`t\` is missing on the right of the pattern
        --> main.zoo:2:52
       2 | fn b(x: [B, T, W]) -> [B, W, T] = rearrange(x, [b, t, w] -> [b, w, s])
         |                                                    ^

      error[Z310]: the sizes of \`h\` and \`d\` are both open; give one, as in h = ...
        --> main.zoo:3:50
       3 | fn c(x: [B, 12]) -> [B, 4, 3] = rearrange(x, [b, (h d)] -> [b, h, d])
         |                                                  ^^^^^

      error[Z310]: an axis of 12 cannot be split into parts of 5
        --> main.zoo:4:50
       4 | fn d(x: [B, 12]) -> [B, 5, 3] = rearrange(x, [b, (h d)] -> [b, h, d], h = 5)
         |                                                  ^^^^^

      error[Z310]: the pattern has no axis \`heads\`
        --> main.zoo:5:71
       5 | fn e(x: [B, 12]) -> [B, 4, 3] = rearrange(x, [b, (h d)] -> [b, h, d], heads = 4)
         |                                                                       ^^^^^^^^^

      error[Z302]: the pattern [b, t] has 2 axes, the tensor [B, 96, 192] has 3
        --> main.zoo:6:48
       6 | fn f(x: [B, T, W]) -> [B, W, T] = rearrange(x, [b, t] -> [t, b])
         |                                                ^^^^^^
      "
    `);
  });

  it('Z310: patterns of einsum', () => {
    const source = `
fn a(x: [B, T], y: [T, W]) -> [B, W] = einsum(x[b, t], y[t, w] -> [b, v])
fn b(x: [B, T]) -> [B] = einsum(x[b, (t u)] -> [b])
fn c(x: [B, 3], y: [4, W]) -> [B, W] = einsum(x[b, t], y[t, w] -> [b, w])
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z310]: no operand has an axis \`v\`
        --> main.zoo:1:71
       1 | fn a(x: [B, T], y: [T, W]) -> [B, W] = einsum(x[b, t], y[t, w] -> [b, v])
         |                                                                       ^

      error[Z310]: einsum takes plain axis names; groups and 1 belong in rearrange
        --> main.zoo:2:38
       2 | fn b(x: [B, T]) -> [B] = einsum(x[b, (t u)] -> [b])
         |                                      ^^^^^

      error[Z301]: axis t of einsum cannot be both 3 and 4
        --> main.zoo:3:40
       3 | fn c(x: [B, 3], y: [4, W]) -> [B, W] = einsum(x[b, t], y[t, w] -> [b, w])
         |                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ \`x\` is 3, \`y\` is 4
      "
    `);
  });

  it('Z311: subscripts outside their axis', () => {
    const source = `
block A(layers: [int] = [3, 4]) {
  let deep = layers[2]
  forward(x: [B, 7, W]) -> [B, W] {
    let tail = x[:, 5:9]
    return x[:, 7]
  }
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z311]: index 2 is outside \`layers\`: it has 2 items
        --> main.zoo:2:21
       2 |   let deep = layers[2]
         |                     ^

      error[Z311]: 9 is outside axis 1, which has 7 entries
        --> main.zoo:4:21
       4 |     let tail = x[:, 5:9]
         |                     ^^^

      error[Z311]: 7 is outside axis 1, which has 7 entries
        --> main.zoo:5:17
       5 |     return x[:, 7]
         |                 ^
      "
    `);
  });

  it('one mistake in a block with many layers is said once', () => {
    const source = `
import nn { Linear }
import clip { CLIP, TextTransformer }
block Layer(width: int) {
  fc: Linear(width, 2 * width)
  forward(x: [B, T, width]) -> [B, T, width] = x + fc(x)
}
block Tower(width: int, layers: int, embed: int) {
  patches: Linear(192, width)
  layer[i in 0..layers]: Layer(width)
  proj: Linear(width, embed)
  forward(image: [B, 3, 32, 32]) -> [B, embed] {
    let x = rearrange(image, [b, c, (y h), (x w)] -> [b, (y x), (c h w)], h = 8, w = 8) |> patches |> layer
    return proj(x[:, 0])
  }
}
model "m" = CLIP(vision = Tower(width = 64, layers = 12, embed = 512), text = TextTransformer(width = 512, embed = 512))
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z301]: cannot add [B, 16, 64] and [B, 16, 128]: axis 2 differs
        --> main.zoo:5:48
       4 |   fc: Linear(width, 2 * width)
         |       ------------------------ gives 128
       5 |   forward(x: [B, T, width]) -> [B, T, width] = x + fc(x)
         |                                                ^^^^^^^^^ left is 64 (width = 64, main.zoo:16), right is 128
         = help: Linear(width, width)
      "
    `);
  });

  it('independent mistakes of two towers come together', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "mine" = CLIP(
  vision = VisionTransformer(resolution = 224, patch = 30, width = 768, layers = 12, embed = 512),
  text = TextTransformer(width = 500, embed = 512))
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z304]: resolution 224 is not a multiple of patch 30
        --> main.zoo:3:30
       3 |   vision = VisionTransformer(resolution = 224, patch = 30, width = 768, layers = 12, embed = 512),
         |                              ^^^^^^^^^^^^^^^^ 224 = 7 * 30 + 14
         |                                                ---------- patch = 30
         = note: required at clip.zoo:79
         = help: nearest sizes that work: 210, 240

      error[Z306]: width / 64 = 500 / 64 is not a whole number
        --> main.zoo:4:26
       4 |   text = TextTransformer(width = 500, embed = 512))
         |                          ^^^^^^^^^^^ 500 = 7 * 64 + 52
         = note: needed in clip.zoo:120
         = help: nearest width that works: 448, 512
      "
    `);
  });
});
