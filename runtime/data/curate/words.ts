/**
 * Captions and queries as words: white space separates them, and each of `, . ; : ? !` and the backtick is a word of
 * its own, as if it stood between blanks. Case is kept.
 */

const [tab, carriageReturn, blank] = [0x09, 0x0d, 0x20];
const signs = new Set([...',.;:?!`'].map((sign) => sign.charCodeAt(0)));

/** By code, for those below 128: a letter, white space, a sign. */
const kinds = Uint8Array.from({ length: 128 }, (_, code) =>
  code === blank || (code >= tab && code <= carriageReturn) ? 1 : signs.has(code) ? 2 : 0,
);

/** Calls `each` with the words of a text in order. */
export function eachWord(text: string, each: (word: string) => void): void {
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const kind = code < kinds.length ? kinds[code]! : 0;
    if (kind === 0) continue;
    if (at > from) each(text.slice(from, at));
    if (kind === 2) each(text[at]!);
    from = at + 1;
  }
  if (from < text.length) each(text.slice(from));
}

export function wordsOf(text: string): string[] {
  const words: string[] = [];
  eachWord(text, (word) => words.push(word));
  return words;
}
