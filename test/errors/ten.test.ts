/** The mistakes of the language page: each mistake as a person sees it. */
import { describe, expect, it } from 'vitest';
import { check } from './report.ts';

describe('the mistakes of the language page', () => {
  it('Z301: two values that cannot be added', () => {
    const source = `
import "./enc.zoo" { Enc }
import clip { CLIP, TextTransformer }
model "mine" = CLIP(vision = Enc(width = 768, embed = 512), text = TextTransformer(width = 512, embed = 512))
`;
    expect(
      check(source, {
        'enc.zoo': `
import nn { Linear }
block Enc(width: int, embed: int) {
  patches: Linear(32, width)
  mlp: seq { a: Linear(width, 3072)  b: Linear(3072, 512) }
  proj: Linear(width, embed)
  forward(image: [B, 3, 32, 32]) -> [B, embed] {
    let y = rearrange(image, [b, c, h, w] -> [b, (c h), w]) |> patches
    let z = y + mlp(y)
    return proj(mean(z, axis = 1))
  }
}
`,
      }),
    ).toMatchInlineSnapshot(`
      "
      error[Z301]: cannot add [B, 96, 768] and [B, 96, 512]: axis 2 differs
        --> enc.zoo:9:13
       4 |   patches: Linear(32, width)
         |            ----------------- gives 768
       5 |   mlp: seq { a: Linear(width, 3072)  b: Linear(3072, 512) }
         |                                         ----------------- gives 512
       9 |     let z = y + mlp(y)
         |             ^^^^^^^^^^ left is 768 (width = 768, main.zoo:3), right is 512
         = help: Linear(3072, width)
      "
    `);
  });

  it('Z304: a size that is not a multiple', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "mine" = CLIP(
  vision = VisionTransformer(resolution = 225, patch = 32, width = 768, layers = 12, embed = 512),
  text = TextTransformer(width = 512, embed = 512))
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z304]: resolution 225 is not a multiple of patch 32
        --> main.zoo:3:30
       3 |   vision = VisionTransformer(resolution = 225, patch = 32, width = 768, layers = 12, embed = 512),
         |                              ^^^^^^^^^^^^^^^^ 225 = 7 * 32 + 1
         |                                                ---------- patch = 32
         = note: required at clip.zoo:79
         = help: nearest sizes that work: 224, 256
      "
    `);
  });

  it('Z203: a block cycle', () => {
    const source = `
block A { b: B() }

block B { a: A() }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z203]: block cycle: A -> B -> A
        --> main.zoo:1:14
       1 | block A { b: B() }
         |              ^ uses B
       3 | block B { a: A() }
         |              - uses A again
         = help: blocks are trees: hand the inner block in as a parameter, \`inner: block\`
      "
    `);
  });

  it('Z201: an unknown parameter', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "mine" = CLIP(
  vision = VisionTransformer(res = 224, patch = 32, width = 768, layers = 12, embed = 512),
  text = TextTransformer(width = 512, embed = 512))
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z201]: VisionTransformer has no parameter \`res\`; did you mean \`resolution\`?
        --> main.zoo:3:30
       3 |   vision = VisionTransformer(res = 224, patch = 32, width = 768, layers = 12, embed = 512),
         |                              ^^^
      "
    `);
  });

  it('Z202: a missing argument', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "mine" = CLIP(
  vision = VisionTransformer(resolution = 224, patch = 32, width = 768, layers = 12, embed = 512),
  text = TextTransformer(width = 512))
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z202]: TextTransformer needs \`embed: int\` and none was given
        --> main.zoo:4:10
       4 |   text = TextTransformer(width = 512))
         |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = note: declared at clip.zoo:121
      "
    `);
  });

  it('Z206: a block that was not imported', () => {
    const source = `
block Enc(width: int) {
  ln: LayerNorm(width)
  forward(x: [B, width]) -> [B, width] = ln(x)
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z206]: unknown block \`LayerNorm\`; it is in package nn
        --> main.zoo:2:7
       2 |   ln: LayerNorm(width)
         |       ^^^^^^^^^
         = help: import nn { LayerNorm }
      "
    `);
  });

  it('Z302: heads that were not split', () => {
    const source = `
import nn { Linear, attention }
block SelfAttention(width: int = 512, heads: int = 8) {
  q: Linear(width, width)
  kv: Linear(width, width)
  forward(x: [B, T, width]) -> [B, T, width] {
    let h = q(x) |> rearrange([b, t, (h d)] -> [b, h, t, d], h = heads)
    let k = kv(x)
    return attention(h, k, h) |> rearrange([b, h, t, d] -> [b, t, (h d)])
  }
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z302]: argument \`k\` of attention needs 4 axes [B, H, S, D], got [B, 96, 512]
        --> main.zoo:8:25
       8 |     return attention(h, k, h) |> rearrange([b, h, t, d] -> [b, t, (h d)])
         |                         ^
         = help: split heads: k |> rearrange([b, t, (h d)] -> [b, h, t, d], h = heads)
      "
    `);
  });

  it('Z305: heads that do not divide the width', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "mine" = CLIP(
  vision = VisionTransformer(resolution = 224, patch = 32, width = 640, layers = 12, heads = 12, embed = 512),
  text = TextTransformer(width = 512, embed = 512))
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z305]: width 640 is not divisible by heads 12
        --> main.zoo:3:86
       3 | … = 224, patch = 32, width = 640, layers = 12, heads = 12, embed = 512),
         |                      ----------- width = 640   ^^^^^^^^^^
         = note: required at nn.zoo:89
         = help: divisors near 12: 10, 16
      "
    `);
  });

  it('Z307: one dimension with two sizes', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "mine" = CLIP(
  vision = VisionTransformer(resolution = 224, patch = 32, width = 768, layers = 12, embed = 512),
  text = TextTransformer(width = 512, embed = 640))
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z307]: E cannot be both 512 and 640: \`visual\` gives 512 (vision.embed), \`text\` gives 640 (text.embed)
        --> main.zoo:4:39
       3 |   vision = VisionTransformer(resolution = 224, patch = 32, width = 768, layers = 12, embed = 512),
         |                                                                                      ----------- gives 512
       4 |   text = TextTransformer(width = 512, embed = 640))
         |                                       ^^^^^^^^^^^ gives 640
      "
    `);
  });
});
