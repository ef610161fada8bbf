/** What each token of a text looks like, from the tokens alone: fast, and right for any text. */
import type { IToken } from 'chevrotain';
import { classify } from '../../grammar/keywords.ts';
import type { SourceFile } from '../../grammar/source.ts';
import * as t from '../../grammar/tokens.ts';
import type { SemanticToken, TokenKind } from './types.ts';

export interface Lexed {
  readonly tokens: readonly IToken[];
  readonly comments: readonly { readonly start: number; readonly end: number }[];
}

/** Tokens with keywords told from names. Where the nesting is too deep, as far as it is read. */
export function lex(file: SourceFile): Lexed {
  const { tokens, comments } = t.tokenize(file);
  return { tokens: classify(tokens, file.text).tokens, comments: comments.map(({ span }) => span) };
}

export const endOf = (token: IToken): number => token.startOffset + token.image.length;

const numbers = new Set([t.Int, t.Float, t.BadNumber]);
const strings = new Set([t.StringLiteral, t.StringLabel, t.OpenString]);
const words = new Set([t.Identifier, t.LabelName, t.KeyName]);
const keywords = new Set(Object.values(t.keyword));
const marks = new Set([t.Colon, t.Comma, t.LParen, t.RParen, t.LBracket, t.RBracket, t.LBrace, t.RBrace]);

export const isString = (token: IToken | undefined): boolean =>
  token !== undefined && strings.has(token.tokenType);
export const isName = (token: IToken | undefined): boolean =>
  token !== undefined && words.has(token.tokenType);
export const isKeyword = (token: IToken | undefined): boolean =>
  token !== undefined && keywords.has(token.tokenType);

function kindOf(token: IToken): TokenKind {
  const type = token.tokenType;
  if (words.has(type)) return 'name';
  if (strings.has(type)) return 'string';
  if (numbers.has(type)) return 'number';
  if (keywords.has(type)) return 'keyword';
  return marks.has(type) ? 'punctuation' : 'operator';
}

/** The tokens of any text with comments, in order; words that are no keywords are `name`s. */
export function classifyText(text: string): SemanticToken[] {
  return tokensOf(lex({ path: '', text }));
}

export function tokensOf({ tokens, comments }: Lexed): SemanticToken[] {
  const found = [
    ...comments.map(({ start, end }): SemanticToken => ({ start, end, kind: 'comment' })),
    ...tokens.map(
      (token): SemanticToken => ({
        start: token.startOffset,
        end: endOf(token),
        kind: kindOf(token),
      }),
    ),
  ];
  return found.sort((a, b) => a.start - b.start);
}
