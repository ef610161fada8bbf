/**
 * Undoes UTF-8 that was read in a one-byte encoding, once or several times, where there is evidence of it; other
 * text is returned as it is. The decisions are those of ftfy 6.3.1 (Robyn Speer, Apache License 2.0).
 */
import { readAllC1 } from '../c1.ts';
import { type CodePage, charactersBetween, codePages, encode } from './code-pages.ts';
import { looksMisread } from './evidence.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Sequences with a space where a byte 0xa0 was, those that are likely. */
const lostSpace =
  /[\xc2\xc3\xc5\xce\xd0\xd9] |[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] |\xf0 [\x80-\xbf]{2}|\xf0[\x80-\xbf] [\x80-\xbf]|\xf0[\x80-\xbf]{2} /g;
/** "à" alone, whose own space stays; in Portuguese it begins some words. */
const aloneWithSpace = /\xc3 (?! |quele|quela|quilo|s )/g;

/** Sequences of which bytes were lost, each 0x1a, or at most one of them a question mark. */
const lostBytes = new RegExp(
  [
    '[\\xc2-\\xdf]\\x1a',
    '[\\xc2\\xc3]\\?',
    '\\xed[\\xa0-\\xaf][\\x1a?]\\xed[\\xb0-\\xbf][\\x1a?\\x80-\\xbf]',
    '\\xed[\\xa0-\\xaf][\\x1a?\\x80-\\xbf]\\xed[\\xb0-\\xbf][\\x1a?]',
    '[\\xe0-\\xef][\\x1a?][\\x1a\\x80-\\xbf]',
    '[\\xe0-\\xef][\\x1a\\x80-\\xbf][\\x1a?]',
    '[\\xf0-\\xf4][\\x1a?][\\x1a\\x80-\\xbf]{2}',
    '[\\xf0-\\xf4][\\x1a\\x80-\\xbf][\\x1a?][\\x1a\\x80-\\xbf]',
    '[\\xf0-\\xf4][\\x1a\\x80-\\xbf]{2}[\\x1a?]',
    '\\x1a',
  ].join('|'),
  'g',
);

/** Characters beyond U+FFFF as two surrogates of three bytes each, as in CESU-8, and Java's zero. */
const surrogates = /\xed([\xa0-\xaf])([\x80-\xbf])\xed([\xb0-\xbf])([\x80-\xbf])/g;

function joinSurrogates(_: string, ...bytes: string[]): string {
  const [a, b, c, d] = bytes.slice(0, 4).map((byte) => byte.charCodeAt(0)) as [
    number,
    number,
    number,
    number,
  ];
  const code = 0x10000 + ((a & 15) << 16) + ((b & 63) << 10) + ((c & 15) << 6) + (d & 63);
  return String.fromCharCode(...new TextEncoder().encode(String.fromCodePoint(code)));
}

function decode(bytes: string): string | undefined {
  const plain = bytes.replace(surrogates, joinSurrogates).replaceAll('\xc0\x80', '\0');
  try {
    return utf8.decode(Uint8Array.from(plain, (byte) => byte.charCodeAt(0)));
  } catch {
    return undefined;
  }
}

function readAs(text: string, page: CodePage): string | undefined {
  let bytes = encode(text, page);
  if (bytes === undefined) return undefined;
  // An en dash and a space would look like one there.
  if (page.name !== 'macintosh' && bytes.search(lostSpace) >= 0)
    bytes = bytes
      .replace(aloneWithSpace, '\xc3\xa0 ')
      .replace(lostSpace, (found) => found.replaceAll(' ', '\xa0'));
  if (page.lossy) bytes = bytes.replace(lostBytes, '\xef\xbf\xbd');
  return decode(bytes);
}

const setOf = (characters: Iterable<string>) => `[${[...characters].join('')}]`;
const continuing = charactersBetween(0x80, 0xbf);
/** Marks that follow a misread sequence as themselves. */
const ownMarks = new Set('–—―‘’‚“”„•…');
const next = setOf([...continuing, ' ']);
const before = setOf([...continuing].filter((c) => !ownMarks.has(c)));
const fourBytes = [...charactersBetween(0xf0, 0xf0), ...charactersBetween(0xf3, 0xf3)];
/** What looks like UTF-8 within other text. */
const sequences = new RegExp(
  `(?<!${before})(?:${setOf(charactersBetween(0xc2, 0xdf))}${next}|${setOf(charactersBetween(0xe0, 0xef))}${next}{2}|${setOf(fourBytes)}${next}{3})+`,
  'gu',
);

function repairParts(text: string): string {
  return text.replace(sequences, (part) =>
    part.length < text.length && looksMisread(part) ? repairMisread(part) : part,
  );
}

function repairOnce(text: string): string {
  if (!looksMisread(text)) return text;
  for (const page of codePages) {
    const read = readAs(text, page);
    if (read !== undefined) return read;
  }
  const parts = repairParts(text);
  return parts !== text ? parts : readAllC1(text);
}

export function repairMisread(text: string): string {
  for (let before = text; ; ) {
    const after = repairOnce(before);
    if (after === before) return after;
    before = after;
  }
}
