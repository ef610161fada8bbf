/** The texts of a new project: model, recipe, labels, README. They are formatted as `zooc fmt` does. */
import { parse } from '../../grammar/parser.ts';
import { format } from '../../grammar/printer.ts';
import type { ModelSizes } from './sizes.ts';
import type { Survey } from './survey.ts';

/** A string of the language. */
const q = (text: string) => JSON.stringify(text);

/** A word of a shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** What classes are put into. */
export const template = 'a photo of a {}.';
export const labelsFile = 'labels.txt';
export const templatesFile = 'templates.txt';

/** In the canonical format. */
function formatted(path: string, text: string): string {
  const { program, diagnostics } = parse({ path, text });
  if (diagnostics.length > 0) throw new Error(`${path}: ${diagnostics[0]!.message}`);
  return format(program);
}

const textTower = ({ text, embed }: ModelSizes) =>
  `TextTransformer(context = ${text.context}, vocab = ${text.vocab}, width = ${text.width}, layers = ${text.layers}, embed = ${embed})`;
const towerSizes = ({ resolution, patch, width, layers, embed }: ModelSizes) =>
  `resolution = ${resolution}, patch = ${patch}, width = ${width}, layers = ${layers}, embed = ${embed}`;

function sizeRemark({ resolution, patch, text }: ModelSizes, { samples, side }: Survey): string {
  return `# ${samples} pictures, short side ${side} (the median of those looked at): ${resolution} x ${resolution} pixels in patches of ${patch}.
# Texts have up to ${text.context} tokens, two of them for beginning and end; longer ones are cut.`;
}

/** CLIP from scratch. */
export function clipModel(name: string, sizes: ModelSizes, survey: Survey): string {
  return `# Pictures and captions in one space: a small CLIP.
import clip { CLIP, VisionTransformer, TextTransformer }

${sizeRemark(sizes, survey)}
model ${q(name)} = CLIP(vision = VisionTransformer(${towerSizes(sizes)}), text = ${textTower(sizes)})
`;
}

/** The same with a tower to work on. */
export function towerModel(name: string, sizes: ModelSizes, survey: Survey): string {
  return `# Pictures and captions in one space, with an image tower of your own: change what you like.
import nn { Linear, LayerNorm, MultiheadAttention, MLP, Conv2d }
import clip { CLIP, TextTransformer }

# One layer: every token looks at all others, then each is changed by itself.
block Layer(width: int, heads: int) {
  norm_1: LayerNorm(width)
  attn: MultiheadAttention(width, heads)
  norm_2: LayerNorm(width)
  mlp: MLP(width, 4 * width)

  forward(x: [B, T, width]) -> [B, T, width] {
    let y = x + attn(norm_1(x))
    return y + mlp(norm_2(y))
  }
}

# From pictures to features. Names of children and weights are the paths in weight files.
block Tower(resolution: int, patch: int, width: int, layers: int, heads: int = width / 64, embed: int) {
  require resolution % patch == 0 else "resolution {resolution} is not a multiple of patch {patch}"
  let grid = resolution / patch
  patches: Conv2d(3, width, kernel = patch, stride = patch)
  param positions: [grid * grid, width] = normal(0.02)
  blocks[i in 0..layers]: Layer(width, heads)
  norm: LayerNorm(width)
  head: Linear(width, embed, bias = false)

  forward(image: [B, 3, resolution, resolution]) -> [B, embed] {
    let x = patches(image) |> rearrange([b, c, h, w] -> [b, (h w), c])
    return x + positions |> blocks |> norm |> mean(axis = 1) |> head
  }
}

${sizeRemark(sizes, survey)}
model ${q(name)} = CLIP(vision = Tower(${towerSizes(sizes)}), text = ${textTower(sizes)})
`;
}

/** Classes as what their prompts say, so that what was trained goes on as any other CLIP. */
export function classifierModel(name: string, sizes: ModelSizes, survey: Survey): string {
  const { context } = sizes.text;
  return `# A classifier whose classes are texts: \`zooc classify\` takes the trained model with the same labels, or with others.
import losses { l2_normalize, logits }
import clip { VisionTransformer, TextTransformer }

block Classifier(vision: block, text: block, classes: int, context: int) {
  visual: vision
  inline text: text
  param logit_scale: [] = const(ln(1 / 0.07))

  # \`prompts\` is a table: the tokens of all classes, the same for every picture.
  forward(images: vision.input, prompts: i32[classes, context]) -> { scores: [B, classes] } {
    return { scores = logits(l2_normalize(visual(images)), l2_normalize(text(prompts)), exp(logit_scale)) }
  }

  entry encode_image(images: vision.input) -> { image_features: [B, E] } = { image_features = visual(images) }
  entry encode_text(tokens: text.input) -> { text_features: [B, E] } = { text_features = text(tokens) }
}

${sizeRemark(sizes, survey)}
model ${q(name)} = Classifier(vision = VisionTransformer(${towerSizes(sizes)}), text = ${textTower(sizes)},
  classes = ${survey.classes!.length}, context = ${context})
`;
}

/** A model that is there. @param from a package, or a path in quotes */
export function importedModel(name: string, model: string, from: string): string {
  return `# The model that is fine-tuned; \`with\` overrides its parameters: ${q(name)} = ${q(model)} with vision.resolution = 336
import ${from} { ${q(model)} }

model ${q(name)} = ${q(model)}
`;
}

export interface RecipeNumbers {
  readonly batch: number;
  /** Samples on the device at once, where that is not all of them. */
  readonly chunk?: number;
  readonly lr: number;
  readonly epochs: number;
}

export interface RecipeText {
  readonly task: string;
  readonly name: string;
  readonly survey: Survey;
  readonly numbers: RecipeNumbers;
  /** Columns of a table. */
  readonly image: string;
  readonly text: string;
  /** What weights start from. */
  readonly from?: string;
}

/** \`data = …\` */
function dataSetting({ survey, task, image, text }: RecipeText): string {
  const { kind, place } = survey;
  if (task === 'classify') {
    const [source, file, label] = kind === 'table' ? ['csv', image, text] : ['image_folder', 'file', 'name'];
    return `${source}(${q(place)}, inputs = {
      # Shifted by up to 2 pixels, mirrored every other time.
      images = picture(${q(file)}, augment = [shift(2), flip(0.5)]),
      label = class(${q(label)}, names = ${q(labelsFile)})
    })
    table prompts = tokens(${q(labelsFile)}, template = ${q(template)})`;
  }
  if (kind === 'folders')
    return `image_folder(${q(place)}, template = [${q(template)}, "a picture of a {}."])`;
  if (kind === 'shards') return `webdataset(${q(place)})`;
  const columns = [
    ...(image === 'filepath' ? [] : [`image = ${q(image)}`]),
    ...(text === 'title' ? [] : [`text = ${q(text)}`]),
  ];
  return `csv(${[q(place), ...columns].join(', ')})`;
}

export function recipeText(recipe: RecipeText): string {
  const { task, name, survey, numbers, from } = recipe;
  const { batch, chunk, lr, epochs } = numbers;
  const steps = epochs * Math.floor(survey.samples / batch);
  const objective = task === 'classify' ? 'classify' : 'contrastive';
  return `# How ${q(name)} is trained. Any line can be changed for one run: zooc train recipe.zoo --out other --set batch=${batch}
import "./model.zoo" { ${q(name)} }
import losses { ${objective} }

train ${q(task)} of ${q(name)} {
  # Paths are relative to this file. What else a source can do (augmentations, several captions): docs/data.md.
  data = ${dataSetting(recipe)}
  objective = ${objective}
  ${from === undefined ? '' : `# Every weight of the model must be in there.\nfrom { "**" = ${q(from)} }`}
  # Samples of a step.${chunk === undefined ? ' With `chunk = N` only N of them are on the device at once.' : ' The loss sees all of them; so many are on the device at once:'}
  batch = ${batch}
  ${chunk === undefined ? '' : `chunk = ${chunk}`}
  # Weight decay leaves norms and biases alone, as it should.
  optimizer = adamw(lr = ${lr}, beta1 = 0.9, beta2 = 0.98, eps = 1e-6, weight_decay = 0.1)
  # ${epochs} times through the data.
  schedule = cosine(warmup = ${Math.max(1, Math.floor(steps / 20))} steps, total = ${steps} steps)
  grad_clip = norm(1.0)
  clamp logit_scale in 0 .. ln(100)
  checkpoint every ${Math.max(1, Math.min(500, Math.ceil(steps / 4)))} steps keep 2
  seed = 1
}
`;
}

export interface ReadmeText {
  readonly name: string;
  readonly about: string;
  readonly commands: readonly string[];
  readonly found: readonly string[];
}

export function readmeText({ name, about, commands, found }: ReadmeText): string {
  return `# ${name}

${about}

${found.map((line) => `- ${line}`).join('\n')}

What to do next, in this folder:

\`\`\`sh
${commands.join('\n')}
\`\`\`

A run that was stopped goes on with \`--resume\`; \`run/report.html\` shows its curves. Results on what was trained on say little: keep
some pictures apart, and evaluate on those.
`;
}

export function zooFile(path: string, text: string): readonly [path: string, text: string] {
  return [path, formatted(path, text)];
}
