/** What the workspace of a training step holds, dispatch after dispatch, as planned. */
import { readFileSync } from 'node:fs';
import { model } from '../../zoo/api/node.ts';
import { chart, line, text } from './svg.ts';

const mebibyte = 2 ** 20;

export function memory(): string {
  const source = readFileSync(new URL('../../examples/variant/variant.zoo', import.meta.url), 'utf8');
  const told = (precision: 'f32' | 'mixed') =>
    model(source).explain({
      entry: 'loss',
      batch: 128,
      gradients: true,
      profile: 'gpu',
      precision,
    });
  const [f32, mixed] = [told('f32'), told('mixed')];
  // Both have their own number of dispatches: the axis is the part of the step that is done.
  const curve = ({ memory: { live } }: typeof f32) =>
    live.map((bytes, i) => [(100 * i) / (live.length - 1), bytes / mebibyte] as const);
  const backward = f32.steps.findLastIndex((step) => !step.backward);
  const at = 64 + (backward / (f32.steps.length - 1)) * (720 - 80);
  return chart(
    'Memory alive at each dispatch of a training step: it grows through the forward pass and shrinks through the backward pass',
    { label: '% of the dispatches of a step', max: 100, ticks: [0, 20, 40, 60, 80, 100] },
    { label: 'MiB', max: 120, ticks: [0, 30, 60, 90, 120] },
    [
      { name: 'f32', colour: 'a', points: curve(f32), filled: true },
      { name: 'mixed', colour: 'b', points: curve(mixed), filled: true },
    ],
    [
      line(
        [
          [at, 40],
          [at, 300],
        ],
        'soft',
        1,
      ),
      text(at + 6, 54, 'backward pass', { colour: 'soft' }),
      text(at - 6, 54, 'forward pass', { colour: 'soft', anchor: 'end' }),
    ],
  );
}
