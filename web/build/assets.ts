/**
 * What the page serves beside its program, made from npm packages and this repository into `public/data` when it is not there:
 * a sheet of emoji pictures with their captions, CLIP's merges, and the emoji model.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { type Emoji, readCatalog } from '../../examples/emoji/catalog.ts';
import { merges } from '../../zoo/api/node.ts';

const here = fileURLToPath(new URL('..', import.meta.url));
const folder = join(here, 'public', 'data');

/** Side of a tile: that of the packages' smallest pictures. */
const side = 64;
const columns = 32;
/** Concepts, each in two styles. */
const concepts = 320;
/** Raised when what is made changes. */
const version = 1;

/** Emoji that the model was trained on, without variants of skin tone, spread over all groups; those of `first` in front. */
function chosen(first: readonly string[]): Emoji[] {
  const plain = readCatalog().filter((emoji) => !emoji.variant && !emoji.heldOut && emoji.group !== 'flags');
  const wanted = plain.filter(({ title }) => first.includes(title));
  const rest = plain.filter(({ title }) => !first.includes(title));
  const step = rest.length / (concepts - wanted.length);
  return [
    ...wanted,
    ...Array.from({ length: concepts - wanted.length }, (_, i) => rest[Math.floor(i * step)]!),
  ];
}

function tileOf(source: string): Promise<Buffer> {
  return sharp(source)
    .flatten({ background: 'white' })
    .resize(side, side, { fit: 'contain', background: 'white' })
    .removeAlpha()
    .png()
    .toBuffer();
}

async function makeSheet(into: string): Promise<void> {
  const emoji = chosen(examples);
  const tiles = emoji.flatMap(({ title, tags, twemoji, noto }) => [
    { title, tags, style: 'twemoji', source: twemoji },
    { title, tags, style: 'noto', source: noto },
  ]);
  const layers = await Promise.all(
    tiles.map(async ({ source }, i) => ({
      input: await tileOf(source),
      left: (i % columns) * side,
      top: Math.floor(i / columns) * side,
    })),
  );
  const height = Math.ceil(tiles.length / columns) * side;
  await sharp({ create: { width: columns * side, height, channels: 3, background: 'white' } })
    .composite(layers)
    .png({ compressionLevel: 9, palette: false })
    .toFile(join(into, 'pictures.png'));
  const table = tiles.map(({ title, tags, style }, tile) => ({ tile, title, tags, style }));
  writeFileSync(join(into, 'pictures.json'), JSON.stringify({ side, columns, emoji: table }));
}

/** Titles that the page begins with. */
const examples = JSON.parse(readFileSync(join(here, 'try', 'examples.json'), 'utf8')) as string[];

/** Makes `public/data` unless it is there; whole or not at all, whoever else makes it at the same time. */
export async function makeAssets(): Promise<void> {
  const model = join(here, 'emoji');
  const digest = createHash('sha256')
    .update(JSON.stringify([version, side, columns, concepts, examples]))
    .update(readFileSync(join(model, 'weights.safetensors')))
    .digest('hex');
  const stamp = join(folder, 'stamp.txt');
  const made = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;
  if (made()) return;
  const part = mkdtempSync(join(here, 'public', '.data-'));
  try {
    await makeSheet(part);
    for (const name of ['model.zoo', 'emoji.zoo', 'weights.safetensors'])
      cpSync(join(model, name), join(part, name));
    writeFileSync(join(part, 'merges-4096.txt'), await merges(4096));
    writeFileSync(join(part, 'merges.txt'), await merges());
    writeFileSync(join(part, 'stamp.txt'), digest);
    if (made()) return;
    rmSync(folder, { recursive: true, force: true });
    renameSync(part, folder);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}
