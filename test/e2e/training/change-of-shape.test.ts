/**
 * Training from weights of another shape, with parts frozen: what starts where, what moves, what is refused.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveModel } from '../../../compiler/model/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { encodeSafetensors, readSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { resizeGrid } from '../../../zoo/weights/resize-grid.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { goldenZoo, type Outcome, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const settings = (data: string): string => `
  data = tensors("${data}")
  batch = 4
  optimizer = adamw(lr = 1e-2)
  schedule = constant(total = 2 steps)`;

// What is trained on a device has the sizes of the golden models.
const program = `${goldenZoo}
model "tiny" = "tiny_vit" with vision.resolution = 16
model "wide" = "tiny" with vision.resolution = 32
model "fine" = "tiny" with vision.patch = 4
model "rn" = "tiny_rn" with vision.width = 4, vision.resolution = 32, vision.heads = 2
model "rn-wide" = "rn" with vision.resolution = 64

train "locked" of "wide" from "tiny" {${settings('batches32.safetensors')}
  init visual.positional_embedding = resize_grid(bicubic)
  init text_projection = normal(0.5)
  freeze "visual.**"
}
train "patches" of "fine" from "tiny.safetensors" {${settings('batches16.safetensors')}
  init visual.positional_embedding = resize_grid
  init visual.conv1.weight = resize_grid
}
train "locked-rn" of "rn-wide" from "rn" {${settings('batches64.safetensors')}
  init visual.attnpool.positional_embedding = resize_grid(bicubic)
  freeze "visual.**"
}
train "part-rn" of "tiny_rn" {${settings('batches64.safetensors').replace('1e-2', '1e-3')}
  freeze "visual.bn1.*", "visual.layer1.**"
}
train "forgotten" of "wide" from "tiny" {${settings('batches32.safetensors')}
}
train "same" of "tiny" {${settings('batches16.safetensors')}
  init visual.positional_embedding = resize_grid(bicubic)
}
`;

/** Writes `NAME.safetensors` with a model's own initial values. */
async function writeStart(name: string): Promise<void> {
  const model = resolveModel(nodeHost(), `${workspace.path('shapes.zoo')}#${name}`);
  if (!model.ok) throw new Error(model.diagnostics.map((d) => d.message).join('\n'));
  const source = await openWeights(model.value, 'init:3');
  const tensors = new Map<string, { dtype: 'F32'; shape: readonly number[]; data: Float32Array }>();
  for (const weight of model.value.weights.filter((w) => w.dtype === 'f32'))
    tensors.set(weight.name, { dtype: 'F32', shape: weight.shape, data: await source.read(weight) });
  workspace.write(`${name}.safetensors`, encodeSafetensors(tensors));
}

function tensors(file: string): Map<string, { shape: readonly number[]; data: Float32Array }> {
  const { tensors: all } = readSafetensors(readFileSync(workspace.path(file)));
  const real = [...all].filter(([, t]) => t.dtype === 'F32');
  return new Map(real.map(([name, t]) => [name, { shape: t.shape, data: t.data as Float32Array }]));
}

async function train(recipe: string, out: string, ...rest: string[]): Promise<Outcome> {
  return workspace.call(['train', `shapes.zoo#${recipe}`, '--out', out, ...rest]);
}

beforeAll(async () => {
  workspace.write('shapes.zoo', program);
  for (const name of ['tiny', 'rn', 'tiny_rn']) await writeStart(name);
  const tokens = new Int32Array(4 * 16);
  for (let row = 0; row < 4; row++) tokens.set([510, 7 + row, 30 + row * row, 511], row * 16);
  for (const side of [16, 32, 64]) {
    const images = Float32Array.from({ length: 4 * 3 * side * side }, (_, i) =>
      Math.sin(i * 0.37 + (i >> 8)),
    );
    workspace.write(
      `batches${side}.safetensors`,
      encodeSafetensors(
        new Map([
          ['images', { dtype: 'F32' as const, shape: [1, 4, 3, side, side], data: images }],
          ['tokens', { dtype: 'I32' as const, shape: [1, 4, 16], data: tokens }],
        ]),
      ),
    );
  }
});

/** Whether training left every bit of a weight. */
function expectKept(from: string, to: string, resized: string): void {
  const [start, end] = [tensors(from), tensors(to)];
  for (const [name, { shape, data }] of end) {
    const old = start.get(name);
    if (!name.startsWith('visual.') || old === undefined) continue;
    const wanted = name === resized ? resizeGrid(name, old.data, old.shape, shape) : old.data;
    expect(data, name).toEqual(wanted);
  }
  for (const name of ['text_projection', 'token_embedding.weight', 'ln_final.weight'])
    expect(end.get(name)!.data, name).not.toEqual(start.get(name)!.data);
}

describe('training from weights of another shape', () => {
  it.each(['reference', 'webgpu'])(
    'resizes positions and keeps the bits of a frozen tower on %s',
    async (device) => {
      const out = `locked-${device}`;
      const result = await train('locked', out, '--weights', 'tiny.safetensors', '--device', device);
      expect(result.stderr).not.toContain('error');
      expect(result.code).toBe(0);
      expectKept('tiny.safetensors', `${out}/weights.safetensors`, 'visual.positional_embedding');
      expect((await workspace.call(['check', `${out}/recipe.zoo`])).code).toBe(0);
      const { data } = tensors(`${out}/weights.safetensors`).get('text_projection')!;
      const deviation = Math.sqrt(data.reduce((s, x) => s + x * x, 0) / data.length);
      expect(Math.abs(deviation - 0.5)).toBeLessThan(0.06);
      const common = ['--entry', 'loss', '--inputs', 'hash', '--batch', '4', '--out', 'out.safetensors'];
      const args = ['run', 'shapes.zoo#wide', '--weights', out, '--device', 'reference', ...common];
      expect((await workspace.call(args)).code).toBe(0);
      expect(Number.isFinite(tensors('out.safetensors').get('loss')!.data[0])).toBe(true);
    },
  );

  it('takes the file that the recipe names, and resizes filters', async () => {
    const result = await train('patches', 'patches', '--steps', '1', '--device', 'reference');
    expect(result.stderr).not.toContain('error');
    const end = tensors('patches/weights.safetensors');
    expect(end.get('visual.conv1.weight')!.shape).toEqual([64, 3, 4, 4]);
    expect(end.get('visual.positional_embedding')!.shape).toEqual([17, 64]);
    const old = tensors('tiny.safetensors').get('visual.conv1.weight')!;
    const start = resizeGrid('visual.conv1.weight', old.data, old.shape, [64, 3, 4, 4]);
    const moved = end.get('visual.conv1.weight')!.data.map((x, i) => Math.abs(x - start[i]!));
    // One step of AdamW moves an element by the rate at most, and by its decay.
    const largest = Math.max(...start.map(Math.abs));
    expect(Math.max(...moved)).toBeLessThan(1e-2 * (1 + 0.2 * largest) + 1e-6);
    expect(Math.max(...moved)).toBeGreaterThan(1e-4);
  });

  it("starts alike from another project's files", async () => {
    const made = [
      'export',
      'tiny.safetensors',
      '--model',
      'shapes.zoo#tiny',
      '--format',
      'hf',
      '--out',
      'hf',
    ];
    expect((await workspace.call(made)).code).toBe(0);
    expect(
      (await train('locked', 'from-hf', '--weights', 'hf', '--device', 'reference')).stderr,
    ).not.toContain('error');
    const whole = readFileSync(workspace.path('locked-reference/weights.safetensors'));
    expect(readFileSync(workspace.path('from-hf/weights.safetensors'))).toEqual(whole);
  });

  it('locks a ResNet with its running statistics', async () => {
    const args = ['--weights', 'rn.safetensors', '--device', 'reference'];
    const result = await train('locked-rn', 'locked-rn', ...args);
    expect(result.stderr).not.toContain('error');
    expectKept('rn.safetensors', 'locked-rn/weights.safetensors', 'visual.attnpool.positional_embedding');
    expect(
      tensors('locked-rn/weights.safetensors').get('visual.attnpool.positional_embedding')!.shape,
    ).toEqual([5, 128]);
  });

  it('trains filters before a frozen batch norm, on a device as in double precision', async () => {
    for (const device of ['reference', 'webgpu']) {
      const result = await train(
        'part-rn',
        `part-${device}`,
        '--weights',
        'tiny_rn.safetensors',
        '--device',
        device,
      );
      expect(result.stderr).not.toContain('error');
    }
    const start = tensors('tiny_rn.safetensors');
    const [wanted, found] = ['reference', 'webgpu'].map((d) => tensors(`part-${d}/weights.safetensors`));
    for (const name of ['visual.bn1.weight', 'visual.bn1.running_mean', 'visual.layer1.0.bn2.running_var'])
      expect(found!.get(name)!.data, name).toEqual(start.get(name)!.data);
    for (const name of [
      'visual.bn2.running_mean',
      'visual.layer2.0.bn2.running_var',
      'visual.conv1.weight',
    ]) {
      const [a, b, c] = [wanted, found, start].map((t) => t!.get(name)!.data);
      const moved = Math.hypot(...a!.map((x, i) => x - c![i]!));
      const apart = Math.hypot(...a!.map((x, i) => x - b![i]!));
      expect(moved, name).toBeGreaterThan(0);
      expect(apart / moved, name).toBeLessThan(2e-2);
    }
  });

  it('goes on from a checkpoint without them', async () => {
    const args = ['locked', 'again', '--device', 'reference', '--steps'] as const;
    expect((await train(...args, '1', '--weights', 'tiny.safetensors')).code).toBe(0);
    const { code, stderr } = await train(...args, '2', '--resume');
    expect(stderr).not.toContain('error');
    expect(code).toBe(0);
    const whole = readFileSync(workspace.path('locked-reference/weights.safetensors'));
    expect(readFileSync(workspace.path('again/weights.safetensors'))).toEqual(whole);
  });
});

describe('what cannot start is refused, and nothing is written', () => {
  const refused = async (recipe: string, ...rest: string[]): Promise<string> => {
    const { code, stderr } = await train(recipe, 'refused', '--device', 'reference', ...rest);
    expect(code).toBe(1);
    expect(existsSync(workspace.path('refused'))).toBe(false);
    return stderr;
  };

  it('no weights for a recipe that starts from a model', async () => {
    expect(await refused('locked')).toMatchInlineSnapshot(`
      "error[Z402]: recipe locked starts from the weights of tiny, and none are given
         = help: zooc train ... --weights FILE
      "
    `);
  });

  it('no weights to resize', async () => {
    expect(await refused('same')).toMatchInlineSnapshot(`
      "error[Z402]: recipe same resizes visual.positional_embedding, and no weights are given to start from
         = help: zooc train ... --weights FILE
      "
    `);
  });

  it('a shape that differs and no word about it', async () => {
    expect(await refused('forgotten', '--weights', 'tiny.safetensors')).toMatchInlineSnapshot(`
      "error[Z401]: weights do not fit: visual.positional_embedding is [5, 64] in the file, [17, 64] in the model (vision.resolution = 32)
         = note: the file is taken as weights of tiny, which the recipe trains from
         = help: init visual.positional_embedding = resize_grid(bicubic)
      "
    `);
  });

  it('a grid that has its size already', async () => {
    expect(await refused('same', '--weights', 'tiny.safetensors')).toMatchInlineSnapshot(`
      "error[Z402]: visual.positional_embedding is [5, 64] in the weights, [5, 64] in the model: there is nothing to resize
         = help: leave out: init visual.positional_embedding = resize_grid(...)
      "
    `);
  });

  it('a grid that is not square', async () => {
    const all = tensors('tiny.safetensors');
    const data = new Float32Array(7 * 64);
    const odd = new Map([...all, ['visual.positional_embedding', { shape: [7, 64], data }]] as const);
    const encoded = [...odd].map(([n, t]) => [n, { ...t, dtype: 'F32' as const }] as const);
    workspace.write('odd.safetensors', encodeSafetensors(new Map(encoded)));
    expect(await refused('same', '--weights', 'odd.safetensors')).toMatchInlineSnapshot(`
      "error[Z402]: visual.positional_embedding is [7, 64] in the weights, [5, 64] in the model: no square grid to resize
         = help: resize_grid takes positions [g * g, width] or [g * g + 1, width], or filters [out, in, k, k]
      "
    `);
  });

  it('weights of a third model', async () => {
    expect(await refused('locked', '--weights', 'rn.safetensors')).toContain(
      'error[Z401]: weights do not fit',
    );
  });
});
