/** Small models of the fixtures traced for training, with values for every weight and input. */
import type { Graph } from '../../../compiler/graph/types.ts';
import { sizeOf } from '../../../compiler/graph/types.ts';
import { resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { pairs } from '../training/batches.ts';

export function fixtureModel(
  name: string,
  overrides: readonly { path: string; value: string }[] = [],
): Model {
  const model = resolveModel(
    nodeHost(),
    `test/fixtures/models/${name.includes('#') ? name : `tiny.zoo#${name}`}`,
    overrides,
  );
  if (!model.ok) throw new Error(model.diagnostics.map((d) => d.message).join('\n'));
  return model.value;
}

/** @param normRanks that share statistics of batch norm */
export function traceTraining(model: Model, batch: number, name = 'contrastive', normRanks = 1): Graph {
  const traced = traceEntry(model, 'loss', { batch, training: true, objective: { name }, normRanks });
  if (!traced.ok) throw new Error(traced.diagnostics.map((d) => d.message).join('\n'));
  return traced.value;
}

export function trainableOf(model: Model): string[] {
  return model.weights.filter((w) => w.kind === 'param').map((w) => w.name);
}

/** Deterministic values in [-1, 1). */
export function noise(size: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Values that keep activations of a small model near 1: gains near 1, matrices by their width. */
export function weightValues(model: Model): Map<string, Float32Array> {
  return new Map(
    model.weights
      .filter((w) => w.dtype !== 'i64')
      .map(({ name, shape }, i) => {
        const values = noise(sizeOf(shape), i + 1);
        if (name === 'logit_scale') return [name, Float32Array.of(2)];
        if (name.endsWith('running_var')) return [name, values.map((x) => 1 + 0.1 * x)];
        const scale = shape.length < 2 ? 0.1 : (sizeOf(shape) / shape[0]!) ** -0.5;
        const gain = shape.length === 1 && name.endsWith('.weight') ? 1 : 0;
        return [name, values.map((x) => gain + scale * x)];
      }),
  );
}

/** A batch of noise as pictures, and captions whose last token has the largest id. */
export function batchValues(model: Model, rows: number, seed = 7) {
  const [resolution, context, vocab] = [model.resolution!, model.context!, model.vocab!];
  const images = noise(rows * 3 * resolution * resolution, seed);
  const tokens = new Int32Array(rows * context);
  const ids = noise(tokens.length, seed + 1);
  for (let row = 0; row < rows; row++)
    for (let at = 0; at < context; at++) {
      const word = Math.floor(((ids[row * context + at]! + 1) / 2) * (vocab - 2));
      tokens[row * context + at] = at === 0 ? vocab - 2 : at === 3 + (row % 5) ? vocab - 1 : word;
    }
  return pairs(images, tokens);
}
