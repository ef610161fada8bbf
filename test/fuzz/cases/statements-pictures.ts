/** Random statements of programs: tokens as pictures of channels, which windows run over. */
import type { Place, Statement, Statements } from './statements.ts';

/** A picture [B, width, grid, grid] of another. */
type OfPicture = (picture: string, p: Place) => string;

const convolved: OfPicture = (picture, { child, s, d }) => {
  const groups = d.pick([1, 1, 2, s.width]);
  return `${child(`Conv2d(${s.width}, ${s.width}, kernel = 3, padding = 1, groups = ${groups})`)}(${picture})`;
};

/** Smaller and enlarged again. */
const halved: OfPicture = (picture, { child, s, d }) => {
  const factor = d.pick([s.grid, ...(s.grid === 4 ? [2] : [])]);
  const [way, method] = [d.below(3), d.pick(['', ', method = "bilinear"', ', method = "nearest"'])];
  const smaller =
    way === 0
      ? `${child(`Conv2d(${s.width}, ${s.width}, kernel = ${factor}, stride = ${factor})`)}(${picture})`
      : `${way === 1 ? 'max_pool' : 'avg_pool'}(${picture}, ${factor})`;
  return `upsample(${smaller}, ${factor}${method})`;
};

const pictures: readonly (readonly [weight: number, make: OfPicture])[] = [
  [2, convolved],
  [1.5, halved],
  [1, (picture, { d }) => `${d.pick(['max_pool', 'avg_pool'])}(${picture}, 3, stride = 1, padding = 1)`],
  // Overlapping windows that leave as many: the enlarged picture has twice the side.
  [
    0.7,
    (picture, { d }) =>
      `${d.pick(['max_pool', 'avg_pool'])}(upsample(${picture}, 2, method = "bilinear"), ${d.pick(['2', '3, stride = 2, padding = 1'])})`,
  ],
  [
    1,
    (picture, { child, s, d }) => `${child(`Dilated(${s.width}, ${d.pick([1, 2, s.width])})`)}(${picture})`,
  ],
  [1.2, (picture, { child, s }) => `${child(`Normed(${s.width})`)}(${picture})`],
  [0.7, (picture, { child, s }) => `relu(${child(`BatchNorm2d(${s.width})`)}(${picture}))`],
  [0.6, (picture, { child, s }) => `${child(`Bottleneck(${s.width}, ${s.width / 4})`)}(${picture})`],
  [0.5, (picture, { child, s }) => `${child(`ConvNeXtBlock(${s.width}, 0.5)`)}(${picture})`],
  [0.5, (picture, { child, s }) => `${child(`ChannelNorm(${s.width})`)}(${picture})`],
];

const asPicture: Statement = (p) => {
  const picture = `rearrange(${p.x}, [b, (h w), c] -> [b, c, h, w], h = ${p.s.grid})`;
  return `rearrange(${p.d.weighted(pictures)(picture, p)}, [b, c, h, w] -> [b, (h w), c])`;
};

export const picturesOnTokens: Statements = [
  [5, asPicture],
  [
    0.7,
    ({ x, y, child, s, d }) =>
      `${y} + rearrange(${child(`Signal(${s.width}, ${d.pick([1, 2])})`)}(rearrange(${x}, [b, t, c] -> [b, c, t])), [b, c, t] -> [b, t, c])`,
  ],
  [
    0.5,
    ({ x, child, s }) => {
      const [window, shift] = s.grid === 4 ? [2, 1] : [s.grid, 0];
      const shifted = child(`SwinBlock(${s.width}, 2, ${s.grid}, ${window}, ${shift}, 0.2)`);
      return `rearrange(${shifted}(rearrange(${x}, [b, (h w), c] -> [b, h, w, c], h = ${s.grid})), [b, h, w, c] -> [b, (h w), c])`;
    },
  ],
];
