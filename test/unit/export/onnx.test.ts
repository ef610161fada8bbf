/**
 * Exports to ONNX: files that onnxruntime was found to compute right (test/fixtures/onnx.json holds for exactly their bytes),
 * whose graphs are whole, and refusals of what has no form there.
 */
import { createHash } from 'node:crypto';
import {
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
import { fromBinary } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema, TensorProto_DataType } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { resolveModel } from '../../../compiler/model/index.ts';
import { onnxLayout } from '../../../zoo/export/foreign/onnx.ts';
import { exportForeign } from '../../../zoo/export/index.ts';
import { pictureModel, refuseFormless, tracedTowers } from '../../../zoo/export/onnx/towers.ts';
import { onnxBytes } from '../../../zoo/export/onnx/write-onnx.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { openEntry } from '../../../zoo/run/entry.ts';
import { ruledWeights } from '../../../zoo/weights/source.ts';
import { openWeights, weightsToWrite } from '../../../zoo/weights/weights.ts';
import { diagnosticsOf } from '../../support/golden/published-weights.ts';
import {
  exportOnnx,
  feedsOf,
  onnxCases,
  onnxFixture,
  onnxModel,
  onnxModels,
  paddedTexts,
  writeCase,
} from '../../support/onnx/onnx-cases.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);
const digest = (name: string) =>
  createHash('sha256')
    .update(readFileSync(path(name)))
    .digest('hex');
const decoded = (name: string) => fromBinary(ModelProtoSchema, readFileSync(path(name)));
const json = (name: string) => JSON.parse(readFileSync(path(name), 'utf8'));
const fixture = onnxFixture();

beforeAll(async () => {
  for (const name of onnxModels) await exportOnnx(name, path(name));
});

test('every case of every op has the bytes that onnxruntime computed as the reference does', async () => {
  const found: Record<string, string> = {};
  for (const c of onnxCases) {
    await writeCase(path('case.onnx'), c);
    found[c.label] = digest('case.onnx');
    rmSync(path('case.onnx'));
  }
  expect(found).toEqual(fixture.ops);
});

/** What `run` gives on the reference for the same pictures and texts, the latter by rows of their own. */
async function features(name: (typeof onnxModels)[number]) {
  const model = onnxModel(name);
  const weights = await openWeights(model, 'hash');
  const { pictures, texts } = feedsOf(model);
  const of = async (entry: string, input: string, batch: number, data: Float32Array | Int32Array) => {
    const request = { entry, batch, mode: 'eval', gradients: false } as const;
    const ready = await openEntry(
      { kind: 'reference', name: 'reference', close: () => {} },
      model,
      weights,
      request,
    );
    const [result] = (await ready.run(new Map([[input, data]]))).values();
    return Array.from({ length: batch }, (_, row) => {
      const width = result!.data.length / batch;
      const values = [...result!.data.slice(row * width, (row + 1) * width)];
      const length = Math.hypot(...values);
      return values.map((v) => v / length);
    });
  };
  const image = await of('encode_image', 'images', 3, pictures.data);
  const text = await of('encode_text', 'tokens', 2, paddedTexts(texts, model.context!));
  const number = async (weight: string) => {
    const found = model.weights.find((w) => w.name === weight);
    return found === undefined ? 0 : (await weights.read(found))[0]!;
  };
  const [scale, bias] = [Math.exp(await number('logit_scale')), await number('logit_bias')];
  const cosine = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  return {
    logits_per_image: image.flatMap((i) => text.map((t) => scale * cosine(i, t) + bias)),
    logits_per_text: text.flatMap((t) => image.map((i) => scale * cosine(i, t) + bias)),
    text_embeds: text.flat(),
    image_embeds: image.flat(),
  };
}

describe.each(onnxModels)('the exported %s', (name) => {
  it('gives in onnxruntime what run gives, for more rows than one and texts shorter than the context', async () => {
    const { sha256, outputs } = fixture.models[name];
    expect(digest(`${name}/onnx/model.onnx`)).toBe(sha256);
    const wanted: Record<string, number[]> = await features(name);
    expect(Object.keys(outputs).sort()).toEqual(Object.keys(wanted).sort());
    for (const [output, values] of Object.entries(outputs)) {
      expect(values).toHaveLength(wanted[output]!.length);
      // Features have length 1 and logits are up to 20 times that; f32 against f64 through a handful of layers.
      for (const [i, value] of values.entries())
        expect(Math.abs(value - wanted[output]![i]!)).toBeLessThan(1e-5);
    }
  });

  it('has whole graphs: each value is made once, before it is read, and every weight is of the model', async () => {
    const shapes = new Map(onnxModel(name).weights.map((w) => [w.name, w.shape]));
    for (const file of ['model', 'text_model', 'vision_model']) {
      const { graph, opsetImport } = decoded(`${name}/onnx/${file}.onnx`);
      expect(opsetImport.map(({ domain, version }) => [domain, version])).toEqual([['', 18n]]);
      const known = new Set([...graph!.input, ...graph!.initializer].map((v) => v.name));
      expect(known.size).toBe(graph!.input.length + graph!.initializer.length);
      for (const node of graph!.node) {
        for (const input of node.input) expect(known).toContain(input);
        for (const output of node.output) {
          expect(known).not.toContain(output);
          known.add(output);
        }
      }
      for (const output of graph!.output) expect(known).toContain(output.name);
      for (const { name: weight, dims } of graph!.initializer)
        if (!weight.startsWith('/')) expect(dims.map(Number)).toEqual(shapes.get(weight));
    }
  });
});

function signature({ graph }: ModelProto, of: 'input' | 'output') {
  return Object.fromEntries(
    graph![of].map(({ name, type }) => {
      if (type!.value.case !== 'tensorType') throw new Error(`${name} is no tensor`);
      const { elemType, shape } = type!.value.value;
      return [name, [TensorProto_DataType[elemType], ...shape!.dim.map(({ value }) => value.value)]];
    }),
  );
}

it('is the same in memory as in a file', async () => {
  const model = onnxModel('vit');
  const weights = ruledWeights(model, 'hash')!;
  const tensors = model.weights.map((weight) => {
    const { name, shape } = weight;
    return [name, { name, shape, dtype: 'F32', data: () => weights.read(weight) }] as const;
  });
  const graph = pictureModel(tracedTowers(model).pictures!, ['image_embeds'], false);
  const bytes = await onnxBytes('vision_model', graph, new Map(tensors));
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest('vit/onnx/vision_model.onnx'));
});

describe('a folder for transformers.js', () => {
  it('has open numbers of rows and of ids, under the names that its classes read', () => {
    const model = decoded('vit/onnx/model.onnx');
    expect(signature(model, 'input')).toEqual({
      input_ids: ['INT64', 'text_batch_size', 'sequence_length'],
      pixel_values: ['FLOAT', 'image_batch_size', 3n, 8n, 8n],
    });
    expect(signature(model, 'output')).toEqual({
      logits_per_image: ['FLOAT', 'image_batch_size', 'text_batch_size'],
      logits_per_text: ['FLOAT', 'text_batch_size', 'image_batch_size'],
      text_embeds: ['FLOAT', 'text_batch_size', 6n],
      image_embeds: ['FLOAT', 'image_batch_size', 6n],
    });
    const outputs = (file: string) => Object.keys(signature(decoded(`${file}.onnx`), 'output'));
    expect(outputs('vit/onnx/text_model')).toEqual(['text_embeds']);
    expect(outputs('vit/onnx/vision_model')).toEqual(['image_embeds']);
    expect(outputs('siglip/onnx/text_model')).toEqual(['pooler_output', 'text_embeds']);
    expect(outputs('siglip/onnx/vision_model')).toEqual(['pooler_output', 'image_embeds']);
  });

  it('says the family, the type of elements, and to pad texts with id 0 as our tokenizer does', () => {
    expect(json('vit/config.json')).toEqual({
      model_type: 'clip',
      'transformers.js_config': { dtype: 'fp32' },
    });
    expect(json('siglip/config.json').model_type).toBe('siglip');
    const { pad_token, eos_token, model_max_length } = json('vit/tokenizer_config.json');
    expect([json('vit/vocab.json')[pad_token], json('vit/vocab.json')[eos_token], model_max_length]).toEqual([
      0, 599, 7,
    ]);
    expect(json('vit/preprocessor_config.json').crop_size).toEqual({ height: 8, width: 8 });
  });

  it('has f16 for matrices with --dtype f16, and f32 for what goes in and out', async () => {
    await exportOnnx('vit', path('half'), 'F16');
    expect(readdirSync(path('half/onnx')).sort()).toEqual([
      'model_fp16.onnx',
      'text_model_fp16.onnx',
      'vision_model_fp16.onnx',
    ]);
    const model = decoded('half/onnx/model_fp16.onnx');
    const types = model
      .graph!.initializer.filter((t) => !t.name.startsWith('/'))
      .map((t) => [t.dims.length > 1, TensorProto_DataType[t.dataType]]);
    expect(new Set(types.map(String))).toEqual(new Set(['true,FLOAT16', 'false,FLOAT']));
    expect(signature(model, 'input')).toEqual(signature(decoded('vit/onnx/model.onnx'), 'input'));
    expect(json('half/config.json')['transformers.js_config'].dtype).toBe('fp16');
  });

  it('has weights above the limit of protobuf in a file of their own, with the same values', async () => {
    const model = onnxModel('vit');
    const tensors = weightsToWrite(model, await openWeights(model, 'hash'));
    const layout = await onnxLayout(model, tensors, 'F32', 100_000);
    mkdirSync(path('large'));
    const written = await layout.write(path('large'));
    expect(written).toEqual([
      'onnx/model.onnx',
      'onnx/model.onnx_data',
      'onnx/text_model.onnx',
      'onnx/text_model.onnx_data',
      'onnx/vision_model.onnx',
      'onnx/vision_model.onnx_data',
    ]);
    const config = JSON.parse(layout.texts.get('config.json')!);
    expect(config['transformers.js_config'].use_external_data_format).toEqual({
      model: 1,
      text_model: 1,
      vision_model: 1,
    });
    const inside = new Map(decoded('vit/onnx/model.onnx').graph!.initializer.map((t) => [t.name, t]));
    const data = readFileSync(path('large/onnx/model.onnx_data'));
    let outside = 0;
    for (const { name, rawData, externalData, dims } of decoded('large/onnx/model.onnx').graph!.initializer) {
      const place = Object.fromEntries(externalData.map(({ key, value }) => [key, value]));
      if (externalData.length > 0) {
        outside++;
        expect(place.location).toBe('model.onnx_data');
      }
      const [offset, length] = [Number(place.offset), Number(place.length)];
      const bytes = externalData.length > 0 ? data.subarray(offset, offset + length) : rawData;
      expect(Buffer.from(bytes).equals(inside.get(name)!.rawData)).toBe(true);
      expect(dims).toEqual(inside.get(name)!.dims);
    }
    expect(outside).toBeGreaterThan(5);
  });

  it('has a card that shows both runtimes', () => {
    const card = readFileSync(path('vit/README.md'), 'utf8');
    expect(card).toContain("await pipeline('zero-shot-image-classification', '.')");
    expect(card).toContain('onnxruntime.InferenceSession("onnx/model.onnx")');
    expect(card).toContain('"pixel_values": np.zeros((1, 3, 8, 8), np.float32)');
  });
});

describe('what ONNX has no form of is refused in words, and nothing is written', () => {
  const refusal = async (text: string) => {
    writeFileSync(path('refused.zoo'), text);
    const model = resolveModel(nodeHost(), path('refused.zoo'));
    if (!model.ok) throw new Error(model.diagnostics.map((d) => d.message).join());
    const request = { source: 'hash', model: model.value, out: path('refused') };
    const found = await diagnosticsOf(exportForeign(request, 'onnx'));
    expect(existsSync(path('refused'))).toBe(false);
    return found;
  };

  test('a model without pictures or texts', async () => {
    const text = `import nn { Linear }
block One { head: Linear(2, 3)  forward(x: [B, 2]) -> [B, 3] = head(x) }
model "one" = One()
`;
    const found = await refusal(text);
    expect(found).toContain(
      'error[Z432]: one cannot be exported as onnx: it makes no features of pictures [B, 3, R, R] or texts i32[B, T] alone; its entries are encode_image(x [B, 2]), forward(x [B, 2])',
    );
    expect(found).toContain('declare in its block: entry encode_image(...) -> [B, E] = ...');
  });

  test('ops without a form, each once, where it is first', async () => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [2, 3] });
    const origin = { path: 'visual.head' };
    const first = b.add('softmax_grad', [x, x], {}, origin);
    const second = b.add('softmax_grad', [first, x], {});
    const y = b.add('recompute', [second], {});
    const graph = b.finish([{ name: 'y', node: y }]);
    const found = await diagnosticsOf((async () => refuseFormless(onnxModel('vit'), [graph]))());
    expect(found).toContain(
      'vit cannot be exported as onnx: ONNX has no form of softmax_grad in visual.head: it is made by training alone',
    );
    expect(found).toContain(
      'also: ONNX has no form of recompute: it is made by passes of the compiler alone',
    );
    expect(found.match(/softmax_grad/g)).toHaveLength(1);
  });
});

test('towers whose results are no features of one width have a file each, and no logits', async () => {
  const text = `import nn { Embedding, Linear }
block Apart {
  words: Embedding(600, 8)
  see: Linear(48, 6)
  forward(tokens: i32[B, 5], image: [B, 3, 4, 4]) -> { a: [B, 5, 8], b: [B, 6] } = {
    a = words(tokens), b = see(rearrange(image, [b, c, h, w] -> [b, (c h w)]))
  }
  entry encode_text(tokens: i32[B, 5]) -> [B, 5, 8] = words(tokens)
  entry encode_image(image: [B, 3, 4, 4]) -> [B, 6] = see(rearrange(image, [b, c, h, w] -> [b, (c h w)]))
}
model "apart" = Apart()
`;
  writeFileSync(path('apart.zoo'), text);
  const model = resolveModel(nodeHost(), path('apart.zoo'));
  if (!model.ok) throw new Error(model.diagnostics.map((d) => d.message).join());
  await exportForeign({ source: 'hash', model: model.value, out: path('apart') }, 'onnx');
  expect(readdirSync(path('apart/onnx')).sort()).toEqual(['text_model.onnx', 'vision_model.onnx']);
  expect(signature(decoded('apart/onnx/text_model.onnx'), 'output')).toEqual({
    text_embeds: ['FLOAT', 'text_batch_size', 5n, 8n],
  });
  const card = readFileSync(path('apart/README.md'), 'utf8');
  expect(card).not.toContain('pipeline(');
  expect(card).toContain('onnxruntime.InferenceSession("onnx/vision_model.onnx")');
});

test('a tower alone has a file alone', async () => {
  const text = `import clip { VisionTransformer }
model "sight" = VisionTransformer(resolution = 8, patch = 4, width = 64, layers = 1, embed = 6)
`;
  writeFileSync(path('sight.zoo'), text);
  const model = resolveModel(nodeHost(), path('sight.zoo'));
  if (!model.ok) throw new Error('sight');
  const { files } = await exportForeign({ source: 'hash', model: model.value, out: path('sight') }, 'onnx');
  expect(Object.keys(files)).toEqual([
    'README.md',
    'config.json',
    'onnx/vision_model.onnx',
    'preprocessor_config.json',
  ]);
});
