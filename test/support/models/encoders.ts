/**
 * The small encoders of test/fixtures/models/encoders.zoo with weights and a batch, for the reference and for
 * devices.
 *
 * Weights are near their initialisers' size but none is zero or one: a norm's weight at exactly 1 hides
 * mistakes.
 */
import type { Graph } from '../../../compiler/graph/types.ts';
import { resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import type { Model, Result } from '../../../compiler/model/types.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { randomTensor } from '../ops/differences.ts';
import { randomNumbers } from '../random.ts';

export const smallEncoders = ['gelu', 'siglip', 'gap', 'convnext', 'cbow'] as const;
const batch = 3;

export interface SmallEncoder {
  readonly model: Model;
  /** Of the entry `loss`. */
  readonly graph: Graph;
  readonly params: Map<string, RefTensor>;
  readonly inputs: Map<string, RefTensor>;
  /** Names of the trained weights. */
  readonly trained: readonly string[];
}

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
  return result.value;
}

/** Texts of different lengths; the last id is EOT, the first before it SOT, zeros follow. */
function tokens(context: number, vocab: number): RefTensor {
  const data = new Float64Array(batch * context);
  for (let row = 0; row < batch; row++) {
    const words = Array.from({ length: row + 1 }, (_, i) => 5 + 3 * row + i);
    data.set([vocab - 2, ...words, vocab - 1], row * context);
  }
  return { shape: [batch, context], data };
}

export function smallEncoder(name: (typeof smallEncoders)[number]): SmallEncoder {
  const model = unwrap(resolveModel(nodeHost(), `test/fixtures/models/encoders.zoo#${name}`));
  const random = randomNumbers(7);
  const params = new Map(
    model.weights.map(({ name: weight, shape, init }): [string, RefTensor] => {
      const { data } = randomTensor(shape, random, -0.5, 0.5);
      const centre = init.kind === 'const' && Math.abs(init.value) <= 1 ? init.value : 0;
      return [weight, { shape, data: data.map((x) => Math.fround(centre + x)) }];
    }),
  );
  const side = model.resolution!;
  const images = randomTensor([batch, 3, side, side], random);
  return {
    model,
    graph: unwrap(traceEntry(model, 'loss', { batch })),
    params,
    inputs: new Map([
      ['images', { ...images, data: images.data.map(Math.fround) }],
      ['tokens', tokens(model.context!, model.vocab!)],
    ]),
    trained: model.weights.flatMap((w) => (w.kind === 'param' ? [w.name] : [])),
  };
}
