/** Z3xx: shapes and values. */
import type { Code } from '../../../grammar/codes.ts';
import type { Example } from '../types.ts';

const heads = (n: number) =>
  `block A(width: int, heads: int) {
  require width % heads == 0 else "width {width} is not divisible by heads {heads}"
  forward(x: [B, width]) -> [B, heads, width / heads] = rearrange(x, [b, (h d)] -> [b, h, d], h = heads)
}
model "a" = A(width = 640, heads = ${n})
`;
const tower = (settings: string, text = 512) =>
  `import clip { CLIP, VisionTransformer, TextTransformer }
model "mine" = CLIP(
  vision = VisionTransformer(${settings}, layers = 1, embed = 512),
  text = TextTransformer(width = 512, layers = 1, embed = ${text})
)
`;
const layers = (n: number) =>
  `block A(layers: int) {
  require layers > 0 else "a tower needs at least one layer, got {layers}"
  param w: [layers] = ones
  forward(x: [B, layers]) -> [B, layers] = x * w
}
model "a" = A(layers = ${n})
`;
const list = (index: string) =>
  `import nn { Linear }
block A {
  fc[i in 0..2]: Linear(4, 4)
  forward(x: [B, 4]) -> [B, 4] = x |> fc[0] |> fc[${index}]
}
`;
const stack = (n: string) => `import nn { Linear }
block A {
  fc[i in 0..${n}]: Linear(4, 4)
  forward(x: [B, 4]) -> [B, 4] = fc(x)
}
`;

export const shapes = {
  Z301: {
    wrong: 'block A {\n  param w: [8, 4] = ones\n  forward(x: [B, 4]) -> [B, 8] = x @ w\n}\n',
    mended: 'block A {\n  param w: [8, 4] = ones\n  forward(x: [B, 4]) -> [B, 8] = x @ w.T\n}\n',
  },
  Z302: {
    wrong: 'fn f(x: [B, 4, 8]) -> [B, 8, 4] = x.T\n',
    mended: 'fn f(x: [B, 4, 8]) -> [B, 8, 4] = rearrange(x, [b, t, w] -> [b, w, t])\n',
  },
  Z303: {
    wrong: 'fn f(ids: i32[B, 4]) -> [B, 4] = exp(ids)\n',
    mended: 'fn f(ids: i32[B, 4]) -> [B, 4] = exp(float(ids))\n',
  },
  Z304: {
    wrong: tower('resolution = 225, patch = 32, width = 768'),
    mended: tower('resolution = 224, patch = 32, width = 768'),
  },
  Z305: { wrong: heads(12), mended: heads(10) },
  Z306: {
    wrong: tower('resolution = 224, patch = 32, width = 100'),
    mended: tower('resolution = 224, patch = 32, width = 128'),
  },
  Z307: {
    wrong: tower('resolution = 224, patch = 32, width = 768', 640),
    mended: tower('resolution = 224, patch = 32, width = 768'),
  },
  Z308: { wrong: layers(0), mended: layers(1) },
  Z309: {
    wrong:
      'import nn { Conv2d }\nblock A {\n  first: Conv2d(3, 8, kernel = 3)\n  second: Conv2d(16, 8, kernel = 3)\n  forward(x: [B, 3, 32, 32]) -> [B, 8, 28, 28] = x |> first |> second\n}\n',
    mended:
      'import nn { Conv2d }\nblock A {\n  first: Conv2d(3, 8, kernel = 3)\n  second: Conv2d(8, 8, kernel = 3)\n  forward(x: [B, 3, 32, 32]) -> [B, 8, 28, 28] = x |> first |> second\n}\n',
  },
  Z310: {
    wrong: 'fn f(x: [B, 4, 8]) -> [B, 8] = rearrange(x, [b, t, w] -> [b, w])\n',
    mended: 'fn f(x: [B, 4, 8]) -> [B, 32] = rearrange(x, [b, t, w] -> [b, (t w)])\n',
  },
  Z311: { wrong: list('2'), mended: list('1') },
  Z313: {
    wrong: 'block A {\n  param w: [4] = normal(-1)\n  forward(x: [B, 4]) -> [B, 4] = x * w\n}\n',
    mended: 'block A {\n  param w: [4] = normal(1)\n  forward(x: [B, 4]) -> [B, 4] = x * w\n}\n',
  },
  Z314: { wrong: stack('1000000'), mended: stack('12') },
  Z315: {
    wrong:
      'block A { forward(image: [B, 3, H, H]) -> [B, 3] = mean(image, axis = [2, 3]) }\nmodel "a" = A()\n',
    mended:
      'block A { forward(image: [B, 3, 32, 32]) -> [B, 3] = mean(image, axis = [2, 3]) }\nmodel "a" = A()\n',
  },
} as const satisfies Partial<Record<Code, Example>>;
