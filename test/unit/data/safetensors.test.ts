import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { writeAtomically } from '../../../runtime/data/files/atomic.ts';
import { narrowBF16, narrowF16, widenF16 } from '../../../runtime/data/safetensors/half.ts';
import {
  encodeSafetensors,
  openSafetensors,
  readSafetensors,
  type SafetensorsDType,
  type Tensor,
  type TensorData,
  writeSafetensors,
} from '../../../zoo/weights/formats/safetensors.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-safetensors-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A file from header text (or bytes) and a number of data bytes. */
function file(header: string | Uint8Array, dataBytes = 0, length?: bigint): Uint8Array {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const out = new Uint8Array(8 + json.length + dataBytes);
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  out.set(json, 8);
  return out;
}

const entry = (dtype: string, shape: string, begin: number | string, end: number | string) =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

describe('what is accepted', () => {
  const accepted: [string, Uint8Array, Record<string, number[]>][] = [
    ['no tensors', file('{}'), {}],
    ['metadata alone', file('{"__metadata__":{"a":"b"}}'), {}],
    ['padding with spaces', file('{}      '), {}],
    ['a scalar', file(`{"x":${entry('F32', '[]', 0, 4)}}`, 4), { x: [] }],
    ['an empty tensor', file(`{"x":${entry('F32', '[0]', 0, 0)}}`), { x: [0] }],
    [
      'empty tensors between others',
      file(
        `{"b":${entry('U8', '[2]', 0, 2)},"e":${entry('F64', '[3,0]', 2, 2)},"a":${entry('U8', '[1]', 2, 3)}}`,
        3,
      ),
      { b: [2], e: [3, 0], a: [1] },
    ],
    [
      'tensors in any order of names, unaligned',
      file(`{"z":${entry('I32', '[1]', 1, 5)},"a":${entry('U8', '[1]', 0, 1)}}`, 5),
      { a: [1], z: [1] },
    ],
    [
      'dangerous names',
      file(`{"__proto__":${entry('U8', '[]', 0, 1)},"constructor":${entry('U8', '[]', 1, 2)}}`, 2),
      { __proto__x: [], constructor: [] },
    ],
    ['white space in the JSON', file(`{ "x" : ${entry('U8', '[ 1 ]', 0, 1)}\n}`, 1), { x: [1] }],
    ['F8 types as raw bytes', file(`{"x":${entry('F8_E4M3', '[2]', 0, 2)}}`, 2), { x: [2] }],
  ];
  it.each(accepted)('%s', (_, bytes, shapes) => {
    const { tensors } = readSafetensors(bytes);
    expect([...tensors.values()].map((t) => t.shape)).toEqual(Object.values(shapes));
  });

  it('names like __proto__ stay plain keys', () => {
    const { tensors, metadata } = readSafetensors(
      file(`{"__metadata__":{"__proto__":"m"},"__proto__":${entry('U8', '[]', 0, 1)}}`, 1),
    );
    expect([...tensors.keys()]).toEqual(['__proto__']);
    expect([...metadata]).toEqual([['__proto__', 'm']]);
  });
});

describe('what is rejected, each with its reason', () => {
  const x = (text: string, dataBytes = 4) => file(`{"x":${text}}`, dataBytes);
  const rejected: [string, Uint8Array, string][] = [
    ['an empty file', new Uint8Array(0), 'it has 0 bytes, fewer than the 8 of the header length'],
    ['a file of 7 bytes', new Uint8Array(7), 'it has 7 bytes'],
    [
      'a header above the limit',
      file('{}', 0, 100_000_001n),
      'the header length 100000001 is above the limit of 100000000 bytes',
    ],
    [
      'an absurd header length',
      file('{}', 0, 2n ** 64n - 1n),
      'the header length 18446744073709551615 is above the limit',
    ],
    [
      'a header past the end',
      file('{}', 0, 3n),
      'the header length 3 reaches past the end of the file (10 bytes)',
    ],
    ['an empty header', file('', 8, 0n), 'the header does not begin with {'],
    ['a header that begins with a space', file(' {}'), 'the header does not begin with {'],
    ['a byte order mark', file('\ufeff{}'), 'the header does not begin with {'],
    ['an array', file('[]'), 'the header does not begin with {'],
    [
      'bad UTF-8',
      file(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])),
      'the header is not UTF-8',
    ],
    ['bad JSON', file('{"x":}'), 'the header is not JSON'],
    ['bytes behind the JSON', file('{}\0'), 'the header is not JSON'],
    ['a second JSON value', file('{}{}'), 'the header is not JSON'],
    [
      'a tensor twice',
      file(`{"x":${entry('U8', '[]', 0, 1)},"x":${entry('U8', '[]', 0, 1)}}`, 1),
      'the header has the key "x" twice',
    ],
    [
      'a tensor twice, once escaped',
      file(`{"x":${entry('U8', '[]', 0, 1)},"\\u0078":${entry('U8', '[]', 0, 1)}}`, 1),
      'the header has the key "x" twice',
    ],
    [
      'a field twice',
      x('{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,4]}'),
      'the header has the key "dtype" twice',
    ],
    ['a metadata key twice', file('{"__metadata__":{"a":"1","a":"2"}}'), 'the header has the key "a" twice'],
    [
      'metadata that is no object',
      file('{"__metadata__":"a"}'),
      '__metadata__ may only map strings to strings',
    ],
    [
      'metadata with a number',
      file('{"__metadata__":{"a":1}}'),
      '__metadata__ may only map strings to strings',
    ],
    ['metadata that is null', file('{"__metadata__":null}'), '__metadata__ may only map strings to strings'],
    ['a tensor that is no object', x('3'), 'tensor "x" is not described by dtype, shape and data_offsets'],
    [
      'no dtype',
      x('{"shape":[1],"data_offsets":[0,4]}'),
      'tensor "x" is not described by dtype, shape and data_offsets (dtype)',
    ],
    ['no shape', x('{"dtype":"F32","data_offsets":[0,4]}'), '(shape)'],
    ['no offsets', x('{"dtype":"F32","shape":[1]}'), '(data_offsets)'],
    ['one offset', x('{"dtype":"F32","shape":[1],"data_offsets":[0]}'), '(data_offsets)'],
    ['three offsets', x('{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}'), '(data_offsets)'],
    ['an unknown dtype', x(entry('F31', '[1]', 0, 4)), 'tensor "x" has the unknown dtype "F31"'],
    [
      'a dtype from the prototype',
      x(entry('toString', '[1]', 0, 4)),
      'tensor "x" has the unknown dtype "toString"',
    ],
    [
      'a negative size',
      x(entry('F32', '[-1]', 0, 4)),
      'the header holds the number -1; sizes are whole and not negative',
    ],
    ['a fractional size', x(entry('F32', '[1.0]', 0, 4)), 'the header holds the number 1.0'],
    ['a size with an exponent', x(entry('F32', '[1e0]', 0, 4)), 'the header holds the number 1e0'],
    ['a size that no double can hold', x(entry('F32', '[9007199254740993]', 0, 4)), '(shape.0)'],
    [
      'a shape that overflows',
      x(entry('F32', '[4294967296,4294967296]', 0, 4)),
      'the shape of tensor "x", [4294967296, 4294967296], overflows',
    ],
    [
      'an end before the begin',
      x(entry('F32', '[1]', 4, 0)),
      'tensor "x" ends at byte 0, before its begin 4',
    ],
    [
      'too few bytes for the shape',
      x(entry('F32', '[2]', 0, 4)),
      'tensor "x" of F32 [2] needs 8 bytes, its offsets span 4',
    ],
    [
      'too many bytes for the shape',
      x(entry('F16', '[1]', 0, 4)),
      'tensor "x" of F16 [1] needs 2 bytes, its offsets span 4',
    ],
    [
      'data that begins late',
      x(entry('U8', '[3]', 1, 4)),
      'there is a hole before tensor "x": bytes 0 to 1 belong to nothing',
    ],
    [
      'a hole',
      file(`{"a":${entry('U8', '[1]', 0, 1)},"b":${entry('U8', '[1]', 2, 3)}}`, 3),
      'there is a hole before tensor "b": bytes 1 to 2',
    ],
    [
      'an overlap',
      file(`{"a":${entry('U8', '[2]', 0, 2)},"b":${entry('U8', '[2]', 1, 3)}}`, 3),
      'tensor "b" begins at byte 1 and overlaps the one before, which ends at 2',
    ],
    [
      'a cut file',
      x(entry('F32', '[2]', 0, 8)),
      'the file is cut short: its tensors need 8 bytes of data and 4 are there',
    ],
    [
      'bytes behind the last tensor',
      x(entry('F32', '[1]', 0, 4), 5),
      '1 bytes at the end of the file belong to no tensor',
    ],
    ['data without tensors', file('{}', 2), '2 bytes at the end of the file belong to no tensor'],
    [
      'half a surrogate pair as a name',
      file(`{"\\ud800":${entry('U8', '[]', 0, 1)}}`, 1),
      'is not valid Unicode',
    ],
    [
      'deep nesting',
      file(`{"x":${'['.repeat(200)}${']'.repeat(200)}}`),
      'the header nests deeper than 128 levels',
    ],
  ];
  it.each(rejected)('%s', async (_, bytes, reason) => {
    expect(() => readSafetensors(bytes, 'w.safetensors')).toThrow(
      `Z411: w.safetensors is not a valid safetensors file: `,
    );
    expect(() => readSafetensors(bytes)).toThrow(reason);
    const path = join(folder, 'rejected.safetensors');
    writeFileSync(path, bytes);
    await expect(openSafetensors(path)).rejects.toThrow(reason);
  });
});

const samples: Record<SafetensorsDType, TensorData> = {
  F64: Float64Array.of(1.5, Number.NaN, -0),
  I64: BigInt64Array.of(-(2n ** 63n), 7n, 0n),
  U64: BigUint64Array.of(2n ** 64n - 1n, 0n, 1n),
  F32: Float32Array.of(1.5, Number.NEGATIVE_INFINITY, -0),
  I32: Int32Array.of(-5, 6, 7),
  U32: Uint32Array.of(2 ** 32 - 1, 0, 1),
  F16: Float32Array.of(1.5, 65504, -(2 ** -24)),
  BF16: Float32Array.of(1.5, -(2 ** 100), 0),
  I16: Int16Array.of(-5, 6, 7),
  U16: Uint16Array.of(65535, 0, 1),
  I8: Int8Array.of(-5, 6, 7),
  U8: Uint8Array.of(255, 0, 1),
  BOOL: Uint8Array.of(1, 0, 1),
  F8_E5M2: Uint8Array.of(255, 0, 1),
  F8_E4M3: Uint8Array.of(255, 0, 1),
};
const all = new Map<string, Tensor>(
  Object.entries(samples).map(([dtype, data]) => [
    `t.${dtype}`,
    { dtype: dtype as SafetensorsDType, shape: [3], data },
  ]),
);

describe('writing', () => {
  it('gives back every type, from memory and from disk', async () => {
    const path = join(folder, 'all.safetensors');
    await writeSafetensors(path, all, { b: '2', a: 'ä' });
    const opened = await openSafetensors(path);
    const streamed = new Map<string, Tensor>();
    for await (const { name, dtype, shape, data } of opened.tensors())
      streamed.set(name, { dtype, shape, data });
    await opened.close();
    expect(streamed.size).toBe(all.size);
    for (const [name, tensor] of streamed) expect(tensor).toEqual(all.get(name));
    const whole = readSafetensors(readFileSync(path));
    expect(whole.tensors).toEqual(streamed);
    expect([...whole.metadata]).toEqual([
      ['a', 'ä'],
      ['b', '2'],
    ]);
  });

  it('is deterministic, aligned and padded to 8', async () => {
    const path = join(folder, 'same.safetensors');
    await writeSafetensors(path, all, new Map([['k', 'v']]));
    const bytes = readFileSync(path);
    expect(new Uint8Array(bytes)).toEqual(encodeSafetensors(all, new Map([['k', 'v']])));
    const header = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    expect(header % 8n).toBe(0n);
    const file = await openSafetensors(path);
    for (const { dtype, begin, shape, end } of file.infos.values()) {
      expect(shape).toEqual([3]);
      expect(begin % ((end - begin) / 3), dtype).toBe(0);
    }
    await file.close();
  });

  it('takes tensors that are made when their turn comes, and reads rows', async () => {
    const path = join(folder, 'rows.safetensors');
    const make = async () => Int32Array.from({ length: 12 }, (_, i) => i);
    await writeSafetensors(path, [{ name: 'x', dtype: 'I32', shape: [3, 2, 2], data: make }]);
    const file = await openSafetensors(path);
    expect(await file.readRows('x', 1, 1)).toEqual({
      dtype: 'I32',
      shape: [1, 2, 2],
      data: Int32Array.of(4, 5, 6, 7),
    });
    await expect(file.readRows('x', 2, 2)).rejects.toThrow('rows 2..4 are not in tensor x with 3');
    await file.close();
  });

  it('leaves what was there when it fails, and no temporary file', async () => {
    const path = join(folder, 'kept.safetensors');
    await writeSafetensors(path, all);
    const before = readFileSync(path);
    const files = readdirSync(folder);
    const broken = () => {
      throw Object.assign(new Error('write'), { code: 'ENOSPC' });
    };
    const list = [{ name: 'x', dtype: 'U8', shape: [1], data: broken }] as const;
    await expect(writeSafetensors(path, list)).rejects.toThrow(
      `Z413: cannot write ${path}: no space left on the device`,
    );
    await expect(writeSafetensors(path, [{ ...list[0], data: Uint8Array.of(1, 2) }])).rejects.toThrow(
      '2 values for shape [1]',
    );
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(folder)).toEqual(files);
  });

  it('says why it cannot write or read', async () => {
    await expect(writeSafetensors(join(folder, 'no', 'x'), all)).rejects.toThrow('Z413: cannot write');
    await expect(writeSafetensors(folder, all)).rejects.toThrow('it is not a file');
    await expect(openSafetensors(join(folder, 'none'))).rejects.toThrow('Z410: cannot read');
    await expect(openSafetensors(folder)).rejects.toThrow('it is not a file');
  });

  it('replaces a file only when the new one is whole', async () => {
    const path = join(folder, 'plain.txt');
    writeFileSync(path, 'old');
    await writeAtomically(path, async (f) => {
      await f.write('new');
      expect(readFileSync(path, 'utf8')).toBe('old');
    });
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).isFile()).toBe(true);
  });
});

describe('half precision', () => {
  it('every binary16 value survives the way there and back', () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const back = narrowF16(widenF16(bits));
    const isNan = (h: number) => (h & 0x7fff) > 0x7c00;
    expect(bits.filter((h, i) => (isNan(h) ? !isNan(back[i]!) : back[i] !== h))).toEqual(new Uint16Array(0));
  });

  it('rounds to nearest, ties to even', () => {
    const u = 2 ** -11;
    expect([
      ...narrowF16(
        Float32Array.of(1 + u, 1 + 3 * u, 1 + u + 2 ** -20, 65519, 65520, 2 ** -25, 2 ** -25 * 1.5, 1e-30),
      ),
    ]).toEqual([0x3c00, 0x3c02, 0x3c01, 0x7bff, 0x7c00, 0, 1, 0]);
    expect([...narrowBF16(Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.4e38, Number.NaN))]).toEqual([
      0x3f80, 0x3f80, 0x3f82, 0x7f80, 0x7fc0,
    ]);
  });
});

describe('untrusted bytes', () => {
  const good = encodeSafetensors(all, new Map([['note', 'fuzz']]));
  const acceptOrDiagnose = (bytes: Uint8Array) => {
    try {
      readSafetensors(bytes);
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
    }
  };

  it('are accepted or diagnosed: any changed bytes, any length', () => {
    const change = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), fc.nat(good.length), (changes, length) => {
        const bytes = good.slice();
        for (const [at, value] of changes) bytes[at] = value;
        acceptOrDiagnose(bytes.subarray(0, length));
        acceptOrDiagnose(bytes);
      }),
      { seed: 20240601, numRuns: 4000 },
    );
  });

  it('are accepted or diagnosed: any JSON, spliced at will', () => {
    const header = new TextDecoder().decode(
      good.subarray(8, 8 + Number(new DataView(good.buffer).getBigUint64(0, true))),
    );
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      ',',
      ':',
      '0',
      '-',
      '1e9',
      '9'.repeat(30),
      'null',
      '\\',
      '"F32"',
      '"a":',
    );
    fc.assert(
      fc.property(
        fc.nat(header.length),
        fc.nat(40),
        fc.array(piece, { maxLength: 4 }),
        (at, removed, pieces) => {
          acceptOrDiagnose(file(header.slice(0, at) + pieces.join('') + header.slice(at + removed), 200));
        },
      ),
      { seed: 20240602, numRuns: 4000 },
    );
    fc.assert(
      fc.property(fc.json(), (text) => acceptOrDiagnose(file(text, 4))),
      { seed: 20240603, numRuns: 2000 },
    );
  });

  it('take no time that their length does not explain', () => {
    const start = performance.now();
    for (const text of ['[', '{"a":', '"', '1', '-', ' ', '\\', '"\\'])
      acceptOrDiagnose(file(`{"x":${text.repeat(1_000_000)}`));
    acceptOrDiagnose(file(`{"${'n'.repeat(1_000_000)}":1}`));
    // Some 0.2 s on a quiet machine.
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  it('cannot make a message endless', () => {
    for (const text of [
      `{"${'n'.repeat(10_000)}":1}`,
      `{"x":${'1'.repeat(10_000)}.5}`,
      `{"x":${entry('U8', `[${'1,'.repeat(10_000)}2]`, 0, 0)}}`,
    ])
      expect(() => readSafetensors(file(text))).toThrow(
        expect.objectContaining({ message: expect.stringMatching(/^.{1,400}$/) }),
      );
  });

  it('cost no memory that the file does not have', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 100; i++)
      acceptOrDiagnose(file(`{"x":${entry('F32', '[1000000000]', 0, 4_000_000_000)}}`, 4));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });
});
