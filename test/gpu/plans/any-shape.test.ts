/**
 * Models that are fed no pictures: every verb takes the shapes of a model's own inputs, on the reference and
 * on WebGPU, and what only works for pictures says so. Chains of records beside it, against the same written
 * link by link.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkFile } from '../../../compiler/model/index.ts';
import { classify } from '../../../zoo/cli/verbs/classify.ts';
import { compile } from '../../../zoo/cli/verbs/compile.ts';
import { exportVerb } from '../../../zoo/cli/verbs/exporting/export.ts';
import { run as runVerb } from '../../../zoo/cli/verbs/run.ts';
import { train } from '../../../zoo/cli/verbs/training/train.ts';
import type { DeviceChoice } from '../../../zoo/run/devices.ts';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../../zoo/weights/formats/safetensors.ts';
import { memoryHost } from '../../errors/report.ts';
import { device as openDevice } from '../support/compiled.ts';

const on = await openDevice();
const devices: DeviceChoice[] = on === undefined ? ['reference', 'null'] : ['reference', 'null', 'webgpu'];

const folder = mkdtempSync(join(tmpdir(), 'zooc-shapes-'));
const path = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const batch = 4;
const steps = 3;
const programs = 'test/fixtures/programs';
const zoo = path('any-shape.zoo');
const source = readFileSync(join(programs, 'any-shape.zoo'), 'utf8');

const waves = (size: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(i * 0.37));
const ids = (size: number): Int32Array => Int32Array.from({ length: size }, (_, i) => (i * 7) % 32);

function file(name: string, lead: readonly number[]): void {
  const rows = lead.reduce((a, b) => a * b, 1);
  const tensors = new Map<string, Tensor>([
    ['images', { dtype: 'F32', shape: [...lead, 1, 64, 16], data: waves(rows * 1024) }],
    ['tokens', { dtype: 'I32', shape: [...lead, 3], data: ids(rows * 3) }],
  ]);
  writeFileSync(path(name), encodeSafetensors(tensors));
}

beforeAll(() => {
  writeFileSync(zoo, source);
  file('inputs.safetensors', [batch]);
  file('batches.safetensors', [steps, batch]);
});

async function run(
  model: string,
  entry: string,
  device: DeviceChoice,
  inputs: string,
): Promise<Map<string, Tensor>> {
  const out = path('out.safetensors');
  const given = inputs === 'hash' ? { inputs, batch: '3' } : { inputs: path(inputs) };
  const fixed = { entry, weights: 'init:3', out, device, mode: 'eval', set: [] } as const;
  await runVerb(model, { ...fixed, ...given, grad: entry === 'loss' });
  return readSafetensors(readFileSync(out)).tensors;
}

function expectClose(found: ReadonlyMap<string, Tensor>, wanted: ReadonlyMap<string, Tensor>): void {
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [name, { shape, data }] of wanted) {
    const [x, y] = [found.get(name)!.data as Float32Array, data as Float32Array];
    expect(found.get(name)!.shape, name).toEqual(shape);
    const most = y.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-30);
    expect(x.reduce((m, v, i) => Math.max(m, Math.abs(v - y[i]!)), 0) / most, name).toBeLessThan(1e-4);
  }
}

describe('inputs of any shape', () => {
  it.each([
    [`${zoo}#pair`, 'loss', 'hash'],
    [`${zoo}#pair`, 'loss', 'inputs.safetensors'],
    [`${zoo}#pair`, 'encode_text', 'hash'],
    [`${zoo}#vector`, 'encode_image', 'hash'],
    [`${zoo}#fused`, 'encode_image', 'hash'],
    [join(programs, 'not-square.zoo'), 'encode_image', 'hash'],
    [join(programs, 'record-array.zoo'), 'encode_text', 'hash'],
  ])('%s %s on %s: the same on every device', async (model, entry, inputs) => {
    const wanted = await run(model, entry, 'reference', inputs);
    for (const { data } of wanted.values()) expect((data as Float32Array).every(Number.isFinite)).toBe(true);
    for (const device of devices) {
      const found = await run(model, entry, device, inputs);
      if (device !== 'null') expectClose(found, wanted);
      for (const [name, { shape }] of found) expect(shape).toEqual(wanted.get(name)!.shape);
    }
  });

  it('names the shape that a file should have had', async () => {
    const wrong = run(`${zoo}#vector`, 'encode_image', 'reference', 'inputs.safetensors');
    await expect(wrong).rejects.toThrow('image is F32 [4, 1, 64, 16], wanted is F32 [4, 24]');
  });

  it('plans entries and training steps', async () => {
    const fixed = { mode: 'eval', profile: 'cpu', set: [] } as const;
    const plan = (out: string) => JSON.parse(readFileSync(join(out, 'plan.json'), 'utf8'));
    const [entry, step] = [path('entry'), path('step')];
    await compile(`${zoo}#pair`, { ...fixed, entry: 'loss', batch: '5', grad: true, out: entry });
    expect(plan(entry)).toMatchObject({ batch: 5 });
    await compile(`${zoo}#chunks`, { ...fixed, train: true, out: step });
    expect(plan(step)).toMatchObject({ batch: 4, chunk: 2 });
  });

  it.each(['few', 'chunks'])('trains recipe %s alike on every device', async (recipe) => {
    const losses: number[][] = [];
    for (const device of devices.filter((d) => d !== 'null')) {
      const out = path(`${recipe}-${device}`);
      await train(`${zoo}#${recipe}`, { out, device, set: [] });
      const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
      losses.push(lines.map((line) => JSON.parse(line).loss));
    }
    const [reference, ...others] = losses;
    expect(new Set(reference).size).toBe(steps);
    for (const other of others)
      for (const [s, loss] of reference!.entries()) expect(other[s]).toBeCloseTo(loss, 4);
  });

  it('refuses in words what only pictures have', async () => {
    const labels = { weights: 'init:0', labels: 'a,b', top: '1', device: 'reference', set: [] } as const;
    await expect(classify(`${zoo}#pair`, ['x.png'], labels)).rejects.toThrow(
      /Z704.*pair makes no features of pictures \[B, 3, R, R\] alone; its entries are .*encode_image\(image \[B, 1, 64, 16\]\)/,
    );
    const fixed = { model: `${zoo}#pair`, set: [] };
    const foreign = exportVerb('init:0', { ...fixed, format: 'hf', out: path('hf') });
    await expect(foreign).rejects.toThrow(/Z432.*pair cannot be exported/);
    await exportVerb('init:0', { ...fixed, format: 'zoo', out: path('package') });
    expect(JSON.parse(readFileSync(path('package/model.json'), 'utf8')).preprocessing).toBeUndefined();
  });

  it('refuses tables of pictures where the recipe is checked', () => {
    const text = source.replace('tensors("batches.safetensors")', 'csv("pairs.csv")');
    const { diagnostics } = checkFile(memoryHost({ 'main.zoo': text }), 'main.zoo');
    expect(diagnostics.map((d) => `${d.code}: ${d.message}`)).toEqual([
      'Z315: csv gives pictures [B, 3, R, R] and texts i32[B, T]; pair takes image [B, 1, 64, 16] and tokens i32[B, 3]',
    ]);
  });
});

describe('chains', () => {
  it.each(devices.filter((d) => d !== 'null'))(
    'carry records through arrays and sequences, on %s',
    async (device) => {
      expectClose(
        await run(`${zoo}#chained`, 'encode_image', device, 'hash'),
        await run(`${zoo}#unrolled`, 'encode_image', device, 'hash'),
      );
    },
  );

  it('are checked link by link', () => {
    const text = source.replace('join: Join(width) }', 'join: Vector(width) }');
    const { diagnostics } = checkFile(memoryHost({ 'main.zoo': text }), 'main.zoo');
    expect(diagnostics.map((d) => d.message)).toEqual([
      'argument `image` of join must be a tensor, got a record',
    ]);
  });
});
