import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveModel, resolveRecipe, type TextOverride } from '../../../compiler/model/index.ts';
import type { Model, Recipe } from '../../../compiler/model/types.ts';
import { readTraining } from '../../../zoo/export/describe.ts';
import { bundleRecipe, exportPackage, isPackage, loadPackage } from '../../../zoo/export/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { openSafetensors, writeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';

const single = `import clip { CLIP, VisionTransformer, TextTransformer }
import losses { contrastive }

# A small one.
model "mini" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 16, width = 64, layers = 2, embed = 16),
  text = TextTransformer(context = 8, vocab = 600, width = 64, layers = 1, embed = 16)
)

# Trains the small one.
train "quick" of "mini" {
  data = csv("data.csv")
  objective = contrastive
  batch = 4
  optimizer = adamw(lr = 1e-3)
  schedule = cosine(warmup = 2 steps, total = 4 steps)
}
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-export-'));
  writeFileSync(join(folder, 'single.zoo'), single);
});
afterAll(() => rmSync(folder, { recursive: true }));

const host = nodeHost();
const bytesOf = (a: Float32Array) => Buffer.from(a.buffer, a.byteOffset, a.byteLength);
const path = (name: string) => join(folder, name);

function load(reference: string, overrides: TextOverride[] = []): Model {
  const result = resolveModel(host, reference, overrides);
  if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
  return result.value;
}

/** Exports, loads the package again, and compares the models. */
async function roundTrip(reference: string, out: string, source: string, overrides: TextOverride[] = []) {
  const model = load(reference, overrides);
  await exportPackage({ source, model, out: path(out), reference, overrides });
  const loaded = await loadPackage(path(out));
  const again = load(loaded.reference);
  const shapes = (m: Model) => m.weights.map((w) => [w.name, w.shape]);
  expect(shapes(again)).toEqual(shapes(model));
  // Loading by the file alone finds the same, so there is one model in it.
  expect(shapes(load(join(path(out), 'model.zoo')))).toEqual(shapes(model));
  return { model, again, loaded, files: readdirSync(path(out)).sort() };
}

describe('export of a package', () => {
  it('keeps a file with one model as it is, without its recipes', async () => {
    const { loaded, files, again } = await roundTrip(path('single.zoo'), 'plain', 'init:3');
    expect(files).toEqual(['README.md', 'model.json', 'model.zoo', 'weights.safetensors']);
    expect(readFileSync(path('plain/model.zoo'), 'utf8')).toBe(single.slice(0, single.indexOf('\n# Trains')));
    expect(isPackage(path('plain'))).toBe(true);
    expect(isPackage(folder)).toBe(false);
    expect(loaded.manifest).toMatchObject({
      format: 1,
      name: 'mini',
      reference: 'model.zoo#mini',
      parameters: again.parameters,
      embed: 16,
      preprocessing: { resolution: 32, resize: 'bicubic, short side', crop: 'centre' },
      tokenizer: { kind: 'clip-bpe', vocab: 600, context: 8, sot: 598, eot: 599 },
    });
    const weights = await openWeights(again, path('plain'));
    const wanted = await openWeights(again, 'init:3');
    for (const weight of again.weights)
      expect(bytesOf(await weights.read(weight)).equals(bytesOf(await wanted.read(weight)))).toBe(true);
    await weights.close();
  });

  it('copies a weights file byte for byte and tells of the run', async () => {
    mkdirSync(path('run'));
    writeFileSync(path('run/run.json'), '{"version":1,"recipe":"quick"}');
    writeFileSync(path('run/metrics.jsonl'), '{"step":0,"loss":2}\n{"step":1,"loss":1.5}\n{"step":2,"lo');
    const file = await openSafetensors(path('plain/weights.safetensors'));
    const tensors = new Map<string, Awaited<ReturnType<typeof file.read>>>();
    for await (const t of file.tensors()) tensors.set(t.name, t);
    await file.close();
    await writeSafetensors(path('run/weights.safetensors'), tensors, { made: 'by hand' });
    const { loaded } = await roundTrip(path('single.zoo'), 'from-run', path('run'));
    expect(readFileSync(loaded.weights).equals(readFileSync(path('run/weights.safetensors')))).toBe(true);
    expect(loaded.manifest.training).toEqual({ recipe: 'quick', steps: 2, loss: 1.5 });
    expect(readFileSync(path('from-run/README.md'), 'utf8')).toContain(
      'by the recipe `quick`: 2 steps, loss of the last step 1.500',
    );
  });

  it.each(['{bad}', '{}', '{"step":1,"loss":null}', '{"step":0.5,"loss":1}'])(
    'refuses a run whose last row is %s',
    async (row) => {
      mkdirSync(path('damaged'), { recursive: true });
      writeFileSync(path('damaged/run.json'), '{}');
      writeFileSync(path('damaged/metrics.jsonl'), `{"step":0,"loss":2}\n${row}\n`);
      await expect(readTraining(path('damaged'))).rejects.toThrow(
        /^Z613: .*metrics.jsonl, line 2: the last row does not say its step and loss as numbers$/,
      );
    },
  );

  it('of a package tells of the run that made it, and takes no other model.json for a package', async () => {
    const { loaded } = await roundTrip(path('single.zoo'), 'from-package', path('from-run'));
    expect(loaded.manifest.training).toEqual({ recipe: 'quick', steps: 2, loss: 1.5 });
    for (const name of readdirSync(path('from-run'))) {
      const again = readFileSync(path(`from-package/${name}`));
      expect(again.equals(readFileSync(path(`from-run/${name}`))), name).toBe(true);
    }
    mkdirSync(path('alien'));
    copyFileSync(path('run/weights.safetensors'), path('alien/weights.safetensors'));
    writeFileSync(path('alien/model.json'), '{"modelTopology":{}}');
    const { loaded: other } = await roundTrip(path('single.zoo'), 'from-alien', path('alien'));
    expect(other.manifest.training).toBeUndefined();
  });

  it('writes overrides into the text', async () => {
    const { again, model } = await roundTrip(path('single.zoo'), 'changed', 'init:0', [
      { path: 'vision.layers', value: '1' },
    ]);
    expect(again.name).toBe('mini-custom');
    expect(model.config.get('vision.layers')).toBe(1);
  });

  it('brings along imported files, from wherever they are', async () => {
    mkdirSync(path('tree/lib'), { recursive: true });
    mkdirSync(path('tree/node_modules/acme'), { recursive: true });
    writeFileSync(path('tree/node_modules/acme/package.json'), '{"name":"acme","zoo":"main.zoo"}');
    writeFileSync(
      path('tree/node_modules/acme/main.zoo'),
      'import nn { Linear }\nblock Head(width: int, embed: int) {\n  out: Linear(width, embed)\n  forward(x: [B, width]) -> [B, embed] = out(x)\n}\n',
    );
    writeFileSync(
      path('tree/lib/main.zoo'),
      'import nn { Conv2d }\nimport "acme" { Head }\nblock Tower(resolution: int, embed: int) {\n  conv: Conv2d(3, 8, kernel = resolution, stride = resolution)\n  head: Head(8, embed)\n  forward(image: [B, 3, resolution, resolution]) -> [B, embed] = head(rearrange(conv(image), [b, c, h, w] -> [b, (c h w)]))\n}\n',
    );
    mkdirSync(path('tree/models'));
    writeFileSync(
      path('tree/models/mine.zoo'),
      `import "../lib/main.zoo" { Tower }
import clip { CLIP, TextTransformer }
model "one" = CLIP(vision = Tower(resolution = 32, embed = 16), text = TextTransformer(context = 8, vocab = 600, width = 64, layers = 1, embed = 16))
model "two" = "one" with text.layers = 2
`,
    );
    for (const [name, overrides] of [
      ['one', []],
      ['two', []],
      ['two', [{ path: 'text.context', value: '9' }]],
    ] as [string, TextOverride[]][]) {
      const out = `tree-${name}-${overrides.length}`;
      const { files } = await roundTrip(`${path('tree/models/mine.zoo')}#${name}`, out, 'hash', overrides);
      expect(files).toEqual([
        'README.md',
        'main-2.zoo',
        'main.zoo',
        'mine.zoo',
        'model.json',
        'model.zoo',
        'weights.safetensors',
      ]);
    }
  });

  it('exports bundled models by an import', async () => {
    const small = [
      { path: 'vision.layers', value: '1' },
      { path: 'text.layers', value: '1' },
      { path: 'vision.width', value: '64' },
      { path: 'text.vocab', value: '600' },
    ];
    const { again } = await roundTrip('ViT-B/32', 'bundled', 'hash', small);
    expect(again.name).toBe('ViT-B/32-custom');
  });

  it('never touches what is there, and leaves nothing when it fails', async () => {
    const model = load(path('single.zoo'));
    const before = readdirSync(folder);
    await expect(exportPackage({ source: 'init:0', model, out: path('plain') })).rejects.toThrow('Z431');
    await expect(
      exportPackage({ source: path('none.safetensors'), model, out: path('new') }),
    ).rejects.toThrow('Z410');
    await expect(exportPackage({ source: 'init:0', model, out: path('single.zoo/new') })).rejects.toThrow(
      'Z413',
    );
    await expect(exportPackage({ source: 'init:0', model, out: path('single.zoo') })).rejects.toThrow('Z431');
    expect(readdirSync(folder)).toEqual(before);
    mkdirSync(path('empty'));
    await exportPackage({ source: 'init:0', model, out: path('empty') });
    expect(existsSync(path('empty/model.json'))).toBe(true);
  });
});

describe('the texts of a run', () => {
  const loadRecipe = (reference: string, overrides: TextOverride[] = []): Recipe => {
    const result = resolveRecipe(host, reference, overrides);
    if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
    return result.value;
  };
  /** What a recipe says, without where it says it. */
  const settings = ({ model, source, data, ...rest }: Recipe) => ({
    ...rest,
    data: JSON.parse(JSON.stringify(data, (key, value) => (key === 'span' ? undefined : value))),
    config: [...model.config],
    weights: model.weights.map((w) => [w.name, w.shape]),
    source: typeof source.path,
  });

  /** Writes the texts, loads them again and compares the recipes. */
  const run = (reference: string, overrides: Record<string, string> = {}) => {
    const list = Object.entries(overrides).map(([p, value]) => ({ path: p, value }));
    const recipe = loadRecipe(reference, list);
    const files = bundleRecipe(host, recipe, list);
    const dir = mkdtempSync(join(folder, 'texts-'));
    for (const [name, text] of files) writeFileSync(join(dir, name), text);
    const again = loadRecipe(join(dir, 'recipe.zoo'));
    expect(settings(again)).toEqual(settings(recipe));
    expect([...load(join(dir, 'model.zoo')).config]).toEqual([...recipe.model.config]);
    return { files, recipe };
  };

  it('are one recipe and its model', () => {
    writeFileSync(path('two.zoo'), `${single}\n# Another.\ntrain "slow" of "mini" {\n  batch = 8\n}\n`);
    const { files } = run(`${path('two.zoo')}#quick`);
    expect([...files.keys()].sort()).toEqual(['model.zoo', 'recipe.zoo']);
    expect(files.get('recipe.zoo')).toBe(single);
  });

  it('hold overrides of the recipe and of the command line', () => {
    writeFileSync(path('with.zoo'), single.replace('of "mini"', 'of "mini" with vision.layers = 1'));
    const { files, recipe } = run(path('with.zoo'), { 'text.layers': '2', 'model.text.context': '9' });
    const of = 'train "quick" of "mini" with vision.layers = 1, text.layers = 2, text.context = 9 {';
    expect(files.get('recipe.zoo')).toContain(of);
    expect([recipe.model.context, recipe.model.config.get('text.layers')]).toEqual([9, 2]);
  });

  it('hold overridden settings, those that were there and those that were not', () => {
    run(path('single.zoo'), {
      batch: '8',
      seed: '5',
      ema: '0.999',
      'optimizer.lr': '2e-4',
      'schedule.total': '9 steps',
      grad_clip: 'norm(1.0)',
    });
    run(path('single.zoo'), {
      data: 'csv("b.csv", captions = ["a", "b"], augment = [shift(3), flip(0.5)])',
      'checkpoint.every': '5 steps',
    });
    run(path('single.zoo'), {
      data: 'csv("b.csv", inputs = { images = picture("a", augment = [flip]), tokens = caption(["b", "c"], split = "/") })',
    });
    writeFileSync(
      path('steps.zoo'),
      single.replace(/ {2}schedule.*\n/, '  steps = 7\n  checkpoint every 2 steps keep 4\n'),
    );
    run(path('steps.zoo'), { 'schedule.warmup': '3', 'checkpoint.keep': '2' });
    run(path('steps.zoo'), { steps: '11', 'vision.layers': '1' });
    for (const [setting, other] of [
      ['batch_norm = sync', { batch_norm: 'local' }],
      ['wire = f16', { wire: 'f32' }],
      ['shard = optimizer', { shard: 'none' }],
    ] as const) {
      writeFileSync(path('ranks.zoo'), single.replace('  schedule', `  ${setting}\n  schedule`));
      const { files } = run(path('ranks.zoo'), { seed: '5' });
      expect(files.get('recipe.zoo')).toContain(setting);
      run(path('ranks.zoo'), other);
      run(path('single.zoo'), { [setting.split(' ')[0]!]: setting.split(' ')[2]! });
    }
    for (const optimizer of [
      'sgd(0.1, momentum = 0.9, nesterov = true)',
      'lion(lr = 1e-4, weight_decay = 0.1)',
    ]) {
      writeFileSync(path('other.zoo'), single.replace('adamw(lr = 1e-3)', optimizer));
      const { recipe } = run(path('other.zoo'), { 'optimizer.lr': '0.02' });
      expect(recipe.optimizer).toMatchObject({ kind: optimizer.split('(')[0], lr: 0.02 });
    }
    for (const schedule of [
      'linear(2 steps, 9 steps, floor = 0.1)',
      'inverse_sqrt(warmup = 1 epochs, timescale = 3)',
      'cooldown(3, 2 steps, 9 steps, power = 2, floor = 0.25)',
    ]) {
      writeFileSync(path('other.zoo'), single.replace(/schedule = .*/, `schedule = ${schedule}`));
      const { recipe } = run(path('other.zoo'), { 'schedule.total': '11 steps' });
      expect(recipe.schedule).toMatchObject({ total: { value: 11, unit: 'steps' } });
      expect(recipe.schedule.warmup.value).toBe(schedule.includes('epochs') ? 1 : 2);
    }
  });

  it('bring imported files along', () => {
    writeFileSync(
      path('tree/models/train.zoo'),
      'import "./mine.zoo" { "two" }\ntrain "t" of "two" {\n  data = csv("x")\n  batch = 4\n}\n',
    );
    const { files, recipe } = run(path('tree/models/train.zoo'));
    expect([...files.keys()].sort()).toEqual([
      'main-2.zoo',
      'main.zoo',
      'mine.zoo',
      'model.zoo',
      'recipe.zoo',
    ]);
    expect(recipe.model.config.get('text.layers')).toBe(2);
  });

  it('name bundled models', () => {
    writeFileSync(
      path('bundled.zoo'),
      'train "t" of "ViT-B/32" with vision.layers = 1, text.layers = 1 {\n  data = csv("x")\n  batch = 4\n}\n',
    );
    const { files } = run(path('bundled.zoo'), { 'vision.width': '64' });
    expect(files.get('model.zoo')).toContain(
      'model "ViT-B/32-custom" = "ViT-B/32" with vision.layers = 1, text.layers = 1, vision.width = 64',
    );
  });
});

describe('loading a package', () => {
  const damaged: [string, (dir: string) => void, string][] = [
    [
      'a changed text',
      (d) =>
        writeFileSync(
          join(d, 'model.zoo'),
          single.replace('small', 'SMALL').slice(0, single.indexOf('\n# Trains')),
        ),
      'model.zoo is not what was exported: its SHA-256 differs',
    ],
    [
      'cut weights',
      (d) => writeFileSync(join(d, 'weights.safetensors'), 'x'),
      'weights.safetensors has 1 bytes',
    ],
    ['a missing file', (d) => rmSync(join(d, 'README.md')), 'README.md: no such file or folder'],
    ['no manifest', (d) => rmSync(join(d, 'model.json')), 'model.json: no such file or folder'],
    [
      'a manifest that is not JSON',
      (d) => writeFileSync(join(d, 'model.json'), '{'),
      'model.json is not JSON',
    ],
    [
      'a manifest of another form',
      (d) => writeFileSync(join(d, 'model.json'), '{"format":2}'),
      'is no manifest of a package: format',
    ],
    [
      'a file outside of the folder',
      (d) => {
        const manifest = JSON.parse(readFileSync(join(d, 'model.json'), 'utf8'));
        manifest.files['../x'] = manifest.files['model.zoo'];
        writeFileSync(join(d, 'model.json'), JSON.stringify(manifest));
      },
      'Invalid key in record',
    ],
    [
      'unlisted weights',
      (d) => {
        const manifest = JSON.parse(readFileSync(join(d, 'model.json'), 'utf8'));
        delete manifest.files['weights.safetensors'];
        writeFileSync(join(d, 'model.json'), JSON.stringify(manifest));
      },
      'does not list weights.safetensors',
    ],
  ];
  it.each(damaged)('refuses %s', async (_, damage, message) => {
    const dir = path('damaged');
    rmSync(dir, { recursive: true, force: true });
    await exportPackage({ source: 'init:0', model: load(path('single.zoo')), out: dir });
    damage(dir);
    await expect(loadPackage(dir)).rejects.toThrow(message);
    await expect(loadPackage(dir)).rejects.toThrow('Z430');
  });
});
