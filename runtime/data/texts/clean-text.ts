/**
 * Captions as CLIP's tokenizer wants them: repaired, HTML entities resolved twice, white
 * space collapsed, lower case.
 *
 * The original runs ftfy first. Its plain repairs are here: curly quotes, ligatures, full-width forms, C1
 * controls read as windows-1252, line ends, control characters, NFC. Of its guesses at wrongly decoded text
 * only the sure one is made: a text whose characters are all of windows-1252 and whose bytes there are
 * well-formed UTF-8 ("Ã¼ber") was UTF-8.
 */
import { decodeHTML } from 'entities';
import { readC1 } from './windows-1252.ts';

const ligatures: Readonly<Record<string, string>> = {
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
const c1Pattern = /[\u0080-\u009f]/g;
const controlPattern =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the purpose
  /[\u0000-\u0008\u000b\u000e-\u001f\u007f\u206a-\u206f\ufeff\ufff9-\uffff]/g;
// ANSI escape sequences of terminals.
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character starts them
const terminalPattern = /\u001b\[(?:\d|;)*[a-zA-Z]/g;

/**
 * Byte in windows-1252 of each of its characters above 0x7f; bytes it leaves undefined stand for themselves.
 */
const windows1252 = new Map(
  Array.from({ length: 128 }, (_, i) => {
    const c = String.fromCharCode(0x80 + i);
    return [i < 32 ? readC1(c) : c, 0x80 + i] as const;
  }),
);
for (let byte = 0x80; byte < 0xa0; byte++) windows1252.set(String.fromCharCode(byte), byte);
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Undoes UTF-8 read as windows-1252, where that can be told for sure; other text is returned as it is. */
function undoWindows1252(text: string): string {
  const bytes: number[] = [];
  for (const c of text) {
    const code = c.codePointAt(0)!;
    const byte = code < 0x80 ? code : windows1252.get(c);
    if (byte === undefined) return text;
    bytes.push(byte);
  }
  if (bytes.every((b) => b < 0x80)) return text;
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return text;
  }
}

function repair(text: string): string {
  const unescaped = text.includes('<') ? text : decodeHTML(text);
  return undoWindows1252(unescaped)
    .replace(c1Pattern, readC1)
    .replace(ligaturePattern, (c) => ligatures[c]!)
    .replace(/[\u3000\uff01-\uffef]/g, (c) => c.normalize('NFKC'))
    .replace(/[\u2018-\u201b\u02bc]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/\r\n|[\r\u2028\u2029]/g, '\n')
    .replace(terminalPattern, '')
    .replace(controlPattern, '')
    .normalize('NFC');
}

/** The text that is split into tokens. */
export function cleanText(text: string): string {
  return decodeHTML(decodeHTML(repair(text)))
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();
}
