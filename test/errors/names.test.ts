/**
 * Names, arguments and kinds: each mistake as a person sees it. Long because the texts are: each case is a
 * program and its whole report.
 */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkFile } from '../../compiler/model/index.ts';
import { nodeHost } from '../../zoo/host.ts';
import { check } from './report.ts';

describe('names, arguments and kinds', () => {
  it('Z200: a misspelt name', () => {
    const source = `
block A(width: int) {
  param weight: [width] = ones
  forward(x: [B, width]) -> [B, width] = x * wieght
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z200]: unknown name \`wieght\`; did you mean \`weight\`?
        --> main.zoo:3:46
       3 |   forward(x: [B, width]) -> [B, width] = x * wieght
         |                                              ^^^^^^
      "
    `);
  });

  it('Z200: a misspelt built-in', () => {
    const source = `
fn f(x: [B, W]) -> [B, W] = sofmax(x, axis = -1)
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z200]: unknown name \`sofmax\`; did you mean \`softmax\`?
        --> main.zoo:1:29
       1 | fn f(x: [B, W]) -> [B, W] = sofmax(x, axis = -1)
         |                             ^^^^^^
      "
    `);
  });

  it('Z200: a hole in a message', () => {
    const source = `
block A(width: int) {
  require width > 0 else "width {widht} is not positive"
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z200]: unknown name \`widht\`; did you mean \`width\`?
        --> main.zoo:2:34
       2 |   require width > 0 else "width {widht} is not positive"
         |                                  ^^^^^
      "
    `);
  });

  it('Z200: a dimension in lower case', () => {
    const source = `
fn f(x: [B, width]) -> [B, width] = x
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z200]: unknown name \`width\`
        --> main.zoo:1:13
       1 | fn f(x: [B, width]) -> [B, width] = x
         |             ^^^^^

      error[Z200]: unknown name \`width\`
        --> main.zoo:1:28
       1 | fn f(x: [B, width]) -> [B, width] = x
         |                            ^^^^^
      "
    `);
  });

  it('Z201: an unknown argument of a built-in', () => {
    const source = `
fn f(x: [B, W]) -> [B] = mean(x, axes = 1)
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z201]: mean has no parameter \`axes\`; did you mean \`axis\`?
        --> main.zoo:1:34
       1 | fn f(x: [B, W]) -> [B] = mean(x, axes = 1)
         |                                  ^^^^
      "
    `);
  });

  it('Z202: a child without its arguments', () => {
    const source = `
import nn { Linear }
block A(width: int) {
  fc: Linear(outputs = width)
  forward(x: [B, width]) -> [B, width] = fc(x)
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z202]: Linear needs \`inputs: int\` and none was given
        --> main.zoo:3:7
       3 |   fc: Linear(outputs = width)
         |       ^^^^^^^^^^^^^^^^^^^^^^^
         = note: declared at nn.zoo:45
      "
    `);
  });

  it('Z203: three blocks in a ring, and one that holds itself', () => {
    const source = `
block A { b: B() }
block B { inner: seq { c: C() } }
block C { a: A() }
block D(n: int) { d: D(n - 1) }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z203]: block cycle: A -> B -> C -> A
        --> main.zoo:1:14
       1 | block A { b: B() }
         |              ^ uses B
       2 | block B { inner: seq { c: C() } }
         |                           - uses C
       3 | block C { a: A() }
         |              - uses A again
         = help: blocks are trees: hand the inner block in as a parameter, \`inner: block\`

      error[Z203]: block cycle: D -> D
        --> main.zoo:4:22
       4 | block D(n: int) { d: D(n - 1) }
         |                      ^ uses D itself
         = help: blocks are trees: hand the inner block in as a parameter, \`inner: block\`
      "
    `);
  });

  it('Z203: models that vary each other', () => {
    const source = `
model "a" = "b" with x = 1
model "b" = "a" with y = 2
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z203]: model cycle: a -> b -> a
        --> main.zoo:1:7
       1 | model "a" = "b" with x = 1
         |       ^^^

      error[Z203]: model cycle: b -> a -> b
        --> main.zoo:2:7
       2 | model "b" = "a" with y = 2
         |       ^^^
      "
    `);
  });

  it('Z207: names declared twice', () => {
    const source = `
block A { }
block A { }
block B(width: int, width: int) {
  let grid = 2
  let grid = 3
  param width: [2] = ones
  forward(x: [B, C]) -> [B, C] {
    let y = x
    let y = y + 1
    return y
  }
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z207]: \`A\` is declared twice
        --> main.zoo:2:7
       1 | block A { }
         |       - first here
       2 | block A { }
         |       ^

      error[Z207]: \`width\` is declared twice
        --> main.zoo:3:21
       3 | block B(width: int, width: int) {
         |                     ^^^^^

      error[Z207]: \`grid\` is declared twice
        --> main.zoo:5:7
       5 |   let grid = 3
         |       ^^^^

      error[Z207]: \`width\` is declared twice: it is a parameter too
        --> main.zoo:6:9
       6 |   param width: [2] = ones
         |         ^^^^^

      error[Z207]: \`y\` is declared twice
        --> main.zoo:9:9
       9 |     let y = y + 1
         |         ^
      "
    `);
  });

  it('Z208: too many arguments, and one given twice', () => {
    const source = `
import nn { LayerNorm }
block A(width: int) {
  one: LayerNorm(width, 1e-5, true)
  two: LayerNorm(width, eps = 1e-5, eps = 1e-6)
  forward(x: [B, width]) -> [B, width] = two(one(x, x))
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z208]: LayerNorm takes 2 arguments, got 3
        --> main.zoo:3:31
       3 |   one: LayerNorm(width, 1e-5, true)
         |                               ^^^^
         = help: it takes (width: int, eps: float = ...)

      error[Z208]: \`eps\` of LayerNorm is given twice
        --> main.zoo:4:37
       4 |   two: LayerNorm(width, eps = 1e-5, eps = 1e-6)
         |                                     ^^^^^^^^^^
      "
    `);
  });

  it('Z209: static values of the wrong kind', () => {
    const source = `
import nn { Linear, MLP }
block A(width: int = 1.5, deep: bool = 3) {
  a: Linear("12", width)
  b: Linear(width, width, bias = 1)
  c: MLP(width, [1, 2])
  d: 3
  e: Linear(width, width) when width
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z209]: the default of \`width\` of A must be an int, got a float
        --> main.zoo:2:22
       2 | block A(width: int = 1.5, deep: bool = 3) {
         |                      ^^^

      error[Z209]: the default of \`deep\` of A must be a bool, got an int
        --> main.zoo:2:40
       2 | block A(width: int = 1.5, deep: bool = 3) {
         |                                        ^

      error[Z209]: \`inputs\` of Linear must be an int, got the string "12"
        --> main.zoo:3:13
       3 |   a: Linear("12", width)
         |             ^^^^

      error[Z209]: \`bias\` of Linear must be a bool, got the int 1
        --> main.zoo:4:27
       4 |   b: Linear(width, width, bias = 1)
         |                           ^^^^^^^^

      error[Z209]: \`hidden\` of MLP must be an int, got a list
        --> main.zoo:5:17
       5 |   c: MLP(width, [1, 2])
         |                 ^^^^^^

      error[Z209]: child \`d\` must be a block or a function, got an int
        --> main.zoo:6:6
       6 |   d: 3
         |      ^

      error[Z209]: \`when\` needs a bool, got an int
        --> main.zoo:7:32
       7 |   e: Linear(width, width) when width
         |                                ^^^^^
      "
    `);
  });

  it('Z209: operators on values that have none', () => {
    const source = `
block A(name: string, act: fn) {
  let a = name + 1
  let b = act * 2
  let c = not name
  let d = if name then 1 else 2
  let e = "x" < 3
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z209]: \`+\` needs numbers, got a string
        --> main.zoo:2:11
       2 |   let a = name + 1
         |           ^^^^^^^^ name + 1

      error[Z209]: \`*\` needs numbers, got a function
        --> main.zoo:3:11
       3 |   let b = act * 2
         |           ^^^^^^^ act * 2

      error[Z209]: \`not\` needs a bool, got a string
        --> main.zoo:4:11
       4 |   let c = not name
         |           ^^^^^^^^

      error[Z209]: \`if\` needs a bool, got a string
        --> main.zoo:5:14
       5 |   let d = if name then 1 else 2
         |              ^^^^

      error[Z209]: \`<\` needs numbers, got a string
        --> main.zoo:6:11
       6 |   let e = "x" < 3
         |           ^^^^^^^ "x" < 3
      "
    `);
  });

  it('Z209: a parameter of a block that is a tensor', () => {
    const source = `
block A(x: [B, 3]) { forward(y: [B, 3]) -> [B, 3] = y + x }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z209]: \`x\` of A must have a static type: int, float, bool, string, fn or block
        --> main.zoo:1:12
       1 | block A(x: [B, 3]) { forward(y: [B, 3]) -> [B, 3] = y + x }
         |            ^^^^^^
      "
    `);
  });

  it('Z210: members, calls and indices that do not exist', () => {
    const source = `
import nn { Linear }
block A(width: int) {
  mlp: seq { fc: Linear(width, width)  out: Linear(width, width) }
  forward(x: [B, width]) -> [B, width] {
    let a = mlp.fcc(x)
    let b = x.shape
    let c = width(x)
    let d = width[0]
    return mlp.fc(x)
  }
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z210]: \`mlp\` has no child or weight \`fcc\`; did you mean \`fc\`?
        --> main.zoo:5:17
       5 |     let a = mlp.fcc(x)
         |                 ^^^

      error[Z210]: a tensor has no member \`shape\`
        --> main.zoo:6:15
       6 |     let b = x.shape
         |               ^^^^^
         = help: write dimension names: x: [B, T, width] makes B and T values of the body

      error[Z210]: \`width\` is an int and cannot be called
        --> main.zoo:7:13
       7 |     let c = width(x)
         |             ^^^^^^^^

      error[Z210]: an int cannot be indexed
        --> main.zoo:8:13
       8 |     let d = width[0]
         |             ^^^^^^^^
      "
    `);
  });

  it('Z210: a field that a record lacks', () => {
    const source = `
objective o(out: { image: [B, E], text: [B, E] }) -> [] = mean(out.images * out.text)
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z210]: there is no field \`images\`; did you mean \`image\`?
        --> main.zoo:1:68
       1 | objective o(out: { image: [B, E], text: [B, E] }) -> [] = mean(out.images * out.text)
         |                                                                    ^^^^^^
         = help: fields: image, text
      "
    `);
  });

  it('Z211: a child that is absent', () => {
    const source = `
import nn { Linear }
block A(width: int = 4, deep: bool = false) {
  fc: Linear(width, width) when deep and width > 2
  forward(x: [B, width]) -> [B, width] = fc(x)
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z211]: \`fc\` exists only when deep and width > 2
        --> main.zoo:4:42
       4 |   forward(x: [B, width]) -> [B, width] = fc(x)
         |                                          ^^^^^
         = help: (fc ?: identity)(...)
      "
    `);
  });

  it('Z212: `with` paths that lead nowhere', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "base" = CLIP(
  vision = VisionTransformer(resolution = 64, patch = 16, width = 64, layers = 1, embed = 32),
  text = TextTransformer(width = 64, layers = 1, embed = 32))
model "a" = "base" with vision.layer = 2
model "b" = "base" with visual.layers = 2
model "c" = "base" with text.width.x = 2
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z212]: VisionTransformer has no parameter \`layer\`; did you mean \`layers\`?
        --> main.zoo:5:25
       5 | model "a" = "base" with vision.layer = 2
         |                         ^^^^^^^^^^^^^^^^

      error[Z212]: CLIP has no parameter \`visual\`
        --> main.zoo:6:25
       6 | model "b" = "base" with visual.layers = 2
         |                         ^^^^^^^^^^^^^^^^^
         = help: parameters of CLIP: vision, text, image_mean, image_std

      error[Z212]: \`width\` is an int, it has no \`x\`
        --> main.zoo:7:25
       7 | model "c" = "base" with text.width.x = 2
         |                         ^^^^^^^^^^^^^^^^
      "
    `);
  });

  it('Z213: a model that does not exist', () => {
    const source = `
model "small" = "ViT-B/23" with vision.layers = 2
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z213]: there is no model "ViT-B/23"; did you mean \`ViT-B/32\`?
        --> main.zoo:1:17
       1 | model "small" = "ViT-B/23" with vision.layers = 2
         |                 ^^^^^^^^^^
      "
    `);
  });

  it('Z222, Z223: what a block declares and nothing reads', () => {
    const source = `
import nn { Linear }
block A(width: int, heads: int, image_mean: [float] = [0.5, 0.5, 0.5]) {
  require width > 0 else "width {width}"
  param w: [width] = ones
  param spare: [width] = ones
  buffer count: [] = zeros
  fc: Linear(width, width)
  inner: Inner(width)
  forward(x: [B, width]) -> [B, width] = x * w + inner(x) * inner.scale
}
block Inner(width: int) {
  param scale: [width] = ones
  forward(x: [B, width]) -> [B, width] = x
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      warning[Z223]: nothing in A reads its parameter \`heads\`
        --> main.zoo:2:21
       2 | block A(width: int, heads: int, image_mean: [float] = [0.5, 0.5, 0.5]) {
         |                     ^^^^^
         = help: leave it out, or use it

      warning[Z222]: no forward or entry of A reads the weight \`spare\`
        --> main.zoo:5:9
       5 |   param spare: [width] = ones
         |         ^^^^^
         = help: it is stored and never trained: leave it out, or use it

      warning[Z222]: no forward or entry of A reads the child \`fc\`
        --> main.zoo:7:3
       7 |   fc: Linear(width, width)
         |   ^^
         = help: it is stored and never trained: leave it out, or use it
      "
    `);
  });

  it('Z222, Z223: nothing of the bundled packages and the examples', () => {
    const library = readdirSync('zoo/lib').map((file) => `zoo/lib/${file}`);
    const shown = ['emoji', 'ablation', 'prompts', 'variant'].map((name) => `examples/${name}/${name}.zoo`);
    const found = [...library, ...shown].flatMap((file) => checkFile(nodeHost(), file).diagnostics);
    expect(library.length).toBeGreaterThan(10);
    expect(found.map(({ message }) => message)).toEqual([]);
  });

  it('Z214: kernels, unknown and misused', () => {
    const source = `
fn f(x: [...]) -> [...] fuses geluu = x
fn normalize(x: [..., E]) -> [..., E] fuses l2_normalize = x * rsqrt(sum(x * x, axis = -1, keep = true) + 1e-6)
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      warning[Z214]: no kernel is called \`geluu\`; did you mean \`gelu\`?
        --> main.zoo:1:31
       1 | fn f(x: [...]) -> [...] fuses geluu = x
         |                               ^^^^^
         = help: the body is compiled as it stands

      warning[Z214]: this body is not what \`l2_normalize\` computes; it is compiled as written
        --> main.zoo:2:45
       2 | … E]) -> [..., E] fuses l2_normalize = x * rsqrt(sum(x * x, axis = -1, keep = true) + 1e-6)
         |                         ^^^^^^^^^^^^
         = help: leave out \`fuses l2_normalize\`, or use the definition of the bundled package
      "
    `);
  });

  it('Z215: a block that cannot be called', () => {
    const source = `
block Table(width: int) { param weight: [width] = ones }
block A(width: int) {
  table: Table(width)
  forward(x: [B, width]) -> [B, width] = table(x)
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z215]: Table has no \`forward\`
        --> main.zoo:4:42
       1 | block Table(width: int) { param weight: [width] = ones }
         |       ----- declared here
       4 |   forward(x: [B, width]) -> [B, width] = table(x)
         |                                          ^^^^^^^^
      "
    `);
  });

  it('Z216: a function that never ends', () => {
    const source = `
fn f(n: int) -> int = g(n + 1)
fn g(n: int) -> int = f(n)
block A(n: int = f(0)) { param w: [n] = ones }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z216]: f calls itself more than 50 levels deep
        --> main.zoo:2:23
       2 | fn g(n: int) -> int = f(n)
         |                       ^^^^
         = help: an \`if\` on a static value has to end the recursion
      "
    `);
  });

  it('Z217: tensors outside forward', () => {
    const source = `
block A(width: int = 4) {
  param weight: [width] = ones
  let doubled = weight * 2
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z217]: tensors can only be computed with inside \`forward\`
        --> main.zoo:3:17
       3 |   let doubled = weight * 2
         |                 ^^^^^^^^^^
      "
    `);
  });

  it('Z219: an inlined child that takes a name of its parent', () => {
    const source = `
import nn { Linear }
import clip { TextTransformer }
block M(text: block) {
  inline text: text
  param text_projection: [4, 4] = ones
  forward(tokens: text.input) -> [B, E] = text(tokens)
}
model "m" = M(text = TextTransformer(width = 64, layers = 1, embed = 32))
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z219]: two weights are called text_projection
         --> main.zoo:5:3
        5 |   param text_projection: [4, 4] = ones
          |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         --> zooc:clip:125:3
      125 |   param text_projection: [width, embed] = normal(width ^ -0.5)
          |   ------------------------------------------------------------ the other one
      "
    `);
  });

  it('Z221: pictures normalised in no way, or in two', () => {
    const towers = `
import clip { CLIP, VisionTransformer, TextTransformer }
block Two(a: block, b: block) {
  a: a
  b: b
  forward(images: a.input, tokens: i32[B, 4]) = { one = a(images, tokens).image, two = b(images, tokens).image }
}
model "one" = CLIP(
  vision = VisionTransformer(resolution = 8, patch = 8, width = 64, layers = 1, embed = 8),
  text = TextTransformer(context = 4, vocab = 600, width = 64, layers = 1, embed = 8)
)
`;
    expect(check(`${towers}model "short" = "one" with image_mean = [0.5]`)).toMatchInlineSnapshot(`
      "
      error[Z221]: \`image_mean\` and \`image_std\` of \`short\` are [0.5] and [0.26862954, 0.26130258, 0.27577711]: they are three numbers each, deviations above 0
        --> main.zoo:11:17
      11 | model "short" = "one" with image_mean = [0.5]
         |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      "
    `);
    expect(check(`${towers}model "flat" = "one" with image_std = [1, 1, 0]`)).toMatchInlineSnapshot(`
      "
      error[Z221]: \`image_mean\` and \`image_std\` of \`flat\` are [0.48145466, 0.4578275, 0.40821073] and [1, 1, 0]: they are three numbers each, deviations above 0
        --> main.zoo:11:16
      11 | model "flat" = "one" with image_std = [1, 1, 0]
         |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      "
    `);
    expect(
      check(`${towers}model "two" = Two(a = "one", b = ("one" with image_mean = [0.5, 0.5, 0.5]))`),
    ).toMatchInlineSnapshot(`
      "
      error[Z221]: \`b\` wants pictures normalised in another way than a block before it: [0.5, 0.5, 0.5], [0.26862954, 0.26130258, 0.27577711] and [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
        --> main.zoo:4:6
       4 |   b: b
         |      ^
         = help: one way for all, in a block around them: image_mean: [float] = […], image_std: [float] = […]
      "
    `);
    expect(check(`${towers}model "same" = Two(a = "one", b = "one")`)).not.toContain('Z221');
  });

  it('Z220: expressions out of place', () => {
    const source = `
model "a" = "ViT-B/32" with text.layers = 1
fn f(x: [..., ...]) -> [...] = x
block A { b: "a" }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z220]: a type can have \`...\` once
        --> main.zoo:2:15
       2 | fn f(x: [..., ...]) -> [...] = x
         |               ^^^
      "
    `);
  });

  it('Z207, Z220: found in what nothing uses, in the words of evaluation', () => {
    const source = `
model a = "ViT-B/32" with text.layers = 1
model b = (a) with text.layers = 2
model "c" = (a)
fn f(x: [N]) = { image = x, image = a }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z207]: field \`image\` is given twice
        --> main.zoo:4:29
       4 | fn f(x: [N]) = { image = x, image = a }
         |                             ^^^^^
      "
    `);
  });

  it('a mistake of syntax beside others', () => {
    const source = `
import nn { Linear }
block A(width: int) {
  fc: Linear(width, width, bais = false)
  forward(x: [B, width]) -> [B, width] = fc(x)
}
block B(width: int) {
  fc: Linear(width, width
  forward(x: [B, width]) -> [B, width] = fc(x)
}
block C(width: int) {
  inner: B(width)
  forward(x: [B, width]) -> [B, width] = inner(x) + whdth
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z201]: Linear has no parameter \`bais\`; did you mean \`bias\`?
        --> main.zoo:3:28
       3 |   fc: Linear(width, width, bais = false)
         |                            ^^^^

      error[Z106]: expected \`)\` to close the argument list, found \`forward\`
        --> main.zoo:8:3
       7 |   fc: Linear(width, width
         |             - opened here
       8 |   forward(x: [B, width]) -> [B, width] = fc(x)
         |   ^^^^^^^

      error[Z200]: unknown name \`whdth\`; did you mean \`width\`?
        --> main.zoo:12:53
      12 |   forward(x: [B, width]) -> [B, width] = inner(x) + whdth
         |                                                     ^^^^^
      "
    `);
  });
});

describe('what other libraries call things', () => {
  const helpFor = (expression: string) => {
    const text = check(`
block A { forward(x: [B, 3, 4]) -> [B, 3, 4] = ${expression} }
model "a" = A()`);
    return /help: (.*)/.exec(text)?.[1];
  };

  it.each([
    ['cat(x, x, axis = 1)', 'write concat(a, b, axis = 1)'],
    ['permute(x, 0, 2, 1)', 'write rearrange(x, [a, b, c] -> [a, c, b])'],
    ['masked_fill(x, x > 0, 0)', 'write where(mask, value, x)'],
    ['clamp(x, 0, 1)', 'write max(min(x, high), low)'],
    ['torch.relu(x)', 'write the function alone: relu(x), not torch.relu(x)'],
    ['x.mean(1)', '`mean` is a function: mean(x, ...)'],
    ['x.view(3)', 'write rearrange(x, [b, (h d)] -> [b, h, d], h = heads)'],
    ['x + sum(x, dim = 1)', 'write axis = 1'],
    ['x + sum(x, axis = 1, keepdim = true)', 'write keep = true'],
  ])('%s is answered with how it is written here', (expression, help) => {
    expect(helpFor(expression)).toBe(help);
  });
});
