/** What encoders of the library leave out in training, as far as their parameters ask for it, with an open batch. */
import { describe, expect, it } from 'vitest';
import { resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import { memoryHost } from '../../errors/report.ts';
import { unwrap } from '../../support/models/families.ts';

const imports = `import encoders {
  RotaryVisionTransformer, RegisterVisionTransformer, Swin, BertTextTransformer, T5TextTransformer
}
import adapters { LoRALinear }
import clip { VisionTransformer }
block Low { fc: LoRALinear(4, 4, drop = 0.1)  forward(x: [B, 3, 4]) = fc(x) }
`;

/** Draws of random numbers in the graph of a model, in training with an open batch, and in evaluation. */
function draws(model: string): [training: number, evaluation: number] {
  const host = memoryHost({ 'main.zoo': `${imports}model "m" = ${model}\n` });
  const resolved = unwrap(resolveModel(host, 'main.zoo#m'));
  const count = (training: boolean) => {
    const entry = resolved.entries[0]!.name;
    const { nodes } = unwrap(traceEntry(resolved, entry, { training }));
    return nodes.filter((n) => n.op === 'uniform').length;
  };
  return [count(true), count(false)];
}

const picture = 'resolution = 32, patch = 8, width = 16, layers = 3, heads = 2';
const text = 'context = 6, vocab = 40, width = 8, layers = 2, heads = 2, embed = 4, hidden = 8, drop = 0.1';

describe('random numbers in training', () => {
  it.each([
    // Of three blocks with two branches the first keeps all.
    ['EVA', `RotaryVisionTransformer(${picture}, hidden = 8, drop = 0.2)`, 4],
    ['DINOv2', `RegisterVisionTransformer(${picture}, drop = 0.2)`, 4],
    ['DINOv2 with FLIP', `RegisterVisionTransformer(${picture}, patch_dropout = 0.5)`, 1],
    ['CLIP with FLIP', `VisionTransformer(${picture}, embed = 4, patch_dropout = 0.5)`, 1],
    [
      'Swin',
      'Swin(resolution = 32, width = 8, depths = [1, 2, 1, 1], heads = [1, 1, 1, 1], window = 2, drop = 0.2)',
      8,
    ],
    // Embeddings, and in each layer what attention weighs and both branches.
    ['BERT', `BertTextTransformer(${text})`, 1 + 2 * 3],
    // Embeddings, in each layer what attention weighs, the hidden layer and both branches, and what comes out.
    ['T5', `T5TextTransformer(${text})`, 1 + 2 * 4 + 1],
    ['LoRA', 'Low()', 1],
  ])('%s', (_, model, count) => {
    expect(draws(model)).toEqual([count, 0]);
  });
});
