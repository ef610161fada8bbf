/** Locked towers: a frozen batch norm is traced as in evaluation, those that are trained use the batch. */
import { describe, expect, it } from 'vitest';
import { executeReference } from '../../compiler/graph/reference.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { resolveModel, traceEntry } from '../../compiler/model/index.ts';
import { matchesGlob } from '../../compiler/model/values/globs.ts';
import { hashImages, hashWeight } from '../../zoo/weights/hash-weights.ts';
import { memoryHost } from '../errors/report.ts';

const program = `
import clip { CLIP, ModifiedResNet, TextTransformer }
model "rn" = CLIP(
  vision = ModifiedResNet(layers = [1, 1, 1, 1], width = 4, resolution = 32, heads = 2, embed = 4),
  text = TextTransformer(context = 8, vocab = 16, width = 8, layers = 1, heads = 1, embed = 4)
)`;
const resolved = resolveModel(memoryHost({ 'm.zoo': program }), 'm.zoo#rn');
if (!resolved.ok) throw new Error(resolved.diagnostics[0]!.message);
const model = resolved.value;

function trace(entry: 'loss' | 'encode_image', frozen: readonly string[] = [], training = true): Graph {
  const isFrozen = (name: string) => frozen.some((pattern) => matchesGlob(pattern, name));
  const traced = traceEntry(model, entry, { batch: 2, training, frozen: isFrozen });
  if (!traced.ok) throw new Error(traced.diagnostics[0]!.message);
  return traced.value;
}

/** Paths of the batch norms whose running statistics the graph moves. */
function live({ outputs }: Graph): string[] {
  return outputs.flatMap(({ name }) => /^buffer\.(.*)\.running_mean$/.exec(name)?.[1] ?? []);
}

function features(graph: Graph): Float64Array {
  const params = new Map(
    model.weights.map((w) => [
      w.name,
      { shape: w.shape, data: Float64Array.from(hashWeight(w.name, w.shape)) },
    ]),
  );
  const images = { shape: [2, 3, 32, 32], data: Float64Array.from(hashImages([2, 3, 32, 32])) };
  return executeReference(verify(graph), { inputs: new Map([['images', images]]), params }).get(
    'image_features',
  )!.data;
}

describe('batch norms in training', () => {
  const all = live(trace('loss'));

  it('use the batch where nothing is frozen, and nowhere in evaluation', () => {
    expect(all).toHaveLength(3 + 4 * 4);
    expect(live(trace('loss', [], false))).toEqual([]);
  });

  it('use the running statistics where those are frozen', () => {
    expect(live(trace('loss', ['visual.**']))).toEqual([]);
    expect(live(trace('loss', ['visual.bn1.*', 'visual.layer1.**']))).toEqual(
      all.filter((path) => path !== 'visual.bn1' && !path.startsWith('visual.layer1.')),
    );
  });

  it('use the batch where only other weights are frozen', () => {
    expect(live(trace('loss', ['**.bn1.weight', 'transformer.**', 'visual.conv1.weight']))).toEqual(all);
  });

  it('give a locked tower the features of evaluation', () => {
    const locked = features(trace('encode_image', ['visual.**']));
    expect(locked).toEqual(features(trace('encode_image', [], false)));
    expect(locked).not.toEqual(features(trace('encode_image')));
  });
});
