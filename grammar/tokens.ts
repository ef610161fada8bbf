/**
 * Tokens and the lexer.
 *
 * Words are lexed as what they look like; `keywords.ts` then decides by context which of the soft ones are
 * names. Comments (`#` to the end of the line) are kept beside the tokens. Malformed strings and numbers are
 * tokens of their own, so that the lexer can say exactly what is wrong and the parser can go on.
 *
 * Categories: `Word` is any word, `Name` what may stand for a value or a declaration, `Text` any string,
 * `Infix` any infix operator; the stray ones serve error recovery.
 */

import { createToken, type ILexerErrorMessageProvider, type IToken, Lexer, type TokenType } from 'chevrotain';
import { type Comment, rateWords } from './ast.ts';
import type { Code } from './codes.ts';
import type { Diagnostic } from './diagnostics.ts';
import type { SourceFile, Span } from './source.ts';

const category = (name: string, ...categories: TokenType[]): TokenType =>
  createToken({ name, pattern: Lexer.NA, categories });

const Word = category('Word');
export const Name = category('Name', Word);
export const Text = category('Text');
export const Infix = category('Infix');

// ── strays: tokens that cannot start an element of a list of statements, and end none either ───────────────

export const StrayItem = category('StrayItem');
export const StrayMember = category('StrayMember');
export const StraySetting = category('StraySetting');
export const StrayRule = category('StrayRule');

/** Words that open a declaration, and a setting of a recipe. */
export const declarationWords = [
  'package',
  'import',
  'block',
  'fn',
  'model',
  'objective',
  'names',
  'train',
] as const;
export const settingWords = [
  'clamp',
  'remat',
  'freeze',
  ...rateWords,
  'init',
  'table',
  'from',
  'checkpoint',
  'evaluate',
] as const;

const childStarts = ['inline', 'LabelName', 'StringLabel'];
const memberStarts = ['require', 'let', 'param', 'buffer', 'forward', 'entry', ...childStarts];

/** The stray categories of a token, by its name. */
function strays(name: string): TokenType[] {
  const inner = [...declarationWords, 'RBrace'];
  const lists: [TokenType, readonly string[]][] = [
    [StrayItem, declarationWords],
    [StrayMember, [...memberStarts, ...inner]],
    [StraySetting, [...settingWords, 'KeyName', ...inner]],
    [StrayRule, ['StringLabel', ...inner]],
  ];
  return lists.flatMap(([stray, starts]) => (starts.includes(name) ? [] : [stray]));
}

// ── words ──────────────────────────────────────────────────────────────────────────────────────────────────

export const Identifier = createToken({
  name: 'Identifier',
  pattern: /[A-Za-z_]\w*/,
  categories: [Name, ...strays('Identifier')],
});
/** A name before `:` or `[i in`: it opens a member. Made by `keywords.ts`. */
export const LabelName = category('LabelName', Name, ...strays('LabelName'));
/** A name before `=`: an argument, a field or a setting. Made by `keywords.ts`. */
export const KeyName = category('KeyName', Name, ...strays('KeyName'));

/** Words of expressions and statements: never names of values. */
export const hardWords = [
  'if',
  'then',
  'else',
  'and',
  'or',
  'not',
  'true',
  'false',
  'in',
  'with',
  'when',
  'let',
  'return',
  'require',
] as const;
/**
 * Words that open a declaration, a member or a setting, or join parts of one, and are names anywhere else.
 */
export const softWords = [
  ...declarationWords,
  'param',
  'buffer',
  'forward',
  'entry',
  'inline',
  'seq',
  'fuses',
  'for',
  'as',
  'of',
  ...settingWords,
  'every',
  'keep',
  'steps',
  'epochs',
] as const;

type HardWord = (typeof hardWords)[number];
export type SoftWord = (typeof softWords)[number];

function keywordTokens(): Record<HardWord | SoftWord, TokenType> {
  const entries = [...hardWords, ...softWords].map((word) => [
    word,
    createToken({
      name: `Keyword_${word}`,
      label: word,
      pattern: word,
      longer_alt: Identifier,
      categories: [Word, ...strays(word), ...(word === 'and' || word === 'or' ? [Infix] : [])],
    }),
  ]);
  return Object.fromEntries(entries) as Record<HardWord | SoftWord, TokenType>;
}

export const keyword = keywordTokens();

// ── literals ───────────────────────────────────────────────────────────────────────────────────────────────

const literal = (name: string, pattern: RegExp, ...categories: TokenType[]): TokenType =>
  createToken({ name, pattern, categories: [...categories, ...strays(name)] });

export const Float = literal('Float', /(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)(?!\w)/);
export const Int = literal('Int', /\d+(?!\w|\.\d)/);
export const BadNumber = literal('BadNumber', /\d\w*(?:\.\d\w*)?/);
export const StringLiteral = literal('StringLiteral', /"[^"\\\n\r]*(?:\\[^\n\r][^"\\\n\r]*)*"/, Text);
/** A string before `:` or `->`: it opens a child or a rule. Made by `keywords.ts`. */
export const StringLabel = category('StringLabel', Text, ...strays('StringLabel'));
export const OpenString = literal('OpenString', /"[^\n\r]*/, Text);

// ── punctuation, longest first ─────────────────────────────────────────────────────────────────────────────

export const Ellipsis = literal('Ellipsis', /\.\.\./);
export const DotDot = literal('DotDot', /\.\./);
export const Dot = literal('Dot', /\./);
export const Arrow = literal('Arrow', /->/);
export const Pipe = literal('Pipe', /\|>/);
const Elvis = literal('Elvis', /\?:/, Infix);
const Comparison = literal('Comparison', /==|!=|<=|>=|<|>/, Infix);
export const Equals = literal('Equals', /=/);
const Plus = literal('Plus', /\+/, Infix);
export const Minus = literal('Minus', /-/, Infix);
const Times = literal('Times', /[*/%@]/, Infix);
const Power = literal('Power', /\^/, Infix);
export const Colon = literal('Colon', /:/);
export const Comma = literal('Comma', /,/);
export const LParen = literal('LParen', /\(/);
export const RParen = literal('RParen', /\)/);
export const LBracket = literal('LBracket', /\[/);
export const RBracket = literal('RBracket', /\]/);
export const LBrace = literal('LBrace', /\{/);
export const RBrace = literal('RBrace', /\}/);

const Space = createToken({
  name: 'Space',
  pattern: /[ \t\r\n\f\uFEFF]+/,
  group: Lexer.SKIPPED,
  line_breaks: true,
});
const CommentToken = createToken({ name: 'Comment', pattern: /#[^\n\r]*/, group: 'comments' });

const made = [LabelName, KeyName, StringLabel];
const categories = [Word, Name, Text, Infix, StrayItem, StrayMember, StraySetting, StrayRule];
const literals = [Float, Int, BadNumber, StringLiteral, OpenString];
const joined = [Ellipsis, DotDot, Dot, Arrow, Pipe, Elvis, Comparison, Equals];
const single = [Plus, Minus, Times, Power, Colon, Comma];
const brackets = [LParen, RParen, LBracket, RBracket, LBrace, RBrace];
// Longest first: `in` would turn `init` and `inline` into identifiers.
const words = [...Object.values(keyword).sort((a, b) => b.name.length - a.name.length), Identifier];

/** All token types, in the order in which the lexer tries them. */
export const allTokens: TokenType[] = [
  Space,
  CommentToken,
  ...words,
  ...literals,
  ...joined,
  ...single,
  ...brackets,
  ...made,
  ...categories,
];

// ── lexing ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Chevrotain wants messages as texts; `tokenize` makes the diagnostics, from the offsets. */
const lexerMessages: ILexerErrorMessageProvider = {
  buildUnexpectedCharactersMessage: (text, start, length) =>
    describeBadCharacters(text.slice(start, start + length)),
  buildUnableToPopLexerModeMessage: (token) => `unexpected ${token.image}`,
};

// Tests look for mistakes in the tokens themselves.
const lexer = new Lexer(allTokens, {
  positionTracking: 'onlyOffset',
  errorMessageProvider: lexerMessages,
  skipValidations: true,
});

interface Tokens {
  readonly tokens: IToken[];
  readonly comments: readonly Comment[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Splits a file into tokens and comments. Codes Z101 to Z104, see `syntax-errors.ts`. */
export function tokenize(file: SourceFile): Tokens {
  const result = lexer.tokenize(file.text);
  const diagnostics: Diagnostic[] = [];
  const report = (code: Code, span: Span, message: string, help?: string): void => {
    diagnostics.push({ code, severity: 'error', span, message, ...(help === undefined ? {} : { help }) });
  };
  for (const error of result.errors) {
    const span = { file, start: error.offset, end: error.offset + error.length };
    report('Z101', span, error.message, helpForCharacters(file.text.slice(span.start, span.end)));
  }
  for (const token of result.tokens) {
    const span = { file, start: token.startOffset, end: token.startOffset + token.image.length };
    if (token.tokenType === OpenString) {
      report('Z102', span, 'this string is not closed on its line', 'end it with `"`');
    } else if (token.tokenType === BadNumber) {
      report('Z103', span, `\`${shorten(token.image)}\` is not a number`, helpForNumber(token.image));
    }
  }
  const comments = (result.groups.comments ?? []).map((token) => ({
    text: token.image.trimEnd(),
    span: { file, start: token.startOffset, end: token.startOffset + token.image.length },
  }));
  return { tokens: result.tokens, comments, diagnostics };
}

/** A text for a message: at most 40 characters. */
export function shorten(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}

function describeBadCharacters(text: string): string {
  const printable = shorten(
    text.replace(/[\p{C}\p{Z}]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16) ?? ''}}`),
  );
  return [...text].length === 1
    ? `unexpected character \`${printable}\``
    : `unexpected characters \`${printable}\``;
}

function helpForCharacters(text: string): string | undefined {
  if (text.startsWith("'") || /^[‘’“”]/.test(text)) {
    return 'strings are written in double quotes: "..."';
  }
  if (text.startsWith(';')) {
    return 'statements need no separator; remove it';
  }
  const words: Record<string, string> = {
    '&&': 'and',
    '&': 'and',
    '||': 'or',
    '|': 'or',
    '!': 'not',
    '→': '->',
  };
  const word = words[text];
  return word === undefined ? undefined : `write \`${word}\``;
}

function helpForNumber(image: string): string {
  if (/^[\d_]+$/.test(image)) {
    return `write \`${image.replaceAll('_', '')}\``;
  }
  if (/^0[xXbBoO]/.test(image)) {
    return 'numbers are decimal: 12, 0.5, 1e-5';
  }
  return 'numbers look like 12, 0.5 or 1e-5; names start with a letter';
}
