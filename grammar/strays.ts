/** What starts no statement: the words for it, and the keyword that was meant. */
import type { IToken, TokenType } from 'chevrotain';
import type { AstBuilder } from './ast-builder.ts';
import type { Diagnostic } from './diagnostics.ts';
import { describeToken } from './syntax-errors.ts';
import * as t from './tokens.ts';

export type StrayPlace = 'file' | 'block' | 'seq' | 'train' | 'names';

const strayExpected: Record<StrayPlace, string> = {
  file: 'a declaration (block, fn, model, objective, names or train)',
  block: 'a member of the block',
  seq: 'a child such as `fc1: Linear(64, 256)`',
  train: 'a setting of the recipe',
  names: 'a rule such as `"ours" -> "theirs"`',
};
const strayKeywords: Record<StrayPlace, readonly string[]> = {
  file: t.declarationWords,
  block: ['param', 'buffer', 'require', 'let', 'forward', 'entry', 'inline'],
  seq: ['inline'],
  train: t.settingWords,
  names: [],
};

export const strayBrace = 'this `}` closes nothing';

/** The diagnostic for a token that starts no statement; with a `fix` where it looks like a keyword. */
export function describeStray(place: StrayPlace, token: IToken, builder: AstBuilder): Diagnostic {
  const span = builder.tokenSpan(token);
  const near = token.tokenType === t.Identifier ? nearest(token.image, strayKeywords[place]) : undefined;
  const message = `expected ${strayExpected[place]}, found ${describeToken(token)}`;
  const base = { code: 'Z110', severity: 'error', span } as const;
  if (near !== undefined && near !== token.image) {
    return { ...base, message: `${message}; did you mean \`${near}\`?`, fix: { span, replacement: near } };
  }
  if (place === 'file' && token.tokenType === t.RBrace) {
    return { ...base, message: strayBrace };
  }
  const help = strayHelp(place, token);
  return { ...base, message, ...(help === undefined ? {} : { help }) };
}

function strayHelp(place: StrayPlace, token: IToken): string | undefined {
  const type = token.tokenType;
  const name = token.image;
  if (place === 'file') {
    const inBlock: TokenType[] = [
      t.LabelName,
      t.StringLabel,
      t.keyword.param,
      t.keyword.buffer,
      t.keyword.forward,
      t.keyword.entry,
    ];
    const statements: TokenType[] = [t.keyword.let, t.keyword.require, t.keyword.inline];
    return [...inBlock, ...statements].includes(type)
      ? 'members stand between the braces of a block'
      : undefined;
  }
  if (place === 'block' && type === t.KeyName) {
    return `to name a value, write \`let ${name} = ...\``;
  }
  if (place === 'block' && type === t.keyword.return) {
    return '`return` stands in the braces of forward, fn or objective';
  }
  if (place === 'block' && type === t.Identifier) {
    return `a child is written \`${name}: Block(...)\`, a weight \`param ${name}: [width]\``;
  }
  if (place === 'train' && type === t.LabelName) {
    return `settings are written \`${name} = ...\``;
  }
  if (place === 'train' && token.image.startsWith('"')) {
    return 'patterns are separated by commas';
  }
  return undefined;
}

/** The keyword at the smallest edit distance, if that is small for its length. */
function nearest(word: string, keywords: readonly string[]): string | undefined {
  const close = keywords
    .map((keyword) => ({ keyword, distance: editDistance(word.slice(0, 40), keyword) }))
    .filter(({ keyword, distance }) => distance <= (keyword.length > 4 ? 2 : 1))
    .sort((a, b) => a.distance - b.distance);
  return close[0]?.keyword;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      }
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
