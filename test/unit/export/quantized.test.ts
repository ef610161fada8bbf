/**
 * Quantised exports to ONNX: files that onnxruntime was found to compute as our simulation does (test/fixtures/onnx.json holds for
 * exactly their bytes), and what is quantised in them.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataType } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { dequantized, quantized, scalesOf } from '../../../zoo/export/onnx/quantize.ts';
import { simulated } from '../../../zoo/export/onnx/simulate.ts';
import { tracedTowers } from '../../../zoo/export/onnx/towers.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { exportOnnx, onnxFixture, onnxModel, onnxModels } from '../../support/onnx/onnx-cases.ts';
import { runFeatures } from '../../support/onnx/run-features.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-quantized-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);
const decoded = (name: string) => fromBinary(ModelProtoSchema, readFileSync(path(name))).graph!;
const fixture = onnxFixture();

beforeAll(async () => {
  for (const name of onnxModels) await exportOnnx(name, path(name), { quantize: true });
});

describe.each(onnxModels)('the quantised %s', (name) => {
  const file = `${name}/onnx/model_quantized.onnx`;

  it('gives in onnxruntime what the simulation gives, close to what the weights give', async () => {
    const { sha256, outputs } = fixture.quantized[name];
    expect(
      createHash('sha256')
        .update(readFileSync(path(file)))
        .digest('hex'),
    ).toBe(sha256);
    const model = onnxModel(name);
    const { pictures, texts } = tracedTowers(model);
    const weights = await openWeights(model, 'hash');
    const found = await runFeatures(name, simulated(model, weights, [pictures!.graph, texts!.graph]));
    expect(Object.keys(outputs).sort()).toEqual(Object.keys(found).sort());
    // Both round the same numbers to bytes; then f32 against f64. A value that fell to the other side of a half would be off by 1e-3.
    for (const [output, values] of Object.entries(outputs))
      for (const [i, value] of values.entries())
        expect(Math.abs(value - found[output]![i]!)).toBeLessThan(1e-5);
    for (const [output, rows] of [
      ['image_embeds', 3],
      ['text_embeds', 2],
    ] as const) {
      const [q8, f32] = [outputs[output]!, fixture.models[name].outputs[output]!];
      expect(q8).not.toEqual(f32);
      // The mean of the rows' cosines; rows have length 1. Bytes hold numbers to 1 / 255 of their range.
      const cosine = q8.reduce((sum, value, i) => sum + value * f32[i]!, 0) / rows;
      expect(cosine).toBeGreaterThan(0.999);
    }
  });

  it('has whole graphs whose products and tables are of bytes', () => {
    for (const part of ['model', 'text_model', 'vision_model']) {
      const { node, input, initializer, output } = decoded(`${name}/onnx/${part}_quantized.onnx`);
      const known = new Set([...input, ...initializer].map((v) => v.name));
      expect(known.size).toBe(input.length + initializer.length);
      const read = new Set<string>();
      for (const { input: inputs, output: outputs } of node) {
        for (const value of inputs) {
          expect(known).toContain(value);
          read.add(value);
        }
        for (const value of outputs) {
          expect(known).not.toContain(value);
          known.add(value);
        }
      }
      for (const { name: value } of output) expect(known).toContain(value);
      for (const { name: value } of initializer) expect(read).toContain(value);
      const weights = new Set(initializer.filter((t) => !t.name.startsWith('/')).map((t) => t.name));
      for (const { opType, input: inputs } of node)
        if (opType === 'Conv' || opType === 'MatMul')
          for (const value of inputs) expect(weights).not.toContain(value);
    }
  });
});

test('files have the suffix by which transformers.js finds them, and a quarter of the bytes of their matrices', async () => {
  await exportOnnx('vit', path('plain'));
  expect(readdirSync(path('vit/onnx')).sort()).toEqual([
    'model_quantized.onnx',
    'text_model_quantized.onnx',
    'vision_model_quantized.onnx',
  ]);
  expect(JSON.parse(readFileSync(path('vit/config.json'), 'utf8'))['transformers.js_config'].dtype).toBe(
    'q8',
  );
  expect(readFileSync(path('vit/README.md'), 'utf8')).toContain(
    'InferenceSession("onnx/model_quantized.onnx")',
  );
  const bytes = (name: string) =>
    decoded(name)
      .initializer.filter((t) => t.dims.length > 1)
      .reduce((sum, t) => sum + t.rawData.length, 0);
  const [q8, f32] = [bytes('vit/onnx/model_quantized.onnx'), bytes('plain/onnx/model.onnx')];
  // What is added to activations, positions, stays f32.
  expect(q8 / f32).toBeLessThan(0.27);
  expect(statSync(path('vit/onnx/model_quantized.onnx')).size).toBeLessThan(
    statSync(path('plain/onnx/model.onnx')).size / 3,
  );
});

describe('bytes', () => {
  const values = Float32Array.of(1, -2, 0.5, 0, 0, 0, 30, -127, 63.4);
  const of = (axis: number) => ({ name: 'w', shape: [3, 3], axis, input: 1 });

  it('have a scale for each channel along their axis, 1 where all is 0', () => {
    expect([...scalesOf(of(0), values)]).toEqual([Math.fround(2 / 127), 1, 1]);
    expect([...scalesOf(of(1), values)]).toEqual(
      [30, 127, 63.4].map((most) => Math.fround(Math.fround(most) / 127)),
    );
  });

  it('are 128 for 0, and from 1 to 255 for the largest of a channel', () => {
    expect([...quantized(of(0), values)]).toEqual([192, 1, 160, 128, 128, 128, 158, 1, 191]);
  });

  it.each([0, 1])('stand for the values to half a scale, along axis %d', (axis) => {
    const scales = scalesOf(of(axis), values);
    const off = dequantized(of(axis), values).map((value, i) => {
      const channel = axis === 0 ? Math.floor(i / 3) : i % 3;
      return Math.abs(value - values[i]!) / scales[channel]!;
    });
    // A half, and the rounding of f32 beside it.
    expect(Math.max(...off)).toBeLessThanOrEqual(0.5 + 1e-5);
  });
});

test('a table that is also multiplied by and added is stored for each of its uses', () => {
  const { initializer } = decoded('tied/onnx/text_model_quantized.onnx');
  const stored = initializer.flatMap(({ name, dataType, dims }) =>
    name.startsWith('table') ? [[name, TensorProto_DataType[dataType], dims.map(Number)]] : [],
  );
  expect(stored).toEqual([
    ['table', 'FLOAT', [600, 6]],
    ['table_quantized', 'UINT8', [600, 6]],
    ['table_scale', 'FLOAT', [600]],
    ['table_quantized_1', 'UINT8', [600, 6]],
    ['table_scale_1', 'FLOAT', [6]],
  ]);
});
