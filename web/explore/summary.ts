/** The sums of a plan. */
import { h } from '../ui/dom.ts';
import { bytes, compact, count, flops } from '../ui/numbers.ts';
import type { Explored } from '../worker/explore/exploring.ts';

export function summary({
  parameters,
  tree,
  batch,
  steps,
  setup,
  kernels,
  memory,
  entry,
}: Explored): HTMLElement[] {
  const tile = (name: string, value: string, hint: string) =>
    h('div', {}, h('dt', {}, name), h('dd', {}, value, h('small', {}, hint)));
  const all = steps.reduce((sum, step) => sum + step.flops, 0);
  const gradients = steps.some(({ backward }) => backward) ? `, ${flops(all)} with gradients` : '';
  const each = batch === 1 ? '' : `, ${flops(tree.flops / batch)} a row`;
  const once = setup.length === 0 ? '' : `, ${count(setup.length)} once before`;
  return [
    tile('Parameters', compact(parameters), count(parameters)),
    tile('FLOPs', flops(tree.flops), `${entry}, batch ${count(batch)}${each}${gradients}`),
    tile('Steps', count(steps.length), `${count(kernels)} kernels${once}`),
    tile('Workspace', bytes(memory.workspace), `at most ${bytes(Math.max(0, ...memory.live))} alive`),
    tile('Device memory', bytes(memory.total), `${bytes(memory.weights)} of weights`),
  ];
}
