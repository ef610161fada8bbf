/**
 * What the configuration beside weights says that their shapes do not: activation, heads, pooling, the size of
 * pictures, how they are resized and normalised.
 *
 * Hugging Face keeps `config.json` and `preprocessor_config.json` beside a model's file, open_clip
 * `open_clip_config.json`; a package and a run of ours say in `model.json` and `run.json` how pictures were normalised. What they leave out has the value that those projects' own loaders take. Sources:
 * transformers, models/clip/configuration_clip.py; open_clip, src/open_clip/model.py.
 */
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { clipNormalization } from '../../../compiler/model/index.ts';
import { readTextSync } from '../../../runtime/data/files/read-fully.ts';
import { adapterWeights, averagedWeights } from '../formats/open-tensors.ts';
import { weightsName } from '../package.ts';

type TowerName = 'vision' | 'text';

/** One thing that a configuration says. */
export interface Claim {
  /** `vision_config.hidden_act of config.json` */
  readonly where: string;
  readonly tower: TowerName;
  readonly what:
    | 'act'
    | 'heads'
    | 'resolution'
    | 'pool'
    | 'causal'
    | 'mean'
    | 'std'
    | 'resize_mode'
    | 'interpolation';
  readonly value: string | number | boolean | readonly number[];
  /** What stands there, where that is not the value. */
  readonly said?: string;
}

const maxBytes = 4 * 2 ** 20;

/** Names under which a project keeps weights beside its configuration; other files may lie in any folder. */
const described = /^(open_clip_)?(model|pytorch_model)(-\d+-of-\d+)?\.(safetensors|bin)(\.index\.json)?$/;

/** Those of a package or a run of ours. */
const ours: readonly string[] = [weightsName, averagedWeights, adapterWeights];

function readJson(path: string): unknown {
  try {
    return JSON.parse(readTextSync(path, 'Z434', maxBytes));
  } catch {
    return undefined;
  }
}

const integer = z.int().positive();
const colours = z.array(z.number()).length(3);

const hfTower = z.object({
  hidden_act: z.string().default('quick_gelu'),
  num_attention_heads: integer.optional(),
  image_size: integer.optional(),
});
const hfConfig = z.object({
  model_type: z.literal('clip'),
  vision_config: hfTower.optional(),
  text_config: hfTower.optional(),
  // Older files have these, too, and the loader takes them instead.
  vision_config_dict: hfTower.nullish(),
  text_config_dict: hfTower.nullish(),
});

/** Heads of a tower where its configuration says nothing. */
const hfHeads = { vision: 12, text: 8 } as const;

function hfClaims(json: unknown, file: string): Claim[] {
  const { success, data } = hfConfig.safeParse(json);
  if (!success) return [];
  return (['vision', 'text'] as const).flatMap((tower): Claim[] => {
    const older = data[`${tower}_config_dict`] ?? undefined;
    const config = older ?? data[`${tower}_config`];
    if (config === undefined) return [];
    const where = (key: string) => `${tower}_config${older === undefined ? '' : '_dict'}.${key} of ${file}`;
    const heads = config.num_attention_heads ?? hfHeads[tower];
    const size = tower === 'vision' ? config.image_size : undefined;
    return [
      { where: where('hidden_act'), tower, what: 'act', value: hfActivation(config.hidden_act) },
      { where: where('num_attention_heads'), tower, what: 'heads', value: heads },
      ...(size === undefined
        ? []
        : [{ where: where('image_size'), tower, what: 'resolution' as const, value: size }]),
    ];
  });
}

/** Names of transformers for functions of `nn`. */
function hfActivation(name: string): string {
  if (['gelu_new', 'gelu_pytorch_tanh', 'gelu_fast'].includes(name)) return 'gelu_tanh';
  return name === 'swish' ? 'silu' : name;
}

const clip = clipNormalization;
/** Pillow's numbers. */
const filters: Readonly<Record<number, string>> = { 0: 'nearest', 1: 'lanczos', 2: 'bilinear', 3: 'bicubic' };
const preprocessor = z.object({
  image_processor_type: z.string().optional(),
  // Older files have this instead.
  feature_extractor_type: z.string().optional(),
  do_normalize: z.boolean().default(true),
  image_mean: colours.optional(),
  image_std: colours.optional(),
  resample: z.int().optional(),
  // A number is the short side, as in older files.
  size: z.union([integer, z.record(z.string(), z.number())]).optional(),
});

function preprocessorClaims(json: unknown, file: string): Claim[] {
  const { success, data } = preprocessor.safeParse(json);
  if (!success) return [];
  const { do_normalize: normalizes, resample, size } = data;
  const ofClip = /^CLIP/.test(data.image_processor_type ?? data.feature_extractor_type ?? '');
  const left = ofClip ? clip : { mean: undefined, std: undefined };
  const short = typeof size === 'number' || (size !== undefined && 'shortest_edge' in size);
  const mode = short ? 'shortest' : 'squash';
  const colour = (what: 'mean' | 'std', none: readonly number[]): Claim[] =>
    normalizes
      ? pictureClaim(what, `image_${what} of ${file}`, data[`image_${what}`] ?? left[what])
      : [{ where: `do_normalize of ${file}`, tower: 'vision', what, value: none, said: 'false' }];
  return [
    ...colour('mean', [0, 0, 0]),
    ...colour('std', [1, 1, 1]),
    ...pictureClaim('resize_mode', `size of ${file}`, size && mode),
    ...pictureClaim(
      'interpolation',
      `resample of ${file}`,
      resample === undefined ? undefined : (filters[resample] ?? `${resample}`),
    ),
  ];
}

function pictureClaim(what: Claim['what'], where: string, value: Claim['value'] | undefined): Claim[] {
  return value === undefined ? [] : [{ where, tower: 'vision', what, value }];
}

const act = z.object({ approximate: z.string().optional() }).nullish();
const openClipConfig = z.object({
  model_cfg: z.object({
    quick_gelu: z.boolean().default(false),
    vision_cfg: z.object({
      timm_model_name: z.string().nullish(),
      layers: z.union([integer, z.array(integer)]).default(12),
      width: integer.default(768),
      head_width: integer.default(64),
      image_size: z.unknown(),
      pool_type: z.string().default('tok'),
      act_kwargs: act,
    }),
    text_cfg: z.object({
      hf_model_name: z.string().nullish(),
      heads: integer.default(8),
      pool_type: z.string().default('argmax'),
      no_causal_mask: z.boolean().default(false),
      act_kwargs: act,
    }),
  }),
  preprocess_cfg: z
    .object({
      mean: colours.default([...clip.mean]),
      std: colours.default([...clip.std]),
      interpolation: z.string().default('bicubic'),
      resize_mode: z.string().default('shortest'),
    })
    .prefault({}),
});

function openClipClaims(json: unknown, file: string): Claim[] {
  const { success, data } = openClipConfig.safeParse(json);
  if (!success) return [];
  const { quick_gelu: quick, vision_cfg: vision, text_cfg: text } = data.model_cfg;
  const activation = (kwargs: z.infer<typeof act>) =>
    quick ? 'quick_gelu' : kwargs?.approximate === 'tanh' ? 'gelu_tanh' : 'gelu';
  const claim = (
    tower: TowerName,
    key: string,
    what: Claim['what'],
    value: Claim['value'],
    said = `${value}`,
  ): Claim => ({
    where: `${key === 'quick_gelu' ? key : `${tower}_cfg.${key}`} of ${file}`,
    tower,
    what,
    value,
    said,
  });
  const resnet = Array.isArray(vision.layers);
  // A ResNet's heads are those of the pooling at its end.
  const channels = resnet ? vision.width * 32 : vision.width;
  return [
    ...(vision.timm_model_name == null
      ? [claim('vision', 'head_width', 'heads', channels / vision.head_width, `${vision.head_width}`)]
      : []),
    ...(vision.timm_model_name == null && !resnet
      ? [
          claim('vision', 'quick_gelu', 'act', activation(vision.act_kwargs), `${quick}`),
          claim('vision', 'pool_type', 'pool', vision.pool_type),
        ]
      : []),
    ...(typeof vision.image_size === 'number'
      ? [claim('vision', 'image_size', 'resolution', vision.image_size)]
      : []),
    ...(text.hf_model_name == null
      ? [
          claim('text', 'quick_gelu', 'act', activation(text.act_kwargs), `${quick}`),
          claim('text', 'heads', 'heads', text.heads),
          claim('text', 'pool_type', 'pool', text.pool_type),
          claim('text', 'no_causal_mask', 'causal', !text.no_causal_mask, `${text.no_causal_mask}`),
        ]
      : []),
    ...(['mean', 'std', 'interpolation', 'resize_mode'] as const).flatMap((what) =>
      pictureClaim(what, `preprocess_cfg.${what} of ${file}`, data.preprocess_cfg[what]),
    ),
  ];
}

const normalization = z.object({ mean: colours, std: colours });
const ownManifest = z.object({ format: z.literal(1), preprocessing: normalization });
const ownRun = z.object({
  version: z.literal(1),
  recipe: z.string(),
  normalization: normalization.optional(),
});

function normalizationClaims({ mean, std }: z.infer<typeof normalization>, file: string): Claim[] {
  return [
    ...pictureClaim('mean', `the mean of ${file}`, mean),
    ...pictureClaim('std', `the std of ${file}`, std),
  ];
}

function manifestClaims(json: unknown, file: string): Claim[] {
  const { success, data } = ownManifest.safeParse(json);
  return success ? normalizationClaims(data.preprocessing, file) : [];
}

function runClaims(json: unknown, file: string): Claim[] {
  const said = ownRun.safeParse(json).data?.normalization;
  return said === undefined ? [] : normalizationClaims(said, file);
}

/** The `run.json` beside weights that a run wrote, where it is from before it said how pictures were normalised. */
export function silentRun(weights: string): string | undefined {
  if (!ours.includes(basename(weights))) return undefined;
  const path = join(dirname(weights), 'run.json');
  const { success, data } = ownRun.safeParse(readJson(path));
  return success && data.normalization === undefined ? path : undefined;
}

type Reader = (json: unknown, file: string) => Claim[];

const readers: Readonly<Record<string, Reader>> = {
  'config.json': hfClaims,
  'preprocessor_config.json': preprocessorClaims,
  'open_clip_config.json': openClipClaims,
};
const ownReaders: Readonly<Record<string, Reader>> = {
  'model.json': manifestClaims,
  'run.json': runClaims,
};

/** What the configuration beside a file of weights says; nothing where there is none, or one of another kind. */
export function claimsBeside(weights: string): readonly Claim[] {
  const name = basename(weights);
  const known = described.test(name) ? readers : ours.includes(name) ? ownReaders : {};
  return Object.entries(known).flatMap(([name, claimsOf]) => {
    const path = join(dirname(weights), name);
    return claimsOf(readJson(path), path);
  });
}
