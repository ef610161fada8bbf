/**
 * The emoji that exist in all three packages, joined on their code points, and the split into training and
 * test.
 *
 * Twemoji and Noto give the training pictures, OpenMoji the captions (CLDR annotation and tags) and the
 * pictures of an unseen style. The split is a fixed hash of the code points, so it is the same on every
 * machine and for every version of the packages. Nothing here touches a picture; `prepare.ts` does.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';

export interface Emoji {
  /** Code points in hexadecimal without FE0F, joined by `-`: the key of the join. */
  readonly code: string;
  /** The caption: `Santa Claus: medium-dark skin tone`. */
  readonly title: string;
  /** CLDR keywords; empty for skin-tone variants. */
  readonly tags: readonly string[];
  /** CLDR's group: `animals-nature`. */
  readonly group: string;
  /** CLDR's subgroup: `animal-mammal`. */
  readonly subgroup: string;
  /** A skin-tone variant of another emoji. */
  readonly variant: boolean;
  /** Never trained on: its caption's words were all seen, their combination was not. */
  readonly heldOut: boolean;
  /** Trained on, and its OpenMoji drawing is a test picture. */
  readonly styleTest: boolean;
  /** Source pictures: 64 px PNG, 64 px PNG, SVG. */
  readonly twemoji: string;
  readonly noto: string;
  readonly openmoji: string;
}

/** Share of the skin-tone variants that is held out, and of the base emoji drawn in the unseen style. */
const testShare = 0.15;

const variation = z.object({ unified: z.string(), image: z.string() }).loose();
const datasource = z.array(
  variation.extend({ skin_variations: z.record(z.string(), variation).optional() }).loose(),
);
const openmojiList = z.array(
  z
    .object({
      hexcode: z.string(),
      annotation: z.string(),
      tags: z.string(),
      group: z.string(),
      subgroups: z.string(),
    })
    .loose(),
);

/** Code points without the variation selector FE0F, which the packages write differently. */
function codeKey(hexcode: string): string {
  return hexcode
    .toUpperCase()
    .split('-')
    .filter((point) => point !== 'FE0F')
    .join('-');
}

/** A fixed number in [0, 1) for a text. */
export function unitHash(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32;
}

const require = createRequire(import.meta.url);

function packageFolder(name: string): string {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    fail('Z450', `the npm package ${name} is not installed`, 'npm ci (it is a development dependency)');
  }
}

function readJson<T>(schema: z.ZodType<T>, path: string): T {
  const result = schema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (!result.success) fail('Z451', `${path}: ${z.prettifyError(result.error)}`);
  return result.data;
}

interface Picture {
  readonly path: string;
  readonly variant: boolean;
}

/** Pictures of one emoji-datasource package by code; `set` names its image folder. */
function readPictures(name: string, set: string): Map<string, Picture> {
  const folder = packageFolder(name);
  const pictures = new Map<string, Picture>();
  for (const emoji of readJson(datasource, join(folder, 'emoji.json'))) {
    const variants = Object.values(emoji.skin_variations ?? {});
    for (const [entry, variant] of [[emoji, false] as const, ...variants.map((v) => [v, true] as const)]) {
      const path = join(folder, 'img', set, '64', entry.image);
      if (existsSync(path)) pictures.set(codeKey(entry.unified), { path, variant });
    }
  }
  return pictures;
}

/** All emoji of the join, in the order of Twemoji's list. */
export function readCatalog(): Emoji[] {
  const twemoji = readPictures('emoji-datasource-twitter', 'twitter');
  const noto = readPictures('emoji-datasource-google', 'google');
  const folder = packageFolder('openmoji');
  const captions = new Map(
    readJson(openmojiList, join(folder, 'data', 'openmoji.json')).map((e) => [codeKey(e.hexcode), e]),
  );
  const catalog: Emoji[] = [];
  for (const [code, { path, variant }] of twemoji) {
    const google = noto.get(code);
    const caption = captions.get(code);
    if (google === undefined || caption === undefined) continue;
    const drawn = unitHash(code) < testShare;
    catalog.push({
      code,
      title: caption.annotation,
      tags: caption.tags
        .split(',')
        .map((tag) => tag.trim())
        .filter((tag) => tag !== ''),
      group: caption.group,
      subgroup: caption.subgroups,
      variant,
      heldOut: variant && drawn,
      styleTest: !variant && drawn,
      twemoji: path,
      noto: google.path,
      openmoji: join(folder, 'color', 'svg', `${caption.hexcode}.svg`),
    });
  }
  return catalog;
}
