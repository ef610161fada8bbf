/**
 * Makes the data set from the npm packages: pictures on white, and the tables that recipes and suites read.
 *
 * A picture's transparent parts become white here, because CLIP's preprocessing drops the alpha channel. Nothing
 * is made twice: a stamp, written last, holds a digest of what would be made.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { type Emoji, readCatalog } from './catalog.ts';
import { type Row, rows, tablesOf } from './tables.ts';

/** Side of the prepared pictures in pixels: that of the packages' smallest set. */
const side = 64;
/** OpenMoji draws on a 72-unit square; sharp's default density of 72 dpi makes one pixel of a unit. */
const svgDensity = 144;
/** Raised when the files' format changes, so that an older data folder is made again. */
const formatVersion = 1;

export interface EmojiData {
  readonly folder: string;
  readonly train: readonly Row[];
  readonly holdout: readonly Row[];
  readonly style: readonly Row[];
  /** Of all emoji, trained and held out. */
  readonly captions: readonly string[];
}

export const dataFolder = join(dirname(fileURLToPath(import.meta.url)), 'data');

async function convert(source: string, target: string): Promise<void> {
  const picture = await sharp(source, source.endsWith('.svg') ? { density: svgDensity } : {})
    .flatten({ background: 'white' })
    .resize(side, side, { fit: 'contain', background: 'white' })
    .removeAlpha()
    .png({ compressionLevel: 3 })
    .toBuffer();
  writeFileSync(target, picture);
}

/** Converts in small groups: sharp has its own threads, and thousands of open promises gain nothing. */
async function convertAll(
  jobs: readonly (readonly [source: string, target: string])[],
  progress: (done: number, total: number) => void,
): Promise<void> {
  const group = 32;
  for (let i = 0; i < jobs.length; i += group) {
    await Promise.all(jobs.slice(i, i + group).map(([source, target]) => convert(source, target)));
    progress(Math.min(i + group, jobs.length), jobs.length);
  }
}

/** Makes `folder` where it is not there yet; the same packages always give the same files. */
export async function prepare(
  folder: string = dataFolder,
  progress: (done: number, total: number) => void = () => {},
): Promise<EmojiData> {
  const catalog = readCatalog();
  const trained = catalog.filter((e) => !e.heldOut);
  const heldOut = catalog.filter((e) => e.heldOut);
  const styleTest = catalog.filter((e) => e.styleTest);
  const data: EmojiData = {
    folder,
    train: rows(trained, ['twemoji', 'noto']),
    holdout: rows(heldOut, ['twemoji', 'noto']),
    style: rows(styleTest, ['openmoji']),
    captions: catalog.map((e) => e.title),
  };
  const files = tablesOf(catalog);
  const digest = createHash('sha256')
    .update(JSON.stringify([formatVersion, side, [...files]]))
    .digest('hex');
  const stamp = join(folder, 'stamp.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === digest) return data;

  for (const style of ['twemoji', 'noto', 'openmoji']) mkdirSync(join(folder, style), { recursive: true });
  const target = (style: string, e: Emoji): string => join(folder, style, `${e.code.toLowerCase()}.png`);
  await convertAll(
    [
      ...catalog.map((e) => [e.twemoji, target('twemoji', e)] as const),
      ...catalog.map((e) => [e.noto, target('noto', e)] as const),
      ...styleTest.map((e) => [e.openmoji, target('openmoji', e)] as const),
    ],
    progress,
  );
  for (const [name, text] of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  writeFileSync(`${stamp}.part`, `${digest}\n`);
  renameSync(`${stamp}.part`, stamp);
  return data;
}
