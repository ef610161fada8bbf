/**
 * OpenAI's CLIP: one `model.pt` with a state_dict, whose names are our own.
 *
 * `clip.model.build_model` has no configuration: it infers every size from shapes, takes 64 channels a head,
 * and always uses quick_gelu. Published checkpoints carry three integers beside the weights; so does this.
 * Source: github.com/openai/CLIP, clip/clip.py and clip/model.py.
 */
import { clipNormalization, sameNormalization } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { clipVocab, hasTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import type { LazyTensor } from '../../weights/formats/tensor-file.ts';
import { writeTorchArchive } from '../../weights/formats/torch/torch-archive.ts';
import { type ClipArchitecture, clipArchitecture, type FormatLimits, mlpRatio } from './architecture.ts';
import { type Layout, oneFile } from './layout.ts';

const headWidth = 64;

const limits: FormatLimits = {
  format: 'openai',
  help: 'open_clip and hf state activation, heads, mean and deviation, --format zoo takes every model',
  check({ vision, text }) {
    const obstacles: string[] = [];
    const heads = (tower: string, found: number, width: number) => {
      if (found * headWidth !== width)
        obstacles.push(
          `${tower}.heads is ${found} for ${width} channels; its loader takes one head for every ${headWidth}`,
        );
    };
    const act = (tower: string, found: string) => {
      if (found !== 'quick_gelu') obstacles.push(`${tower}.act is ${found}; its code has quick_gelu only`);
    };
    if (vision.kind === 'vit') {
      heads('vision', vision.heads, vision.width);
      act('vision', vision.act);
      if (vision.hidden !== mlpRatio * vision.width)
        obstacles.push(
          `vision.hidden is ${vision.hidden} for ${vision.width} channels; its loader takes ${mlpRatio} times the width`,
        );
    } else heads('vision', vision.heads, vision.width * 32);
    heads('text', text.heads, text.width);
    act('text', text.act);
    return obstacles;
  },
  checkModel: ({ normalization }) =>
    sameNormalization(normalization, clipNormalization)
      ? []
      : [
          `image_mean is [${normalization.mean.join(', ')}] and image_std [${normalization.std.join(', ')}]; its code normalises pictures by CLIP's`,
        ],
};

/** The integers as 0-dimensional tensors, behind the root's own weights as a state_dict has buffers. */
function withIntegers(
  tensors: readonly LazyTensor[],
  { vision, text }: ClipArchitecture,
): readonly LazyTensor[] {
  const integer = (name: string, value: number): LazyTensor => ({
    name,
    dtype: 'I64',
    shape: [],
    data: async () => BigInt64Array.of(BigInt(value)),
  });
  const own = tensors.findIndex(({ name }) => name.includes('.'));
  return [
    ...tensors.slice(0, own),
    integer('input_resolution', vision.resolution),
    integer('context_length', text.context),
    integer('vocab_size', text.vocab),
    ...tensors.slice(own),
  ];
}

/** What makes tokens: of the package itself, or of another export beside this one; undefined where nothing does. */
function tokensText({ vocab, context }: ClipArchitecture['text']): string | undefined {
  if (vocab === clipVocab)
    return `clip.tokenize(labels${context === 77 ? '' : `, context_length=${context}`}, truncate=True)`;
  if (!hasTokenizer(vocab)) return undefined;
  return 'AutoTokenizer.from_pretrained("HF")(labels, padding="max_length", truncation=True, return_tensors="pt").input_ids';
}

function useText({ text }: ClipArchitecture): string {
  const tokens = tokensText(text);
  const own = text.vocab === clipVocab;
  const imports = [
    ...(own ? ['import clip'] : []),
    ...['import torch', 'from clip.clip import _transform', 'from clip.model import build_model'],
    ...(tokens === undefined ? [] : ['from PIL import Image']),
    ...(tokens === undefined || own ? [] : ['from transformers import AutoTokenizer']),
  ];
  const classify =
    tokens === undefined
      ? ''
      : `
labels = ["a cat", "a dog"]
tokens = ${tokens}
with torch.no_grad():
    logits, _ = model(preprocess(Image.open("picture.jpg")).unsqueeze(0), tokens)
print(dict(zip(labels, logits.softmax(dim=-1)[0].tolist())))`;
  const fitting = own
    ? ''
    : `\`clip.tokenize\` has ${clipVocab} ids and does not fit this vocabulary of ${text.vocab}${tokens === undefined ? '' : ': `HF` is what `zooc export --format hf` writes'}. `;
  return `\`\`\`python
${imports.join('\n')}

state = torch.load("model.pt", map_location="cpu")
model = build_model(state).float()
model.load_state_dict(state)  # again: build_model rounds to f16
preprocess = _transform(model.visual.input_resolution)${classify}
\`\`\`

${tokens === undefined ? '' : 'Probabilities are those of `zooc classify` to 1e-6. '}${fitting}\`clip.load("model.pt")\` does the same, rounded to f16, where it can: present versions try TorchScript first and then read on from the end of
the file ([issue 396](https://github.com/openai/CLIP/issues/396)), so that they load no state_dict at all.`;
}

export async function openaiLayout(model: Model, tensors: readonly LazyTensor[]): Promise<Layout> {
  const architecture = clipArchitecture(model, limits);
  const all = withIntegers(tensors, architecture);
  return {
    texts: new Map(),
    write: oneFile('model.pt', (path) => writeTorchArchive(path, all)),
    card: { use: useText(architecture) },
  };
}
