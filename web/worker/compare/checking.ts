/**
 * A check of the adapter: entries of small models on the device against the same in double precision, with gradients. It is no
 * complete test of the library's kernels.
 */

import { randomKey, randomUnit } from '../../../runtime/data/random.ts';
import type * as zooc from '../../../zoo/api/browser.ts';
import * as library from '../../../zoo/api/browser.ts';
import type { EntryRequest } from '../../../zoo/run/compiled.ts';
import { openOnReference } from '../../../zoo/run/on-reference.ts';
import { ruledWeights } from '../../../zoo/weights/source.ts';
import type { Opened } from '../opened.ts';
import { useMergesFor } from '../sources.ts';
import { worstOf } from './worst.ts';

/** Small ones of each kind of tower. */
const text = `import clip { CLIP, VisionTransformer, ModifiedResNet, TextTransformer }
import losses { contrastive }

model "emoji" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 64),
  text = TextTransformer(context = 24, vocab = 4096, width = 64, layers = 1, embed = 64)
)
model "tiny ViT" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, heads = 1, embed = 32),
  text = TextTransformer(context = 16, vocab = 520, width = 64, layers = 2, heads = 1, embed = 32)
)
model "tiny ResNet" = CLIP(
  vision = ModifiedResNet(layers = [1, 1, 1, 1], width = 16, resolution = 64, heads = 8, embed = 32),
  text = TextTransformer(context = 16, vocab = 520, width = 64, layers = 2, heads = 1, embed = 32)
)
`;

/**
 * Largest difference over the largest value of a tensor, as the tests of the library ask it of a device: sums of f32 in another
 * order, through a few layers, and back again for gradients.
 */
const tolerances = { forward: 3e-5, gradients: 3e-4 } as const;

const batch = 4;
const words = ['a cat', 'a dog', 'an apple', 'a house on a hill'];

interface Case {
  readonly model: string;
  readonly entry: 'encode_image' | 'encode_text' | 'loss';
}

const cases: readonly Case[] = ['emoji', 'tiny ViT', 'tiny ResNet'].flatMap((model) =>
  (['encode_image', 'encode_text', 'loss'] as const).map((entry) => ({ model, entry })),
);

export interface Checked {
  readonly model: string;
  /** The entry, and whether gradients were asked for. */
  readonly what: string;
  /** Tensors that were compared. */
  readonly tensors: number;
  /** The largest error, and the tensor that has it. */
  readonly worst: number;
  readonly where: string;
  readonly tolerance: number;
}

export class Checking {
  readonly #opened: Opened;

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  /** @throws DiagnosticError Z60x where the device cannot run a case */
  async run(tell: (checked: Checked, of: number) => void): Promise<void> {
    for (const one of cases) tell(await this.#check(one), cases.length);
  }

  async #check({ model: name, entry }: Case): Promise<Checked> {
    const gpu = await this.#opened.gpu();
    const model = library.model(text, {}, name);
    useMergesFor(model);
    const gradients = entry === 'loss';
    const mode = gradients ? 'train' : 'eval';
    const inputs = await inputsFor(model, entry);
    const clip = await gpu.load(model, { seed: 0 });
    try {
      const found = await clip.run(entry, inputs, { batch, mode, gradients });
      const request: EntryRequest = { entry, batch, mode, gradients };
      const reference = await openOnReference(model.model, ruledWeights(model.model, 'init:0')!, request);
      const wanted = await reference.run(new Map(Object.entries(inputs)));
      return {
        ...{ model: name, what: gradients ? `${entry} with gradients` : entry, tensors: wanted.size },
        ...worstOf(found, wanted),
        tolerance: gradients ? tolerances.gradients : tolerances.forward,
      };
    } finally {
      clip.close();
    }
  }
}

async function inputsFor(model: zooc.ZooModel, entry: string): Promise<zooc.NamedArrays> {
  const made: Record<string, Float32Array | Int32Array> = {};
  for (const { name, dtype, sizes } of model.model.entries.find((e) => e.name === entry)!.inputs) {
    const size = sizes.reduce((a, b) => a * b, batch);
    const key = randomKey(0, name);
    made[name] =
      dtype === 'i32'
        ? await model.tokens(words)
        : Float32Array.from({ length: size }, (_, i) => 2 * randomUnit(key, i) - 1);
  }
  return made;
}
