/**
 * Hugging Face transformers: a `CLIPModel` with its processor. Names come from the map `names hf for CLIP` of
 * the package `clip`, which import reads the other way.
 *
 * Ends of texts: transformers takes the feature at the first `eos_token_id`, ours is the largest id, which
 * only the end has; it pads with that mark, ours with zeros, and neither is seen through the causal mask.
 * Source: github.com/huggingface/transformers, src/transformers/models/clip/.
 */
import { type MappedName, mapWeights, nameRules, zooPackage } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { hasTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import { nodeHost } from '../../host.ts';
import { writeSafetensors } from '../../weights/formats/safetensors.ts';
import type { LazyTensor } from '../../weights/formats/tensor-file.ts';
import { type ClipArchitecture, clipArchitecture, mlpRatio } from './architecture.ts';
import { hubTags, jsonText, type Layout, oneFile } from './layout.ts';
import { mapTensor } from './map-tensor.ts';
import { tokenizerFiles, tokenizerLimits } from './tokenizer-files.ts';

/** Layers of clip's transformers. */
const layerNormEps = 1e-5;
/** At most this many names in a refusal. */
const shown = 8;

function mapped(model: Model): { readonly mapped: MappedName[]; readonly unmapped: string[] } {
  const rules = nameRules(nodeHost(), zooPackage, 'hf');
  if (!rules.ok) throw new DiagnosticError(rules.diagnostics);
  return mapWeights(rules.value, model);
}

function unmappedText(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > shown ? ` and ${names.length - shown} more` : '';
  return [`CLIPModel has no name for ${names.slice(0, shown).join(', ')}${more}`];
}

/** Inside a tower, in the words of `CLIPTextConfig` and `CLIPVisionConfig`. */
function layersConfig(
  tower: {
    readonly width: number;
    readonly layers: number;
    readonly heads: number;
    readonly act: string;
    readonly hidden?: number;
  },
  embed: number,
): Record<string, unknown> {
  return {
    hidden_act: tower.act,
    hidden_size: tower.width,
    intermediate_size: tower.hidden ?? mlpRatio * tower.width,
    layer_norm_eps: layerNormEps,
    num_attention_heads: tower.heads,
    num_hidden_layers: tower.layers,
    projection_dim: embed,
  };
}

/** The type that `dtype="auto"` loads: the one of every real tensor, else the widest. */
function torchType(tensors: readonly LazyTensor[]): string {
  if (tensors.every((t) => t.dtype === 'F16')) return 'float16';
  return tensors.every((t) => t.dtype === 'BF16') ? 'bfloat16' : 'float32';
}

function configOf(
  { embed, vision, text }: ClipArchitecture & { readonly vision: { readonly kind: 'vit' } },
  torchDtype: string,
): Record<string, unknown> {
  return {
    architectures: ['CLIPModel'],
    logit_scale_init_value: 2.6592,
    model_type: 'clip',
    projection_dim: embed,
    text_config: {
      model_type: 'clip_text_model',
      bos_token_id: text.vocab - 2,
      eos_token_id: text.vocab - 1,
      pad_token_id: text.vocab - 1,
      ...layersConfig(text, embed),
      max_position_embeddings: text.context,
      vocab_size: text.vocab,
    },
    torch_dtype: torchDtype,
    vision_config: {
      model_type: 'clip_vision_model',
      ...layersConfig(vision, embed),
      image_size: vision.resolution,
      num_channels: 3,
      patch_size: vision.patch,
    },
  };
}

/** `CLIPImageProcessor`: resample 3 is Pillow's bicubic. */
export function preprocessorConfig(
  resolution: number,
  { mean, std }: Model['normalization'],
): Record<string, unknown> {
  return {
    crop_size: { height: resolution, width: resolution },
    do_center_crop: true,
    do_convert_rgb: true,
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    image_mean: mean,
    image_processor_type: 'CLIPImageProcessor',
    image_std: std,
    processor_class: 'CLIPProcessor',
    resample: 3,
    rescale_factor: 1 / 255,
    size: { shortest_edge: resolution },
  };
}

/** @param stored the type that transformers would load, and compute in */
function useText(vocab: number, stored: string): string {
  const asFloats = stored === 'float32' ? '' : ', dtype="float32"';
  if (!hasTokenizer(vocab))
    return `\`\`\`python
from transformers import CLIPImageProcessor, CLIPModel

model = CLIPModel.from_pretrained("."${asFloats})
image_processor = CLIPImageProcessor.from_pretrained(".")
\`\`\`

No tokenizer goes along: none fits a vocabulary of ${vocab}. A text ends with the id ${vocab - 1}.
`;
  return `\`\`\`python
from PIL import Image
from transformers import CLIPModel, CLIPProcessor, pipeline

model = CLIPModel.from_pretrained("."${asFloats})
processor = CLIPProcessor.from_pretrained(".", backend="pil")
labels = ["a cat", "a dog"]
inputs = processor(text=labels, images=Image.open("picture.jpg"), return_tensors="pt", padding=True, truncation=True)
print(dict(zip(labels, model(**inputs).logits_per_image.softmax(dim=-1)[0].tolist())))

classify = pipeline("zero-shot-image-classification", "."${asFloats})
print(classify("picture.jpg", candidate_labels=labels, hypothesis_template="{}"))
\`\`\`

${pictureDifferences}${asFloats === '' ? '' : halvesText}
${tokenizerLimits}`;
}

/** Compared with transformers 5.18, probabilities of a small model on pictures of every kind. */
const pictureDifferences = `The first lines print what \`zooc classify\` says, to 1e-6, but for some pictures: where CLIP's transform rounds the corner of its crop to even, CLIPImageProcessor rounds down, so that one size
in four is cut a pixel aside; it resizes palettes by their colours, not the nearest pixel, and drops transparency before it resizes. Without \`backend="pil"\`, and in the pipeline, it resizes tensors, which moves probabilities by
up to 1e-4; the pipeline also turns pictures by their EXIF, and does not cut texts that are longer than the context.
`;

/** Compared with transformers 5.18: the emoji example's model by ten pictures and labels, 2.6e-3 at most. */
const halvesText = `The weights are stored in 16 bits. Without \`dtype="float32"\` transformers computes in 16 bits, too, which moves probabilities by some thousandths.
`;

export async function hfLayout(model: Model, tensors: readonly LazyTensor[]): Promise<Layout> {
  const names = mapped(model);
  const architecture = clipArchitecture(model, {
    format: 'hf',
    help: "openai and open_clip take clip's ResNets, --format zoo takes every model",
    check: ({ vision }) =>
      vision.kind === 'vit' ? [] : ['its CLIPModel has vision transformers only, no ResNets'],
    checkModel: () => unmappedText(names.unmapped),
  });
  const { vision, text, embed } = architecture;
  if (vision.kind !== 'vit') throw new Error(`${model.name}: the check for ResNets let one through`);
  const ours = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const theirs = names.mapped.flatMap((name) => mapTensor(ours.get(name.ours)!, name));
  const stored = torchType(theirs);
  return {
    texts: new Map([
      ['config.json', jsonText(configOf({ embed, vision, text }, stored))],
      ['preprocessor_config.json', jsonText(preprocessorConfig(vision.resolution, model.normalization))],
      ...(hasTokenizer(text.vocab) ? await tokenizerFiles(text.vocab, text.context) : []),
    ]),
    // Without this mark transformers refuses the file.
    write: oneFile('model.safetensors', (path) => writeSafetensors(path, theirs, { format: 'pt' })),
    card: { use: useText(text.vocab, stored), frontMatter: ['library_name: transformers', ...hubTags] },
  };
}
