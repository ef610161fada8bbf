/** Command lines of the right words in wrong ways: words left out, doubled, swapped, with values that no option takes. */
import type { Draw } from '../../support/draw.ts';
import { words } from '../command.ts';

/** Right calls in a folder with a program, a picture and a run; what is between bars is changed as one. */
const calls = [
  'train | tiny.zoo#f32 | --out out | --steps 1 | --set optimizer.lr=1e-3 | --device reference',
  'export | trained | --model tiny.zoo#tiny | --format hf | --out out | --dtype f16',
  'run | tiny.zoo#tiny | --weights trained | --entry logits | --inputs hash | --batch 2 | --mode eval | --precision f32 | --out out | --device reference',
  'classify | tiny.zoo#tiny | --weights trained | --labels a,b | --top 2 | --max-pixels 10000 | --device reference | p1.png',
  'embed | tiny.zoo#tiny | --weights trained | --texts a | --out out.npy | --device reference',
  'compile | tiny.zoo#tiny | --entry loss | --batch 2 | --profile gpu | --memory 1 | --grad | --objective contrastive(smoothing=0.1) | --out out',
  'show | tiny.zoo#tiny | --set vision.layers=2 | --json',
  'check | tiny.zoo | --json',
  'fmt | tiny.zoo',
  'blend | trained | trained | --alpha 0.5 | --out out',
  'import | trained | --format openai | --model tiny.zoo#tiny | --out out',
].map((line) => line.split(' | ').map(words));

/** Values of no option, or of another one. */
const values = [
  ...['', ' ', '2 ', 'a\u0001b', '\u001b[31mred', 'a\nb', 'x'.repeat(300), 'contrastive(x = 1)'],
  ...words(
    '0 -1 1.5 NaN Infinity 99999999999999999999 0x2 1_000 \u0663 x - -- --json __proto__ constructor \u{1f642}',
  ),
  ...words(
    'tiny.zoo tiny.zoo# #tiny tiny.zoo#nobody tiny.zoo#tiny#tiny ViT-B/99 init: init:-1 init:x hash @ @nothing',
  ),
  ...words(
    'vision.layers = vision.layers= =2 vision.layers=-1 vision.width=33 vision.heads=0 vision.nobody=1 vision=1',
  ),
  ...words('vision.layers="2" nobody(1) contrastive( ../.. . / /proc/self/out /dev/null'),
];

const flags = words('--nothing --check --resume --grad --train --json --tune --help --version -o -- -x');

const kinds = ['left out', 'doubled', 'another value', 'no value', 'a flag', 'moved'] as const;

/** One change of a call. */
function changed(items: readonly (readonly string[])[], draw: Draw): (readonly string[])[] {
  const at = draw.below(items.length);
  const before = items.slice(0, at);
  const behind = items.slice(at + 1);
  const item = items[at]!;
  switch (draw.chance(0.3) ? 'another value' : draw.pick(kinds)) {
    case 'left out':
      return [...before, ...behind];
    case 'doubled':
      return [...before, item, item, ...behind];
    case 'another value':
      return [...before, [...item.slice(0, -1), draw.pick(values)], ...behind];
    case 'no value':
      return [...before, item.slice(0, 1), ...behind];
    case 'a flag':
      return [...before, item, [draw.pick(flags)], ...behind];
    case 'moved':
      return draw.shuffled(items);
  }
}

export function badCommandLine(draw: Draw): string[] {
  let items: readonly (readonly string[])[] = draw.pick(calls);
  for (let i = 1 + draw.below(3); i > 0; i--) items = changed(items, draw);
  return items.flat();
}
