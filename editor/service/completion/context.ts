/**
 * What is being written at an offset, from the tokens in front of it: unfinished text has no tree yet.
 *
 * Brackets that are open there say the context, from the innermost outwards.
 */
import type { IToken } from 'chevrotain';
import { startsLine } from '../../../grammar/keywords.ts';
import * as t from '../../../grammar/tokens.ts';
import { endOf, isKeyword, isName, isString, type Lexed } from '../tokens.ts';

export interface Place {
  /** Where what is being written begins and ends: a word, or the text within quotes. */
  readonly start: number;
  readonly end: number;
  /** The string around the offset, without its quotes, up to the offset. */
  readonly string?: string;
  /** Tokens in front of the word or string. */
  readonly before: readonly IToken[];
  /** Indices in `before` of brackets that are open, the innermost last. */
  readonly open: readonly number[];
}

/** Undefined inside a comment. */
export function placeAt({ tokens, comments }: Lexed, text: string, offset: number): Place | undefined {
  if (comments.some(({ start, end }) => start < offset && offset <= end)) return undefined;
  const inside = tokens.find((token) => token.startOffset < offset && offset <= endOf(token));
  const within = inside !== undefined && isString(inside) && !closedBefore(inside, offset);
  const word = inside !== undefined && (isName(inside) || isKeyword(inside));
  const start = within ? inside.startOffset + 1 : word ? inside.startOffset : offset;
  const closed = within && inside.image.length > 1 && inside.image.endsWith('"');
  const end = within ? (closed ? endOf(inside) - 1 : offset) : word ? endOf(inside) : offset;
  const before = tokens.filter((token) => endOf(token) <= (within ? inside.startOffset : start));
  return {
    start,
    end,
    ...(within ? { string: text.slice(start, offset) } : {}),
    before,
    open: openBrackets(before),
  };
}

/** Whether the offset is behind the closing quote. */
function closedBefore(token: IToken, offset: number): boolean {
  return offset === endOf(token) && token.image.length > 1 && token.image.endsWith('"');
}

const closerOf = new Map([
  [t.RParen, t.LParen],
  [t.RBracket, t.LBracket],
  [t.RBrace, t.LBrace],
]);
const openers = new Set(closerOf.values());

function openBrackets(tokens: readonly IToken[]): number[] {
  const open: number[] = [];
  for (const [i, { tokenType }] of tokens.entries()) {
    if (openers.has(tokenType)) open.push(i);
    const opener = closerOf.get(tokenType);
    if (opener === undefined) continue;
    const at = open.findLastIndex((index) => tokens[index]!.tokenType === opener);
    if (at >= 0) open.splice(at);
  }
  return open;
}

/** The index of the word that opens the top-level declaration around the end. */
export function declarationStart({ before, open }: Place, text: string): number | undefined {
  const limit = open[0] ?? before.length;
  const words: readonly string[] = t.declarationWords;
  for (let i = Math.min(limit, before.length - 1); i >= 0; i--) {
    const token = before[i]!;
    // Without what has to follow, the word is no keyword yet.
    const opens = isKeyword(token) || (token.tokenType === t.Identifier && startsLine(token, text));
    if (opens && words.includes(token.image)) return i;
  }
  return undefined;
}

/** The index of the token that an expression which ends in front of `end` begins with: `a.b(x)[0]`. */
export function operandStart(tokens: readonly IToken[], end: number): number {
  let at = end;
  for (;;) {
    const last = tokens[at - 1];
    if (last === undefined) return at;
    if (closerOf.has(last.tokenType)) {
      const opener = matching(tokens, at - 1);
      if (opener === undefined) return at;
      at = opener;
      if (isName(tokens[at - 1]) && tokens[at]!.tokenType !== t.LBrace) continue;
      return at;
    }
    if (!isName(last) && !isString(last)) return at;
    at--;
    if (tokens[at - 1]?.tokenType !== t.Dot) return at;
    at--;
  }
}

function matching(tokens: readonly IToken[], closer: number): number | undefined {
  let depth = 0;
  for (let i = closer; i >= 0; i--) {
    const { tokenType } = tokens[i]!;
    if (closerOf.has(tokenType)) depth++;
    if (openers.has(tokenType) && --depth === 0) return i;
  }
  return undefined;
}

export interface Call {
  /** Index of the bracket. */
  readonly opener: number;
  /** Names of arguments that are written with one. */
  readonly named: readonly string[];
  /** Arguments without a name, in front of the place. */
  readonly positional: number;
  /** The argument that is being written has this name. */
  readonly writing?: string;
  /** Which argument, from 0. */
  readonly index: number;
}

/** The call whose arguments are being written, if the innermost open bracket is one's. */
export function callAt({ before, open }: Place): Call | undefined {
  const opener = open.at(-1);
  if (opener === undefined || before[opener]!.tokenType !== t.LParen) return undefined;
  const callee = before[opener - 1];
  if (!isName(callee) && !isString(callee) && callee?.tokenType !== t.RParen) return undefined;
  return { opener, ...argumentsOf(before.slice(opener + 1)) };
}

function argumentsOf(tokens: readonly IToken[]): Omit<Call, 'opener'> {
  const parts: IToken[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (openers.has(token.tokenType)) depth++;
    if (closerOf.has(token.tokenType)) depth--;
    if (depth === 0 && token.tokenType === t.Comma) parts.push([]);
    else parts.at(-1)!.push(token);
  }
  const nameOf = (part: readonly IToken[]) => (part[1]?.tokenType === t.Equals ? part[0]?.image : undefined);
  const done = parts.slice(0, -1);
  const writing = nameOf(parts.at(-1)!);
  return {
    named: done.flatMap((part) => nameOf(part) ?? []),
    positional: done.filter((part) => nameOf(part) === undefined).length,
    ...(writing === undefined ? {} : { writing }),
    index: done.length,
  };
}

/** Names of arguments behind the place, up to the bracket's end. */
export function namedBehind(tokens: readonly IToken[], from: number): string[] {
  const found: string[] = [];
  let depth = 0;
  for (let i = tokens.findIndex((token) => token.startOffset >= from); i >= 0 && i < tokens.length; i++) {
    const { tokenType, image } = tokens[i]!;
    if (openers.has(tokenType)) depth++;
    if (closerOf.has(tokenType) && --depth < 0) return found;
    if (depth === 0 && tokenType === t.KeyName) found.push(image);
  }
  return found;
}
