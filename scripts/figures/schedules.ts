/** Learning rates of the schedules over a run, as training computes them. */
import { learningRate, type Schedule } from '../../runtime/train/schedule.ts';
import { type Colour, chart } from './svg.ts';

const total = 1000;
const common = { lr: 1, warmup: 100, total };

const kinds: readonly (readonly [string, Colour, Schedule])[] = [
  ['cosine, floor 0.01', 'a', { ...common, kind: 'cosine', floor: 0.01 }],
  ['linear', 'b', { ...common, kind: 'linear', floor: 0 }],
  ['inverse_sqrt', 'c', { ...common, kind: 'inverse_sqrt', timescale: common.warmup }],
  ['cooldown of 300 steps', 'd', { ...common, kind: 'cooldown', steps: 300, power: 1, floor: 0 }],
];

export function schedules(): string {
  const steps = Array.from({ length: total / 5 + 1 }, (_, i) => Math.min(i * 5, total - 1));
  return chart(
    'Learning rates of four schedules over 1000 steps, with 100 steps of warm-up',
    { label: 'step', max: total, ticks: [0, 200, 400, 600, 800, 1000] },
    { label: 'of lr', max: 1, ticks: [0, 0.25, 0.5, 0.75, 1] },
    kinds.map(([name, colour, schedule]) => ({
      name,
      colour,
      points: steps.map((step) => [step, learningRate(schedule, step)] as const),
    })),
  );
}
