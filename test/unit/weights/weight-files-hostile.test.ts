/**
 * Checkpoints made to harm: pickles that ask for more than tensors get nothing run, and malformed ones and zip
 * archives that deceive are refused by name. Long because each is written here opcode by opcode.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { openTensors } from '../../../zoo/weights/formats/open-tensors.ts';
import { PickleWriter, type Py, rawPickle } from '../../support/files/pickle-writer.ts';
import { archive, tensorOn } from '../../support/files/torch-writer.ts';
import { fields, writeZip, type ZipEnd, type ZipEntryToWrite } from '../../support/files/zip-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
async function open(bytes: Uint8Array): Promise<string> {
  const path = join(folder, `x${files++}.pt`);
  writeFileSync(path, bytes);
  try {
    const file = await openTensors(path);
    const names = [...file.infos.keys()];
    for (const name of names) await file.read(name);
    await file.close();
    return [`read ${names.join(', ')}`, ...(file.remarks ?? [])].join('; ').replaceAll(path, 'x.pt');
  } catch (error) {
    if (error instanceof DiagnosticError) return error.message.replace(path, 'x.pt');
    throw error;
  }
}

const four = new Map([['0', new Uint8Array(16)]]);
const openPickle = (pickle: Uint8Array): Promise<string> => open(archive(pickle, four));
const openValue = (value: Py): Promise<string> => openPickle(PickleWriter.write(value));

/** A number of four bytes, little-endian. */
const u32 = (n: number): Uint8Array => fields([4, n]);
const text = (s: string): Uint8Array => Buffer.concat(['X', u32(s.length), s].map((p) => Buffer.from(p)));

describe('pickles', () => {
  it('are read where they are honest (the test can tell)', async () => {
    expect(await openValue({ dict: [['w', tensorOn('F32', '0', 4, [4])]] })).toBe('read w');
  });

  it.each([
    'os system',
    'posix system',
    'builtins eval',
    'builtins exec',
    '__builtin__ eval',
    'builtins getattr',
    'subprocess Popen',
    'torch load',
    'torch.hub load',
    'torch._utils _rebuild_sparse_tensor',
    'torch.nn.modules.linear Linear',
    'numpy.core.multiarray _reconstruct',
    'collections defaultdict',
    '__torch__evil Module',
    '__main__ Model',
    'toString constructor',
    'torch __proto__',
  ])('run %s in no way, and say that it was there', async (global) => {
    const name = global.replace(' ', '.');
    const weights: [Py, Py] = ['state_dict', { dict: [['w', tensorOn('F32', '0', 4, [4])]] }];
    const beside = (value: Py) =>
      openPickle(PickleWriter.write({ dict: [['x', value], weights, ['y', value]] }));
    expect(await beside({ call: global, args: ['echo ran >&2'] })).toBe(
      `read w; x.pt: the weights are those under state_dict; x.pt: not read and not run: ${name}`,
    );
    expect(await beside({ global })).toBe('read w; x.pt: the weights are those under state_dict');
    // By the names on the stack, as an object of a class, with a state, and as what is called in turn.
    const named = [text(global.split(' ')[0]!), text(global.split(' ')[1]!), 0x93, ')'];
    for (const end of [['R'], [0x81], ['}', 0x92], ['R', '}', 'b'], ['R', ')', 'R'], ['R', 'N', 'a']])
      expect(await openPickle(rawPickle(...named, ...end))).toContain(`holds ${name} where a state_dict`);
    const inside = await openValue({ dict: [['w', { call: global, args: [] }]] });
    expect(inside).toContain(
      name.startsWith('torch.') ? `"w" made by ${name}, which is not read` : 'a dict without tensors',
    );
  });

  it('call no class of TorchScript', async () => {
    expect(await openValue({ call: '__torch__ x.y', args: ['echo'] })).toContain('a call of __torch__.x.y');
  });

  it('give no tensor on what a foreign object stands for', async () => {
    const { args } = tensorOn('F32', '0', 4, [4]) as unknown as { args: Py[] };
    const on: Py = { call: 'os system', args: ['echo'] };
    const call = 'torch._utils _rebuild_tensor_v2';
    const said = await openValue({ dict: [['w', { call, args: [on, ...args.slice(1)] }]] });
    expect(said).toContain('Z422');
    expect(said).toContain('a tensor on os.system');
  });

  it('pass over a text that is an array, and name foreign objects in bearable length', async () => {
    const long = text('n'.repeat(70_000));
    const name = 'm'.repeat(60_000);
    const call: Py = { call: `${name} x`, args: [] };
    expect(await openPickle(rawPickle(long))).toContain('holds bytes where a state_dict belongs');
    expect((await openValue({ dict: [['w', call]] })).length).toBeLessThan(500);
    expect((await openValue({ global: `${name} x` })).length).toBeLessThan(500);
  });

  it.each([
    ['INST', ['(', 'i', 'os\nsystem\n']],
    ['OBJ', ['(', 'c', 'collections\nOrderedDict\n', 'o']],
    ['EXT1', [0x82, 1]],
    ['EXT2', [0x83, 1, 0]],
    ['EXT4', [0x84, 1, 0, 0, 0]],
    ['PERSID', ['P', 'storage\n']],
    ['DUP', ['N', '2']],
    ['POP', ['N', '0']],
    ['LONG', ['L', '1L\n']],
    ['LONG4', [0x8b, 1, 0, 0, 0, 1]],
    ['NEXT_BUFFER', [0x97]],
    ['0xff', [0xff]],
  ] as [string, (string | number)[]][])('refuse the opcode %s', async (name, parts) => {
    const said = await openPickle(rawPickle(...parts));
    expect(said).toContain('Z422: x.pt: data.pkl, byte ');
    expect(said).toContain(`the opcode ${name} is not read`);
  });

  it.each([
    ['a call of something else than a global', ['N', ')', 'R'], 'a call of None'],
    ['a call without a tuple', ['c', 'collections\nOrderedDict\n', ']', 'R'], 'a list as arguments'],
    ['a call of a storage class', ['c', 'torch\nFloatStorage\n', ')', 'R'], 'a call of torch.FloatStorage'],
    [
      'an object of a known class with named arguments',
      ['c', 'collections\nOrderedDict\n', ')', '}', 0x92],
      'an object of collections.OrderedDict',
    ],
    [
      'an object of an allowed function',
      ['c', 'collections\nOrderedDict\n', ')', 0x81],
      'an object of collections.OrderedDict',
    ],
    ['an object with arguments', ['c', '__torch__\nM\n', 'N', 0x85, 0x81], 'as arguments of an object'],
    ['a state that is no dict', ['c', '__torch__\nM\n', ')', 0x81, ']', 'b'], 'a list as a state'],
    ['a state for a list', [']', '}', 'b'], 'a state for a list'],
    ['an unknown protocol', [0x80, 6], 'pickle protocol 6 is not read'],
    ['a stack that is empty', ['a'], 'the stack is empty'],
    ['a mark that is missing', ['t'], 'there is no mark'],
    ['a value below the mark', ['N', '(', 0x85], 'the stack is empty'],
    ['a reference to nothing', ['h', 7], 'nothing was stored under 7'],
    ['two values', ['N', 'N'], 'ends with 2 values'],
    ['a tensor as a key', ['}', ']', 'N', 's'], 'a list as a key'],
    ['a key without a value', ['}', '(', 'N', 'u'], 'a key without a value'],
    ['items for a dict', ['}', 'N', 'a'], 'items are appended to a dict'],
    ['a string longer than the file', ['X', u32(60_000)], 'cut short'],
    ['a name that is too long', ['c', `${'n'.repeat(70_000)}\nx\n`], 'a string of 70000 bytes'],
    ['bytes longer than the file', ['B', u32(2 ** 31)], 'cut short'],
    ['a bytearray of 2^60 bytes', [0x96, fields([8, 2n ** 60n])], 'cut short'],
    ['a string that is not UTF-8', ['X', u32(1), Uint8Array.of(0xff)], 'not UTF-8'],
    ['a string of 2^60 bytes', [0x8d, fields([8, 2n ** 60n])], 'cut short'],
    ['a frame of 2^60 bytes', [0x95, fields([8, 2n ** 60n])], 'cut short'],
    ['a line without end', ['c', 'torch'], 'cut short'],
  ] as [string, (string | number | Uint8Array)[], string][])('refuse %s', async (_, parts, message) => {
    const said = await openPickle(rawPickle(...parts));
    expect(said).toContain('Z422');
    expect(said).toContain(message);
  });

  it('refuse bytes behind the end', async () => {
    const honest = PickleWriter.write({ dict: [['w', tensorOn('F32', '0', 4, [4])]] });
    expect(await openPickle(Buffer.concat([honest, Buffer.from('cos\nsystem\n')]))).toContain(
      '11 bytes stand behind',
    );
  });

  const storage = { global: 'torch FloatStorage' };
  it.each([
    ['a string', '0'],
    ['another word', { tuple: ['module', storage, '0', 'cpu', 4] }],
    ['four parts', { tuple: ['storage', storage, '0', 'cpu'] }],
    ['a class that is no storage', { tuple: ['storage', { global: 'torch device' }, '0', 'cpu', 4] }],
    ['a key that is no string', { tuple: ['storage', storage, 0, 'cpu', 4] }],
    ['a size below zero', { tuple: ['storage', storage, '0', 'cpu', -4] }],
    ['half an element', { tuple: ['storage', storage, '0', 'cpu', 0.5] }],
  ] as [string, Py][])('refuse a persistent id that is %s', async (_, persistent) => {
    expect(await openValue({ dict: [['w', { persistent }]] })).toMatch(/Z422.*(persistent id|a storage of)/);
  });

  it.each([
    ['an entry that is not there', '7', 4, 'the entry "archive/data/7" is missing'],
    ['a path out of the archive', '../../secret', 4, 'the entry "archive/data/../../secret" is missing'],
    ['more than its entry has', '0', 5, 'has 16 bytes, its tensors need 20'],
    ['less than its entry has', '0', 3, 'has 16 bytes, its tensors need 12'],
    ['more than any file has', '0', 2 ** 52, 'has 16 bytes'],
  ])('refuse a storage of %s', async (_, key, elements, message) => {
    const said = await openValue({ dict: [['w', tensorOn('F32', key, elements, [1])]] });
    expect(said).toContain('Z421');
    expect(said).toContain(message);
  });

  it('refuse a tensor whose sign is kept in its metadata', async () => {
    const { args } = tensorOn('F32', '0', 4, [4]) as unknown as { args: Py[] };
    const call = 'torch._utils _rebuild_tensor_v2';
    const said = await openValue({ dict: [['w', { call, args: [...args, { dict: [['neg', true]] }] }]] });
    expect(said).toContain('conjugate or negative bit');
  });
});

describe('bombs', () => {
  it('of nesting are refused', async () => {
    const deep = 1000;
    expect(await openPickle(rawPickle(']'.repeat(deep), 'a'.repeat(deep - 1)))).toContain(
      'nests deeper than 200',
    );
    expect(await openPickle(rawPickle('('.repeat(deep)))).toContain('nests deeper than 200');
    expect(await openPickle(rawPickle(')', Buffer.alloc(deep, 0x85)))).toContain('nests deeper than 200');
    const modules = Array.from({ length: deep }, () => [
      'c__torch__\nM\n)',
      Uint8Array.of(0x81),
      '}',
      text('m'),
    ]).flat();
    expect(await openPickle(rawPickle(...modules, 'N', 'sb'.repeat(deep)))).toContain(
      'nests deeper than 200',
    );
  });

  it('of a list that holds itself, and of a thousand references to one growing list, take no time', async () => {
    const start = performance.now();
    const before = process.memoryUsage();
    const grow = ['h', 0, '(', Buffer.from('h\0'.repeat(1000)), 'e', 0x85];
    const bomb = [']', 'q', 0, ...Array<(typeof grow)[number][]>(300).fill(grow).flat()];
    expect(await openPickle(rawPickle(...bomb))).toContain('nests deeper than 200');
    // A thousand ordered dicts out of one list of ten thousand pairs would be ten million entries.
    const pair = rawPickle(text('k'), 'N', 0x86).subarray(2, -1);
    const pairs = Buffer.concat(Array<Uint8Array>(10_000).fill(pair));
    const call = Buffer.from('ccollections\nOrderedDict\nh\0\x85R', 'latin1');
    const dicts = Buffer.concat(Array<Uint8Array>(1000).fill(call));
    expect(await openPickle(rawPickle(']', 'q', 0, '(', pairs, 'e', dicts))).toContain(
      'more than 2,000,000 values',
    );
    expect(performance.now() - start).toBeLessThan(20_000);
    const after = process.memoryUsage();
    expect(after.heapTotal + after.arrayBuffers - before.heapTotal - before.arrayBuffers).toBeLessThan(
      2 ** 29,
    );
  });

  it('of a module that stands twice in each of sixty modules are refused', async () => {
    const module = ['c', '__torch__\nM\n', ')', 0x81];
    const chain: (string | number | Uint8Array)[] = [];
    for (let i = 60; i > 0; i--) chain.push(...module, '}', '(', text('a'));
    chain.push(...module, 'q', 0);
    for (let i = 0; i < 60; i++) chain.push(text('b'), 'h', i, 'u', 'b', 'q', i + 1);
    expect(await openPickle(rawPickle(...chain))).toContain('more than 100,000 attributes of modules');
  });

  it('of a module that holds itself are refused', async () => {
    const said = await openPickle(
      rawPickle('c__torch__\nM\n)', 0x81, 'q', 0, '}', text('m'), 'h', 0, 's', 'b'),
    );
    expect(said).toContain('modules nest deeper than 64 levels');
  });

  it('of names are refused', async () => {
    const name = 'n'.repeat(60_000);
    const tensor = tensorOn('F32', '0', 4, [4]);
    expect(await openValue({ dict: [[name, tensor]] })).toContain('holds a name of 60000 characters');
    const inner: Py = { object: '__torch__ M', state: [[name, tensor]] };
    expect(await openValue({ object: '__torch__ N', state: [[name, inner]] })).toContain(
      'holds a name of 60000',
    );
  });

  it('of values are refused', async () => {
    expect(await openPickle(rawPickle('(', Buffer.alloc(2_100_000, 'N'), 't'))).toContain(
      'more than 2,000,000 values',
    );
    expect(await openPickle(new Uint8Array(33 * 2 ** 20))).toMatch(/Z421.*data\.pkl has 34603008 bytes/);
  });
});

describe('files from before PyTorch 1.6', () => {
  const good = readFileSync('test/fixtures/checkpoints/legacy.pt');
  const keys = [...good.toString('latin1').matchAll(/\d{10,}/g)].map(([key]) => key);
  const changed = (from: string, to: string) =>
    open(Buffer.from(good.toString('latin1').replaceAll(from, to), 'latin1'));

  it('are read where they are honest', async () => {
    expect(await open(good)).toBe('read a.weight, a.turned, b');
    expect(new Set(keys).size).toBe(2);
  });

  it.each([
    ['another magic number', 'l\xfc\x9cF', 'l\xfc\x9cG', 'Z420: x.pt is a pickle, but not one that PyTorch'],
    ['another version', 'M\xe9\x03.', 'M\xe8\x03.', 'its version is not 1001'],
    ['big-endian numbers', 'little_endianq\x02\x88', 'little_endianq\x02\x89', 'its byte order'],
    ['a storage of more elements', 'K\x06N', 'K\x07N', 'has 6 elements, its tensors need 7'],
    ['a view of a storage', 'K\x06N', 'K\x06K', 'Z422'],
  ])('are refused with %s', async (_, from, to, message) => {
    expect(await changed(from, to)).toContain(message);
  });

  it('are refused where storages are missing, alien, or described in two ways', async () => {
    const [a, b] = [...new Set(keys)] as [string, string];
    const list = good.lastIndexOf(']q');
    const one = (key: string, by: string) =>
      Buffer.concat([
        good.subarray(0, list),
        Buffer.from(good.subarray(list).toString('latin1').replace(key, by), 'latin1'),
      ]);
    const alien = a.replace(/./g, '9');
    expect(await open(one(a, alien))).toContain(`the storage "${alien}" belongs to no tensor`);
    expect(await open(one(a, b))).toContain('the list of its storages is malformed');
    expect(await changed(a, b)).toContain(`the storage "${b}" is described in two ways`);
    expect(await open(Buffer.concat([good, Buffer.from('more')]))).toContain('4 bytes stand behind its last');
  });

  it('that are cut short anywhere are refused', async () => {
    for (let length = 2; length < good.length; length += 7)
      expect(await open(good.subarray(0, length)), `${length} bytes`).toMatch(/Z42[012]/);
  });
});

describe('zip archives', () => {
  const pickle = PickleWriter.write({ dict: [['w', tensorOn('F32', '0', 4, [4])]] });
  const data: ZipEntryToWrite = { name: 'a/data.pkl', data: pickle };
  const storage: ZipEntryToWrite = { name: 'a/data/0', data: new Uint8Array(16) };
  const zip = (entries: ZipEntryToWrite[], end?: ZipEnd) => open(writeZip(entries, end));
  const huge = 0xffff_ffff;
  const extra64 = (...values: bigint[]): Uint8Array =>
    Buffer.concat([fields([2, 1], [2, 8 * values.length]), ...values.map((v) => fields([8, v]))]);

  it('are read where they are honest, zip64 or not', async () => {
    expect(await zip([data, storage])).toBe('read w');
    const size = { size: huge, compressedSize: huge, extra: extra64(16n, 16n) };
    expect(await zip([data, { ...storage, directory: size }])).toBe('read w');
    const bytes = writeZip([data, storage]);
    const offset = BigInt(new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 6, true));
    expect(await zip([data, storage], { zip64: { count: 2n, offset }, count: 0xffff, offset: huge })).toBe(
      'read w',
    );
    expect(await zip([data, storage, { name: 'a/code/x.py', data: Buffer.alloc(999), deflate: true }])).toBe(
      'read w',
    );
  });

  it.each([
    ['two entries of one name', [data, storage, storage], 'it has two entries "a/data/0"'],
    [
      'entries that share bytes',
      [data, storage, { ...storage, name: 'a/data/1', directory: { offset: 0 }, localName: 'a/data.pkl' }],
      'calls itself',
    ],
    [
      'an entry inside another',
      [
        data,
        { ...storage, data: new Uint8Array(16), directory: { size: 90, compressedSize: 90 } },
        { name: 'a/x', data: storage.data },
      ],
      'overlaps "a/x"',
    ],
    [
      'an entry that reaches into the directory',
      [data, { ...storage, directory: { size: 60, compressedSize: 60 } }],
      'overlaps the directory',
    ],
    [
      'an entry behind the end',
      [data, { ...storage, directory: { size: 9999, compressedSize: 9999 } }],
      'file data overflows file bounds',
    ],
    [
      'a header behind the end',
      [data, { ...storage, directory: { offset: 99_999 } }],
      'behind the end of the file',
    ],
    [
      'a header elsewhere',
      [data, { ...storage, directory: { offset: 3 } }],
      'invalid local file header signature',
    ],
    ['two sizes', [data, { ...storage, directory: { size: 12 } }], 'size mismatch'],
    [
      'another name in the entry',
      [data, { ...storage, localName: 'a/data/9' }],
      'the entry "a/data/0" calls itself "a/data/9"',
    ],
    [
      'another method in the entry',
      [data, { ...storage, directory: { method: 8 } }],
      'compressed otherwise than the directory says',
    ],
    [
      'a compressed storage',
      [data, { ...storage, deflate: true }],
      'the entry "a/data/0" is compressed or encrypted',
    ],
    [
      'a compressed pickle',
      [{ ...data, deflate: true }, storage],
      'the entry "a/data.pkl" is compressed or encrypted',
    ],
    ['an encrypted storage', [data, { ...storage, directory: { flags: 1, compressedSize: 28 } }], 'a/data/0'],
    [
      'strong encryption',
      [data, { ...storage, directory: { flags: 0x40 } }],
      'strong encryption is not supported',
    ],
    ['a path upwards', [data, storage, { name: 'a/../../x', data: storage.data }], 'invalid relative path'],
    ['an absolute path', [data, storage, { name: '/etc/x', data: storage.data }], 'absolute path'],
    ['a path of Windows', [data, storage, { name: 'C:\\x', data: storage.data }], 'C:'],
    ['no pickle', [storage], 'it holds 0 files NAME/data.pkl'],
    ['two pickles', [data, storage, { ...data, name: 'b/data.pkl' }], 'it holds 2 files NAME/data.pkl'],
    ['no storage', [data], 'the entry "a/data/0" is missing'],
    [
      'big-endian data',
      [data, storage, { name: 'a/byteorder', data: Buffer.from('big') }],
      'its byte order is "big"',
    ],
    [
      'a zip64 size of 2^60',
      [
        data,
        { ...storage, directory: { size: huge, compressedSize: huge, extra: extra64(2n ** 60n, 2n ** 60n) } },
      ],
      'overflows file bounds',
    ],
    [
      'a zip64 offset of 2^60',
      [data, { ...storage, directory: { offset: huge, extra: extra64(2n ** 60n) } }],
      'behind the end of the file',
    ],
    [
      'a zip64 field cut short',
      [data, { ...storage, directory: { size: huge, extra: fields([2, 1], [2, 4], [4, 0]) } }],
      'zip64 extended information',
    ],
    [
      'an extra field cut short',
      [data, { ...storage, directory: { extra: fields([2, 1], [2, 400]) } }],
      'xtra field',
    ],
  ] as [string, ZipEntryToWrite[], string][])('with %s are refused', async (_, entries, message) => {
    const said = await zip(entries);
    expect(said).toContain('Z421: x.pt is no intact PyTorch archive: ');
    expect(said).toContain(message);
  });

  it.each([
    ['more entries than there are', { count: 3 }, 'behind the end of the file'],
    ['a directory elsewhere', { offset: 1 }, 'invalid central directory'],
    ['a directory behind the end', { offset: 99_999 }, 'behind the end of the file'],
    [
      'a zip64 count of 2^60',
      { zip64: { count: 2n ** 60n, offset: 0n } },
      'claims 1152921504606847000 entries',
    ],
    ['a zip64 directory at 2^60', { zip64: { count: 2n, offset: 2n ** 60n } }, 'behind the end of the file'],
    [
      'a zip64 record at 2^63',
      { zip64: { count: 2n, offset: 0n, locator: 2n ** 63n } },
      'behind the end of the file',
    ],
    [
      'a zip64 record that is none',
      { zip64: { count: 2n, offset: 0n, locator: 1n } },
      'zip64 end of central directory',
    ],
    [
      'a second end in the comment',
      { comment: Buffer.concat([fields([4, 0x06054b50]), Buffer.alloc(18)]) },
      'Z421',
    ],
  ] as [string, ZipEnd, string][])('that end with %s are refused', async (_, end, message) => {
    const said = await zip([data, storage], end);
    expect(said).toContain('Z421');
    expect(said).toContain(message);
  });

  it('that are cut short anywhere are refused', async () => {
    const whole = writeZip([data, storage]);
    for (let length = 4; length < whole.length; length += 7) {
      expect(await open(whole.subarray(0, length)), `${length} bytes`).toMatch(/Z42[01]/);
    }
  });
});
