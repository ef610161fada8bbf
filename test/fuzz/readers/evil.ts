/** Texts and values that readers get wrong: limits of numbers, names of JavaScript, depth, characters that are none. */
import type { Random } from './random.ts';
import type { Mutation } from './reader.ts';

/** Names that objects have anyway. */
const inherited = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'prototype'];

const numerals = [
  '0', '-0', '-1', '1.5', '1e3', '1e308', '1e999', '-1e999', '2147483647', '2147483648', '4294967296', '9007199254740991',
  '9007199254740993', '18446744073709551616', '99999999999999999999999', 'NaN', 'Infinity', '-Infinity', '0x10', '1_000', '٣', '１',
]; // biome-ignore format: a table

/** Of any text. */
export const textTokens: readonly (string | Uint8Array)[] = [
  ...inherited,
  ...numerals,
  '\0',
  '\ufeff',
  '\u2028',
  '\u202e',
  '\u0085',
  '\u00a0',
  '\u001b[31m',
  '\r',
  '\n',
  '\r\n',
  '\t',
  '"',
  "'",
  '\\',
  '\\u0000',
  '\\ud800',
  '{}',
  '🦊',
  'e\u0301',
  '漢',
  'ﬁ',
  'İ',
  '&amp;amp;',
  '&#x110000;',
  '&#0;',
  'Ã©',
  'â€™',
  // A surrogate in UTF-8, bytes that no UTF-8 has, half a character, marks of UTF-16.
  Uint8Array.of(0xed, 0xa0, 0x80),
  Uint8Array.of(0xff),
  Uint8Array.of(0xc0, 0x80),
  Uint8Array.of(0xf0, 0x9f),
  Uint8Array.of(0xff, 0xfe),
  Uint8Array.of(0xfe, 0xff),
  '../../../../etc/passwd',
  '/dev/zero',
  'file:///etc/passwd',
  'data:text/plain;base64,AAAA',
  'a'.repeat(300),
  'x'.repeat(20_000),
  ' '.repeat(20_000),
  'é'.repeat(10_000),
  '\n'.repeat(10_000),
  ','.repeat(10_000),
  '"'.repeat(10_001),
  '('.repeat(5_000),
];

/** Of JSON: single values, and brackets that nothing closes. */
export const jsonTokens: readonly (string | Uint8Array)[] = [
  ...textTokens,
  '[]',
  'null',
  'true',
  '""',
  '"__proto__":{},',
  ',',
  ':',
  '['.repeat(10_000),
  '{"a":'.repeat(10_000),
  `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
];

const rawValues: readonly string[] = [
  ...numerals,
  'null',
  'true',
  '[]',
  '{}',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"../x"',
  '"/dev/zero"',
  '"."',
  '"hash"',
  '"init:0"',
  '[null]',
  '[-1]',
  '[[[[[1]]]]]',
  '{"__proto__":1}',
  ...inherited.map((name) => JSON.stringify(name)),
  `"${'x'.repeat(5_000)}"`,
  `${'['.repeat(300)}${']'.repeat(300)}`,
  `[${'1,'.repeat(3_000)}1]`,
];

type Holder = Record<string, unknown>;

/** Values that nest deeper are not taken apart: JSON.stringify would not write them. */
const deepest = 200;

/** Every value within, with who holds it; none where they nest too deep. */
function placesIn(value: unknown): (readonly [holder: Holder, key: string])[] {
  const places: (readonly [Holder, string])[] = [];
  const open: (readonly [value: unknown, depth: number])[] = [[value, 0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [found, depth] = next;
    if (typeof found !== 'object' || found === null) continue;
    if (depth > deepest) return [];
    for (const [key, inner] of Object.entries(found)) {
      places.push([found as Holder, key]);
      open.push([inner, depth + 1]);
    }
  }
  return places;
}

/** Stands for a text that no JSON.stringify would write. */
const mark = '\u0001';

/** One value exchanged, taken away, doubled or called otherwise; undefined for what is no JSON. */
export function changedJson(text: string, random: Random): string | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const places = placesIn(json);
  if (places.length === 0) return undefined;
  const [holder, key] = random.pick(places);
  let raw = random.pick(rawValues);
  const way = random.below(8);
  if (way === 0) {
    if (Array.isArray(holder)) holder.splice(Number(key), 1);
    else delete holder[key];
  } else if (way === 1) {
    raw = `${JSON.stringify(holder[key])}${Array.isArray(holder) ? '' : `,${JSON.stringify(key)}`}`;
    raw += Array.isArray(holder) ? `,${raw}` : `:${JSON.stringify(holder[key])}`;
    holder[key] = mark;
  } else if (way === 2) {
    // A literal would set the prototype.
    const name = random.pick([...inherited, '', '\0', '\ud800', 'x'.repeat(2_000)]);
    Object.defineProperty(holder, name, { value: holder[key], enumerable: true, configurable: true });
  } else if (way === 3) {
    const [other, place] = random.pick(places);
    holder[key] = structuredClone(other[place]);
  } else holder[key] = mark;
  return JSON.stringify(json).replace(JSON.stringify(mark), () => raw);
}

/** Inputs that are JSON, in UTF-8. */
export const mutateJson: Mutation = (bytes, random) => {
  const changed = changedJson(Buffer.from(bytes).toString('utf8'), random);
  return changed === undefined ? bytes : Buffer.from(changed);
};
