/** One-byte encodings that UTF-8 is read in by mistake, as characters by byte. Byte strings hold a byte a character. */
import { readC1 } from '../c1.ts';

/** The upper half of IBM's first code page, which the web has no name for. */
const cp437 =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

export interface CodePage {
  readonly name: string;
  /** The characters of bytes 0x80 to 0xff. */
  readonly upper: readonly string[];
  /** Whether U+FFFD stands for a byte that was lost; it is 0x1a in byte strings. */
  readonly lossy: boolean;
  readonly bytes: ReadonlyMap<string, string>;
}

const half = Array.from({ length: 128 }, (_, i) => String.fromCharCode(0x80 + i));

function charactersOf(name: string): readonly string[] {
  if (name === 'latin-1') return half;
  if (name === 'cp437') return [...cp437];
  if (name === 'windows-1252') return half.map((c) => (c < '\u00a0' ? readC1(c) : c));
  const decoder = new TextDecoder(name);
  // A byte without a character stands for itself.
  return half.map((c) => decoder.decode(Uint8Array.of(c.charCodeAt(0))).replace('\ufffd', c));
}

function codePage(name: string): CodePage {
  const upper = charactersOf(name);
  const lossy = name.startsWith('windows');
  const bytes = new Map<string, string>();
  for (let byte = 0; byte < 0x80; byte++) {
    const c = String.fromCharCode(byte);
    bytes.set(lossy && byte === 0x1a ? '\ufffd' : c, c);
  }
  upper.forEach((c, i) => {
    bytes.set(c, half[i]!);
  });
  return { name, upper, lossy, bytes };
}

/** In the order in which they are tried. */
export const codePages: readonly CodePage[] = [
  'latin-1',
  'windows-1252',
  'windows-1251',
  'windows-1250',
  'windows-1253',
  'windows-1254',
  'windows-1257',
  'iso-8859-2',
  'macintosh',
  'cp437',
].map(codePage);

/** The bytes of a text, if it has no character from elsewhere. */
export function encode(text: string, { bytes }: CodePage): string | undefined {
  let out = '';
  for (const c of text) {
    const byte = bytes.get(c);
    if (byte === undefined) return undefined;
    out += byte;
  }
  return out;
}

/** Characters of bytes `from` to `to` in the encodings that resemble Latin-1, for a set of a pattern. */
export function charactersBetween(from: number, to: number): Set<string> {
  const alike = codePages.filter(({ name }) => name === 'latin-1' || name.startsWith('windows'));
  return new Set(alike.flatMap(({ upper }) => upper.slice(from - 0x80, to - 0x80 + 1)));
}
