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
         = note: needed in clip.zoo:72
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
      error[Z315]: \`x\` cannot be fed: a model takes images [B, ...] or tokens i32[B, T], the batch first and all other sizes fixed
        --> main.zoo:5:13
       2 | block A { fc: Linear(4, 4)  forward(x: [8, 4]) -> [8, 4] = fc(x) }
         |                                     --------- declared here
       5 | model "a" = A()
         |             ^^^

      error[Z315]: \`image\` cannot be fed: a model takes images [B, ...] or tokens i32[B, T], the batch first and all other sizes fixed
        --> main.zoo:6:13
       3 | block C { forward(image: [B, 3, H, H]) -> [B, 3] = mean(image, axis = [2, 3]) }
         |                   ------------------- declared here
       6 | model "c" = C()
         |             ^^^

      error[Z315]: \`image\` cannot be fed: a model takes images [B, ...] or tokens i32[B, T], the batch first and all other sizes fixed
        --> main.zoo:7:13
       4 | block D { forward(image: [B, B]) -> [B, B] = image }
         |                   ------------- declared here
       7 | model "d" = D()
         |             ^^^
      "
    `);
  });
});
