/**
 * open_clip: `open_clip_config.json` and `open_clip_model.safetensors`, whose names are our own.
 *
 * Its tokenizer is CLIP's with all ids; a model with fewer brings the tokenizer files of `hf` along, which
 * open_clip reads from the folder when the configuration names a tokenizer. Source:
 * github.com/mlfoundations/open_clip, src/open_clip/{factory,model,transform,push_to_hf_hub}.py.
 */
import type { Model } from '../../../compiler/model/types.ts';
import { clipVocab, hasTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import { writeSafetensors } from '../../weights/formats/safetensors.ts';
import type { LazyTensor } from '../../weights/formats/tensor-file.ts';
import { type ClipArchitecture, clipArchitecture, type FormatLimits, mlpRatio } from './architecture.ts';
import { hubTags, jsonText, type Layout, oneFile } from './layout.ts';
import { tokenizerFiles, tokenizerLimits } from './tokenizer-files.ts';

/** Channels of an image tower's attention: of a ResNet it is the pooling at its end. */
function attentionWidth(vision: ClipArchitecture['vision']): number {
  return vision.kind === 'vit' ? vision.width : vision.width * 32;
}

const limits: FormatLimits = {
  format: 'open_clip',
  help: "hf states each tower's activation, --format zoo takes every model",
  check({ vision, text }) {
    const obstacles: string[] = [];
    if (vision.kind === 'vit' && vision.act !== text.act)
      obstacles.push(
        `vision.act is ${vision.act} and text.act is ${text.act}; its configuration has one activation`,
      );
    const width = attentionWidth(vision);
    if (width % vision.heads !== 0)
      obstacles.push(`vision.heads is ${vision.heads}, which does not divide ${width} channels`);
    return obstacles;
  },
};

function visionConfig(vision: ClipArchitecture['vision']): Record<string, unknown> {
  return {
    image_size: vision.resolution,
    layers: vision.layers,
    width: vision.width,
    head_width: attentionWidth(vision) / vision.heads,
    patch_size: vision.kind === 'vit' ? vision.patch : null,
    // Its loader takes the whole part of width * ratio: half a channel more keeps rounding out of it.
    ...(vision.kind === 'vit' && vision.hidden !== mlpRatio * vision.width
      ? { mlp_ratio: (vision.hidden + 0.5) / vision.width }
      : {}),
  };
}

/** Whether open_clip's own tokenizer does not fit and the folder brings one. */
function bringsTokenizer(vocab: number): boolean {
  return vocab !== clipVocab && hasTokenizer(vocab);
}

function configOf(
  { embed, vision, text }: ClipArchitecture,
  { mean, std }: Model['normalization'],
): Record<string, unknown> {
  return {
    model_cfg: {
      embed_dim: embed,
      ...(text.act === 'quick_gelu' ? { quick_gelu: true } : {}),
      vision_cfg: visionConfig(vision),
      text_cfg: {
        context_length: text.context,
        vocab_size: text.vocab,
        width: text.width,
        heads: text.heads,
        layers: text.layers,
        // Any name makes it read the tokenizer from this folder (`local-dir:`); in a hub it
        // must be the repository's.
        ...(bringsTokenizer(text.vocab) ? { hf_tokenizer_name: '.' } : {}),
      },
    },
    preprocess_cfg: {
      mean,
      std,
      interpolation: 'bicubic',
      resize_mode: 'shortest',
    },
  };
}

function useText(vocab: number): string {
  const tokenizing =
    vocab === clipVocab
      ? ''
      : bringsTokenizer(vocab)
        ? `\nThe tokenizer has fewer merges than CLIP’s own, so its files lie here. In a hub, \`hf_tokenizer_name\` in \`open_clip_config.json\` must be the name of the repository.\n\n${tokenizerLimits}`
        : `\nNo tokenizer goes along: none fits a vocabulary of ${vocab}.\n`;
  const texts = vocab === clipVocab || bringsTokenizer(vocab);
  return `\`\`\`python
${texts ? classifying : loading}
\`\`\`

\`local-dir:\` takes open_clip_torch 3 or newer.${texts ? ' Probabilities are those of `zooc classify` to 1e-6.' : ''}
${tokenizing}`;
}

const loading = `import open_clip

model, preprocess = open_clip.create_model_from_pretrained("local-dir:.")`;

const classifying = `import open_clip
import torch
from PIL import Image

model, preprocess = open_clip.create_model_from_pretrained("local-dir:.")
tokenizer = open_clip.get_tokenizer("local-dir:.")
labels = ["a cat", "a dog"]
with torch.no_grad():
    image = model.eval().encode_image(preprocess(Image.open("picture.jpg")).unsqueeze(0), normalize=True)
    text = model.encode_text(tokenizer(labels), normalize=True)
    logits = model.logit_scale.exp() * image @ text.T
print(dict(zip(labels, logits.softmax(dim=-1)[0].tolist())))`;

export async function openClipLayout(model: Model, tensors: readonly LazyTensor[]): Promise<Layout> {
  const architecture = clipArchitecture(model, limits);
  const { vocab, context } = architecture.text;
  return {
    texts: new Map([
      ['open_clip_config.json', jsonText(configOf(architecture, model.normalization))],
      ...(bringsTokenizer(vocab) ? await tokenizerFiles(vocab, context) : []),
    ]),
    write: oneFile('open_clip_model.safetensors', (path) =>
      writeSafetensors(path, tensors, { format: 'pt' }),
    ),
    card: { use: useText(vocab), frontMatter: ['library_name: open_clip', ...hubTags] },
  };
}
