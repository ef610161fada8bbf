/** The way from a program to dispatches, with the numbers of ViT-B/32's image tower. */
import { model } from '../../zoo/api/node.ts';
import { figure, text } from './svg.ts';

export function pipeline(): string {
  const clip = model('ViT-B/32');
  const told = clip.explain({ entry: 'encode_image', batch: 1, profile: 'gpu' });
  const { plan, traced, optimized, steps } = told;
  const stages: readonly (readonly [string, string, string])[] = [
    ['program', 'text', 'parse, check, evaluate'],
    ['model', `${clip.weights.length} weights`, 'trace an entry'],
    ['graph', `${traced.nodes.length} nodes`, 'gradients, passes'],
    ['graph', `${optimized.nodes.length} nodes`, 'joins, kernels'],
    ['plan', `${steps.length} dispatches`, `${plan.pipelines.length} WGSL kernels`],
  ];
  const [wide, gap] = [100, 54];
  const boxes = stages.flatMap(([name, count, below], i) => {
    const x = 2 + i * (wide + gap);
    const box = `<rect x="${x}" y="20" width="${wide}" height="58" rx="6" fill="none" stroke="var(--a)" stroke-width="1.5"/>`;
    const arrow = `<path d="M${x + wide + 6} 49h${gap - 16}m-6 -5l7 5l-7 5" fill="none" stroke="var(--soft)" stroke-width="1.5"/>`;
    const last = i === stages.length - 1;
    const middle = last ? x + wide / 2 : x + wide + gap / 2;
    return [
      box,
      text(x + wide / 2, 44, name, { anchor: 'middle', size: 15 }),
      text(x + wide / 2, 64, count, { anchor: 'middle', colour: 'soft' }),
      ...(last ? [] : [arrow]),
      text(middle, last ? 118 : 100, below, { anchor: 'middle', colour: 'soft', size: 12 }),
    ];
  });
  return figure(
    112,
    "From a program to dispatches: the stages with the numbers of ViT-B/32's image tower",
    boxes,
  );
}
