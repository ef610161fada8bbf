/** Arrays of numpy, tables and what stands in their cells, lists of texts, captions. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clipNormalization } from '../../../../compiler/model/index.ts';
import type { ModelInput, StaticCall } from '../../../../compiler/model/types.ts';
import { decodeText } from '../../../../runtime/data/files/decode-text.ts';
import { encodeNpy, readNpy } from '../../../../runtime/data/files/npy.ts';
import { readLines } from '../../../../runtime/data/files/text-lines.ts';
import { encodeSafetensors, type Tensor } from '../../../../runtime/data/safetensors/tensors.ts';
import { openBatchSource } from '../../../../runtime/data/sources/open.ts';
import { readCsvTable, type TableFormat } from '../../../../runtime/data/sources/rows/csv-table.ts';
import { createTokenizer } from '../../../../runtime/data/texts/tokenizer.ts';
import { readLabels, readTemplates, readTexts } from '../../../../zoo/run/text-lists.ts';
import { staticCall as call } from '../../../support/training/static-call.ts';
import { jsonTokens, mutateJson, textTokens } from '../evil.ts';
import { bytesOf, fromFile, type Mutation, type Reader } from '../reader.ts';
import { changeHeader } from './weights.ts';

/** A numpy array of any type, as numpy.save writes it. */
function npy(descr: string, shape: string, data: Uint8Array, fortran = 'False'): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
  const head = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1');
  head.writeUInt16LE(text.length, 8);
  return Buffer.concat([head, Buffer.from(text), data]);
}

const npyTypes = ['<f2', '<f4', '<f8', '|i1', '|u1', '|b1', '<i2', '<u2', '<i4', '<u4', '<i8', '<u8'];

/** Another header, whose length is right, over data of some length. */
const changeNpy: Mutation = (_, random) => {
  const descr = random.pick([...npyTypes, '>f4', '|O', '<f16', '|V8', '<c8', '<U4', '', "<f4', 'a': '"]);
  const shape = random.pick([
    '()',
    '(2,)',
    '(2, 3)',
    '(0,)',
    '(2,0)',
    '(4294967296, 4294967296)',
    '(9007199254740993,)',
    '(1,1,1,1,1,1)',
    '2',
    '(-1,)',
  ]);
  return npy(
    descr,
    shape,
    new Uint8Array(random.pick([0, 1, 2, 4, 8, 16, 24, 48])),
    random.pick(['False', 'True', '1']),
  );
};

const table = [
  'filepath,title,cls,dose,mel',
  'a.png,a cat,cat,0.5,x.npy',
  'b.png,"a ""dog"", or two",dog,-1,x.npy',
];
const rows = `${table.join('\n')}\n`;
const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le');
const tables = [
  bytesOf(rows),
  bytesOf(rows.replaceAll(',', '\t')),
  bytesOf(`\ufeff${rows.replaceAll('\n', '\r\n')}`),
  bytesOf(rows.replaceAll('\n', '\r')),
  utf16(rows),
  Buffer.from(utf16(rows)).swap16(),
  Buffer.from(rows.replace('cat', 'caf\xe9'), 'latin1'),
];
const tableTokens = [
  ...textTokens,
  'filepath',
  'title',
  ',,',
  '""',
  '"\n"',
  '\t',
  ';',
  '|',
  'x.npy',
  'x\0.npy',
  '~',
  'file://x',
  'a\\b.npy',
];
const formats: readonly TableFormat[] = [
  {},
  { quote: 'none' },
  { separator: ',', quote: "'" },
  { encoding: 'windows-1252' },
  { encoding: 'gb18030' },
  { encoding: 'utf-16le' },
];

const tokens: ModelInput = { name: 'tokens', dtype: 'i32', sizes: [8], ids: { min: 0, max: 599 } };
const label: ModelInput = { name: 'label', dtype: 'i32', sizes: [], ids: { min: 0, max: 2 } };
const dose: ModelInput = { name: 'dose', dtype: 'f32', sizes: [] };
const mel: ModelInput = { name: 'mel', dtype: 'f32', sizes: [2] };
const samples = call('csv', ['t.csv'], {
  inputs: {
    fields: {
      tokens: call('caption', ['title']),
      label: call('class', ['cls'], { names: 'classes.txt' }),
      dose: call('number', ['dose']),
      mel: call('tensor', ['mel']),
    },
  },
});

async function firstBatch(
  data: StaticCall,
  inputs: readonly ModelInput[],
  { batch, folder }: { readonly batch: number; readonly folder: string },
): Promise<unknown> {
  const source = await openBatchSource(data, {
    batch,
    seed: 1,
    normalization: clipNormalization,
    folder,
    inputs,
    warn: () => {},
  });
  try {
    return await source.next();
  } finally {
    await source.close();
  }
}

const lines = [bytesOf('a cat\na dog\n\na fox\n'), bytesOf('["a cat", "a dog"]'), utf16('cat\r\ndog')];

/** Two batches of two samples. */
const batches = encodeSafetensors(
  new Map<string, Tensor>([
    ['tokens', { dtype: 'I32', shape: [2, 2, 8], data: new Int32Array(32) }],
    ['dose', { dtype: 'F32', shape: [2, 2], data: new Float32Array(4) }],
    ['label', { dtype: 'I64', shape: [2, 2], data: new BigInt64Array(4) }],
  ]),
);

export const textReaders: readonly Reader[] = [
  {
    name: 'batches of tensors',
    share: 4,
    seeds: () => [batches],
    tokens: [...jsonTokens, '"I64"', '"I32"', Uint8Array.of(0xff, 0xff, 0xff, 0x7f)],
    mutations: [changeHeader],
    open: fromFile('x.safetensors', (_, folder) =>
      firstBatch(call('tensors', ['x.safetensors']), [tokens, dose, label], { batch: 2, folder }),
    ),
  },
  {
    name: 'npy',
    share: 8,
    seeds: () => [
      encodeNpy([2, 3], new Float32Array(6)),
      ...npyTypes.map((descr) => npy(descr, '(2,)', new Uint8Array(2 * Number(descr.at(-1))))),
      npy('<f4', '()', new Uint8Array(4)),
      npy('<f4', '(2, 1)', new Uint8Array(8), 'True'),
    ],
    tokens: [
      ...textTokens,
      ...npyTypes,
      '>f4',
      '|O',
      '(0,)',
      '(-1,)',
      '(4294967296, 4294967296, 0)',
      '1, '.repeat(10_000),
      '1'.repeat(10_000),
      'True',
      "'descr': ",
      ' '.repeat(60_000),
    ],
    mutations: [changeNpy],
    open: fromFile('x.npy', readNpy),
  },
  {
    name: 'table',
    share: 10,
    seeds: () => tables,
    tokens: tableTokens,
    // Which format it is read in follows from the input, so that it can be read again.
    open: fromFile('t.csv', (path, _, bytes) =>
      readCsvTable(path, ['filepath', 'title'], {
        ...formats[bytes.length % formats.length]!,
        warn: () => {},
      }),
    ),
  },
  {
    name: 'samples of a table',
    share: 3,
    seeds: () => tables,
    tokens: tableTokens,
    open: (folder) => {
      writeFileSync(join(folder, 'classes.txt'), 'cat\ndog\nfox\n');
      writeFileSync(join(folder, 'x.npy'), encodeNpy([2], Float32Array.of(1, 2)));
      const inputs = [tokens, label, dose, mel];
      return fromFile('t.csv', () => firstBatch(samples, inputs, { batch: 1, folder }))(folder);
    },
  },
  ...Object.entries({ texts: readTexts, labels: readLabels, lines: readLines }).map(
    ([name, read]): Reader => ({
      name: `list of ${name}`,
      share: 3,
      seeds: () => lines,
      tokens: jsonTokens,
      mutations: [mutateJson],
      open: fromFile('classes.txt', read),
    }),
  ),
  {
    name: 'labels on the command line',
    share: 6,
    // A name of a file is looked for: the process has no zero byte in its arguments.
    seeds: () => [bytesOf('a cat,a dog'), bytesOf('labels.txt'), bytesOf('~/labels')],
    tokens: textTokens,
    open: () => (bytes) => readLabels(Buffer.from(bytes).toString('utf8').replaceAll('\0', '')),
  },
  {
    name: 'templates',
    share: 4,
    seeds: () => [bytesOf('a photo of a {}.\n{}\n'), bytesOf('["{}", "the {}"]')],
    tokens: [...jsonTokens, '$&', '{}'.repeat(1000)],
    mutations: [mutateJson],
    open: fromFile('templates.json', readTemplates),
  },
  {
    name: 'caption',
    share: 8,
    // Splitting into tokens takes up to 13 µs a byte of what was drawn.
    bounds: { ms: (bytes) => 250 + bytes / 60 },
    seeds: () =>
      [
        'a photo of a cat',
        'Café &amp;amp; crème â€” “naïve”',
        "it's 5 o'clock\tsomewhere",
        '<b>x</b> &lt;',
      ].map(bytesOf),
    tokens: textTokens,
    open: async () => {
      const { encodeInto } = await createTokenizer({ vocab: 600, context: 16 });
      const row = new Int32Array(16);
      return (bytes) => encodeInto(row, Buffer.from(bytes).toString('utf8'));
    },
  },
  {
    name: 'text in its encoding',
    share: 6,
    seeds: () => tables,
    tokens: textTokens,
    open: () => (bytes) => decodeText(bytes, 'x.txt'),
  },
];
