/** What the model card of an export to ONNX shows: scripts for transformers.js and onnxruntime that run in its folder. */
import { hasTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import { tokenizerLimits } from '../foreign/tokenizer-files.ts';
import type { Towers } from './towers.ts';

/** The classes of transformers.js: with a bias, logits are of single pairs, as SigLIP's. */
export type Family = 'clip' | 'siglip';

/** What its classes of one tower give, the one that they are documented with first. */
export const outputNames = {
  clip: { pictures: ['image_embeds'], texts: ['text_embeds'] },
  siglip: { pictures: ['pooler_output', 'image_embeds'], texts: ['pooler_output', 'text_embeds'] },
} as const satisfies Record<Family, Record<Exclude<keyof Towers, 'pair'>, readonly string[]>>;

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
      "console.log(await classify('picture.jpg', ['a cat', 'a dog']));",
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

function python({ pair, pictures, texts }: Towers, file: (name: string) => string): string {
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

/** Markdown that shows how both runtimes load the folder. @param file where a graph is */
export function useText(
  towers: Towers,
  family: Family,
  vocab: number | undefined,
  file: (name: string) => string,
): string {
  const tokenizer = vocab !== undefined && hasTokenizer(vocab);
  const scripts = tokenizer || towers.pictures !== undefined;
  const limits = tokenizer ? `\n${tokenizerLimits}` : '';
  const none =
    vocab !== undefined && !tokenizer
      ? `\nNo tokenizer goes along: none fits a vocabulary of ${vocab}.\n`
      : '';
  return `${scripts ? `\`\`\`js\n${javascript(towers, family, tokenizer)}\n\`\`\`\n\n` : ''}\`\`\`python
${python(towers, file)}
\`\`\`

Every input takes any number of rows, and texts of any length up to the context: the graph fills them with zeros.
${none}${limits}`;
}
