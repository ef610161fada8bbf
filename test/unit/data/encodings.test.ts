/** Tables and lists as files bring them: encodings, separators, quotes, blank lines. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { decodeText, LineDecoder } from '../../../runtime/data/files/decode-text.ts';
import { readLines } from '../../../runtime/data/files/text-lines.ts';
import { readCsvTable, type TableFormat } from '../../../runtime/data/sources/rows/csv-table.ts';
import { readLabels, readTemplates, readTextArguments, readTexts } from '../../../zoo/run/text-lists.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-encodings-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

const text = 'filepath,title\na.png,café 世界 😀\n';
const utf16le = Buffer.from(text, 'utf16le');
const utf16be = Buffer.from(utf16le).swap16();
const latin1 = Buffer.from('filepath,title\na.png,x\na.png,café “', 'latin1');

describe('texts', () => {
  it.each<[string, Uint8Array]>([
    ['UTF-8', Buffer.from(text)],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${text}`)],
    ['UTF-16', utf16le],
    ['UTF-16 with a mark', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16le])],
    ['UTF-16 of the other order', utf16be],
    ['UTF-16 of the other order with a mark', Buffer.concat([Buffer.from([0xfe, 0xff]), utf16be])],
  ])('are read as %s, whole and in pieces', (_, bytes) => {
    expect(decodeText(bytes, 'x')).toBe(text);
    for (const size of [1, 2, 3, 7]) {
      const decoder = new LineDecoder('x');
      let joined = '';
      for (let at = 0; at < bytes.length; at += size) joined += decoder.push(bytes.subarray(at, at + size));
      expect(joined + decoder.end()).toBe(text);
    }
  });

  it.each<[string, Uint8Array, string]>([
    [
      'in the middle',
      Buffer.from('one\ncafé au', 'latin1'),
      'line 2, column 4: the byte 0xe9 that is no UTF-8',
    ],
    ['at the end', Buffer.from([0x61, 0xc3]), 'line 1, column 2: the byte 0xc3 that is no UTF-8'],
    [
      'behind a wide character',
      Buffer.concat([Buffer.from('\n\n😀é'), Buffer.from([0xff])]),
      'line 3, column 3: the byte 0xff that is no UTF-8',
    ],
    [
      'half a surrogate',
      Buffer.from('a\nb\ud83d', 'utf16le'),
      'line 2, column 2: bytes that are no UTF-16LE',
    ],
  ])('that are none: the place is named %s', (_, bytes, message) => {
    expect(() => decodeText(bytes, 'x')).toThrow(`Z427: x, ${message}`);
    const decoder = new LineDecoder('x');
    const read = () => {
      for (const byte of bytes) decoder.push(Uint8Array.of(byte));
      decoder.end();
    };
    expect(read).toThrow(`Z427: x, ${message}`);
  });

  it('keep a replacement character that stands in the file', () => {
    expect(decodeText(Buffer.from('a \ufffd b'), 'x')).toBe('a \ufffd b');
  });

  it('without line ends end before they fill the memory', () => {
    const decoder = new LineDecoder('x');
    const zeros = new Uint8Array(2 ** 20).fill(0x61);
    const read = () => {
      for (let i = 0; i < 100; i++) decoder.push(zeros);
    };
    expect(read).toThrow('it is no text');
  });
});

async function table(content: string | Uint8Array, format: TableFormat = {}) {
  const warnings: Diagnostic[] = [];
  const path = write('table.csv', content);
  const cells = await readCsvTable(path, ['title'], { ...format, warn: (d) => warnings.push(d) });
  return { titles: cells.get('title'), warnings: warnings.map((w) => `${w.code} ${w.message}`) };
}

describe('tables', () => {
  it('are read in UTF-16, and in the encoding that is named', async () => {
    expect((await table(utf16le)).titles).toEqual(['café 世界 😀']);
    const windows = Buffer.from([...Buffer.from('title\n'), 0xe9, 0x93, 0x80]);
    expect((await table(windows, { encoding: 'windows-1252' })).titles).toEqual(['é“€']);
    expect((await table(Buffer.from('title\n\x82\xa0', 'latin1'), { encoding: 'shift_jis' })).titles).toEqual(
      ['あ'],
    );
  });

  it('name line and column of what is no UTF-8', async () => {
    await expect(table(latin1)).rejects.toThrow(
      'table.csv, line 3, column 10: the byte 0xe9 that is no UTF-8',
    );
  });

  it('take the separator of the first line that is not empty', async () => {
    expect((await table('\n\r\nfilepath,title\na,b\n')).titles).toEqual(['b']);
    expect((await table('\n\nfilepath\ttitle\na, b\tc\n')).titles).toEqual(['c']);
    expect((await table('title')).titles).toEqual([]);
  });

  it('suggest another separator, and refuse a column that stands twice', async () => {
    const failing = (content: string) =>
      table(content).then(
        () => undefined,
        (e: Error) => e,
      );
    expect(await failing('filepath;title\na;b\n')).toMatchObject({
      diagnostics: [{ code: 'Z415', help: expect.stringContaining('separator = ";"') }],
    });
    expect(String(await failing('title,filepath,title\na,b,c\n'))).toContain('has two columns `title`');
  });

  it('of one line of megabytes are refused as soon as they are read', async () => {
    await expect(table('x'.repeat(2 ** 22))).rejects.toThrow('has no column');
    await expect(table(`${' '.repeat(2 ** 22)}\n${','.repeat(2 ** 20)}`)).rejects.toThrow('Z415');
  });

  const swallow = 'filepath\ttitle\n0\tfirst\n1\t"a big sign\n2\tthird\n3\tthe word "\n4\te\n';
  it('warn of cells over several lines, and take quotes as text if asked', async () => {
    const quoted = await table(swallow);
    expect(quoted.titles).toEqual(['first', 'a big sign\n2\tthird\n3\tthe word ', 'e']);
    expect(quoted.warnings).toEqual([
      expect.stringMatching(/^Z428 .*1 cells .* `title` of row 2: "a big sign/),
    ]);
    const plain = await table(swallow, { quote: 'none' });
    expect(plain).toEqual({ titles: ['first', '"a big sign', 'third', 'the word "', 'e'], warnings: [] });
    await expect(table('title\n"open\nb\n')).rejects.toMatchObject({
      diagnostics: [{ code: 'Z415', help: 'quote = none takes quotes as text' }],
    });
  });

  it('leave no file open, whatever is wrong with them', async () => {
    const open = () => readdirSync('/proc/self/fd').length;
    const wrong: (string | Uint8Array)[] = [
      '',
      'a,b\n',
      latin1,
      'title\n"open',
      'title,b\n1\n',
      'title,title\n',
    ];
    await Promise.allSettled(wrong.map((content) => table(content)));
    const before = open();
    for (let i = 0; i < 5; i++)
      for (const content of wrong) await expect(table(content)).rejects.toThrow(/Z4/);
    expect(open()).toBe(before);
  });
});

describe('lists', () => {
  it('have a row for every line where a line is a row', async () => {
    const gap = write('gap.txt', 'one\r\n\r\nthree\r\n');
    expect(readTexts(gap)).toEqual(['one', '', 'three']);
    expect(await readLines(gap)).toEqual(['one', '', 'three']);
    expect(readLabels(gap)).toEqual(['one', 'three']);
    expect(readTemplates(write('templates.txt', '{}\n\na {}\n'))).toEqual(['{}', 'a {}']);
    await expect(readLines(write('blank.txt', '\n \n'))).rejects.toThrow('Z412');
  });

  it('are texts of an argument as they stand, of a file behind @, and never the name of a file', () => {
    const gap = write('gap.txt', 'one\n\nthree\n');
    expect(readTextArguments(['a cat', `@${gap}`])).toEqual(['a cat', 'one', '', 'three']);
    expect(readTextArguments(['no/such.txt'])).toEqual(['no/such.txt']);
    expect(() => readTextArguments([gap])).toThrow(/Z703.*names a file/);
  });

  it('may begin with a bracket', () => {
    expect(readLabels(write('brackets.txt', '[mask] a cat\na dog\n'))).toEqual(['[mask] a cat', 'a dog']);
    expect(readLabels(write('list.txt', ' [ "a", "b" ]'))).toEqual(['a', 'b']);
    expect(() => readLabels(write('wrong.txt', '["a", "b"'))).toThrow('Z702');
    expect(() => readLabels(write('numbers.json', '[1, 2]'))).toThrow('expected a JSON array of strings');
  });

  it.each(['labels.txt', 'a, b.json', './labels', 'data/labels', 'C:\\labels', '@labels', '~/labels'])(
    'are not taken from the name of a file that is not there: %s',
    (argument) => {
      expect(() => readLabels(argument)).toThrow('there is no such file');
    },
  );

  it('stand on the command line with slashes, too', () => {
    expect(readLabels('tv/monitor,a desk')).toEqual(['tv/monitor', 'a desk']);
    expect(readLabels('a cat and/or a dog')).toEqual(['a cat and/or a dog']);
  });

  it('that are no UTF-8 name the place', async () => {
    const path = write('latin1.txt', Buffer.from('a\nbé\n', 'latin1'));
    expect(() => readTexts(path)).toThrow('line 2, column 2');
    await expect(readLines(path)).rejects.toThrow('line 2, column 2');
  });
});
