/** What the model card of an export to ONNX shows: scripts for transformers.js and onnxruntime that run in its folder. */
import { vocabularyOf } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { hasTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import { tokenizerLimits } from '../foreign/tokenizer-files.ts';
import type { Storage } from './onnx-graph.ts';
import type { Towers } from './towers.ts';

/** The classes of transformers.js: with a bias, logits are of single pairs, as SigLIP's. */
export type Family = 'clip' | 'siglip';

/** What its classes of one tower give, the one that they are documented with first. */
export const outputNames = {
  clip: { pictures: ['image_embeds'], texts: ['text_embeds'] },
  siglip: { pictures: ['pooler_output', 'image_embeds'], texts: ['pooler_output', 'text_embeds'] },
} as const satisfies Record<Family, Record<Exclude<keyof Towers, 'pair'>, readonly string[]>>;

interface CardFacts {
  readonly family: Family;
  readonly storage: Storage;
  /** Where a graph is. */
  file(name: string): string;
}

function javascript({ pair, pictures, texts }: Towers, family: Family, tokenizer: boolean): string {
  const names = outputNames[family];
  const [Text, Vision] =
    family === 'clip'
      ? ['CLIPTextModelWithProjection', 'CLIPVisionModelWithProjection']
      : ['SiglipTextModel', 'SiglipVisionModel'];
  const withTexts = texts !== undefined && tokenizer;
  const lines = ["env.localModelPath = './'; // in this folder", 'env.allowRemoteModels = false;'];
  const imported = ['env'];
  if (pair !== undefined && withTexts) {
    imported.push('pipeline');
    lines.push(
      "const classify = await pipeline('zero-shot-image-classification', '.');",
      "const labels = ['a cat', 'a dog'];",
      "console.log(await classify('picture.jpg', labels, { hypothesis_template: '{}' }));",
    );
  }
  if (withTexts) {
    imported.push('AutoTokenizer', Text!);
    lines.push(
      "const tokenizer = await AutoTokenizer.from_pretrained('.');",
      `const texts = await ${Text}.from_pretrained('.');`,
      "const ids = tokenizer(['a cat', 'a dog'], { padding: 'max_length', truncation: true });",
      `console.log((await texts(ids)).${names.texts[0]}.dims);`,
    );
  }
  if (pictures !== undefined) {
    imported.push('AutoProcessor', Vision!, 'RawImage');
    lines.push(
      "const processor = await AutoProcessor.from_pretrained('.');",
      `const pictures = await ${Vision}.from_pretrained('.');`,
      "const pixels = await processor(await RawImage.read('picture.jpg'));",
      `console.log((await pictures(pixels)).${names.pictures[0]}.dims);`,
    );
  }
  return `import { ${imported.join(', ')} } from '@huggingface/transformers';\n\n${lines.join('\n')}`;
}

function shapes({ pair, pictures, texts }: Towers, file: (name: string) => string): string {
  const ids = texts && `"input_ids": np.zeros((2, ${texts.input.sizes[0]}), np.int64)`;
  const pixels = pictures && `"pixel_values": np.zeros((1, ${pictures.input.sizes.join(', ')}), np.float32)`;
  const feeds = pair === undefined ? [pixels ?? ids] : [ids, pixels];
  const name = pair !== undefined ? 'model' : pictures === undefined ? 'text_model' : 'vision_model';
  return `import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("${file(name)}")
results = session.run(None, {${feeds.join(', ')}})
print({o.name: r.shape for o, r in zip(session.get_outputs(), results)})`;
}

/** Classification by what the graph, Pillow and the tokenizer's file give. */
function classifying(
  { pictures, texts }: NonNullable<Towers['pair']>,
  family: Family,
  { mean, std }: Model['normalization'],
  file: (name: string) => string,
): string {
  const size = pictures.input.sizes[1]!;
  const scores =
    family === 'clip'
      ? 'np.exp(logits[0] - logits[0].max())\nscores /= scores.sum()'
      : '1 / (1 + np.exp(-logits[0]))';
  return `import numpy as np
import onnxruntime
from PIL import Image
from tokenizers import Tokenizer

image = Image.open("picture.jpg")
short = min(image.size)
image = image.resize([${size} * side // short for side in image.size], Image.BICUBIC)
left, top = [round((side - ${size}) / 2) for side in image.size]
image = image.crop((left, top, left + ${size}, top + ${size})).convert("RGB")
pixels = (np.asarray(image, np.float32) / 255 - [${mean.join(', ')}]) / [${std.join(', ')}]

tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_padding(pad_id=0)
tokenizer.enable_truncation(${texts.input.sizes[0]})
labels = ["a cat", "a dog"]
ids = [found.ids for found in tokenizer.encode_batch(labels)]

session = onnxruntime.InferenceSession("${file('model')}")
feeds = {"input_ids": np.array(ids), "pixel_values": pixels.transpose(2, 0, 1)[None].astype(np.float32)}
[logits] = session.run(["logits_per_image"], feeds)
scores = ${scores}
print(dict(zip(labels, scores.tolist())))`;
}

/** Compared with transformers.js 4.3 and onnxruntime 1.30, probabilities of a small model on pictures of every kind. */
function differences(size: number, exact: boolean): string {
  const python = exact ? 'What the script in Python prints is what `zooc classify` says, to 1e-6. ' : '';
  return `${python}transformers.js resizes pictures without smoothing (in Node by an affine map, in pages by a canvas) and turns them by their EXIF,
where CLIP's transform smooths and does not turn, so that probabilities differ by several percent points; those of pictures of ${size} × ${size} pixels do not. Bring others to that size before.
`;
}

/** Markdown that shows how both runtimes load the folder. */
export function useText(model: Model, towers: Towers, { family, storage, file }: CardFacts): string {
  const { pair, pictures, texts } = towers;
  const vocab = texts && vocabularyOf(texts.input);
  const tokenizer = vocab !== undefined && hasTokenizer(vocab);
  const scripts = tokenizer || pictures !== undefined;
  const classifies = pair !== undefined && tokenizer;
  const python = classifies ? classifying(pair, family, model.normalization, file) : shapes(towers, file);
  const parts = [
    ...(scripts ? [`\`\`\`js\n${javascript(towers, family, tokenizer)}\n\`\`\`\n`] : []),
    `\`\`\`python\n${python}\n\`\`\`\n`,
    'Every input takes any number of rows, and texts of any length up to the context: the graph fills them with zeros.\n',
    ...(classifies ? [differences(pictures!.input.sizes[1]!, storage === 'f32')] : []),
    ...(vocab === undefined
      ? []
      : [tokenizer ? tokenizerLimits : `No tokenizer goes along: none fits a vocabulary of ${vocab}.\n`]),
  ];
  return parts.join('\n');
}
