/**
 * `train` on fixed batches: metrics, exact resume after a kill at any moment, signals, and the way to
 * `classify`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { firstBatch, fixedBatches, goldenZoo, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const steps = 12;
/** The golden model with the tokenizer's smallest vocabulary. */
const program = `import losses { contrastive }
${goldenZoo}
model "tiny" = "tiny_vit" with text.vocab = 520
model "two-headed" = "tiny" with vision.heads = 2

train "fixed" of "tiny" {
  data = tensors("batches.safetensors")
  objective = contrastive
  batch = 4
  optimizer = adamw(lr = 1e-3, beta1 = 0.9, beta2 = 0.98, eps = 1e-6, weight_decay = 0.2)
  schedule = cosine(warmup = 2 steps, total = ${steps} steps)
  clamp logit_scale in 0 .. ln(100)
  checkpoint every 3 steps keep 2
}

train "averaged" of "tiny" {
  data = tensors("batches.safetensors")
  batch = 4
  optimizer = sgd(lr = 0.02, momentum = 0.9, nesterov = true, weight_decay = 1e-3)
  lr "visual.**" = 5e-3
  weight_decay "**.ln_*" = 0
  layer_decay "**.resblocks.*" = 0.75
  ema = 0.8
  schedule = cosine(warmup = 2 steps, total = ${steps} steps, floor = 0.1)
  clamp logit_scale in 0 .. ln(100)
  checkpoint every 3 steps keep 2
}
`;

beforeAll(async () => {
  workspace.write('tiny.zoo', program);
  const sizes = { resolution: 32, context: 16, vocab: 520 };
  workspace.writeTensors('batches.safetensors', fixedBatches(3, 4, sizes));
  for (const [name, colour] of [
    ['red', '#d02020'],
    ['blue', '#2040d0'],
    ['green', '#20a040'],
    ['grey', '#808080'],
  ] as const) {
    const png = await sharp({ create: { width: 40, height: 30, channels: 3, background: colour } })
      .png()
      .toBuffer();
    workspace.write(`${name}.png`, png);
  }
});

/** An element of what `classify --json` prints. */
interface Classified {
  readonly image: string;
  readonly predictions: readonly { readonly label: string; readonly probability: number }[];
}

function rowCount(run: string): number {
  const path = workspace.path(`${run}/checkpoints`);
  return existsSync(path) ? readdirSync(path).filter((f) => f.endsWith('.safetensors')).length : 0;
}

const weightsOf = (run: string, file = 'weights'): Buffer =>
  readFileSync(workspace.path(`${run}/${file}.safetensors`));
/** All that a run measured but times. */
const values = (run: string) =>
  workspace.metrics(run).map(({ samples_per_second: _, data_wait_ms: __, ...row }) => row);

describe('train', () => {
  beforeAll(() => {
    const { code, stderr } = workspace.zooc(['train', 'tiny.zoo#fixed', '--out', 'whole']);
    expect(stderr).not.toContain('error');
    expect(code).toBe(0);
  });

  it('writes a row per step, with the rate of the schedule, and learns', async () => {
    const rows = workspace.metrics('whole');
    expect(rows.map((r) => r.step)).toEqual(Array.from({ length: steps }, (_, i) => i));
    const rate = (s: number): number =>
      s < 2 ? (1e-3 * (s + 1)) / 2 : 5e-4 * (1 + Math.cos((Math.PI * (s - 2)) / (steps - 2)));
    for (const { step, lr } of rows) expect(lr).toBeCloseTo(rate(step), 12);
    expect(rows.at(-1)!.loss).toBeLessThan(rows[0]!.loss);
    for (const { logit_scale } of rows) expect(logit_scale).toBeLessThanOrEqual(Math.log(100));
    const latest = JSON.parse(readFileSync(workspace.path('whole/checkpoints/latest.json'), 'utf8'));
    expect(existsSync(workspace.path(`whole/checkpoints/${latest.file}`))).toBe(true);
    for (const name of ['model.zoo', 'recipe.zoo'])
      expect((await workspace.call(['check', `whole/${name}`])).code).toBe(0);
  });

  it('with --profile ends with the same bits, shows where the time went, and writes a trace', async () => {
    const args = ['train', 'tiny.zoo#fixed', '--out', 'profiled', '--profile', 'trace.json', '--json'];
    const { code, stdout, stderr } = await workspace.call(args);
    expect(code, stderr).toBe(0);
    expect(weightsOf('profiled')).toEqual(weightsOf('whole'));
    expect(values('profiled')).toEqual(values('whole'));
    expect(stderr).toMatch(/^tiny loss, batch 4: 11 runs, [\d.]+ ms a run in kernels/m);
    expect(stderr).toMatch(/^matmul_\S+ +\d+ +[\d.]+ +[\d.]+ % /m);
    const { profile } = JSON.parse(stdout);
    expect(profile.sessions[0]).toMatchObject({ model: 'tiny', entry: 'loss', runs: 11, cold: false });
    const trace = JSON.parse(readFileSync(workspace.path('trace.json'), 'utf8'));
    const lanes = trace.traceEvents.flatMap((e: { name: string; args: { name: string } }) =>
      e.name === 'thread_name' ? [e.args.name] : [],
    );
    expect(lanes).toEqual(expect.arrayContaining(['visual.transformer', 'transformer.resblocks']));
  });

  it('ends with the same bits after being killed and resumed: sgd, rates by pattern, moving average', async () => {
    expect((await workspace.call(['train', 'tiny.zoo#averaged', '--out', 'uncut'])).code).toBe(0);
    const args = ['train', 'tiny.zoo#averaged', '--out', 'killed'];
    await workspace.interrupt(args, 'SIGKILL', () => rowCount('killed') > 0);
    expect(existsSync(workspace.path('killed/weights.safetensors'))).toBe(false);
    const { code, stderr } = workspace.zooc([...args, '--resume']);
    expect(stderr).not.toContain('error');
    expect(code).toBe(0);
    for (const file of ['weights', 'weights_ema'])
      expect(weightsOf('killed', file)).toEqual(weightsOf('uncut', file));
    expect(values('killed')).toEqual(values('uncut'));
    expect(workspace.metrics('uncut').at(-1)!.loss).toBeLessThan(workspace.metrics('uncut')[0]!.loss);
    expect(existsSync(workspace.path('whole/weights_ema.safetensors'))).toBe(false);
  });

  it('a run folder means its moving average, where it keeps one', async () => {
    const embed = async (weights: string, out: string) => {
      const args = ['embed', 'tiny.zoo#tiny', '--weights', weights, '--images', 'red.png', '--out', out];
      const { code, stderr } = await workspace.call([...args, '--device', 'reference']);
      expect(code, stderr).toBe(0);
      return { stderr, features: readFileSync(workspace.path(out)) };
    };
    const folder = await embed('uncut', 'folder.npy');
    expect(folder.stderr).toContain('weights_ema.safetensors: the moving average of the weights');
    const averaged = await embed('uncut/weights_ema.safetensors', 'averaged.npy');
    const last = await embed('uncut/weights.safetensors', 'last.npy');
    expect(folder.features).toEqual(averaged.features);
    expect(folder.features).not.toEqual(last.features);
    expect(averaged.stderr + last.stderr).not.toContain('moving average');
  });

  it('refuses to go on with another optimizer', async () => {
    const args = ['train', 'tiny.zoo#averaged', '--out', 'uncut', '--resume', '--device', 'reference'];
    const { code, stderr } = await workspace.call([...args, '--set', 'optimizer=lion(1e-4)']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/error\[Z612\]: .*optimizer \(or its moving average\)/);
  });

  it('saves and succeeds on SIGTERM, and goes on from there', async () => {
    const args = ['train', 'tiny.zoo#fixed', '--out', 'stopped'];
    const { code } = await workspace.interrupt(args, 'SIGTERM', () =>
      existsSync(workspace.path('stopped/metrics.jsonl')),
    );
    expect(code).toBe(0);
    expect((await workspace.call([...args, '--resume'])).code).toBe(0);
    expect(weightsOf('stopped')).toEqual(weightsOf('whole'));
  });

  it('succeeds on a signal that comes while it loads, with nothing to save, and goes on from there', async () => {
    const args = ['train', 'tiny.zoo#fixed', '--out', 'early', '--json'];
    // Node has no handler of SIGHUP, the first signal, of its own.
    const listens = (pid: number) => {
      const [, caught = '0'] = /SigCgt:\s*([0-9a-f]+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))!;
      return Number.parseInt(caught.slice(-1), 16) % 2 === 1;
    };
    const { code, stdout } = await workspace.interrupt(args, 'SIGHUP', listens);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ steps: 0, stopped: true, weights: null });
    expect((await workspace.call([...args, '--resume'])).code).toBe(0);
    expect(weightsOf('early')).toEqual(weightsOf('whole'));
  });

  it('never writes into a folder that holds something else, nor over a run', async () => {
    const again = await workspace.call(['train', 'tiny.zoo#fixed', '--out', 'whole']);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('error[Z613]');
    expect(again.stderr).toContain('--resume');
  });

  it('exports a run for other loaders, with what the run says about its training', async () => {
    const args = ['export', 'whole', '--model', 'tiny.zoo#tiny', '--format', 'open_clip'];
    const made = await workspace.call([...args, '--dtype', 'f16', '--out', 'foreign', '--json']);
    expect(made.stderr).toBe('');
    expect(made.code).toBe(0);
    const { format, files } = JSON.parse(made.stdout);
    expect(format).toBe('open_clip');
    expect(files).toHaveProperty(['open_clip_model.safetensors']);
    expect(Object.keys(files).sort()).toEqual(readdirSync(workspace.path('foreign')).sort());
    expect(readFileSync(workspace.path('foreign/README.md'), 'utf8')).toContain('Trained with zooc');

    const other = ['export', 'whole', '--model', 'tiny.zoo#two-headed', '--format', 'openai'];
    const refused = await workspace.call([...other, '--out', 'refused']);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toContain(
      'error[Z432]: two-headed cannot be exported as openai: vision.heads is 2',
    );
    expect(existsSync(workspace.path('refused'))).toBe(false);
  });

  it('leaves weights that are refused where a bit of them is another', async () => {
    const bytes = Buffer.from(weightsOf('whole'));
    bytes[bytes.length - 2]! ^= 1;
    workspace.write('damaged.safetensors', bytes);
    const uses = [
      ['export', 'damaged.safetensors', '--format', 'zoo', '--model', 'tiny.zoo#tiny', '--out', 'never'],
      ['blend', 'whole', 'damaged.safetensors', '--alpha', '0.5', '--out', 'never'],
    ];
    for (const args of uses) {
      const { code, stderr } = await workspace.call(args);
      expect(code).toBe(1);
      expect(stderr).toContain('error[Z411]: damaged.safetensors is damaged: its checksum differs');
    }
    expect(existsSync(workspace.path('never'))).toBe(false);
  });

  it('exports a folder that gives the same results as the weights, on the reference as on the device', async () => {
    const args = ['export', 'whole', '--model', 'tiny.zoo#tiny', '--format', 'zoo', '--out', 'package'];
    const made = await workspace.call(args);
    expect(made.stderr).not.toContain('error');
    expect(made.code).toBe(0);
    for (const name of ['model.zoo', 'model.json', 'weights.safetensors', 'README.md']) {
      expect(existsSync(workspace.path(`package/${name}`)), name).toBe(true);
    }
    expect(readFileSync(workspace.path('package/weights.safetensors'))).toEqual(weightsOf('whole'));
    // As many of each as a batch of training has, which needs no kernels of other sizes.
    const pictures = ['red.png', 'blue.png', 'green.png', 'grey.png'];
    const rest = ['--labels', 'red,blue,a green thing,grey', '--json'];
    const weights = ['--weights', 'whole/weights.safetensors'];
    const direct = workspace.zooc(['classify', 'tiny.zoo#tiny', ...weights, ...rest, ...pictures]);
    const packed = await workspace.call(['classify', 'package', ...rest, ...pictures]);
    expect(direct.code).toBe(0);
    expect(packed.stdout).toBe(direct.stdout);
    const results: Classified[] = JSON.parse(direct.stdout);
    expect(results.map((r) => r.image)).toEqual(pictures);
    for (const { predictions } of results)
      expect(predictions.reduce((sum, p) => sum + p.probability, 0)).toBeCloseTo(1, 6);
    // Fewer pictures than labels: neither number is taken for the other.
    const two = ['green.png', 'red.png', '--device', 'reference'];
    const exact: Classified[] = JSON.parse(
      (await workspace.call(['classify', 'package', ...rest, ...two])).stdout,
    );
    expect(exact.map((r) => r.image)).toEqual(two.slice(0, 2));
    for (const { image, predictions } of exact) {
      const found = results.find((r) => r.image === image)!.predictions;
      for (const { label, probability } of predictions)
        expect(found.find((p) => p.label === label)!.probability, label).toBeCloseTo(probability, 4);
    }
  });

  it('embeds images and texts with length 1', async () => {
    const common = ['embed', 'tiny.zoo#tiny', '--weights', 'whole'];
    const pictures = ['red.png', 'blue.png', 'green.png', 'grey.png'];
    expect((await workspace.call([...common, '--images', ...pictures, '--out', 'images.npy'])).code).toBe(0);
    const npy = readFileSync(workspace.path('images.npy'));
    expect(npy.subarray(0, 6).toString('latin1')).toBe('\x93NUMPY');
    expect(npy.toString('latin1', 10, 128)).toContain("'shape': (4, 32)");
    const row = new Float32Array(npy.buffer.slice(npy.byteOffset + 128, npy.byteOffset + 128 + 4 * 32));
    expect(Math.hypot(...row)).toBeCloseTo(1, 5);
    const both = await workspace.call([
      ...common,
      ...['--images', 'red.png', '--texts', 'red', '--out', 'both.npy'],
    ]);
    expect(both.code).toBe(1);
    expect(both.stderr).toContain('error[Z703]');
  });

  it('says which picture cannot be read', async () => {
    workspace.write('broken.png', 'not a picture');
    const args = ['classify', 'tiny.zoo#tiny', '--weights', 'whole', '--labels', 'a,b', 'broken.png'];
    const { code, stderr } = await workspace.call([...args, '--device', 'reference']);
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z405]: broken.png cannot be read as an image');
    const limited = await workspace.call([
      ...['classify', 'tiny.zoo#tiny', '--weights', 'whole', '--labels', 'a,b', 'red.png'],
      ...['--max-pixels', '1199', '--device', 'reference'],
    ]);
    expect(limited.code).toBe(1);
    expect(limited.stderr).toContain(
      'red.png cannot be read as an image: the PNG picture of 40 x 30 pixels is above',
    );
  });
});

describe('train with dropout, drop path, token dropping and noise', () => {
  /** The model, the batch and the chunks of the test of plans with randomness, whose kernels a cache may have. */
  const source = readFileSync('test/fixtures/models/random.zoo', 'utf8');
  const recipe = (name: string, more: string) => `
train "${name}" of "random" {
  data = tensors("random.safetensors")
  batch = 16
  chunk = 4
  optimizer = adamw(lr = 1e-3, beta1 = 0.9, beta2 = 0.98, eps = 1e-6, weight_decay = 0.2)
  schedule = cosine(warmup = 3 steps, total = 20 steps)
  checkpoint every 3 steps keep 2
  ${more}
}
`;
  const train = async (name: string, out: string, ...more: string[]) => {
    const { code, stderr } = await workspace.call(['train', `random.zoo#${name}`, '--out', out, ...more]);
    expect(code, stderr).toBe(0);
  };
  const losses = (run: string) => workspace.metrics(run).map((row) => row.loss);
  /** Largest relative difference of two runs' losses. */
  const apart = (a: string, b: string) => {
    const others = losses(b);
    return Math.max(...losses(a).map((loss, i) => Math.abs(loss / others[i]! - 1)));
  };
  beforeAll(async () => {
    const mixed = 'remat "visual.blocks.*"  precision = mixed(loss_scale = dynamic)';
    workspace.write('random.zoo', source + recipe('single', '') + recipe('mixed', mixed));
    const batches = fixedBatches(5, 16, { resolution: 8, context: 8, vocab: 40 });
    workspace.writeTensors('random.safetensors', batches);
    workspace.writeTensors('first.safetensors', firstBatch(batches));
    await train('single', 'exact', '--device', 'reference', '--set', 'chunk=16');
  });

  it('has the losses of the reference, in any chunks', async () => {
    expect(losses('exact')).toHaveLength(20);
    for (const chunk of ['4', '8'])
      await train('single', `exact-${chunk}`, '--device', 'reference', '--set', `chunk=${chunk}`);
    // In double precision only the order of sums differs.
    expect(apart('exact-4', 'exact')).toBeLessThan(1e-12);
    expect(apart('exact-8', 'exact')).toBeLessThan(1e-12);
    await train('single', 'device');
    // About ten times f32's noise, which twenty steps pass on.
    expect(apart('device', 'exact')).toBeLessThan(1e-5);
  });

  it('ends with the same bits after being killed at some moment and resumed, in mixed precision with remat', async () => {
    await train('mixed', 'random-whole');
    const moment = Math.random() * 500;
    let began = Number.POSITIVE_INFINITY;
    await workspace.interrupt(['train', 'random.zoo#mixed', '--out', 'random-killed'], 'SIGKILL', () => {
      if (rowCount('random-killed') > 0) began = Math.min(began, performance.now());
      return performance.now() - began > moment;
    });
    await train('mixed', 'random-killed', '--resume');
    const killed = `killed ${moment} ms after the first checkpoint`;
    expect(weightsOf('random-killed'), killed).toEqual(weightsOf('random-whole'));
    expect(values('random-killed'), killed).toEqual(values('random-whole'));
  });

  it('draws the numbers that `run --mode train` draws, in the first step with seed 0', async () => {
    const run = async (mode: string, device: string) => {
      const args = ['run', 'random.zoo#random', '--entry', 'loss', '--weights', 'init:0', '--mode', mode];
      const rest = ['--inputs', 'first.safetensors', '--device', device, '--out', 'loss.safetensors'];
      const { code, stderr } = await workspace.call([...args, ...rest]);
      expect(code, stderr).toBe(0);
      const { tensors } = readSafetensors(readFileSync(workspace.path('loss.safetensors')));
      return Number(tensors.get('loss')!.data[0]);
    };
    const [first] = losses('exact');
    expect(await run('train', 'reference')).toBeCloseTo(first!, 5);
    expect(Math.abs((await run('eval', 'reference')) - first!)).toBeGreaterThan(1e-2);
    await run('train', 'null');
  });
});
