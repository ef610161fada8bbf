/** Files of weights: safetensors, PyTorch's archives and pickles, indices of shards, ONNX, adapters, configuration. */
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolveModel } from '../../../../compiler/model/index.ts';
import type { Model } from '../../../../compiler/model/types.ts';
import { DiagnosticError, fail } from '../../../../grammar/diagnostics.ts';
import { exportForeign } from '../../../../zoo/export/index.ts';
import { adapterMetadata, digestWeights } from '../../../../zoo/weights/adapter-file.ts';
import { checkBeside } from '../../../../zoo/weights/beside/compare.ts';
import { openTensors } from '../../../../zoo/weights/formats/open-tensors.ts';
import {
  encodeSafetensors,
  readSafetensors,
  type Tensor,
} from '../../../../zoo/weights/formats/safetensors.ts';
import { readWholePickle } from '../../../../zoo/weights/formats/torch/pickle.ts';
import { opcodes } from '../../../../zoo/weights/formats/torch/pickle-opcodes.ts';
import { stateTensors, torchHost } from '../../../../zoo/weights/formats/torch/torch-pickle.ts';
import { openWeights, weightsToWrite } from '../../../../zoo/weights/weights.ts';
import { memoryHost } from '../../../errors/report.ts';
import { torchFile } from '../../../support/files/torch-writer.ts';
import { changedJson, jsonTokens, mutateJson, textTokens } from '../evil.ts';
import { bytesOf, fromFile, type Mutation, type Reader } from '../reader.ts';

const tensors = new Map<string, Tensor>([
  ['visual.proj', { dtype: 'F32', shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ['visual.ln_pre.weight', { dtype: 'F16', shape: [3], data: Float32Array.of(1, 2, 3) }],
  ['logit_scale', { dtype: 'F32', shape: [], data: Float32Array.of(4.6) }],
  ['bn1.num_batches_tracked', { dtype: 'I64', shape: [], data: BigInt64Array.of(7n) }],
]);

export const tinyText = `import clip { CLIP, VisionTransformer, TextTransformer }
model "tiny" = CLIP(
  vision = VisionTransformer(resolution = 4, patch = 2, width = 4, layers = 1, heads = 1, embed = 2),
  text = TextTransformer(context = 3, vocab = 8, width = 4, layers = 1, heads = 1, embed = 2)
)
`;

function tinyModel(): Model {
  const found = resolveModel(memoryHost({ 'tiny.zoo': tinyText }), 'tiny.zoo');
  if (!found.ok) throw new DiagnosticError(found.diagnostics);
  return found.value;
}

/** All weights of the model by a rule, under our names. */
async function tinyWeights(model: Model): Promise<Map<string, Tensor>> {
  const source = await openWeights(model, 'init:1');
  const list = weightsToWrite(model, source).map(
    async ({ name, dtype, shape, data }): Promise<[string, Tensor]> => {
      return [name, { dtype, shape, data: await data() }];
    },
  );
  return new Map(await Promise.all(list));
}

/** A header changed as JSON, whose length is then right. */
export const changeHeader: Mutation = (bytes, random) => {
  if (bytes.length < 8) return bytes;
  const end = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (end > bytes.length) return bytes;
  const text = changedJson(Buffer.from(bytes.subarray(8, end)).toString('utf8'), random);
  return text === undefined ? bytes : withHeader(Buffer.from(text), bytes.subarray(end));
};

function withHeader(header: Uint8Array, data: Uint8Array): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
}

const headerTokens = [
  ...jsonTokens,
  '"__metadata__":{"a":"b"},',
  '"dtype":"F64"',
  '"F8_E5M2"',
  '"BOOL"',
  '"shape":[]',
  '"shape":[0]',
  '"shape":[4294967296,4294967296]',
  '"data_offsets":[0,0]',
  Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
];

const u32 = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];

/** Opcodes, some with numbers that nobody means. */
const pickleTokens: readonly Uint8Array[] = [
  ...[
    ...Object.values(opcodes),
    48,
    49,
    50,
    70,
    73,
    76,
    80,
    83,
    86,
    100,
    103,
    105,
    108,
    111,
    112,
    130,
    139,
    151,
  ].map((code) => Uint8Array.of(code)),
  Uint8Array.of(opcodes.BINUNICODE, ...u32(0xffffffff)),
  Uint8Array.of(opcodes.BINUNICODE8, ...u32(0), ...u32(0x80000000)),
  Uint8Array.of(opcodes.BINBYTES, ...u32(0x7fffffff)),
  Uint8Array.of(opcodes.LONG1, 255, ...Array<number>(255).fill(0xff)),
  Uint8Array.of(opcodes.LONG1, 0),
  Uint8Array.of(opcodes.BINFLOAT, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0),
  Uint8Array.of(opcodes.LONG_BINGET, ...u32(0xffffffff)),
  Uint8Array.of(opcodes.FRAME, ...u32(0xffffffff), ...u32(0xffffffff)),
  Uint8Array.of(opcodes.BININT, ...u32(0x80000000)),
  Uint8Array.of(...Array<number>(3000).fill(opcodes.MARK)),
  Uint8Array.of(...Array<number>(3000).fill(opcodes.EMPTY_LIST), ...Array<number>(2999).fill(opcodes.APPEND)),
  Uint8Array.of(...Array<number>(3000).fill(opcodes.NONE)),
  // A list within itself, and tuples that double.
  Uint8Array.of(opcodes.EMPTY_LIST, opcodes.BINPUT, 9, opcodes.BINGET, 9, opcodes.APPEND),
  Uint8Array.of(
    ...Array.from({ length: 100 }, (_, i) => [opcodes.BINPUT, i, opcodes.BINGET, i, opcodes.TUPLE2]).flat(),
  ),
  bytesOf('cos\nsystem\n'),
  bytesOf('cbuiltins\neval\n'),
  bytesOf('ctorch._utils\n_rebuild_tensor_v2\n'),
  bytesOf('ctorch\nFloatStorage\n'),
  bytesOf('ccollections\nOrderedDict\n'),
  bytesOf('c__proto__\nconstructor\n'),
];

const zipTokens: readonly (string | Uint8Array)[] = [
  'PK\x01\x02',
  'PK\x03\x04',
  'PK\x05\x06',
  'PK\x06\x06',
  'PK\x06\x07',
  'PK\x07\x08',
  '../',
  'archive/data.pkl',
  'archive/data/0',
  'version https://git-lfs',
  Uint8Array.of(0xff, 0xff, 0xff, 0xff),
];

const torchLayouts = ['state_dict', 'checkpoint', 'script'] as const;

/** The pickles within archives, and those of files that torch.save wrote. */
function pickles(): Uint8Array[] {
  return torchLayouts.map((layout) => {
    const bytes = Buffer.from(torchFile(tensors, layout, layout === 'checkpoint' ? 4 : 2));
    const begin = bytes.indexOf('\x80', 0, 'latin1');
    return bytes.subarray(begin, bytes.indexOf('PK\x07\x08', begin));
  });
}

const checkpoints = new URL('../../../fixtures/checkpoints/', import.meta.url);

function torchFiles(): Uint8Array[] {
  const written = readdirSync(checkpoints).map((name) => readFileSync(new URL(name, checkpoints)));
  return [...torchLayouts.map((layout) => torchFile(tensors, layout)), ...written];
}

async function readAll(path: string): Promise<void> {
  const file = await openTensors(path);
  try {
    for (const name of file.infos.keys()) await file.read(name);
  } finally {
    await file.close();
  }
}

/** An index beside its shards. */
const index = {
  metadata: { total_size: 44 },
  weight_map: Object.fromEntries(
    [...tensors.keys()].map((name, i) => [name, i < 2 ? 'a.safetensors' : 'b.bin']),
  ),
};

/** Opens the model's weights in a file, and reads all. */
async function readModel(model: Model, path: string): Promise<void> {
  const source = await openWeights(model, path);
  try {
    for (const weight of model.weights) await source.read(weight);
  } finally {
    await source.close();
  }
}

/** The weights of a small model in the names of each project, as its exports have them. */
async function modelFiles(folder: string): Promise<Uint8Array[]> {
  const model = tinyModel();
  const weights = await tinyWeights(model);
  const made: Uint8Array[] = [encodeSafetensors(weights)];
  for (const format of ['hf', 'open_clip'] as const) {
    const out = join(folder, format);
    const { files } = await exportForeign({ source: 'init:1', model, out }, format);
    for (const name of Object.keys(files))
      if (/\.(safetensors|bin|pt)$/.test(name)) made.push(readFileSync(join(out, name)));
  }
  return made;
}

/** The graphs of an export, one with its weights beside it. */
async function onnxFiles(folder: string): Promise<Uint8Array[]> {
  const out = join(folder, 'onnx');
  const { files } = await exportForeign({ source: 'init:1', model: tinyModel(), out }, 'onnx');
  return Object.keys(files)
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => readFileSync(join(out, name)));
}

const onnxTokens: readonly (string | Uint8Array)[] = [
  'onnx::MatMul_1',
  '/visual/MatMul',
  'MatMul',
  'Identity',
  'location',
  'weights.safetensors',
  '../weights.safetensors',
  Uint8Array.of(0x70, 1),
  Uint8Array.of(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
  Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07),
  // Graphs within graphs.
  Uint8Array.of(...Array.from({ length: 60 }, (_, i) => [0x2a, 120 - 2 * i]).flat()),
];

/** The configuration files of both projects' exports. */
async function configurations(folder: string): Promise<Uint8Array[]> {
  const model = tinyModel();
  const made: Uint8Array[] = [];
  for (const format of ['hf', 'open_clip'] as const) {
    const out = join(folder, format);
    const { files } = await exportForeign({ source: 'init:1', model, out }, format);
    for (const name of Object.keys(files))
      if (/config\.json$/.test(name)) made.push(readFileSync(join(out, name)));
  }
  return made;
}

const configNames = ['config.json', 'preprocessor_config.json', 'open_clip_config.json'];

async function adapters(): Promise<Uint8Array[]> {
  const model = tinyModel();
  const weights = await tinyWeights(model);
  const own = new Map([...weights].filter(([name]) => name === 'visual.proj' || name === 'logit_scale'));
  const taken = model.weights.filter(({ name }) => !own.has(name));
  const digest = await digestWeights(taken, await openWeights(model, 'init:1'));
  const base = { path: 'init:1', weights_sha256: digest, weights: taken.length };
  return [
    encodeSafetensors(own, new Map(Object.entries(adapterMetadata({ model: 'tiny', base })))),
    encodeSafetensors(
      own,
      new Map(Object.entries(adapterMetadata({ model: 'tiny', base: { ...base, path: 'base.bin' } }))),
    ),
  ];
}

export const weightReaders: readonly Reader[] = [
  {
    name: 'safetensors',
    share: 12,
    seeds: () => [encodeSafetensors(tensors), encodeSafetensors(tensors, new Map([['a', 'b']]))],
    tokens: headerTokens,
    mutations: [changeHeader],
    open: () => (bytes) => readSafetensors(bytes),
  },
  {
    name: 'weights',
    share: 8,
    seeds: () => [encodeSafetensors(tensors), ...torchFiles()],
    tokens: [...headerTokens, ...pickleTokens, ...zipTokens],
    mutations: [changeHeader],
    open: fromFile('model.bin', readAll),
  },
  {
    name: 'pickle',
    share: 12,
    seeds: pickles,
    tokens: [...pickleTokens, ...textTokens],
    open: () => (bytes) => {
      const { value } = readWholePickle(bytes, 'x.pt: data.pkl', torchHost);
      return stateTensors(value, (why) => fail('Z422', `x.pt holds ${why}`));
    },
  },
  {
    name: 'legacy pickle',
    share: 6,
    seeds: () => ['legacy.pt', 'foreign-legacy.pt'].map((name) => readFileSync(new URL(name, checkpoints))),
    tokens: pickleTokens,
    open: fromFile('model.pt', readAll),
  },
  {
    name: 'archive',
    share: 6,
    seeds: torchFiles,
    tokens: zipTokens,
    open: fromFile('model.pt', readAll),
  },
  {
    name: 'index of shards',
    share: 6,
    seeds: () => [bytesOf(JSON.stringify(index))],
    tokens: [...jsonTokens, '"a.safetensors"', '"model.safetensors.index.json"', '".."'],
    mutations: [mutateJson],
    open: (folder) => {
      writeFileSync(join(folder, 'a.safetensors'), encodeSafetensors(new Map([...tensors].slice(0, 2))));
      writeFileSync(join(folder, 'b.bin'), torchFile(new Map([...tensors].slice(2))));
      return fromFile('model.safetensors.index.json', readAll)(folder);
    },
  },
  {
    name: 'weights of a model',
    share: 3,
    seeds: modelFiles,
    tokens: [...headerTokens, ...zipTokens],
    mutations: [changeHeader],
    open: (folder) => {
      const model = tinyModel();
      return fromFile('model.safetensors', (path) => readModel(model, path))(folder);
    },
  },
  {
    name: 'onnx',
    share: 6,
    seeds: onnxFiles,
    tokens: onnxTokens,
    open: fromFile('model.onnx', readAll),
  },
  {
    name: 'adapter',
    share: 3,
    seeds: adapters,
    tokens: [...headerTokens, 'init:1', 'hash', './', '/dev/zero'],
    mutations: [changeHeader],
    open: (folder) => {
      const model = tinyModel();
      return fromFile('adapter.safetensors', (path) => readModel(model, path))(folder);
    },
  },
  {
    name: 'configuration beside weights',
    share: 6,
    seeds: configurations,
    tokens: jsonTokens,
    mutations: [mutateJson],
    open: (folder) => {
      const model = tinyModel();
      const [first, ...others] = configNames;
      for (const name of others) symlinkSync(first!, join(folder, name));
      return fromFile(first!, () =>
        checkBeside(model, join(folder, 'model.safetensors'), { resized: false }),
      )(folder);
    },
  },
];
