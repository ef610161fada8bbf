/** `check`, `fmt`, `list`, `show` and `compile` as programs use them. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { commandLine, tinyZoo, Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());
const tiny = workspace.write('tiny.zoo', tinyZoo);

describe('check', () => {
  it('accepts a file and prints nothing but that', async () => {
    expect(await workspace.call(['check', 'tiny.zoo'])).toEqual({
      code: 0,
      stdout: 'tiny.zoo: no errors\n',
      stderr: '',
    });
    expect(await workspace.call(['check', 'tiny.zoo', '--json'])).toEqual({
      code: 0,
      stdout: '[]\n',
      stderr: '',
    });
  });

  it('reports every independent error with its place', async () => {
    const text = tinyZoo.replace('patch = 8', 'patch = 7').replace('vocab = 520', 'vocabulary = 520');
    workspace.write('bad.zoo', text);
    const { code, stdout, stderr } = await workspace.call(['check', 'bad.zoo', '--json']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    const diagnostics = JSON.parse(stdout);
    expect(diagnostics.length).toBeGreaterThanOrEqual(2);
    for (const d of diagnostics) {
      expect(d).toMatchObject({ severity: 'error', message: expect.any(String), file: 'bad.zoo' });
      expect(d.code).toMatch(/^Z\d{3}$/);
      const lines = text.split('\n');
      expect(d.line).toBeGreaterThanOrEqual(1);
      expect(d.endLine).toBeLessThanOrEqual(lines.length);
      expect(d.column).toBeLessThanOrEqual(lines[d.line - 1]!.length + 1);
    }
    expect(diagnostics.map((d: { line: number }) => d.line)).toEqual(expect.arrayContaining([5, 6]));
    const rendered = await workspace.call(['check', 'bad.zoo']);
    expect(rendered.code).toBe(1);
    expect(rendered.stderr).toMatch(/^error\[Z\d{3}\]: .*\n +--> bad\.zoo:\d+:\d+$/m);
  });
});

describe('fmt', () => {
  it('rewrites once, keeps comments, and leaves broken files alone', async () => {
    const path = workspace.write(
      'loose.zoo',
      `# kept\n${tinyZoo.replaceAll('  ', ' ').replaceAll(' = ', '=')}`,
    );
    expect((await workspace.call(['fmt', 'loose.zoo', '--check'])).code).toBe(1);
    expect(await workspace.call(['fmt', 'loose.zoo'])).toMatchObject({ code: 0, stdout: '' });
    const once = readFileSync(path, 'utf8');
    expect(once).toMatch(/^# kept\n/);
    expect(await workspace.call(['fmt', 'loose.zoo', '--check'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
    expect(readFileSync(path, 'utf8')).toBe(once);

    const broken = workspace.write('broken.zoo', 'model "x" = CLIP(vision = \n');
    expect((await workspace.call(['fmt', 'broken.zoo'])).code).toBe(1);
    expect(readFileSync(broken, 'utf8')).toBe('model "x" = CLIP(vision = \n');
  });
});

describe('list and show', () => {
  it('lists the nine published models with their published sizes, those of open_clip behind them', async () => {
    const { code, stdout } = await workspace.call(['list', '--json']);
    expect(code).toBe(0);
    const models: { name: string; parameters: number; resolution: number; embed: number }[] =
      JSON.parse(stdout);
    expect(models.slice(0, 9).map((m) => m.name)).toEqual([
      ...['RN50', 'RN101', 'RN50x4', 'RN50x16', 'RN50x64'],
      ...['ViT-B/32', 'ViT-B/16', 'ViT-L/14', 'ViT-L/14@336px'],
    ]);
    const names = models.slice(9).map((m) => m.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(['ViT-H/14', 'ViT-B/16-SigLIP', 'ViT-B/32-CBOW']));
    expect(models.find((m) => m.name === 'ViT-B/32')).toMatchObject({
      parameters: 151277313,
      resolution: 224,
      embed: 512,
    });
    expect(models.find((m) => m.name === 'ViT-L/14@336px')).toMatchObject({
      parameters: 427944193,
      resolution: 336,
    });
  });

  it('shows weights in state_dict order, FLOPs and configuration', async () => {
    const { code, stdout } = await workspace.call(['show', 'tiny.zoo', '--set', 'vision.layers=2', '--json']);
    expect(code).toBe(0);
    const model = JSON.parse(stdout);
    expect(Object.keys(model)).toEqual(['name', 'parameters', 'weights', 'entries', 'flops', 'config']);
    expect(model.name).toBe('tiny');
    const elements = model.weights.map((w: { shape: number[] }) => w.shape.reduce((a, b) => a * b, 1));
    expect(elements.reduce((a: number, b: number) => a + b, 0)).toBe(model.parameters);
    expect(model.weights[0]).toMatchObject({ kind: 'param', dtype: 'f32' });
    expect(model.weights.map((w: { name: string }) => w.name)).toContain(
      'visual.transformer.resblocks.1.attn.in_proj_weight',
    );
    expect(model.config['vision.layers']).toBe(2);
    expect(Object.keys(model.flops)).toEqual([
      'encode_image',
      'encode_text',
      'logits',
      'penultimate_patches',
      'forward',
      'loss',
    ]);
    expect(model.flops.loss).toBeGreaterThan(model.flops.encode_image);
    expect((await workspace.call(['show', 'tiny.zoo'])).stdout).toContain('visual.conv1.weight');
  });
});

describe('compile', () => {
  it('writes the plan, every pipeline and the graph without an adapter', () => {
    const args = [
      'compile',
      'tiny.zoo#tiny',
      '--entry',
      'loss',
      '--batch',
      '3',
      '--grad',
      '-o',
      'out',
      '--json',
    ];
    const { code, stdout } = workspace.zooc(args, { VK_ICD_FILENAMES: '/nonexistent' });
    expect(code).toBe(0);
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({ model: 'tiny', entry: 'loss', batch: 3, mode: 'eval', submits: 1 });
    const plan = JSON.parse(readFileSync(workspace.path('out/plan.json'), 'utf8'));
    expect(plan.steps).toHaveLength(summary.dispatches);
    const files = readdirSync(workspace.path('out'));
    expect(files.filter((f) => f.endsWith('.wgsl'))).toHaveLength(summary.pipelines);
    expect(existsSync(workspace.path('out/graph.txt'))).toBe(true);
    expect(plan.outputs.map((o: { name: string }) => o.name)).toContain('grad.visual.proj');
    expect(existsSync(tiny)).toBe(true);
  });

  it('writes a plan whole or not at all, over an earlier one as well', async () => {
    const compile = ['compile', 'tiny.zoo#tiny', '--entry', 'logits', '-o', 'plan', '--batch'];
    const limited = [
      '-c',
      `ulimit -f 16; exec "$0" "$@"`,
      process.execPath,
      ...commandLine([...compile, '2']),
    ];
    const full = () =>
      spawnSync('bash', limited, {
        cwd: workspace.folder,
        env: { ...process.env, TSX_DISABLE_CACHE: '1' },
        encoding: 'utf8',
      });
    const content = () =>
      readdirSync(workspace.path('plan')).map((name) => [name, readFileSync(workspace.path(`plan/${name}`))]);
    const there = readdirSync(workspace.folder);
    expect(full()).toMatchObject({ status: 1, stderr: expect.stringContaining('error[Z413]: cannot write') });
    expect(readdirSync(workspace.folder)).toEqual(there);

    await workspace.succeed([...compile, '3']);
    const earlier = content();
    expect(full().status).toBe(1);
    expect(content()).toEqual(earlier);
    await workspace.succeed([...compile, '4']);
    expect(JSON.parse(readFileSync(workspace.path('plan/plan.json'), 'utf8')).batch).toBe(4);
    const { pipelines } = JSON.parse(readFileSync(workspace.path('plan/plan.json'), 'utf8'));
    const kernels = pipelines.map(({ label }: { label: string }) => `${label}.wgsl`);
    expect(readdirSync(workspace.path('plan')).sort()).toEqual(['graph.txt', 'plan.json', ...kernels].sort());
  });

  it('plans a training step with what it takes in memory', async () => {
    const recipe = `train "r" of "tiny" {\n  data = csv("none.csv")\n  batch = 16\n}\n`;
    const zoo = tinyZoo.replace('layers = 1', 'layers = 6');
    workspace.write('train.zoo', zoo + recipe);
    workspace.write('remat.zoo', zoo + recipe.replace('}', '  remat "**.resblocks.*"\n}'));
    const compile = async (name: string) => {
      const args = ['compile', `${name}.zoo#r`, '--train', '--set', 'batch=12', '-o', name, '--json'];
      const { code, stdout } = await workspace.call(args);
      expect(code).toBe(0);
      return JSON.parse(stdout);
    };
    const [plain, remat] = [await compile('train'), await compile('remat')];
    expect(plain).toMatchObject({ model: 'tiny', entry: 'loss', batch: 12, mode: 'train' });
    expect(plain.memory.optimizer).toBe(2 * plain.memory.gradients);
    expect(remat.memory.optimizer).toBe(plain.memory.optimizer);
    expect(remat.memory.workspace).toBeLessThan(plain.memory.workspace / 2);
  });
});
