/** `zooc classifier` and `classify --classifier`: the same probabilities as of the texts, without a text tower. */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors, type Tensor, writeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { square } from '../../support/files/squares.ts';
import { tinyZoo, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const device = ['--device', 'reference'];
const texts = ['--labels', 'red,green,blue', '--templates', 'templates.txt'];
const images = ['red.png', 'blue.png'];

/** The picture tower of `tiny`, alone. */
const picturesZoo = `import clip { VisionTransformer }

block Pictures(vision: block) {
  visual: vision
  forward(images: vision.input) -> { image_features: [B, E] } = { image_features = visual(images) }
}

model "pictures" = Pictures(
  VisionTransformer(resolution = 16, patch = 8, width = 32, layers = 1, heads = 2, embed = 16)
)
`;

async function classify(model: string, weights: string, ...args: readonly string[]) {
  return workspace.call(['classify', model, '--weights', weights, ...device, '--json', ...args, ...images]);
}

async function probabilities(model: string, weights: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await classify(model, weights, ...args);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

beforeAll(async () => {
  workspace.write('m.zoo', tinyZoo);
  workspace.write('pictures.zoo', picturesZoo);
  workspace.write('templates.txt', 'a photo of {}\n{}\n');
  for (const name of images) workspace.write(name, await square(name.split('.')[0]!, 3));
  await workspace.succeed([...['export', 'init:3', '--model', 'm.zoo', '--format', 'zoo', '--out', 'whole']]);
  const whole = workspace.weights('whole');
  const visual = ([name]: [string, Tensor]) => name.startsWith('visual.');
  workspace.writeTensors('visual.safetensors', new Map([...whole].filter(visual)));
  workspace.writeTensors(
    'text-of-nan.safetensors',
    new Map(
      [...whole].map(([name, tensor]) => {
        if (visual([name, tensor]) || name === 'logit_scale') return [name, tensor];
        return [name, { ...tensor, data: new Float32Array(tensor.data.length).fill(Number.NaN) }];
      }),
    ),
  );
  await workspace.succeed([
    ...['classifier', 'm.zoo', '--weights', 'init:3', ...texts, ...device, '--out', 'c.safetensors'],
  ]);
});

describe('a classifier as a file', () => {
  it('gives the bits of probabilities that its labels and templates give', async () => {
    const expected = await probabilities('m.zoo', 'init:3', ...texts);
    expect(expected[0].predictions).toHaveLength(3);
    expect(await probabilities('m.zoo', 'init:3', '--classifier', 'c.safetensors')).toEqual(expected);
    // The same numbers from a file, a package, and without the text tower.
    expect(await probabilities('whole', 'whole', '--classifier', 'c.safetensors')).toEqual(expected);
    expect(
      await probabilities('pictures.zoo', 'visual.safetensors', '--classifier', 'c.safetensors'),
    ).toEqual(expected);
  });

  it('reads no weight of the text tower', async () => {
    const { code, stderr } = await classify('m.zoo', 'text-of-nan.safetensors', ...texts);
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z435]');
    expect(await probabilities('m.zoo', 'text-of-nan.safetensors', '--classifier', 'c.safetensors')).toEqual(
      await probabilities('m.zoo', 'init:3', ...texts),
    );
  });

  it('says what it is made of, and is written again with the same bytes', async () => {
    const file = await openSafetensors(workspace.path('c.safetensors'));
    const metadata = Object.fromEntries(file.metadata);
    expect(await file.isIntact()).toBe(true);
    expect(file.infos.get('classifier')).toMatchObject({ dtype: 'F32', shape: [3, 16] });
    await file.close();
    expect(JSON.parse(metadata.classes!)).toEqual(['red', 'green', 'blue']);
    expect(metadata).toMatchObject({ embed: '16', model: 'tiny', pretrained: 'init:3' });
    for (const digest of [
      'weights_sha256',
      'templates_sha256',
      'picture_graph_sha256',
      'picture_weights_sha256',
    ])
      expect(metadata[digest]).toMatch(/^[0-9a-f]{64}$/);
    expect(Number(metadata.logit_scale)).toBeCloseTo(1 / 0.07, 4);
    await workspace.succeed([
      ...['classifier', 'm.zoo', '--weights', 'init:3', ...texts, ...device, '--out', 'again.safetensors'],
    ]);
    expect(workspace.changed('again.safetensors', 'c.safetensors')).toEqual([]);
  });
});

describe('refusals', () => {
  it.each([
    [
      'other weights',
      'm.zoo',
      'init:4',
      ['c.safetensors'],
      'other weights of the picture tower than those of',
    ],
    [
      'another tower of the same weights',
      'm.zoo',
      'init:3',
      ['c.safetensors', '--set', 'image_mean=[0.5, 0.5, 0.5]'],
      'another picture tower than those of tiny',
    ],
    [
      'weights without the text tower, of a model that has one',
      'm.zoo',
      'visual.safetensors',
      ['c.safetensors'],
      'error[Z401]',
    ],
    [
      'labels beside it',
      'm.zoo',
      'init:3',
      ['c.safetensors', '--labels', 'a,b'],
      '--labels and --classifier exclude',
    ],
    [
      'templates beside it',
      'm.zoo',
      'init:3',
      ['c.safetensors', '--templates', 'templates.txt'],
      '--templates and --classifier exclude',
    ],
    ['another file', 'm.zoo', 'init:3', ['visual.safetensors'], 'visual.safetensors is no classifier'],
    ['no file', 'm.zoo', 'init:3', ['nowhere.safetensors'], 'error[Z410]'],
  ])('%s', async (_, model, weights, args, message) => {
    const { code, stdout, stderr } = await classify(model, weights, '--classifier', ...args);
    expect(code, stderr).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
  });

  it('neither labels nor a classifier', async () => {
    const { code, stderr } = await classify('m.zoo', 'init:3');
    expect(code).toBe(1);
    expect(stderr).toContain('classify needs --labels or --classifier');
  });

  it.each([
    ['of a version to come', { zooc_classifier: '2' }, 'is a classifier of version 2'],
    ['without names', { classes: '3' }, 'do not say what its classes are'],
    ['with a name too many', { classes: '["red","green","blue","white"]' }, 'is not F32 [4, 16]'],
    ['with a scale that is no number', { logit_scale: 'large' }, 'do not say what its classes are'],
  ])('a file %s', async (_, change, message) => {
    await rewrite('odd.safetensors', change);
    const { code, stderr } = await classify('m.zoo', 'init:3', '--classifier', 'odd.safetensors');
    expect(code, stderr).toBe(1);
    expect(stderr).toContain(message);
  });

  it('rows that are not of length 1', async () => {
    await rewrite('odd.safetensors', {}, 2);
    const { code, stderr } = await classify('m.zoo', 'init:3', '--classifier', 'odd.safetensors');
    expect(code, stderr).toBe(1);
    expect(stderr).toContain('row 0 of classifier has not the length 1');
  });

  it('a damaged file', async () => {
    const path = workspace.path('c.safetensors');
    const bytes = readFileSync(path);
    bytes[bytes.length - 1]! ^= 1;
    workspace.write('damaged.safetensors', bytes);
    const { code, stderr } = await classify('m.zoo', 'init:3', '--classifier', 'damaged.safetensors');
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z411]');
  });

  it('a model without a picture tower', async () => {
    workspace.write(
      'texts.zoo',
      'import clip { TextTransformer }\n\nmodel "texts" = TextTransformer(context = 8, vocab = 520, width = 32, layers = 1, heads = 2, embed = 16)\n',
    );
    const { code, stderr } = await workspace.call([
      ...['classifier', 'texts.zoo', '--weights', 'init:3', ...texts, ...device, '--out', 'none.safetensors'],
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z704]: texts makes no features of pictures');
    expect(existsSync(workspace.path('none.safetensors'))).toBe(false);
  });
});

/** The classifier with some metadata changed, and its rows longer. */
async function rewrite(name: string, change: Readonly<Record<string, string>>, longer = 1): Promise<void> {
  const file = await openSafetensors(workspace.path('c.safetensors'));
  const metadata = { ...Object.fromEntries(file.metadata), ...change };
  const { data, ...rest } = await file.read('classifier');
  await file.close();
  delete metadata['zooc.sha256'];
  await writeSafetensors(
    workspace.path(name),
    [{ name: 'classifier', ...rest, data: (data as Float32Array).map((x) => x * longer) }],
    metadata,
  );
}
