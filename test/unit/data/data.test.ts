/** Tables and files of tensors as batches: what they hold, in which order, and what is said where they do not fit. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { clipNormalization } from '../../../compiler/model/index.ts';
import type { StaticCall } from '../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { findFile, openBatchSource } from '../../../runtime/data/sources/open.ts';
import { createTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import type { Batch, BatchSource } from '../../../runtime/data/types.ts';
import { writeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { imagesOf, pairs, tokensOf } from '../../support/training/batches.ts';
import { staticCall as call } from '../../support/training/static-call.ts';

const vocab = 1000;
const context = 24;
const count = 10;
/** One plain colour a picture, so that a batch's pixels tell which pictures it holds. */
const level = (i: number) => 20 * i + 10;

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-data-'));
  mkdirSync(join(folder, 'pictures'));
  for (let i = 0; i < count; i++) {
    const v = level(i);
    await sharp({ create: { width: 12, height: 8, channels: 3, background: { r: v, g: v, b: v } } })
      .png()
      .toFile(join(folder, 'pictures', `${i}.png`));
  }
  const rows = Array.from({ length: count }, (_, i) => `pictures/${i}.png\tnumber ${i}\tten|hundred ${i}`);
  writeFileSync(join(folder, 'good.csv'), `filepath\ttitle\ttags\n${rows.join('\n')}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

const opened: BatchSource[] = [];
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
});

async function open(
  source: StaticCall,
  options: { batch?: number; seed?: number; warn?: (d: Diagnostic) => void } = {},
) {
  const result = await openBatchSource(source, {
    batch: 4,
    inputs: [
      { name: 'images', dtype: 'f32', sizes: [3, 4, 4] },
      { name: 'tokens', dtype: 'i32', sizes: [context], ids: { min: 0, max: vocab - 1 } },
    ],
    seed: 1,
    normalization: clipNormalization,
    folder,
    ...options,
  });
  opened.push(result);
  return result;
}

const copy = (b: Batch): Batch => ({
  ...pairs(imagesOf(b).slice(), tokensOf(b).slice()),
  skipped: b.skipped,
});

async function take(source: BatchSource, batches: number) {
  const out: Batch[] = [];
  for (let i = 0; i < batches; i++) out.push(copy(await source.next()));
  return out;
}

/** Which pictures a batch holds, by their colour. */
function pictures(batch: Batch): number[] {
  const plane = 16;
  return Array.from({ length: imagesOf(batch).length / (3 * plane) }, (_, row) => {
    const value = (imagesOf(batch)[row * 3 * plane]! * 0.26862954 + 0.48145466) * 255;
    return Math.round((value - 10) / 20);
  });
}

async function captions(batch: Batch): Promise<string[]> {
  const tokenizer = await createTokenizer({ vocab, context });
  return Array.from({ length: tokensOf(batch).length / context }, (_, row) => {
    const ids = [...tokensOf(batch).subarray(row * context, (row + 1) * context)];
    return tokenizer.decode(ids.slice(1, ids.indexOf(vocab - 1))).trim();
  });
}

describe('csv', () => {
  it('reads pictures and captions in order, without the incomplete last batch', async () => {
    const source = await open(call('csv', ['good.csv'], { shuffle: false }));
    expect(source.batchesPerEpoch).toBe(2);
    const batches = await take(source, 3);
    expect(batches.map(pictures)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [0, 1, 2, 3],
    ]);
    expect(await captions(batches[1]!)).toEqual(['number 4', 'number 5', 'number 6', 'number 7']);
    expect(source.cursor()).toEqual({ epoch: 1, batch: 1, seed: 1 });
  });

  it('shuffles every epoch anew, by the seed, keeping pairs together', async () => {
    const source = await open(call('csv', ['good.csv']), { batch: 5 });
    const batches = await take(source, 6);
    const epochs = [0, 1, 2].map((e) => [...pictures(batches[2 * e]!), ...pictures(batches[2 * e + 1]!)]);
    for (const epoch of epochs)
      expect(epoch.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(new Set(epochs.map(String)).size).toBe(3);
    for (const batch of batches) {
      const numbers = pictures(batch).map((i) => `number ${i}`);
      expect(await captions(batch)).toEqual(numbers);
    }
    const other = await take(await open(call('csv', ['good.csv']), { batch: 5, seed: 2 }), 1);
    expect(pictures(other[0]!)).not.toEqual(pictures(batches[0]!));
  });

  const emoji = {
    captions: ['title', 'tags'],
    caption_weights: [0.6, 0.4],
    templates: ['{}', 'a picture of {}'],
    augment: [call('shift', [3]), 'flip', call('scale', [0.5]), call('color_jitter', [0.2])],
  };

  it('gives the same batches again whatever the workers, the cache and where it starts', async () => {
    const first = await take(await open(call('csv', ['good.csv'], emoji)), 7);
    const other = await open(call('csv', ['good.csv'], { ...emoji, workers: 3, cache: 0 }));
    expect(await take(other, 7)).toEqual(first);
    for (const at of [5, 0, 3]) {
      other.seek({ epoch: Math.floor(at / 2), batch: at % 2, seed: 1 });
      expect(await take(other, 2)).toEqual(first.slice(at, at + 2));
    }
  });

  it('draws columns by weight, cells with several captions and templates', async () => {
    const source = await open(call('csv', ['good.csv'], emoji));
    const all = (await Promise.all((await take(source, 100)).map(captions))).flat();
    const share = (pattern: RegExp) => all.filter((c) => pattern.test(c)).length / all.length;
    expect(new Set(all.map((c) => c.replace(/\d+( \d+)*$/, 'n')))).toEqual(
      new Set([
        'number n',
        'a picture of number n',
        'ten',
        'a picture of ten',
        'hundred n',
        'a picture of hundred n',
      ]),
    );
    // 400 draws: a deviation of 0.1 is four standard deviations.
    expect(Math.abs(share(/number/) - 0.6)).toBeLessThan(0.1);
    expect(Math.abs(share(/ten/) - 0.2)).toBeLessThan(0.1);
    expect(Math.abs(share(/picture/) - 0.5)).toBeLessThan(0.1);
  });

  it('reads commas, quotes and other column names, and a title with bars as it is', async () => {
    writeFileSync(join(folder, 'comma.csv'), '\ufefftext,file\r\n"a, b | c",pictures/1.png\r\n\r\n');
    const source = await open(call('csv', ['comma.csv'], { image: 'file', text: 'text' }), { batch: 1 });
    const [batch] = await take(source, 1);
    expect(await captions(batch!)).toEqual(['a , b | c']);
    expect(pictures(batch!)).toEqual([1]);
  });

  it('leaves out rows without a caption and says how many', async () => {
    writeFileSync(join(folder, 'empty.csv'), 'filepath\ttitle\npictures/0.png\t \npictures/1.png\tone\n');
    const warnings: Diagnostic[] = [];
    const source = await open(call('csv', ['empty.csv']), { batch: 1, warn: (d) => warnings.push(d) });
    expect(pictures((await take(source, 1))[0]!)).toEqual([1]);
    expect(warnings.map((w) => w.message)).toEqual([
      `${join(folder, 'empty.csv')}: 1 of 2 rows have no caption and are left out`,
    ]);
  });

  const table = (name: string, files: readonly string[]) => {
    const rows = files.map((file, i) => `${file}\tnumber ${i}`);
    writeFileSync(join(folder, name), `filepath\ttitle\n${rows.join('\n')}\n`);
    return name;
  };
  const readable = (i: number) => `pictures/${i}.png`;

  it('puts rows behind the batch in the place of unreadable pictures, never a row twice', async () => {
    writeFileSync(join(folder, 'broken.png'), 'no picture');
    const files = Array.from({ length: 9 }, (_, i) => readable(i));
    files[1] = 'broken.png';
    files[5] = 'missing.png';
    const warnings: Diagnostic[] = [];
    const source = await open(call('csv', [table('broken.csv', files)], { shuffle: false }), {
      warn: (d) => warnings.push(d),
    });
    const batches = await take(source, 2);
    expect(batches.map(pictures)).toEqual([
      [0, 4, 2, 3],
      [4, 8, 6, 7],
    ]);
    expect(await captions(batches[0]!)).toEqual(['number 0', 'number 4', 'number 2', 'number 3']);
    expect(batches.map((b) => b.skipped)).toEqual([1, 1]);
    await source.close();
    // Two batches are made at a time: which picture is named first is a matter of time.
    const said = warnings.map((w) => `${w.code} ${w.message.replaceAll(`${folder}/`, '')}`).sort();
    expect(said).toEqual([
      expect.stringMatching(/^Z426 broken.csv: 2 rows with pictures that cannot be read: 1 × .*, 1 × /),
      expect.stringMatching(/^Z426 broken.png cannot be read, another row takes its place: ./),
      'Z426 missing.png cannot be read, another row takes its place: no such file or folder',
    ]);
  });

  it('shuffled, gives no row twice in a batch whatever cannot be read', async () => {
    const files = Array.from({ length: 10 }, (_, i) => (i % 3 === 1 ? 'gone.png' : readable(i)));
    const source = await open(call('csv', [table('some.csv', files)]), { batch: 5 });
    const batches = await take(source, 20);
    for (const batch of batches) expect(new Set(pictures(batch)).size).toBe(5);
    expect(batches.some((b) => b.skipped > 1)).toBe(true);
  });

  it('ends where the system fails, which says nothing about a picture', async () => {
    // Reading any process's memory from address 0 is an input/output error.
    writeFileSync(join(folder, 'device.csv'), 'filepath,title\n/proc/self/mem,a\npictures/0.png,b\n');
    const warned: string[] = [];
    const source = await open(call('csv', ['device.csv'], { shuffle: false }), {
      batch: 1,
      warn: (d) => warned.push(d.message),
    });
    await expect(source.next()).rejects.toThrow(
      'Z416: /proc/self/mem cannot be read after several attempts: input/output error of the device',
    );
    expect(warned).toEqual([]);
  });

  it('names ten unreadable pictures and counts all', async () => {
    const files = Array.from({ length: 40 }, (_, i) => (i % 3 === 1 ? `gone/${i}.png` : readable(i % 10)));
    const warnings: Diagnostic[] = [];
    const source = await open(call('csv', [table('many.csv', files)], { shuffle: false }), {
      warn: (d) => warnings.push(d),
    });
    await take(source, 10);
    await source.close();
    expect(warnings.filter((w) => /takes its place/.test(w.message)).length).toBe(10);
    expect(warnings.at(-1)!.message).toContain(
      '13 rows with pictures that cannot be read: 13 × no such file',
    );
    expect(warnings.length).toBe(11);
  });

  it('takes addresses, backslashes and ~ for paths', async () => {
    const files = [
      pathToFileURL(join(folder, readable(1))).href,
      'pictures\\2.png',
      `~/${relative(homedir(), join(folder, readable(3)))}`,
      join(folder, readable(4)),
    ];
    const source = await open(call('csv', [table('paths.csv', files)], { shuffle: false }));
    expect(pictures((await take(source, 1))[0]!)).toEqual([1, 2, 3, 4]);
  });

  it('counts texts that stand twice in a batch, and says so once', async () => {
    const titles = ['same', 'other', 'Same', 'same', 'a', 'b', 'c', 'd'];
    const rows = titles.map((title, i) => `${readable(i)}\t${title}`);
    writeFileSync(join(folder, 'repeated.csv'), `filepath\ttitle\n${rows.join('\n')}\n`);
    const warnings: Diagnostic[] = [];
    const source = await open(call('csv', ['repeated.csv'], { shuffle: false }), {
      warn: (d) => warnings.push(d),
    });
    const counts: unknown[] = [];
    for (let i = 0; i < 4; i++) counts.push((await source.next()).repeatedTexts);
    expect(counts).toEqual([2, 0, 2, 0]);
    expect(warnings.map((w) => `${w.code} ${w.message.slice(0, 39)}`)).toEqual([
      'Z429 2 of 4 samples of a batch have a text t',
    ]);
  });

  it('fails with one message when most pictures cannot be read, or too few for a batch can', async () => {
    const warnings: Diagnostic[] = [];
    const failing = async (name: string, files: readonly string[], batch: number) => {
      const source = await open(call('csv', [table(name, files)], { shuffle: false }), {
        batch,
        warn: (d) => warnings.push(d),
      });
      await expect(source.next()).rejects.toThrow(
        `Z416: ${join(folder, name)}: ${files.filter((f) => f.startsWith('none')).length} of ${files.length} rows tried have`,
      );
      await source.close();
    };
    await failing('none.csv', ['none/a.png', 'none/b.png'], 2);
    await failing('most.csv', ['none/a.png', readable(0), 'none/b.png', 'none/c.png', readable(1)], 2);
    await failing('short.csv', [readable(0), 'none/a.png', readable(1), readable(2)], 4);
    expect(warnings).toEqual([]);
  });

  it('refuses pictures above a limit of its own', async () => {
    const source = await open(call('csv', ['good.csv'], { max_pixels: 95 }));
    await expect(source.next()).rejects.toThrow(
      'the PNG picture of 12 x 8 pixels is above the limit of 95 pixels',
    );
    await open(call('csv', ['good.csv'], { max_pixels: 96 })).then((other) => other.next());
  });

  const mistakes: [string, StaticCall, string][] = [
    ['no file', call('csv'), 'Z522: csv needs `file` and none was given'],
    ['a missing file', call('csv', ['x.csv']), 'Z415: cannot read'],
    [
      'a wrong column',
      call('csv', ['good.csv'], { text: 'titel' }),
      'has no column `titel`; did you mean `title`?',
    ],
    [
      'a wrong option',
      call('csv', ['good.csv'], { shufle: true }),
      'Z521: csv has no option `shufle`; did you mean `shuffle`?',
    ],
    [
      'a wrong type',
      call('csv', ['good.csv'], { shuffle: 1000 }),
      'Z522: `shuffle` of csv is 1000: expected boolean',
    ],
    ['a file given twice', call('csv', ['good.csv'], { file: 'x' }), 'Z522: `file` of csv is given twice'],
    ['too many arguments', call('csv', ['a', 'b']), 'Z522: csv takes 1 unnamed arguments, got 2'],
    [
      'a template without a place',
      call('csv', ['good.csv'], { templates: ['a picture'] }),
      'every template needs {}',
    ],
    [
      'weights that do not match',
      call('csv', ['good.csv'], { captions: ['title'], caption_weights: [1, 2] }),
      'has 2 values for 1 columns',
    ],
    ['weights without columns', call('csv', ['good.csv'], { caption_weights: [1] }), 'goes with `captions`'],
    [
      'text and captions',
      call('csv', ['good.csv'], { text: 'title', captions: ['tags'] }),
      'takes `text` or `captions`, not both',
    ],
    [
      'an unknown augmentation',
      call('csv', ['good.csv'], { augment: call('shfit', [1]) }),
      'Z520: there is no augmentation `shfit`; did you mean `shift`?',
    ],
    [
      'a wrong augmentation',
      call('csv', ['good.csv'], { augment: call('scale', [2]) }),
      'Z522: `smallest` of scale is 2',
    ],
    [
      'something else as augmentation',
      call('csv', ['good.csv'], { augment: 3 }),
      'Z522: `augment` of csv is 3',
    ],
    [
      'a wrong colour',
      call('csv', ['good.csv'], { background: 'pink' }),
      'expected "white", "black", "grey" or "#rrggbb"',
    ],
    [
      'an unknown source',
      call('cvs', ['good.csv']),
      'Z520: there is no data source `cvs`; did you mean `csv`?',
    ],
    ['a source of later', call('webdataset', ['x.tar']), 'Z523: webdataset(...) comes with a later version'],
  ];
  it.each(mistakes)('reports %s', async (_, source, message) => {
    await expect(open(source)).rejects.toThrow(message);
  });

  it('reports malformed tables', async () => {
    writeFileSync(join(folder, 'nothing.csv'), '');
    await expect(open(call('csv', ['nothing.csv']))).rejects.toThrow('is empty: a header line');
    writeFileSync(join(folder, 'ragged.csv'), 'filepath\ttitle\na\tb\tc\n');
    await expect(open(call('csv', ['ragged.csv']))).rejects.toThrow('is not a well-formed table');
    await expect(open(call('csv', ['good.csv']), { batch: 11 })).rejects.toThrow(
      'has 10 samples, fewer than one batch of 11',
    );
  });

  it('refuses a cursor of another run', async () => {
    const source = await open(call('csv', ['good.csv']));
    expect(() => source.seek({ epoch: 0, batch: 0, seed: 2 })).toThrow(
      'Z524: the place in the data is of a run with seed 2',
    );
    expect(() => source.seek({ epoch: 0, batch: 2, seed: 1 })).toThrow('Z524: the data has no batch 2');
    expect(() => source.seek({ epoch: -1, batch: 0, seed: 1 })).toThrow('Z524');
  });
});

describe('tensors', () => {
  const write = (
    name: string,
    options: { images?: number[]; tokens?: number[]; wide?: boolean; id?: number } = {},
  ) => {
    const { images = [3, 2, 3, 4, 4], tokens = [3, 2, context], wide = false, id = 0 } = options;
    const size = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
    const ids = Array.from({ length: size(tokens) }, (_, i) => (i === 60 ? id : i % 7));
    return writeSafetensors(join(folder, name), [
      {
        name: 'images',
        dtype: 'F32',
        shape: images,
        data: Float32Array.from({ length: size(images) }, (_, i) => i),
      },
      wide
        ? { name: 'tokens', dtype: 'I64', shape: tokens, data: BigInt64Array.from(ids, BigInt) }
        : { name: 'tokens', dtype: 'I32', shape: tokens, data: Int32Array.from(ids) },
    ]);
  };

  it.each([false, true])('gives the batches in order, again and again (64-bit ids: %s)', async (wide) => {
    await write('batches.safetensors', { wide });
    const source = await open(call('tensors', ['batches.safetensors']), { batch: 2 });
    expect(source.batchesPerEpoch).toBe(3);
    const batches = await take(source, 4);
    expect(batches.map((b) => imagesOf(b)[0])).toEqual([0, 96, 192, 0]);
    expect([...tokensOf(batches[1]!).subarray(0, 4)]).toEqual([6, 0, 1, 2]);
    source.seek({ epoch: 7, batch: 2, seed: 1 });
    expect(imagesOf(await source.next())[0]).toBe(192);
  });

  it('names every tensor that does not fit', async () => {
    await write('bad.safetensors', { images: [3, 2, 3, 5, 5], tokens: [3, 3, context] });
    await expect(open(call('tensors', ['bad.safetensors']), { batch: 2 })).rejects.toThrow(
      /`images` is F32 \[3, 2, 3, 5, 5\]; wanted F32 \[S, 2, 3, 4, 4\]\n.*`tokens` is I32 \[3, 3, 24\]; wanted I32 or I64 \[S, 2, 24\]/,
    );
    await write('uneven.safetensors', { images: [2, 2, 3, 4, 4] });
    await expect(open(call('tensors', ['uneven.safetensors']), { batch: 2 })).rejects.toThrow(
      '`images` holds 2 batches and `tokens` 3',
    );
    await write('none.safetensors', { images: [0, 2, 3, 4, 4], tokens: [0, 2, context] });
    await expect(open(call('tensors', ['none.safetensors']), { batch: 2 })).rejects.toThrow('holds no batch');
    await writeSafetensors(join(folder, 'other.safetensors'), []);
    await expect(open(call('tensors', ['other.safetensors']))).rejects.toThrow('has no tensor `images`');
    await expect(open(call('tensors', ['good.csv']))).rejects.toThrow('Z411');
  });

  it.each([1000, -1])('refuses the token id %i', async (id) => {
    await write('ids.safetensors', { id });
    const source = await open(call('tensors', ['ids.safetensors']), { batch: 2 });
    await source.next();
    await expect(source.next()).rejects.toThrow(`holds the id ${id} in batch 1, it takes 0 to 999`);
  });
});

describe('where files are looked for', () => {
  it('beside the recipe, then in the working folder', () => {
    expect(findFile('good.csv', folder)).toBe(join(folder, 'good.csv'));
    expect(findFile('package.json', folder)).toBe(join(process.cwd(), 'package.json'));
    expect(findFile('nowhere.csv', folder)).toBe(join(folder, 'nowhere.csv'));
    expect(findFile('/x/y.csv', folder)).toBe('/x/y.csv');
  });
});
