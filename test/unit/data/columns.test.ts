import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { clipNormalization } from '../../../compiler/model/index.ts';
import type {
  ModelInput,
  Normalization,
  StaticCall,
  StaticValueData,
} from '../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { encodeNpy } from '../../../runtime/data/files/npy.ts';
import { openBatchSource } from '../../../runtime/data/sources/open.ts';
import type { Batch, BatchSource } from '../../../runtime/data/types.ts';
import { staticCall as call } from '../../support/training/static-call.ts';

const count = 6;
const animals = ['cat', 'dog', 'fox'];
const image: ModelInput = { name: 'image', dtype: 'f32', sizes: [3, 4, 4] };
const tokens: ModelInput = { name: 'tokens', dtype: 'i32', sizes: [24], ids: { min: 0, max: 999 } };
const label: ModelInput = { name: 'label', dtype: 'i32', sizes: [], ids: { min: 0, max: 2 } };
const dose: ModelInput = { name: 'dose', dtype: 'f32', sizes: [] };
const mel: ModelInput = { name: 'mel', dtype: 'f32', sizes: [2, 3] };

/** A numpy array of any type, as numpy.save writes it. */
function npy(descr: string, shape: string, data: ArrayBufferView, fortran = 'False'): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
  const head = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1');
  head.writeUInt16LE(text.length, 8);
  return Buffer.concat([head, Buffer.from(text), Buffer.from(data.buffer, 0, data.byteLength)]);
}

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-columns-'));
  mkdirSync(join(folder, 'sub'));
  const lines = ['file,other,title,cls,id,dose,x,mel'];
  for (let i = 0; i < count; i++) {
    // A ramp from left to right, so that every shift of it is another picture.
    const ramp = Uint8Array.from({ length: 8 * 8 * 3 }, (_, k) => 10 + 20 * i + 15 * (Math.floor(k / 3) % 8));
    const raw = { width: 8, height: 8, channels: 3 } as const;
    await sharp(ramp, { raw })
      .png()
      .toFile(join(folder, 'sub', `${i}.png`));
    writeFileSync(join(folder, 'sub', `${i}.npy`), encodeNpy([2, 3], new Float32Array(6).fill(i + 0.5)));
    const cells = [`${i}.png`, `${(i + 1) % count}.png`, `number ${i}`, animals[i % 3], i % 3];
    lines.push([...cells, i / 4, -i, `${i}.npy`].join(','));
  }
  writeFileSync(join(folder, 'sub', 't.csv'), `${lines.join('\n')}\n`);
  writeFileSync(join(folder, 'classes.txt'), `${animals.join('\n')}\n\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

const opened: BatchSource[] = [];
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
});

function csv(fields: Record<string, StaticValueData>, options: Record<string, StaticValueData> = {}) {
  const { file = 'sub/t.csv', ...more } = options;
  return call('csv', [file], { shuffle: false, ...more, inputs: { fields } });
}

async function open(
  data: StaticCall,
  inputs: readonly ModelInput[],
  options: {
    batch?: number;
    seed?: number;
    normalization?: Normalization;
    warn?: (d: Diagnostic) => void;
  } = {},
) {
  const source = await openBatchSource(data, {
    batch: 3,
    seed: 1,
    normalization: clipNormalization,
    folder,
    ...options,
    inputs,
  });
  opened.push(source);
  return source;
}

async function first(data: StaticCall, inputs: readonly ModelInput[], seed = 1): Promise<Batch> {
  return (await open(data, inputs, { seed })).next();
}

const values = (batch: Batch, name: string) => [...batch.inputs.get(name)!];
const pictureOf = (column: string, pixels = 0) =>
  call('picture', [column], pixels > 0 ? { augment: call('shift', [pixels]) } : {});

describe('columns of a table', () => {
  it('feed inputs of every kind by name', async () => {
    const fields = {
      label: call('class', ['cls'], { names: 'classes.txt' }),
      mel: call('tensor', ['mel']),
      dose: call('number', ['dose']),
      tokens: call('caption', ['title']),
      image: pictureOf('file'),
    };
    const source = await open(csv(fields), [image, tokens, label, dose, mel]);
    await source.next();
    const batch = await source.next();
    expect([...batch.inputs.keys()]).toEqual(['image', 'tokens', 'label', 'dose', 'mel']);
    expect(values(batch, 'label')).toEqual([0, 1, 2]);
    expect(values(batch, 'dose')).toEqual([0.75, 1, 1.25]);
    expect(values(batch, 'mel')).toEqual([3, 4, 5].flatMap((i) => Array(6).fill(i + 0.5)));
    expect(batch.inputs.get('image')).toHaveLength(3 * 48);
    expect(values(batch, 'tokens')[0]).toBe(998);
  });

  it('are whole numbers for a class without names, and several numbers for a vector', async () => {
    const point: ModelInput = { ...dose, name: 'point', sizes: [2] };
    const fields = { label: call('class', ['id']), point: call('number', [['dose', 'x']]) };
    const batch = await first(csv(fields), [label, point]);
    expect(values(batch, 'label')).toEqual([0, 1, 2]);
    expect(values(batch, 'point')).toEqual([0, 0, 0.25, -1, 0.5, -2]);
  });

  it('give pairs the bits that csv gives without inputs', async () => {
    const augment = [call('shift', [2]), call('flip', [])];
    const templates = ['{}', 'a {}'];
    const named = { image: 'file', text: 'title', augment, templates };
    const plain = await open(call('csv', ['sub/t.csv'], named), [image, tokens]);
    const fields = {
      tokens: call('caption', ['title'], { templates }),
      image: call('picture', ['file'], { augment }),
    };
    const named2 = await open(csv(fields, { shuffle: true }), [image, tokens]);
    for (let i = 0; i < 4; i++) expect(await named2.next()).toEqual(await plain.next());
  });

  it('draw the augmentations of two views of a picture separately, the first as without the second', async () => {
    const view: ModelInput = { ...image, name: 'view' };
    const fields = { image: pictureOf('file', 3), view: pictureOf('file', 3) };
    const both = await first(csv(fields), [image, view]);
    const alone = await first(csv({ image: pictureOf('file', 3) }), [image]);
    expect(values(both, 'image')).toEqual(values(alone, 'image'));
    expect(values(both, 'view')).not.toEqual(values(both, 'image'));
    expect(await first(csv(fields), [image, view])).toEqual(both);
    expect(values(await first(csv(fields), [image, view], 2), 'view')).not.toEqual(values(both, 'view'));
  });

  it('replace a row with an unreadable picture as a whole, whichever column holds it', async () => {
    const other: ModelInput = { ...image, name: 'other' };
    const lines = ['a.png', '1.png', '2.png', '0.png', '1.png', '2.png'].map(
      (file, i) => `${file},${i === 1 ? 'b' : i % 3}.png,${i}`,
    );
    writeFileSync(join(folder, 'sub', 'broken.csv'), `file,other,id\n${lines.join('\n')}\n`);
    const fields = { image: pictureOf('file'), other: pictureOf('other'), label: call('class', ['id']) };
    const row: ModelInput = { ...label, ids: { min: 0, max: 5 } };
    const batch = await first(csv(fields, { file: 'sub/broken.csv' }), [image, other, row]);
    expect(values(batch, 'label')).toEqual([3, 4, 2]);
    expect(batch.skipped).toBe(2);
    const none = ['a.png,0.png', '1.png,b.png', 'c.png,2.png'].join('\n');
    writeFileSync(join(folder, 'sub', 'none.csv'), `file,other\n${none}\n`);
    const two = { image: pictureOf('file'), other: pictureOf('other') };
    await expect(first(csv(two, { file: 'sub/none.csv' }), [image, other])).rejects.toThrow('Z416');
  });

  it('leave out rows that lack a caption, and name bad rows by their place in the file', async () => {
    writeFileSync(join(folder, 'gaps.csv'), 'title,id\none,0\n,7\nthree,x\nfour,1\n');
    const fields = { tokens: call('caption', ['title']), label: call('class', ['id']) };
    const warnings: Diagnostic[] = [];
    const opening = open(csv(fields, { file: 'gaps.csv' }), [tokens, label], {
      warn: (d) => warnings.push(d),
    });
    await expect(opening).rejects.toThrow('gaps.csv, row 3: `id` is "x", which is no whole number');
    expect(warnings.map((w) => w.code)).toEqual(['Z419']);
  });

  it('read .npy files of every type of numbers', async () => {
    const ids: ModelInput = { name: 'ids', dtype: 'i32', sizes: [2], ids: { min: 0, max: 9 } };
    const pair: ModelInput = { ...mel, name: 'pair', sizes: [2] };
    const files: [ModelInput, string, ArrayBufferView][] = [
      [pair, '<f8', new Float64Array([3, 7])],
      [pair, '<f2', new Uint16Array([0x4200, 0x4700])],
      [ids, '|u1', new Uint8Array([3, 7])],
      [ids, '<i2', new Int16Array([3, 7])],
      [ids, '<i8', new BigInt64Array([3n, 7n])],
    ];
    for (const [input, descr, data] of files) {
      writeFileSync(join(folder, 'one.npy'), npy(descr, '(2,)', data));
      writeFileSync(join(folder, 'one.csv'), `a\tb\n${'one.npy\t1\n'.repeat(3)}`);
      const batch = await first(csv({ [input.name]: call('tensor', ['a']) }, { file: 'one.csv' }), [input]);
      expect(values(batch, input.name), descr).toEqual([3, 7, 3, 7, 3, 7]);
    }
  });

  it.each([
    [
      'of another shape',
      npy('<f4', '(3, 2)', new Float32Array(6)),
      'holds <f4 [3, 2]; mel takes floats [2, 3]',
    ],
    ['of integers for floats', npy('<i4', '(2, 3)', new Int32Array(6)), 'holds <i4 [2, 3]; mel takes floats'],
    ["in Fortran's order", npy('<f4', '(2, 3)', new Float32Array(6), 'True'), "in Fortran's order"],
    ['cut short', npy('<f4', '(2, 3)', new Float32Array(5)), '20 bytes for [2, 3] of <f4'],
    ['of a shape without end', npy('<f4', `(${'1'.repeat(1000)}x`, new Float32Array(6)), 'its header is'],
    ['of texts', npy('<U3', '(2, 3)', new Float32Array(6)), 'it holds <U3'],
    ['that is something else', Buffer.from('not an array at all'), 'it does not begin as one'],
  ])('refuse a .npy file %s', async (_, bytes, message) => {
    writeFileSync(join(folder, 'bad.npy'), bytes);
    writeFileSync(join(folder, 'bad.csv'), `a\tb\n${'bad.npy\t1\n'.repeat(3)}`);
    const data = csv({ mel: call('tensor', ['a']) }, { file: 'bad.csv' });
    await expect(first(data, [mel])).rejects.toThrow(message);
  });

  it.each([
    [
      'a name that is none',
      { label: call('class', ['cls'], { names: ['cat', 'dogs', 'fox'] }) },
      [label],
      'row 2: `cls` is "dog", which is none of the names; did you mean `dogs`?',
    ],
    [
      'a class beyond the ids',
      { label: call('class', ['id']) },
      [{ ...label, ids: { min: 0, max: 1 } }],
      'row 3: `id` is 2; label takes 0 to 1',
    ],
    [
      'a name twice',
      { label: call('class', ['cls'], { names: ['cat', 'cat'] }) },
      [label],
      '"cat" stands twice',
    ],
    ['a missing file of names', { label: call('class', ['cls'], { names: 'no.txt' }) }, [label], 'Z412'],
    [
      'no number',
      { dose: call('number', ['title']) },
      [dose],
      'row 1: `title` is "number 0", which is no number',
    ],
    [
      'too many numbers',
      { dose: call('number', [['x', 'dose']]) },
      [dose],
      'number has 2 columns for dose, which takes 1',
    ],
    [
      'a missing column',
      { dose: call('number', ['doze']) },
      [dose],
      'no column `doze`; did you mean `dose`?',
    ],
    [
      'an input without a column',
      { dose: call('number', ['x']) },
      [dose, label],
      'no column feeds the input label i32[B]',
    ],
    ['an alien input', { dosis: call('number', ['x']) }, [dose], 'has no input `dosis`'],
    [
      'a kind that does not fit',
      { label: call('number', ['x']) },
      [label],
      'number feeds [B] or [B, n], and the input is label i32[B]',
    ],
    [
      'an unknown kind',
      { label: call('clas', ['x']) },
      [label],
      'cannot be clas(...); did you mean `class`?',
    ],
    ['a column by its name alone', { label: 'id' }, [label], '`label` cannot be "id"'],
    [
      'an unknown option',
      { label: call('class', ['x'], { nmes: 'x' }) },
      [label],
      'class has no option `nmes`',
    ],
  ] as [string, Record<string, StaticValueData>, ModelInput[], string][])(
    'refuse %s',
    async (_, fields, inputs, message) => {
      await expect(first(csv(fields), inputs)).rejects.toThrow(message);
    },
  );

  it('take the options of pairs only without inputs', async () => {
    const data = csv({ dose: call('number', ['x']) }, { text: 'title' });
    await expect(first(data, [dose])).rejects.toThrow('`text` of csv goes without `inputs`');
  });
});
