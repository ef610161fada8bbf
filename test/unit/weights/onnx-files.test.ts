/** Weights in ONNX files: those of our exports, those that PyTorch's exporter renamed, and files that are none. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type GraphProtoSchema,
  ModelProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
} from 'onnx-buf';
import { afterAll, describe, expect, it, test } from 'vitest';
import { isOnnx, openTensors } from '../../../zoo/weights/formats/open-tensors.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { diagnosticsOf } from '../../support/golden/published-weights.ts';
import { exportOnnx, onnxModel } from '../../support/onnx/onnx-cases.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

type GraphInit = MessageInitShape<typeof GraphProtoSchema>;

function write(name: string, graph: GraphInit): string {
  const model = create(ModelProtoSchema, { irVersion: 8n, producerName: 'a test', graph });
  writeFileSync(path(name), toBinary(ModelProtoSchema, model));
  return path(name);
}

const bytes = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const { FLOAT, FLOAT16, INT64, INT8 } = TensorProto_DataType;
const matrix = { name: 'onnx::MatMul_7', dataType: FLOAT, dims: [2n, 3n], rawData: bytes(1, 2, 3, 4, 5, 6) };
const vector = { name: 'fc.bias', dataType: FLOAT, dims: [3n], rawData: bytes(7, 8, 9) };

async function contents(file: string) {
  const opened = await openTensors(file);
  const found = await Promise.all(
    [...opened.infos.keys()].map(async (name) => {
      const { shape, data } = await opened.read(name);
      return [name, [shape, [...data].map(Number)]] as const;
    }),
  );
  await opened.close();
  return Object.fromEntries(found);
}

describe.each(['vit', 'resnet'] as const)('an export of the %s', (name) => {
  it('is read as the weights that it was made of, from the file and from its folder', async () => {
    const model = onnxModel(name);
    await exportOnnx(name, path(name));
    const wanted = await openWeights(model, 'hash');
    for (const spec of [path(name), path(`${name}/onnx/model.onnx`)]) {
      const found = await openWeights(model, spec);
      // Counters of batches are read by no graph.
      for (const weight of model.weights.filter((w) => w.dtype === 'f32'))
        expect(await found.read(weight)).toEqual(await wanted.read(weight));
      await found.close();
    }
    expect(await isOnnx(path(name))).toBe(true);
  });
});

describe("what PyTorch's exporter renames", () => {
  test('matrices that it transposed have the name of the module whose node reads them', async () => {
    const file = write('renamed.onnx', {
      initializer: [matrix, vector],
      node: [
        {
          opType: 'MatMul',
          name: '/encoder/layers.0/fc/MatMul',
          input: ['x', 'onnx::MatMul_7'],
          output: ['y'],
        },
        { opType: 'Add', name: '/encoder/layers.0/fc/Add', input: ['fc.bias', 'y'], output: ['z'] },
      ],
    });
    expect(await contents(file)).toEqual({
      'encoder.layers.0.fc.weight': [
        [3, 2],
        [1, 4, 2, 5, 3, 6],
      ],
      'fc.bias': [[3], [7, 8, 9]],
    });
  });

  test('equal tensors stand under the other names behind an Identity', async () => {
    const node = [{ opType: 'Identity', name: 'Identity_1', input: ['fc.bias'], output: ['norm.bias'] }];
    const found = await contents(write('equal.onnx', { initializer: [vector], node }));
    expect(found).toEqual({ 'fc.bias': [[3], [7, 8, 9]], 'norm.bias': [[3], [7, 8, 9]] });
  });

  test('numbers of a message, halves among them, are as good as bytes', async () => {
    const initializer = [
      { name: 'a', dataType: FLOAT, dims: [2n], floatData: [1.5, -2] },
      { name: 'b', dataType: FLOAT16, dims: [2n], int32Data: [0x3c00, 0xc000] },
      { name: 'c', dataType: INT64, dims: [], int64Data: [7n] },
    ];
    expect(await contents(write('numbers.onnx', { initializer }))).toEqual({
      a: [[2], [1.5, -2]],
      b: [[2], [1, -2]],
      c: [[], [7]],
    });
  });

  test('quantised tensors are no weights', async () => {
    const initializer = [
      { name: 'fc.weight_quantized', dataType: INT8, dims: [2n], rawData: new Uint8Array(2) },
      vector,
    ];
    expect(Object.keys(await contents(write('quantised.onnx', { initializer })))).toEqual(['fc.bias']);
  });
});

describe('weights beside the graph', () => {
  const outside = (location: string, offset = '4', dims = [3n]): GraphInit => ({
    initializer: [
      {
        name: 'fc.bias',
        dataType: FLOAT,
        dims,
        dataLocation: TensorProto_DataLocation.EXTERNAL,
        externalData: [
          { key: 'location', value: location },
          { key: 'offset', value: offset },
        ],
      },
    ],
  });
  mkdirSync(path('in'));
  writeFileSync(path('secret'), bytes(0, 1, 2, 3));
  writeFileSync(path('in/data'), bytes(0, 1, 2, 3));

  it('are read from the file beside it', async () => {
    expect(await contents(write('in/model.onnx', outside('data')))).toEqual({ 'fc.bias': [[3], [1, 2, 3]] });
  });

  it.each([
    ['../secret', '4', 'is not the name of a file beside it'],
    ['/etc/passwd', '0', 'is not the name of a file beside it'],
    ['data', '-4', 'is no place in data'],
    ['data', '8', 'data has 16 bytes'],
    ['lost', '0', 'cannot read'],
  ])('at %s, %s are refused', async (location, offset, why) => {
    const file = write('in/evil.onnx', outside(location, offset));
    expect(await diagnosticsOf(contents(file))).toContain(why);
  });
});

describe('a damaged file', () => {
  it('is refused in words where it ends early', async () => {
    const whole = readFileSync(write('whole.onnx', { initializer: [matrix, vector] }));
    writeFileSync(path('cut.onnx'), whole.subarray(0, whole.length - 5));
    expect(await diagnosticsOf(contents(path('cut.onnx')))).toContain('error[Z436]');
  });

  it('is refused where a tensor has not the bytes of its shape', async () => {
    const file = write('short.onnx', { initializer: [{ ...vector, dims: [4n] }] });
    expect(await diagnosticsOf(contents(file))).toContain('"fc.bias" has 12 bytes, its shape needs 16');
  });

  it('is refused where a size is negative, or no graph is there', async () => {
    const negative = write('negative.onnx', { initializer: [{ ...vector, dims: [-3n] }] });
    expect(await diagnosticsOf(contents(negative))).toContain('has the shape [-3]');
    const empty = create(ModelProtoSchema, { irVersion: 8n, producerName: 'a test' });
    writeFileSync(path('empty.onnx'), toBinary(ModelProtoSchema, empty));
    expect(await diagnosticsOf(contents(path('empty.onnx')))).toContain('it has no graph');
  });
});
