/** A model whose pictures are normalised by a mean and a deviation of its own: features, exports, training. */
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSafetensors, readSafetensors } from '../../zoo/weights/formats/safetensors.ts';
import { Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const own = ['--set', 'image_mean=[0.5,0.4,0.25]', '--set', 'image_std=[0.5,0.3,0.125]'];
const mean = [0.5, 0.4, 0.25];
const std = [0.5, 0.3, 0.125];
const side = 8;
const pixels = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 37) % 256);
const start = ['--weights', 'init:1'];

beforeAll(async () => {
  workspace.write(
    'm.zoo',
    `import clip { CLIP, VisionTransformer, TextTransformer }

model "m" = CLIP(
  vision = VisionTransformer(resolution = ${side}, patch = 4, width = 64, layers = 1, embed = 8),
  text = TextTransformer(context = 6, vocab = 600, width = 64, layers = 1, embed = 8)
)

train "short" of "m" {
  data = csv("t.csv", image = "file", text = "caption")
  batch = 2
  optimizer = adamw(lr = 0.001)
  schedule = constant(total = 2 steps)
}
`,
  );
  await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toFile(workspace.path('a.png'));
  workspace.write('t.csv', 'file,caption\na.png,red\na.png,blue\n');
});

async function done(...line: string[]): Promise<string> {
  const { code, stdout, stderr } = await workspace.call(line);
  expect(stderr, line.join(' ')).not.toContain('error');
  expect(code).toBe(0);
  return stdout;
}

const featuresOf = (file: string) => [
  ...(readSafetensors(readFileSync(workspace.path(file))).tensors.get('image_features')!
    .data as Float32Array),
];

async function embed(out: string, ...rest: string[]): Promise<number[]> {
  await done('embed', ...rest, '--images', 'a.png', '--device', 'reference', '--out', out);
  return featuresOf(out);
}

describe('pictures normalised in a way of the model', () => {
  it('are embedded as pixels that were normalised so by hand', async () => {
    const data = Float32Array.from({ length: pixels.length }, (_, i) => {
      const c = Math.floor(i / (side * side));
      return (pixels[(i % (side * side)) * 3 + c]! / 255 - mean[c]!) / std[c]!;
    });
    workspace.write(
      'in.safetensors',
      encodeSafetensors(new Map([['images', { dtype: 'F32', shape: [1, 3, side, side], data }]])),
    );
    const rest = ['--inputs', 'in.safetensors', '--device', 'reference', '--out', 'out.safetensors'];
    await done('run', 'm.zoo', '--entry', 'encode_image', ...start, ...rest);
    const raw = featuresOf('out.safetensors');
    const length = Math.hypot(...raw);
    const found = await embed('own.safetensors', 'm.zoo', ...start, ...own);
    // Float32 pixels, rounded step by step here and once above.
    for (const [i, value] of found.entries()) expect(value).toBeCloseTo(raw[i]! / length, 5);
    expect(await embed('clip.safetensors', 'm.zoo', ...start)).not.toEqual(found);
  });

  it('stay so through a package and through the formats that say it, and openai is refused', async () => {
    const wanted = await embed('own.safetensors', 'm.zoo', ...start, ...own);
    const make = ['export', 'init:1', '--model', 'm.zoo', ...own];
    await done(...make, '--format', 'zoo', '--out', 'package');
    expect(await embed('again.safetensors', 'package')).toEqual(wanted);
    const manifest = JSON.parse(readFileSync(workspace.path('package/model.json'), 'utf8'));
    expect(manifest.preprocessing).toMatchObject({ mean, std });
    expect(readFileSync(workspace.path('package/README.md'), 'utf8')).toContain(
      'mean [0.5, 0.4, 0.25], deviation [0.5, 0.3, 0.125]',
    );
    for (const format of ['hf', 'open_clip']) {
      await done(...make, '--format', format, '--out', format);
      const beside = ['--weights', format];
      expect(await embed('again.safetensors', 'm.zoo', ...beside, ...own)).toEqual(wanted);
      const { code, stderr } = await workspace.call([
        ...['embed', 'm.zoo', ...beside, '--images', 'a.png', '--out', 'x.npy'],
      ]);
      expect(code).toBe(1);
      expect(stderr).toContain('--set "image_mean=[0.5,0.4,0.25]" --set "image_std=[0.5,0.3,0.125]"');
    }
    const refused = await workspace.call([...make, '--format', 'openai', '--out', 'openai']);
    expect(refused.stderr).toContain(
      'image_mean is [0.5, 0.4, 0.25] and image_std [0.5, 0.3, 0.125]; its code normalises',
    );
  });

  it('are trained on, recorded with the run, and not changed when it goes on', async () => {
    const train = ['train', 'm.zoo', ...start, '--device', 'reference', '--steps', '1'];
    const gradient = (run: string) =>
      JSON.parse(readFileSync(workspace.path(`${run}/metrics.jsonl`), 'utf8').split('\n', 1)[0]!).grad_norm;
    await done(...train, '--out', 'clip-run');
    await done(...train, ...own, '--out', 'own-run');
    expect(gradient('own-run')).not.toBe(gradient('clip-run'));
    const features = await embed('run.safetensors', 'own-run');
    expect(await embed('whole.safetensors', 'm.zoo', '--weights', 'own-run', ...own)).toEqual(features);
    const { code, stderr } = await workspace.call([
      ...['train', 'm.zoo', '--device', 'reference', '--out', 'own-run', '--resume'],
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z612]');
    expect(stderr).toContain('normalization: {"mean":[0.5,0.4,0.25],"std":[0.5,0.3,0.125]}, now none');
    await done(...train.slice(0, 2), ...own, '--device', 'reference', '--out', 'own-run', '--resume');
  });

  describe('under a model of the library that had other numbers when it was written', () => {
    const settings = [
      'image_mean=[0.48145466,0.4578275,0.40821073]',
      'image_std=[0.26862954,0.26130258,0.27577711]',
    ];
    const mending = settings.map((setting) => `--set "${setting}"`).join(' ');
    const opened = (...rest: string[]) =>
      workspace.call(['embed', ...rest, '--images', 'a.png', '--device', 'reference', '--out', 'x.npy']);
    /** A text of zooc's own JSON, edited. */
    const edit = (
      name: string,
      change: (json: { preprocessing?: object; normalization?: object }) => void,
    ) => {
      const json = JSON.parse(readFileSync(workspace.path(name), 'utf8'));
      change(json);
      workspace.write(name, JSON.stringify(json));
    };
    const clip = {
      mean: [0.48145466, 0.4578275, 0.40821073],
      std: [0.26862954, 0.26130258, 0.27577711],
    };

    beforeAll(async () => {
      const text = readFileSync(workspace.path('m.zoo'), 'utf8');
      workspace.write(
        's.zoo',
        text
          .replace('import clip { CLIP, ', 'import encoders { SigLIP }\nimport clip { ')
          .replace('= CLIP(', '= SigLIP(')
          .replace('  batch = 2', '  objective = sigmoid_loss\n  batch = 2'),
      );
      await done('export', 'init:1', '--model', 's.zoo', '--format', 'zoo', '--out', 's-package');
      await done('train', 's.zoo', ...start, '--device', 'reference', '--out', 's-run');
    });

    it.each(['s-package', 's-run'])('are refused where %s says them, with what mends it', async (folder) => {
      expect((await opened(folder)).code).toBe(0);
      edit(`${folder}/${folder === 's-run' ? 'run' : 'model'}.json`, (json) => {
        Object.assign((json.preprocessing ?? json.normalization)!, clip);
      });
      for (const line of [[folder], ['s.zoo', '--weights', folder]]) {
        const { code, stderr } = await opened(...line);
        expect(code).toBe(1);
        expect(stderr).toContain('error[Z434]');
        expect(stderr).toContain(mending);
        const mended = await opened(...line, ...settings.flatMap((setting) => ['--set', setting]));
        expect(mended.code, mended.stderr).toBe(0);
      }
    });

    it('are told of a run that does not say them', async () => {
      edit('s-run/run.json', (json) => {
        delete json.normalization;
      });
      const { code, stderr } = await opened('s-run');
      expect(code).toBe(0);
      expect(stderr).toContain('s-run/run.json does not say how pictures were normalised');
      expect(stderr).toContain(mending);
      const mended = await opened('s-run', ...settings.flatMap((setting) => ['--set', setting]));
      expect(mended.stderr).not.toContain('does not say');
    });
  });
});
