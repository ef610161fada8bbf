/** Z1xx: what a text of the language cannot be. */
import type { Code } from '../../../grammar/codes.ts';
import type { Example } from '../types.ts';

export const syntax = {
  Z101: {
    wrong: 'fn both(a: bool, b: bool) = a && b\n',
    mended: 'fn both(a: bool, b: bool) = a and b\n',
  },
  Z102: {
    wrong: 'block A(width: int) {\n  require width > 0 else "width {width} is too small\n}\n',
    mended: 'block A(width: int) {\n  require width > 0 else "width {width} is too small"\n}\n',
  },
  Z103: {
    wrong: 'fn thousand() = 1_000\n',
    mended: 'fn thousand() = 1000\n',
  },
  Z104: {
    wrong: 'block A(width: int) {\n  require width > 0 else "width\\q {width}"\n}\n',
    mended: 'block A(width: int) {\n  require width > 0 else "width\\t {width}"\n}\n',
  },
  Z105: {
    wrong: `fn f(x: [B, 3]) -> [B, 3] = ${'('.repeat(101)}x${')'.repeat(101)}\n`,
    mended: 'fn f(x: [B, 3]) -> [B, 3] = x\n',
  },
  Z106: {
    wrong: 'fn f(x: [B, 3]) -> [B, 3] = exp(x\n',
    mended: 'fn f(x: [B, 3]) -> [B, 3] = exp(x)\n',
  },
  Z107: {
    wrong: 'fn inside(x: [B, 3]) -> [B, 3] = 0 < x < 1\n',
    mended: 'fn inside(x: [B, 3]) -> [B, 3] = 0 < x and x < 1\n',
  },
  Z108: {
    wrong: 'fn halves(x: [B, 6]) -> [2, B, 3] = rearrange(x, [b, (2 d)] -> [2, b, d])\n',
    mended: 'fn halves(x: [B, 6]) -> [2, B, 3] = rearrange(x, [b, (n d)] -> [n, b, d], n = 2)\n',
  },
  Z109: {
    wrong: 'fn f(x: tensor) = x\n',
    mended: 'fn f(x: [B, 3]) -> [B, 3] = x\n',
  },
  Z110: {
    wrong: 'block A {\n  parm weight: [3] = ones\n  forward(x: [B, 3]) -> [B, 3] = x * weight\n}\n',
    mended: 'block A {\n  param weight: [3] = ones\n  forward(x: [B, 3]) -> [B, 3] = x * weight\n}\n',
  },
  Z111: {
    wrong: 'fn twice(x: [B, 3]) -> [B, 3] = 2 * gelu(x)\nimport nn { gelu }\n',
    mended: 'import nn { gelu }\nfn twice(x: [B, 3]) -> [B, 3] = 2 * gelu(x)\n',
  },
  Z112: {
    told: 'A file has more than 100 mistakes of syntax, most often since it is none of the language. Mend the first ones, or look at what the file is.',
  },
  Z113: {
    told: 'A file has more than 8 million characters. A model of any size is a few lines: a child array (`blocks[i in 0..24]: Block(width)`) stands for many blocks.',
  },
} as const satisfies Partial<Record<Code, Example>>;
