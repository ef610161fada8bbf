/**
 * Configuration beside weights: what shapes do not show (activation, heads, pooling, normalisation of pictures) is
 * compared with the model, and a difference is refused with the setting that mends it.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveModel } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { exportForeign } from '../../../zoo/export/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { diagnosticsOf } from '../../support/golden/published-weights.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-beside-'));
afterAll(() => rmSync(folder, { recursive: true }));

const source = join(folder, 'mini.zoo');
writeFileSync(
  source,
  `import clip { CLIP, VisionTransformer, TextTransformer }

model "mini" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 16, width = 64, layers = 1, embed = 8),
  text = TextTransformer(context = 6, vocab = 600, width = 64, layers = 1, embed = 8)
)
`,
);

function load(settings: readonly string[] = []): Model {
  const overrides = settings.map((s) => ({ path: s.split('=')[0]!, value: s.split('=')[1]! }));
  const loaded = resolveModel(nodeHost(), source, overrides);
  if (!loaded.ok) throw new Error(loaded.diagnostics.map((d) => d.message).join());
  return loaded.value;
}
const model = load();

type Json = Record<string, unknown>;
let folders = 0;

/** A copy of an export whose file `name` was changed. */
function changed(format: 'hf' | 'open_clip', name: string, change: (json: never) => void): string {
  const at = join(folder, `changed-${folders++}`);
  mkdirSync(at);
  const weights = format === 'hf' ? 'model.safetensors' : 'open_clip_model.safetensors';
  for (const file of format === 'hf'
    ? ['config.json', 'preprocessor_config.json']
    : ['open_clip_config.json']) {
    const json = JSON.parse(readFileSync(join(folder, format, file), 'utf8')) as never;
    if (file === name) change(json);
    writeFileSync(join(at, file), JSON.stringify(json));
  }
  writeFileSync(join(at, weights), readFileSync(join(folder, format, weights)));
  return at;
}

async function opens(at: string, as: Model = model): Promise<string> {
  const said = await diagnosticsOf(openWeights(as, at).then((weights) => weights.close()));
  return said.replaceAll(at, 'DIR');
}

beforeAll(async () => {
  for (const format of ['hf', 'open_clip'] as const)
    await exportForeign({ source: 'init:1', model, out: join(folder, format) }, format);
});

describe('configuration beside weights', () => {
  it.each(['hf', 'open_clip'])('is that of the model in an export as %s', async (format) => {
    const weights = await openWeights(model, join(folder, format));
    expect(weights.remarks).toEqual([]);
    await weights.close();
  });

  it('is refused with the settings that mend it, and taken with them', async () => {
    const at = changed('hf', 'config.json', (json: { text_config: Json; vision_config: Json }) => {
      json.text_config.hidden_act = 'gelu';
      json.vision_config.hidden_act = 'gelu';
      json.vision_config.num_attention_heads = 4;
    });
    expect(await opens(at)).toBe(
      `error[Z434]: the configuration beside DIR/model.safetensors is not that of mini
   = note: vision_config.hidden_act of DIR/config.json is gelu, vision.act is quick_gelu
   = note: vision_config.num_attention_heads of DIR/config.json is 4, vision.heads is 1
   = note: text_config.hidden_act of DIR/config.json is gelu, text.act is quick_gelu
   = help: --set vision.act=gelu --set vision.heads=4 --set text.act=gelu`,
    );
    const mended = await openWeights(load(['vision.act=gelu', 'vision.heads=4', 'text.act=gelu']), at);
    await mended.close();
    expect(await opens(join(at, 'model.safetensors'))).toContain('Z434');
  });

  it.each<[string, (json: { text_config: Json; vision_config: Json } & Json) => void, string]>([
    [
      'activation of an older file',
      (j) => void Object.assign(j, { text_config_dict: { hidden_act: 'gelu' } }),
      'text.act=gelu',
    ],
    [
      'activation of another name',
      (j) => void Object.assign(j.vision_config, { hidden_act: 'gelu_pytorch_tanh' }),
      '--set vision.act=gelu_tanh',
    ],
    [
      'activation without a word',
      (j) => void Object.assign(j.vision_config, { hidden_act: 'mish' }),
      'no setting mends the rest',
    ],
    ['heads by default', (j) => void delete j.text_config.num_attention_heads, '--set text.heads=8'],
    [
      'size of pictures',
      (j) => void Object.assign(j.vision_config, { image_size: 64 }),
      '--set vision.resolution=64',
    ],
  ])('of Hugging Face is compared: %s', async (_, change, help) => {
    const said = await opens(changed('hf', 'config.json', change));
    expect(said).toContain('error[Z434]');
    expect(said).toContain(help);
  });

  it('takes an activation that is left out for the one that its loader takes', async () => {
    const at = changed('hf', 'config.json', (json: { text_config: Json }) => {
      delete json.text_config.hidden_act;
    });
    await (await openWeights(model, at)).close();
    expect(await opens(at, load(['text.act=gelu']))).toContain('--set text.act=quick_gelu');
  });

  it('is compared in how pictures are normalised', async () => {
    const half = [0.5, 0.5, 0.5];
    const theirs = changed('hf', 'preprocessor_config.json', (json: Json) => {
      json.image_mean = half;
    });
    expect(await opens(theirs)).toMatch(
      /note: image_mean of DIR\/preprocessor_config.json is \[0.5, 0.5, 0.5\], pictures are normalised by \[0.4814/,
    );
    const clip = changed('open_clip', 'open_clip_config.json', (json: { preprocess_cfg: Json }) => {
      json.preprocess_cfg.std = half;
    });
    expect(await opens(clip)).toContain('preprocess_cfg.std of DIR/open_clip_config.json is [0.5, 0.5, 0.5]');
    expect(await opens(clip)).toContain('help: --set "image_std=[0.5,0.5,0.5]"');
    await (await openWeights(load(['image_std=[0.5, 0.5, 0.5]']), clip)).close();
  });

  it('is compared in what it leaves out, and where pictures are not normalised at all', async () => {
    const own = load(['image_mean=[0.5, 0.5, 0.5]', 'image_std=[0.5, 0.5, 0.5]']);
    const mended =
      /help: --set "image_mean=\[0.48145466,0.4578275,0.40821073\]" --set "image_std=\[0.26862954/;
    const clip = changed('open_clip', 'open_clip_config.json', (json: Json) => {
      delete json.preprocess_cfg;
    });
    await (await openWeights(model, clip)).close();
    expect(await opens(clip, own)).toMatch(mended);
    const hf = changed('hf', 'preprocessor_config.json', (json: Json) => {
      delete json.image_mean;
      delete json.image_std;
    });
    await (await openWeights(model, hf)).close();
    expect(await opens(hf, own)).toMatch(mended);
    const none = changed('hf', 'preprocessor_config.json', (json: Json) => {
      json.do_normalize = false;
    });
    expect(await opens(none)).toContain(
      'do_normalize of DIR/preprocessor_config.json is false, pictures are',
    );
    expect(await opens(none)).toContain('help: --set "image_mean=[0,0,0]" --set "image_std=[1,1,1]"');
    await (await openWeights(load(['image_mean=[0, 0, 0]', 'image_std=[1, 1, 1]']), none)).close();
  });

  it('is compared in how pictures are resized, for which there is no setting', async () => {
    const squashed = changed('open_clip', 'open_clip_config.json', (json: { preprocess_cfg: Json }) => {
      json.preprocess_cfg.resize_mode = 'squash';
    });
    expect(await opens(squashed)).toContain(
      'preprocess_cfg.resize_mode of DIR/open_clip_config.json is squash, pictures are resized by shortest here',
    );
    expect(await opens(squashed)).toContain('no setting mends the rest');
    const theirs = changed('hf', 'preprocessor_config.json', (json: Json) => {
      Object.assign(json, { size: { height: 32, width: 32 }, resample: 2 });
    });
    expect(await opens(theirs)).toContain('size of DIR/preprocessor_config.json is squash');
    expect(await opens(theirs)).toContain('resample of DIR/preprocessor_config.json is bilinear');
    const older = changed('hf', 'preprocessor_config.json', (json: Json) => {
      json.size = 32;
    });
    await (await openWeights(model, older)).close();
  });

  it.each<[string, (cfg: Json & { vision_cfg: Json; text_cfg: Json }) => void, string]>([
    ['activation', (c) => void delete c.quick_gelu, '--set vision.act=gelu --set text.act=gelu'],
    [
      'width of a head',
      (c) => void Object.assign(c.vision_cfg, { head_width: 16 }),
      'head_width of DIR/open_clip_config.json is 16, vision.heads is 1',
    ],
    ['heads', (c) => void Object.assign(c.text_cfg, { heads: 2 }), '--set text.heads=2'],
    [
      'pooling',
      (c) => void Object.assign(c.vision_cfg, { pool_type: 'avg' }),
      "is avg, the vision tower's is tok",
    ],
    [
      'mask',
      (c) => void Object.assign(c.text_cfg, { no_causal_mask: true }),
      'the text tower masks what follows',
    ],
  ])('of open_clip is compared: %s', async (_, change, message) => {
    const at = changed('open_clip', 'open_clip_config.json', (json: { model_cfg: never }) =>
      change(json.model_cfg),
    );
    expect(await opens(at)).toContain('error[Z434]');
    expect(await opens(at)).toContain(message);
  });

  it('of another kind, damaged, or beside a file of another name says nothing', async () => {
    const at = changed('hf', 'config.json', (json: { text_config: Json }) => {
      json.text_config.hidden_act = 'gelu';
    });
    writeFileSync(join(at, 'my.safetensors'), readFileSync(join(at, 'model.safetensors')));
    await (await openWeights(model, join(at, 'my.safetensors'))).close();
    for (const text of ['{', '[]', '{"model_type": "bert", "hidden_act": "gelu"}', '3']) {
      writeFileSync(join(at, 'config.json'), text);
      await (await openWeights(model, at)).close();
    }
  });

  it('lets pictures have another size where training resizes the grid', async () => {
    const at = changed('hf', 'config.json', (json: { vision_config: Json }) => {
      json.vision_config.image_size = 64;
    });
    const replaced = new Set(['visual.positional_embedding']);
    await (await openWeights(model, at, { replaced })).close();
  });
});
