/**
 * Captions as CLIP's tokenizer wants them: repaired, HTML entities resolved twice, white
 * space collapsed, lower case.
 *
 * The original runs ftfy first. Its repairs are here: wrongly decoded text (`mojibake/`), curly quotes, ligatures,
 * full-width forms, C1 controls read as windows-1252, line ends, control characters, NFC, again until nothing
 * changes.
 */
import { decodeHTML, decodeHTMLStrict } from 'entities';
import { readAllC1, readC1 } from './c1.ts';
import { repairMisread } from './mojibake/repair.ts';

export const ligatures: Readonly<Record<string, string>> = {
  ﬀ: 'ff',
  ﬁ: 'fi',
  ﬂ: 'fl',
  ﬃ: 'ffi',
  ﬄ: 'ffl',
  ﬅ: 'ſt',
  ﬆ: 'st',
  Ĳ: 'IJ',
  ĳ: 'ij',
  ŉ: 'ʼn',
  Ǳ: 'DZ',
  ǲ: 'Dz',
  ǳ: 'dz',
  Ǆ: 'DŽ',
  ǅ: 'Dž',
  ǆ: 'dž',
  Ǉ: 'LJ',
  ǈ: 'Lj',
  ǉ: 'lj',
  Ǌ: 'NJ',
  ǋ: 'Nj',
  ǌ: 'nj',
};
const ligaturePattern = new RegExp(`[${Object.keys(ligatures).join('')}]`, 'g');
export const doubleQuotes = /[\u201c-\u201f]/g;
export const singleQuotes = /[\u2018-\u201b\u02bc]/g;
const controlPattern =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the purpose
  /[\u0000-\u0008\u000b\u000e-\u001f\u007f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;
// ANSI escape sequences of terminals.
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character starts them
const terminalPattern = /\u001b\[(?:\d|;)*[a-zA-Z]/g;

const reference = /&(?:#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?|[^\t\n\f <&#;]{1,32};?)/g;

/** The character of a numeric reference as HTML has it; nothing for those that no text may hold. */
function numbered(code: number): string {
  if (code >= 0x80 && code < 0xa0) return readC1(String.fromCharCode(code));
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return '\ufffd';
  const noncharacter = (code & 0xfffe) === 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
  if (noncharacter || code === 0x7f || code === 0xb || (code < 0x20 && !/\s/.test(String.fromCharCode(code))))
    return '';
  return String.fromCodePoint(code);
}

/** All references, as Python's `html.unescape` reads them. */
function unescapeAll(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(reference, (found, hexadecimal?: string, decimal?: string) => {
    if (hexadecimal !== undefined) return numbered(Number.parseInt(hexadecimal, 16));
    return decimal === undefined ? decodeHTML(found) : numbered(Number(decimal));
  });
}

/** Only references that end in a semicolon; names in capitals, too, where they mean nothing else. */
function unescapeSure(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&#?[0-9A-Za-z]{1,24};/g, (found) => {
    if (found.startsWith('&#')) {
      const read = unescapeAll(found);
      return read.includes(';') ? found : read;
    }
    const read = decodeHTMLStrict(found);
    if (read !== found || found !== found.toUpperCase() || decodeHTML(found) !== found) return read;
    const small = decodeHTMLStrict(found.toLowerCase());
    return small === found.toLowerCase() ? found : small.toUpperCase();
  });
}

/** One pass of ftfy's repairs over a line. */
function repairOnce(line: string, references: boolean): string {
  return readAllC1(repairMisread(references ? unescapeSure(line) : line))
    .replace(ligaturePattern, (c) => ligatures[c]!)
    .replace(/[\u3000\uff01-\uffef]/g, (c) => c.normalize('NFKC'))
    .replace(doubleQuotes, '"')
    .replace(singleQuotes, "'")
    .replace(/\r\n|[\r\u2028\u2029]/g, '\n')
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(terminalPattern, '')
    .replace(controlPattern, '')
    .normalize('NFC');
}

function repair(text: string): string {
  // Most captions.
  if (/^[ -%'-~]*$/.test(text)) return text;
  // With a tag anywhere before, references are not taken for text.
  let tagged = false;
  return text.replace(/[^\n]*\n|[^\n]+$/g, (line) => {
    tagged ||= line.includes('<');
    for (let before = line; ; ) {
      const after = repairOnce(before, !tagged && !before.includes('<'));
      if (after === before) return after;
      before = after;
    }
  });
}

/** The text that is split into tokens. */
export function cleanText(text: string): string {
  return unescapeAll(unescapeAll(repair(text)))
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();
}
