/**
 * Weights in every format that CLIP's come in, each written by the tests' own writers from the published layouts, load to
 * the same values; names are told from the file, and what does not fit is reported in the file's own names.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveModel } from '../../compiler/model/index.ts';
import type { Model } from '../../compiler/model/types.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../grammar/render.ts';
import { narrowF16, widenF16 } from '../../runtime/data/half.ts';
import { hashWeight } from '../../zoo/formats/hash-weights.ts';
import { openTensors } from '../../zoo/formats/open-tensors.ts';
import { encodeSafetensors, type Tensor } from '../../zoo/formats/safetensors.ts';
import { nodeHost } from '../../zoo/host.ts';
import { namingNames } from '../../zoo/naming.ts';
import { openWeights, type WeightSource, weightsToWrite } from '../../zoo/weights.ts';
import { PickleWriter } from '../support/pickle-writer.ts';
import { archive, denseStrides, tensorOn, torchFile } from '../support/torch-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-formats-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(name: string): Model {
  const result = resolveModel(nodeHost(), `test/fixtures/models/tiny.zoo#${name}`);
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics));
  return result.value;
}

const vit = load('tiny_vit');
const resnet = load('tiny_rn');

let files = 0;
function write(bytes: Uint8Array, name = `file-${files++}`): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

type Tensors = Map<string, Tensor>;

/** The weights as OpenAI names them; values by the hash rule. */
function openai(model: Model, dtype: 'F32' | 'F16' = 'F32'): Tensors {
  return new Map(
    model.weights.map(({ name, shape, dtype: kind }): [string, Tensor] => [
      name,
      kind === 'i64'
        ? { dtype: 'I64', shape, data: new BigInt64Array(1) }
        : { dtype, shape, data: hashWeight(name, shape) },
    ]),
  );
}

function renamed(tensors: Tensors, rename: (name: string) => string): Tensors {
  return new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
}

/** open_clip's CustomTextCLIP: everything of the text tower moves under `text.`. */
const customText = (tensors: Tensors): Tensors =>
  renamed(tensors, (name) => (/^(visual\.|logit_scale$)/.test(name) ? name : `text.${name}`));

function transposed({ dtype, shape, data }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(data.length);
  for (let i = 0; i < out.length; i++)
    out[i] = (data as Float32Array)[(i % rows) * columns + Math.floor(i / rows)]!;
  return { dtype, shape: [columns, rows], data: out };
}

/** Third `part` of the rows of a tensor. */
function third({ dtype, shape, data }: Tensor, part: number): Tensor {
  const size = data.length / 3;
  const values = (data as Float32Array).slice(part * size, (part + 1) * size);
  return { dtype, shape: [shape[0]! / 3, ...shape.slice(1)], data: values };
}

const hfTop: Readonly<Record<string, string>> = {
  logit_scale: 'logit_scale',
  text_projection: 'text_projection.weight',
  'visual.proj': 'visual_projection.weight',
  positional_embedding: 'text_model.embeddings.position_embedding.weight',
  'token_embedding.weight': 'text_model.embeddings.token_embedding.weight',
  'ln_final.weight': 'text_model.final_layer_norm.weight',
  'ln_final.bias': 'text_model.final_layer_norm.bias',
  'visual.class_embedding': 'vision_model.embeddings.class_embedding',
  'visual.positional_embedding': 'vision_model.embeddings.position_embedding.weight',
  'visual.conv1.weight': 'vision_model.embeddings.patch_embedding.weight',
  'visual.ln_pre.weight': 'vision_model.pre_layrnorm.weight',
  'visual.ln_pre.bias': 'vision_model.pre_layrnorm.bias',
  'visual.ln_post.weight': 'vision_model.post_layernorm.weight',
  'visual.ln_post.bias': 'vision_model.post_layernorm.bias',
};

const hfParts: Readonly<Record<string, string>> = {
  'attn.out_proj': 'self_attn.out_proj',
  ln_1: 'layer_norm1',
  ln_2: 'layer_norm2',
  'mlp.c_fc': 'mlp.fc1',
  'mlp.c_proj': 'mlp.fc2',
};

/** The tensors as Hugging Face's CLIPModel has them; written down here without the map in the language. */
function huggingFace(tensors: Tensors): Tensors {
  const out: Tensors = new Map();
  for (const [name, tensor] of tensors) {
    const top = hfTop[name];
    if (top !== undefined) {
      out.set(top, /projection\.weight$/.test(top) ? transposed(tensor) : tensor);
      continue;
    }
    const [, visual, layer, rest = ''] = /^(visual\.)?transformer\.resblocks\.(\d+)\.(.*)$/.exec(name)!;
    const at = `${visual === undefined ? 'text_model' : 'vision_model'}.encoder.layers.${layer}`;
    const kind = rest.endsWith('bias') ? 'bias' : 'weight';
    if (rest.startsWith('attn.in_proj_'))
      for (const [i, p] of ['q', 'k', 'v'].entries())
        out.set(`${at}.self_attn.${p}_proj.${kind}`, third(tensor, i));
    else out.set(`${at}.${hfParts[rest.replace(/\.(weight|bias)$/, '')]}.${kind}`, tensor);
  }
  return out;
}

const positions: Tensor = {
  dtype: 'I64',
  shape: [1, 16],
  data: BigInt64Array.from({ length: 16 }, (_, i) => BigInt(i)),
};
const number: Tensor = { dtype: 'I64', shape: [], data: BigInt64Array.of(224n) };

/** With what published files hold beside the weights. */
const published = {
  openai: (tensors: Tensors): Tensors =>
    new Map([
      ...tensors,
      ...['input_resolution', 'context_length', 'vocab_size'].map((name): [string, Tensor] => [name, number]),
    ]),
  open_clip: (tensors: Tensors): Tensors =>
    new Map([
      ...customText(tensors),
      ['text.attn_mask', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(0, -Infinity, 0, 0) }],
    ]),
  hf: (tensors: Tensors): Tensors =>
    new Map([
      ...huggingFace(tensors),
      ['text_model.embeddings.position_ids', positions],
      ['vision_model.embeddings.position_ids', positions],
    ]),
};

/** Bit for bit; as bytes, since comparing arrays of numbers takes the test runner its time. */
async function expectValues(model: Model, weights: WeightSource, half = false): Promise<void> {
  const different: string[] = [];
  for (const weight of model.weights) {
    const { name, shape, dtype } = weight;
    const exact = dtype === 'i64' ? new Float32Array(1) : hashWeight(name, shape);
    const wanted = half ? widenF16(narrowF16(exact)) : exact;
    const found = await weights.read(weight);
    if (!Buffer.from(found.buffer).equals(Buffer.from(wanted.buffer))) different.push(name);
  }
  await weights.close();
  expect(different).toEqual([]);
}

async function diagnosticsOf(opening: Promise<unknown>): Promise<string> {
  try {
    await opening;
  } catch (error) {
    if (error instanceof DiagnosticError) return renderDiagnostics(error.diagnostics);
    throw error;
  }
  return 'no error';
}

const containers: Readonly<Record<string, (tensors: Tensors) => Uint8Array>> = {
  safetensors: (tensors) => encodeSafetensors(tensors),
  'torch.save': (tensors) => torchFile(tensors),
  'torch.save, protocol 4': (tensors) => torchFile(tensors, 'state_dict', 4),
  'a training checkpoint': (tensors) => torchFile(tensors, 'checkpoint'),
  TorchScript: (tensors) => torchFile(tensors, 'script'),
};

describe('weights of a vision transformer', () => {
  const cases = Object.keys(containers).flatMap((container) =>
    namingNames.map((naming) => [container, naming] as const),
  );

  it.each(cases)('load from %s under the names of %s', async (container, naming) => {
    const path = write(containers[container]!(published[naming](openai(vit))));
    const weights = await openWeights(vit, path);
    expect(weights.naming).toBe(naming);
    expect(vit.weights.map((w) => weights.storedDtype(w))).toEqual(vit.weights.map(() => 'F32'));
    await expectValues(vit, weights);
  });

  it.each(cases)('keep their halves: %s, %s', async (container, naming) => {
    const weights = await openWeights(
      vit,
      write(containers[container]!(published[naming](openai(vit, 'F16')))),
    );
    expect(new Set(vit.weights.map((w) => weights.storedDtype(w)))).toEqual(new Set(['F16']));
    await expectValues(vit, weights, true);
  });

  it.each(['BF16', 'F64'] as const)('load from a checkpoint in %s', async (dtype) => {
    const tensors = new Map(
      [...openai(vit)].map(([name, { shape, data }]): [string, Tensor] => {
        const values = data as Float32Array;
        // Halves of bfloat16 keep eight bits: small whole numbers are exact.
        return [
          name,
          { dtype, shape, data: dtype === 'F64' ? Float64Array.from(values) : values.map(() => 3) },
        ];
      }),
    );
    const weights = await openWeights(vit, write(torchFile(tensors)));
    const [weight] = vit.weights;
    expect(weights.storedDtype(weight!)).toBe(dtype);
    if (dtype === 'F64') await expectValues(vit, weights);
    else expect(new Set(await weights.read(weight!))).toEqual(new Set([3]));
    await weights.close();
  });

  it('load with the prefix that data-parallel and compiled training leave', async () => {
    for (const prefix of ['module.', '_orig_mod.', 'module._orig_mod.']) {
      const tensors = renamed(published.open_clip(openai(vit)), (name) => prefix + name);
      await expectValues(vit, await openWeights(vit, write(torchFile(tensors, 'checkpoint'))));
    }
  });

  it('load with a logit_scale that is a list of one', async () => {
    const tensors = openai(vit);
    tensors.set('logit_scale', { ...tensors.get('logit_scale')!, shape: [1] });
    await expectValues(vit, await openWeights(vit, write(torchFile(tensors))));
  });
});

describe('weights of a ResNet', () => {
  it.each(['openai', 'open_clip'] as const)(
    'load under the names of %s, counters and all',
    async (naming) => {
      const weights = await openWeights(
        resnet,
        write(torchFile(published[naming](openai(resnet)), 'script')),
      );
      expect(weights.naming).toBe(naming);
      await expectValues(resnet, weights);
    },
  );

  it('load without their counters, which start at zero', async () => {
    const tensors = customText(openai(resnet));
    for (const name of tensors.keys()) if (name.endsWith('num_batches_tracked')) tensors.delete(name);
    await expectValues(resnet, await openWeights(resnet, write(torchFile(tensors))));
  });
});

describe('views of storages', () => {
  const values = Float32Array.from({ length: 24 }, (_, i) => i);
  const bytes = new Uint8Array(values.buffer);

  async function readView(shape: number[], strides: number[], offset = 0): Promise<number[]> {
    const pickle = PickleWriter.write({ dict: [['x', tensorOn('F32', '0', 24, shape, strides, offset)]] });
    const file = await openTensors(write(archive(pickle, new Map([['0', bytes]]))));
    try {
      const { data } = await file.read('x');
      return Array.from(data as Float32Array);
    } finally {
      await file.close();
    }
  }

  it.each([
    ['dense', [2, 3], [3, 1], 0],
    ['dense from the middle', [2, 3], [3, 1], 18],
    ['transposed', [3, 2], [1, 3], 0],
    ['every other column', [4, 3], [6, 2], 1],
    ['permuted axes', [4, 2, 3], [1, 12, 4], 0],
    ['an axis of one with any stride', [1, 4], [99, 1], 4],
    ['a scalar', [], [], 23],
    ['nothing', [0, 3], [3, 1], 24],
  ])('reads %s', async (_, shape, strides, offset) => {
    const wanted: number[] = [];
    const walk = (axis: number, at: number): void => {
      if (axis === shape.length) wanted.push(at);
      else for (let i = 0; i < shape[axis]!; i++) walk(axis + 1, at + i * strides[axis]!);
    };
    walk(0, offset);
    expect(await readView(shape, strides, offset)).toEqual(wanted);
  });

  it.each([
    ['behind the end', [2, 3], [3, 1], 19, 'reaches element 24 of a storage with 24'],
    ['with far strides', [2, 3], [100, 1], 0, 'reaches element 102'],
    ['with endless strides', [2, 2], [2 ** 52, 2 ** 52], 0, 'reaches element'],
    ['of more elements than there are', [1000, 1000], [0, 0], 0, 'on a storage of 24 elements'],
    ['with a negative stride', [2], [-1], 5, 'whole numbers from 0 up'],
    ['with too few strides', [2, 3], [1], 0, '2 axes and 1 strides'],
    ['of 40 axes', Array(40).fill(1), Array(40).fill(1), 0, '40 axes'],
  ])('refuses one %s', async (_, shape, strides, offset, message) => {
    const said = await diagnosticsOf(readView(shape, strides, offset));
    expect(said).toContain('error[Z422]');
    expect(said).toContain(message);
  });

  it('shares one storage among several tensors, as tied weights are saved', async () => {
    const pickle = PickleWriter.write({
      dict: [
        ['a', tensorOn('F32', '0', 24, [12])],
        ['b', tensorOn('F32', '0', 24, [3, 4], denseStrides([3, 4]), 12)],
      ],
    });
    const file = await openTensors(write(archive(pickle, new Map([['0', bytes]]))));
    expect((await file.read('a')).data).toEqual(values.slice(0, 12));
    expect((await file.read('b')).data).toEqual(values.slice(12));
    await file.close();
  });
});

describe('folders and shards', () => {
  const tensors = published.hf(openai(vit));
  const names = [...tensors.keys()];
  const part = (from: number, to: number): Tensors => new Map([...tensors].slice(from, to));

  function sharded(name: string, change: (map: Record<string, string>) => void = () => {}): string {
    const at = join(folder, name);
    mkdirSync(at);
    writeFileSync(join(at, 'model-00001-of-00002.safetensors'), encodeSafetensors(part(0, 30)));
    writeFileSync(join(at, 'model-00002-of-00002.safetensors'), encodeSafetensors(part(30, names.length)));
    const map = Object.fromEntries(
      names.map((n, i) => [n, `model-0000${i < 30 ? 1 : 2}-of-00002.safetensors`]),
    );
    change(map);
    const index = { metadata: { total_size: 1 }, weight_map: map };
    writeFileSync(join(at, 'model.safetensors.index.json'), JSON.stringify(index, null, 2));
    return at;
  }

  it('load from an index of shards, given as a folder or as a file', async () => {
    const at = sharded('shards');
    await expectValues(vit, await openWeights(vit, at));
    await expectValues(vit, await openWeights(vit, join(at, 'model.safetensors.index.json')));
  });

  it.each([
    'weights.safetensors',
    'model.safetensors',
    'open_clip_model.safetensors',
    'pytorch_model.bin',
    'open_clip_pytorch_model.bin',
  ])('finds %s in a folder, whatever its content', async (file) => {
    const at = join(folder, `with-${file}`);
    mkdirSync(at);
    writeFileSync(join(at, file), torchFile(tensors));
    await expectValues(vit, await openWeights(vit, at));
  });

  it('says what it looked for in a folder without weights', async () => {
    const at = join(folder, 'bare');
    mkdirSync(at);
    expect(await diagnosticsOf(openWeights(vit, at))).toMatch(
      /Z410.*bare holds no weights\n.*looked for .*pytorch_model\.bin/,
    );
  });

  it.each([
    [
      'a file elsewhere',
      (map) => {
        map[names[0]!] = '../shards/x';
      },
      'is not the name of a file beside it',
    ],
    [
      'an absolute path',
      (map) => {
        map[names[0]!] = '/etc/passwd';
      },
      'is not the name of a file beside it',
    ],
    [
      'a missing file',
      (map) => {
        map[names[0]!] = 'gone.safetensors';
      },
      'gone.safetensors: no such file',
    ],
    [
      'another file than holds it',
      (map) => {
        map[names[0]!] = map[names[40]!]!;
      },
      'has no tensor',
    ],
    [
      'a tensor too few',
      (map) => {
        delete map[names[0]!];
      },
      'it does not list the tensor',
    ],
    [
      'itself',
      (map) => {
        map[names[0]!] = 'model.safetensors.index.json';
      },
      'is an index inside an index',
    ],
    [
      'nothing',
      (map) => {
        for (const name of names) delete map[name];
      },
      'it names no file',
    ],
  ] as [string, (map: Record<string, string>) => void, string][])(
    'refuses an index with %s',
    async (what, change, message) => {
      expect(await diagnosticsOf(openWeights(vit, sharded(`bad-${what}`, change)))).toContain(message);
    },
  );

  it.each([
    ['{"weight_map": 3}', 'it has no weight_map'],
    ['{"weight_map": {"a": 3}}', 'it has no weight_map'],
    ['{"weight_map": ', 'it is not JSON'],
    ['{}', 'it has no weight_map'],
  ])('refuses the index %s', async (text, message) => {
    expect(await diagnosticsOf(openWeights(vit, write(Buffer.from(text))))).toContain(
      `index of weights: ${message}`,
    );
  });
});

describe('what a file is', () => {
  it.each([
    [
      'an old PyTorch file',
      Buffer.from('80028a0a6cfc9c46f9206aa850192e80024d', 'hex'),
      'before version 1.6',
      'torch.save(',
    ],
    [
      'a pointer',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0'),
      'pointer of Git LFS',
      'git lfs pull',
    ],
    ['text', Buffer.from('these are no weights'), 'has no format that weights come in', 'safetensors'],
    ['nothing', Buffer.alloc(0), 'has no format that weights come in', 'safetensors'],
  ])('says so for %s', async (_, bytes, message, help) => {
    const said = await diagnosticsOf(openWeights(vit, write(bytes)));
    expect(said).toContain('error[Z420]');
    expect(said).toContain(message);
    expect(said).toContain(help);
  });

  it.each([
    ['an empty dict', { dict: [] }, 'its keys: none'],
    ['a list', { list: [1] }, 'a list where a state_dict belongs'],
    ['a dict of numbers', { dict: [['epoch', 3]] }, 'its keys: epoch'],
  ] as const)('says so for a checkpoint that is %s', async (_, value, message) => {
    const path = write(archive(PickleWriter.write(value), new Map()));
    expect(await diagnosticsOf(openWeights(vit, path))).toContain(message);
  });
});

describe('weights that do not fit', () => {
  it('are listed in the names of the file', async () => {
    const tensors = published.hf(openai(vit));
    tensors.delete('text_model.encoder.layers.0.self_attn.k_proj.weight');
    tensors.set('visual_projection.weight', transposed(tensors.get('visual_projection.weight')!));
    tensors.set('vision_model.head.weight', number);
    tensors.set('logit_scale', number);
    const said = await diagnosticsOf(openWeights(vit, write(torchFile(tensors), 'misfit.bin')));
    expect(said.replaceAll(folder, '...')).toMatchInlineSnapshot(`
      "error[Z401]: weights do not fit: visual_projection.weight is [64, 32] in the file, [32, 64] in the model
         = note: not in the file: text_model.encoder.layers.0.self_attn.k_proj.weight [64, 64]
         = note: not in the model: vision_model.head.weight []
         = note: of another element type: logit_scale is I64 in the file, f32 in the model
         = note: in .../misfit.bin
         = note: names tried: openai (1 of 62), open_clip (1 of 62), hf (77 of 78)"
    `);
  });

  it('are listed with the namings that were tried where none fits', async () => {
    const path = write(
      encodeSafetensors(new Map([['conv1.weight', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]])),
      'alien',
    );
    const said = await diagnosticsOf(openWeights(vit, path));
    expect(said).toContain('not in the model: conv1.weight [1]');
    expect(said).toContain('not in the file: visual.proj [64, 32]');
    expect(said).toContain('names tried: openai (0 of 62), open_clip (0 of 62), hf (0 of 78)');
  });

  it('are those of eight bits, which are not computed with', async () => {
    const tensors = openai(vit);
    const { shape, data } = tensors.get('visual.proj')!;
    tensors.set('visual.proj', { dtype: 'F8_E4M3', shape, data: new Uint8Array(data.length) });
    const said = await diagnosticsOf(openWeights(vit, write(encodeSafetensors(tensors))));
    expect(said).toContain('of another element type: visual.proj is F8_E4M3 in the file, f32 in the model');
  });
});

describe('a naming insisted on', () => {
  const paths = new Map(
    namingNames.map((naming) => [naming, write(torchFile(published[naming](openai(vit))))]),
  );

  it.each([
    ['openai', 'openai'],
    ['open_clip', 'open_clip'],
    ['open_clip', 'openai'],
    ['hf', 'hf'],
  ] as const)('%s takes a file of %s', async (wanted, naming) => {
    await expectValues(vit, await openWeights(vit, paths.get(naming)!, { format: wanted }));
  });

  it.each([
    ['openai', 'open_clip'],
    ['openai', 'hf'],
    ['open_clip', 'hf'],
    ['hf', 'openai'],
    ['hf', 'open_clip'],
  ] as const)('%s refuses a file of %s', async (wanted, naming) => {
    const said = await diagnosticsOf(openWeights(vit, paths.get(naming)!, { format: wanted }));
    expect(said).toContain(`does not hold tiny_vit under the names of ${wanted}`);
    expect(said).toContain(`--format ${naming}`);
  });

  it('says that Hugging Face has no ResNets', async () => {
    const path = write(torchFile(openai(resnet)));
    const said = await diagnosticsOf(openWeights(resnet, path, { format: 'hf' }));
    expect(said).toContain('error[Z424]: hf has no names for the weights of tiny_rn');
  });
});

describe('weights written under our names', () => {
  it('keep their halves and are doubles no more', async () => {
    const tensors = openai(vit, 'F16');
    const { shape, data } = tensors.get('visual.proj')!;
    tensors.set('visual.proj', { dtype: 'F64', shape, data: Float64Array.from(data as Float32Array) });
    const weights = await openWeights(vit, write(torchFile(tensors)));
    const types = weightsToWrite(vit, weights).map((t) => t.dtype);
    expect(types.filter((dtype) => dtype === 'F32')).toHaveLength(1);
    expect(types.filter((dtype) => dtype === 'F16')).toHaveLength(61);
    expect(new Set(weightsToWrite(vit, weights, 'F32').map((t) => t.dtype))).toEqual(new Set(['F32']));
    await weights.close();
  });

  it('may be copied as they are only from a safetensors file of ours', async () => {
    const open = async (bytes: Uint8Array) => {
      const weights = await openWeights(vit, write(bytes));
      await weights.close();
      return weights.copyable !== undefined;
    };
    expect(await open(encodeSafetensors(openai(vit)))).toBe(true);
    expect(await open(encodeSafetensors(renamed(openai(vit), (n) => `module.${n}`)))).toBe(false);
    expect(await open(encodeSafetensors(published.hf(openai(vit))))).toBe(false);
    expect(await open(torchFile(openai(vit)))).toBe(false);
  });
});
