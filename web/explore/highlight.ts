/** Words of WGSL and of the language in colours, by patterns alone: what is read here was checked before. */

export interface Token {
  readonly start: number;
  readonly end: number;
  readonly kind: 'comment' | 'string' | 'attribute' | 'number' | 'keyword' | 'type' | 'call';
}

export type Language = 'wgsl' | 'zoo';

const wgslWords =
  'alias|break|case|const|const_assert|continue|continuing|default|diagnostic|discard|else|enable|false|fn|for|if|let|loop|override|requires|return|struct|switch|true|var|while';
const wgslTypes =
  'array|atomic|bool|f16|f32|i32|u32|mat[234]x[234][fh]?|ptr|vec[234][fhiu]?|subgroup_matrix_(?:left|right|result)';
const zooWords =
  'as|block|buffer|clamp|else|entry|epochs|every|false|fn|for|forward|freeze|from|fuses|if|import|in|inline|let|model|names|objective|of|package|param|require|return|seq|steps|then|train|true|when';
const zooTypes = 'bool|f32|float|i32|i64|int|str';

function pattern(comment: string, string: string, attribute: string, words: string, types: string): RegExp {
  const parts = {
    comment,
    string,
    attribute,
    number: '\\b(?:0x[\\da-fA-F]+|\\d+(?:\\.\\d*)?(?:e[+-]?\\d+)?)[fhiu]?\\b',
    keyword: `\\b(?:${words})\\b`,
    type: `\\b(?:${types})\\b`,
    call: '\\b[A-Za-z_]\\w*(?=\\s*\\()',
  } satisfies Record<Token['kind'], string>;
  return new RegExp(
    Object.entries(parts)
      .map(([kind, source]) => `(?<${kind}>${source})`)
      .join('|'),
    'g',
  );
}

const never = '(?!)';
const patterns: Readonly<Record<Language, RegExp>> = {
  wgsl: pattern('//[^\\n]*', never, '@\\w+', wgslWords, wgslTypes),
  zoo: pattern('#[^\\n]*', '"(?:[^"\\\\\\n]|\\\\.)*"', never, zooWords, zooTypes),
};

export function tokens(text: string, language: Language): Token[] {
  return [...text.matchAll(patterns[language])].map((match) => {
    const [kind] = Object.entries(match.groups!).find(([, value]) => value !== undefined)!;
    return { start: match.index, end: match.index + match[0].length, kind: kind as Token['kind'] };
  });
}

/** A piece of text with the class of its token, and what marks it. */
export interface Piece {
  readonly text: string;
  readonly kind?: Token['kind'];
  readonly mark?: 'weak' | 'strong';
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly strong: boolean;
}

/** A line's text cut at the borders of tokens and marks, all of which are offsets in it. */
export function pieces(text: string, found: readonly Token[], marks: readonly Range[]): Piece[] {
  const borders = [...found, ...marks].flatMap(({ start, end }) => [start, end]);
  const cuts = [...new Set([0, ...borders.filter((at) => at > 0 && at < text.length), text.length])];
  cuts.sort((a, b) => a - b);
  return cuts.slice(0, -1).map((start, i) => {
    const around = ({ start: from, end }: { readonly start: number; readonly end: number }) =>
      from <= start && start < end;
    const kind = found.find(around)?.kind;
    const over = marks.filter(around);
    const mark = over.some(({ strong }) => strong) ? 'strong' : over.length > 0 ? 'weak' : undefined;
    return { text: text.slice(start, cuts[i + 1]), ...(kind && { kind }), ...(mark && { mark }) };
  });
}
