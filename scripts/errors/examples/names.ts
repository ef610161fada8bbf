/** Z2xx: names and arguments. */
import type { Code } from '../../../grammar/codes.ts';
import type { Example } from '../types.ts';

export const names = {
  Z200: {
    wrong:
      'block A(width: int = 4) {\n  param weight: [width] = ones\n  forward(x: [B, width]) -> [B, width] = x * wieght\n}\n',
    mended:
      'block A(width: int = 4) {\n  param weight: [width] = ones\n  forward(x: [B, width]) -> [B, width] = x * weight\n}\n',
  },
  Z201: {
    wrong: 'fn f(x: [B, 4]) -> [B] = mean(x, axes = 1)\n',
    mended: 'fn f(x: [B, 4]) -> [B] = mean(x, axis = 1)\n',
  },
  Z202: {
    wrong:
      'import nn { Linear }\nblock A {\n  fc: Linear(outputs = 4)\n  forward(x: [B, 4]) -> [B, 4] = fc(x)\n}\n',
    mended:
      'import nn { Linear }\nblock A {\n  fc: Linear(4, outputs = 4)\n  forward(x: [B, 4]) -> [B, 4] = fc(x)\n}\n',
  },
  Z203: {
    wrong: 'block A { b: B() }\nblock B { a: A() }\n',
    mended: 'block A(inner: block) { b: inner }\nblock B { }\n',
  },
  Z204: {
    wrong: 'import "./b.zoo" { B }\nblock A { b: B() }\n',
    mended: 'block A { }\n',
    files: { 'b.zoo': 'import "./main.zoo" { A }\nblock B { a: A() }\n' },
  },
  Z205: {
    wrong: 'import nn { Linaer }\nblock A {\n  fc: Linaer(4, 4)\n  forward(x: [B, 4]) -> [B, 4] = fc(x)\n}\n',
    mended:
      'import nn { Linear }\nblock A {\n  fc: Linear(4, 4)\n  forward(x: [B, 4]) -> [B, 4] = fc(x)\n}\n',
  },
  Z206: {
    wrong: 'block A {\n  norm: LayerNorm(4)\n  forward(x: [B, 4]) -> [B, 4] = norm(x)\n}\n',
    mended:
      'import nn { LayerNorm }\nblock A {\n  norm: LayerNorm(4)\n  forward(x: [B, 4]) -> [B, 4] = norm(x)\n}\n',
  },
  Z207: {
    wrong:
      'block A {\n  param w: [4] = ones\n  param w: [4] = zeros\n  forward(x: [B, 4]) -> [B, 4] = x * w\n}\n',
    mended:
      'block A {\n  param w: [4] = ones\n  param b: [4] = zeros\n  forward(x: [B, 4]) -> [B, 4] = x * w + b\n}\n',
  },
  Z208: {
    wrong:
      'import nn { LayerNorm }\nblock A {\n  norm: LayerNorm(4, 1e-5, true)\n  forward(x: [B, 4]) -> [B, 4] = norm(x)\n}\n',
    mended:
      'import nn { LayerNorm }\nblock A {\n  norm: LayerNorm(4, 1e-5)\n  forward(x: [B, 4]) -> [B, 4] = norm(x)\n}\n',
  },
  Z209: {
    wrong:
      'import nn { Linear }\nblock A {\n  fc: Linear("4", 4)\n  forward(x: [B, 4]) -> [B, 4] = fc(x)\n}\n',
    mended:
      'import nn { Linear }\nblock A {\n  fc: Linear(4, 4)\n  forward(x: [B, 4]) -> [B, 4] = fc(x)\n}\n',
  },
  Z210: {
    wrong: 'fn f(x: [B, 4]) -> [B, 4] = x * x.shape\n',
    mended: 'fn f(x: [B, W]) -> [B, W] = x * W\n',
  },
  Z211: {
    wrong:
      'import nn { Linear }\nblock A(deep: bool = false) {\n  fc: Linear(4, 4) when deep\n  forward(x: [B, 4]) -> [B, 4] = fc(x)\n}\nmodel "a" = A()\n',
    mended:
      'import nn { Linear }\nblock A(deep: bool = false) {\n  fc: Linear(4, 4) when deep\n  forward(x: [B, 4]) -> [B, 4] = (fc ?: identity)(x)\n}\nmodel "a" = A()\n',
  },
  Z212: {
    wrong: 'import clip { "ViT-B/32" }\nmodel "small" = "ViT-B/32" with vision.layer = 2\n',
    mended: 'import clip { "ViT-B/32" }\nmodel "small" = "ViT-B/32" with vision.layers = 2\n',
  },
  Z213: {
    call: 'show ViT-B/23',
    mendedCall: 'show ViT-B/32',
  },
  Z214: {
    wrong: 'fn mine(x: [...]) -> [...] fuses geluu = 0.5 * x * (1 + erf(x * 0.7071067811865476))\n',
    mended: 'fn mine(x: [...]) -> [...] fuses gelu = 0.5 * x * (1 + erf(x * 0.7071067811865476))\n',
    remark: 'A warning: the body is compiled as it stands.',
  },
  Z215: {
    wrong:
      'block Table { param w: [4] = ones }\nblock A {\n  table: Table()\n  forward(x: [B, 4]) -> [B, 4] = table(x)\n}\n',
    mended:
      'block Table { param w: [4] = ones }\nblock A {\n  table: Table()\n  forward(x: [B, 4]) -> [B, 4] = x * table.w\n}\n',
  },
  Z216: {
    wrong:
      'fn fold(x: [B, 4], n: int) -> [B, 4] = fold(x + 1, n - 1)\nblock A { forward(x: [B, 4]) -> [B, 4] = fold(x, 3) }\n',
    mended:
      'fn fold(x: [B, 4], n: int) -> [B, 4] = if n == 0 then x else fold(x + 1, n - 1)\nblock A { forward(x: [B, 4]) -> [B, 4] = fold(x, 3) }\n',
  },
  Z217: {
    wrong:
      'block A {\n  param w: [4] = ones\n  let twice = 2 * w\n  forward(x: [B, 4]) -> [B, 4] = x * twice\n}\n',
    mended:
      'block A {\n  param w: [4] = ones\n  forward(x: [B, 4]) -> [B, 4] {\n    let twice = 2 * w\n    return x * twice\n  }\n}\n',
  },
  Z218: {
    wrong:
      'import clip { CLIP }\nnames mine for CLIP {\n  "visual.blocks.{i}.weight" -> "blocks.weight"\n}\n',
    mended:
      'import clip { CLIP }\nnames mine for CLIP {\n  "visual.blocks.{i}.weight" -> "blocks.{i}.weight"\n}\n',
  },
  Z219: {
    wrong:
      'block Inner {\n  param w: [4] = ones\n  forward(x: [B, 4]) -> [B, 4] = x * w\n}\nblock A {\n  param w: [4] = ones\n  inline inner: Inner()\n  forward(x: [B, 4]) -> [B, 4] = inner(x) * w\n}\nmodel "a" = A()\n',
    mended:
      'block Inner {\n  param w: [4] = ones\n  forward(x: [B, 4]) -> [B, 4] = x * w\n}\nblock A {\n  param w: [4] = ones\n  inner: Inner()\n  forward(x: [B, 4]) -> [B, 4] = inner(x) * w\n}\nmodel "a" = A()\n',
  },
  Z220: {
    wrong: 'fn f(x: [..., ...]) -> [...] = x\n',
    mended: 'fn f(x: [..., W]) -> [..., W] = x\n',
  },
  Z221: {
    wrong: 'import clip { "RN50" }\nmodel "grey" = "RN50" with image_mean = [0.5]\n',
    mended: 'import clip { "RN50" }\nmodel "grey" = "RN50" with image_mean = [0.5, 0.5, 0.5]\n',
  },
  Z222: {
    wrong:
      'block A {\n  param w: [4] = ones\n  param b: [4] = zeros\n  forward(x: [B, 4]) -> [B, 4] = x * w\n}\n',
    mended:
      'block A {\n  param w: [4] = ones\n  param b: [4] = zeros\n  forward(x: [B, 4]) -> [B, 4] = x * w + b\n}\n',
    remark: 'A warning.',
  },
  Z223: {
    wrong:
      'block A(width: int, heads: int) {\n  param w: [width] = ones\n  forward(x: [B, width]) -> [B, width] = x * w\n}\n',
    mended:
      'block A(width: int) {\n  param w: [width] = ones\n  forward(x: [B, width]) -> [B, width] = x * w\n}\n',
    remark: 'A warning.',
  },
} as const satisfies Partial<Record<Code, Example>>;
