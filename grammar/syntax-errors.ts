/**
 * Syntax errors in the language's own words: what was expected, for what purpose, and what was found instead.
 *
 * | code | meaning                                                            |
 * | ---- | ------------------------------------------------------------------ |
 * | Z101 | a character that the language does not have                        |
 * | Z102 | a string that is not closed on its line                            |
 * | Z103 | a malformed or too large number                                    |
 * | Z104 | an unknown escape in a string                                      |
 * | Z105 | brackets, `if`s or operators nested too deeply                     |
 * | Z106 | something else was expected here                                   |
 * | Z107 | operators that do not combine: chained comparisons, `a + not b`    |
 * | Z108 | a malformed axis pattern, or one outside rearrange and einsum      |
 * | Z109 | not a type, or not a type that fits here                           |
 * | Z110 | not a declaration, member, setting or rule                         |
 * | Z111 | `package` or `import` behind a declaration                         |
 * | Z112 | so many syntax errors that the rest is not shown                   |
 * | Z113 | a file that is too large                                           |
 *
 * Chevrotain asks for texts through `errorMessages`; `toDiagnostic` adds places, help
 * and the opening bracket.
 */
import {
  EOF,
  type IParserErrorMessageProvider,
  type IRecognitionException,
  type IToken,
  type TokenType,
  tokenLabel,
} from 'chevrotain';
import type { Diagnostic, Label } from './diagnostics.ts';
import type { SourceFile, Span } from './source.ts';
import * as t from './tokens.ts';

/** What each rule's brackets enclose. */
const enclosed: Record<string, string> = {
  callArguments: 'the argument list',
  parameters: 'the parameter list',
  axisPattern: 'the axis pattern',
  axisItem: 'the group of axes',
  subscripts: 'the subscript',
  group: 'the parentheses',
  list: 'the list',
  loop: 'the list',
  record: 'the record',
  recordType: 'the record type',
  dims: 'the shape',
  child: 'the array of children',
  block: 'the block',
  seq: 'the seq',
  body: 'the body',
  train: 'the recipe',
  names: 'the map of names',
  import: 'the list of imported names',
};

/** Lists whose elements are separated by commas: there, an element's start means that a comma is missing. */
const commaLists = new Set([
  'callArguments',
  'parameters',
  'axisPattern',
  'subscripts',
  'list',
  'record',
  'recordType',
  'dims',
  'import',
]);

/** What each rule's names name. */
const named = {
  block: 'a name for the block',
  fn: 'a name for the function',
  objective: 'a name for the objective',
  letMember: 'a name for the value',
  anyName: 'a name',
  weight: 'a name for the weight',
  operand: 'a name behind `.`',
  segment: 'a name in the path',
  child: 'a name for the index, as in `x[i in 0..n]`',
  parameter: 'a parameter such as `width: int`',
  callable: 'the name of a fused kernel',
  field: 'a field such as `image = x`',
  typeField: 'a field such as `image: [B, E]`',
  assign: 'a setting such as `batch = 256`',
  transform: 'a transform or a name in quotes',
  loop: 'a name for the index, as in `[f(i) for i in 0..n]`',
  axisItem: 'an axis: a name, a group such as `(h d)`, or `1`',
  type: 'a type such as `int`, `block` or `[B, width]`',
};
const namedByRule: Readonly<Record<string, string>> = named;

/** Purpose of a token within a rule, where "expected `x`" alone would not say it. */
const purposes: Record<string, string> = {
  'weight/Colon': ' and the shape of the weight',
  'parameter/Colon': ' and the type of the parameter',
  'typeField/Colon': ' and the type of the field',
  'letMember/Equals': ' and the value',
  'field/Equals': ' and the value of the field',
  'assign/Equals': ' and the value of the setting',
  'init/Equals': ' and how to initialise it',
  'model/Equals': ' and the value of the model',
  'conditional/then': ' behind the condition',
  'conditional/else': ': an `if` always has both values',
  'returned/return': ' and the result of the body',
  'range/DotDot': ' between the bounds of the range',
  'clamp/in': ' and a range such as `0 .. 1`',
  'loop/in': ' and a range such as `0..n`',
  'child/in': ' and a range such as `0..layers`',
  'child/Colon': ' and the block of the child',
  'train/of': ' and the model to train',
  'names/for': ' and the block that the map is for',
  'checkpoint/every': ' and an interval such as `1000 steps`',
  'patternList/Text': ': a pattern of weights such as `"visual.**"`',
  'rate/Equals': ' and the rate',
  'nameRule/StringLiteral': ': their name of the weight',
};

const bracketImages: Record<string, string> = {
  LParen: '(',
  RParen: ')',
  LBracket: '[',
  RBracket: ']',
  LBrace: '{',
  RBrace: '}',
};
const tokenImages: Record<string, string> = {
  ...bracketImages,
  Colon: ':',
  Comma: ',',
  Equals: '=',
  Arrow: '->',
  DotDot: '..',
  Dot: '.',
};

/** "`x`", "the string `"x"`", "the end of the file". */
export function describeToken(token: IToken): string {
  if (token.tokenType === EOF) {
    return 'the end of the file';
  }
  const image = t.shorten(token.image);
  return token.image.startsWith('"') ? `the string \`${image}\`` : `\`${image}\``;
}

function expectedToken(type: TokenType, rule: string, actual: IToken): string {
  const image = tokenImages[type.name];
  const purpose = purposes[`${rule}/${tokenLabel(type)}`] ?? '';
  if (type === t.Name || type === t.KeyName || type === t.LabelName) {
    return namedByRule[rule] ?? 'a name';
  }
  if (type === t.Text || type === t.StringLiteral) {
    return `a string${purpose}`;
  }
  if (type === EOF) {
    return 'the end of the file';
  }
  if (image === undefined) {
    return `\`${tokenLabel(type)}\`${purpose}`;
  }
  if (')]}'.includes(image)) {
    const comma = commaLists.has(rule) && startsElement(actual) ? '`,` or ' : '';
    return `${comma}\`${image}\` to close ${enclosed[rule] ?? 'the bracket'}`;
  }
  if ('([{'.includes(image)) {
    return `\`${image}\` to open ${enclosed[rule] ?? 'the bracket'}`;
  }
  return `\`${image}\`${purpose}`;
}

/** Whether a token can start an element of a comma-separated list. */
export function startsElement(token: IToken): boolean {
  const types: TokenType[] = [
    t.Identifier,
    t.KeyName,
    t.LabelName,
    t.Int,
    t.Float,
    t.StringLiteral,
    t.LParen,
    t.LBracket,
  ];
  return types.includes(token.tokenType);
}

const operandWanted = 'an expression';
const alternatives: Record<string, string> = {
  conditional: operandWanted,
  primary: operandWanted,
  subscript: 'an index or a slice such as `0:2`',
  dim: 'a length of the shape, or `...`',
  type: named.type,
  body: 'a body: `{ ... }` or `= expression`',
  axisItem: named.axisItem,
  segment: named.segment,
  anyName: named.anyName,
  weight: named.weight,
  change: '`=` and the new value',
  child: 'a child such as `conv1: Conv2d(3, 64)`',
};

const iterations: Record<string, string> = {
  expression: 'an override such as `layers = 2` behind `with`',
  subscripts: 'an index or a slice such as `0:2`',
  patternList: 'a pattern of weights, as in `"visual.**"`',
  axisItem: 'the name of an axis',
};

export const errorMessages: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected, actual, ruleName }) =>
    `expected ${expectedToken(expected, ruleName, actual)}, found ${describeToken(actual)}`,
  buildNoViableAltMessage: ({ actual, ruleName }) =>
    `expected ${alternatives[ruleName] ?? 'something else'}, found ${describeToken(actual[0]!)}`,
  buildEarlyExitMessage: ({ actual, ruleName }) =>
    `expected ${iterations[ruleName] ?? 'something else'}, found ${describeToken(actual[0]!)}`,
  buildNotAllInputParsedMessage: ({ firstRedundant }) =>
    `expected the end of the file, found ${describeToken(firstRedundant)}`,
};

/** The diagnostic of one of Chevrotain's exceptions; `tokens` is what was parsed. */
export function toDiagnostic(
  error: IRecognitionException,
  tokens: readonly IToken[],
  file: SourceFile,
): Diagnostic {
  const span = spanOf(error.token, tokens, file);
  const help = helpFor(error);
  const opener = /expected (?:`,` or )?`[)\]}]` to close/.test(error.message)
    ? unclosed(error.token, tokens)
    : undefined;
  const labels: Label[] =
    opener === undefined
      ? []
      : [{ span: { file, start: opener.startOffset, end: opener.startOffset + 1 }, text: 'opened here' }];
  return {
    code: /^expected a type/.test(error.message) ? 'Z109' : 'Z106',
    severity: 'error',
    message: error.message,
    span,
    ...(labels.length === 0 ? {} : { labels }),
    ...(help === undefined ? {} : { help }),
  };
}

/** A token's place; the end of the file is behind the last token. */
export function spanOf(token: IToken, tokens: readonly IToken[], file: SourceFile): Span {
  if (token.tokenType !== EOF) {
    return { file, start: token.startOffset, end: token.startOffset + token.image.length };
  }
  const last = tokens.at(-1);
  const end = last === undefined ? 0 : last.startOffset + last.image.length;
  return { file, start: end, end };
}

/** The bracket that is still open in front of a token. */
function unclosed(token: IToken, tokens: readonly IToken[]): IToken | undefined {
  const at = token.tokenType === EOF ? tokens.length : tokens.indexOf(token);
  let depth = 0;
  for (let i = at - 1; i >= 0; i--) {
    const name = tokens[i]!.tokenType.name;
    if (name === 'RParen' || name === 'RBracket' || name === 'RBrace') {
      depth++;
    } else if (name in bracketImages && depth-- === 0) {
      return tokens[i];
    }
  }
  return undefined;
}

function helpFor(error: IRecognitionException & { previousToken?: IToken }): string | undefined {
  const found = error.token;
  const previous = error.previousToken;
  const operandDue = error.message.startsWith(`expected ${operandWanted},`);
  if (operandDue && found.tokenType === t.keyword.if) {
    return 'put `if ... then ... else ...` in parentheses';
  }
  if (operandDue && found.image === '/' && previous?.image === '/') {
    return 'comments start with `#`';
  }
  if (operandDue && found.image === '*' && previous?.image === '*') {
    return 'powers are written `a ^ b`';
  }
  if (operandDue && found.tokenType === t.Dot) {
    return 'numbers start with a digit: write `0.5`';
  }
  if (operandDue && found.tokenType === t.Equals && previous?.tokenType !== t.Equals) {
    return 'equality is written `==`';
  }
  if (found.tokenType === t.Equals && /^expected `(then|\)|]|else)`/.test(error.message)) {
    return 'equality is written `==`';
  }
  const loop = helpForLoop(error, found);
  if (loop !== undefined) {
    return loop;
  }
  if (found.image === '*' && /^expected (a name in the path|an override)/.test(error.message)) {
    return 'a pattern of blocks stands in quotes: `"visual.**.c_fc" as LoRALinear(rank = 4)`';
  }
  if (/^expected `=` and the new value/.test(error.message) && previous?.image.startsWith('"') === true) {
    return 'blocks are replaced with `as`: `"visual.**.c_fc" as LoRALinear(rank = 4)`';
  }
  if (found.tokenType === t.keyword.with && /^expected (`,` or )?`[)\]}]`/.test(error.message)) {
    return 'put `... with ...` in parentheses';
  }
  return undefined;
}

/** Loops and the lists of other languages, where this one has lists in brackets and chains. */
function helpForLoop(error: IRecognitionException, found: IToken): string | undefined {
  if (found.image === 'for' && /^expected `return`/.test(error.message)) {
    return 'there are no loops: `[f(x, i) for i in 0..n]` makes a list, and `layers(x)` runs through an array of children';
  }
  if (/to close the (argument list|parentheses),/.test(error.message)) {
    const generator = found.image === 'for' || found.tokenType === t.keyword.in;
    return generator ? 'a list stands in brackets: `sum([f(i) for i in 0..n])`' : undefined;
  }
  if (!/to close the list,/.test(error.message)) {
    return undefined;
  }
  if (found.tokenType === t.keyword.if) {
    return 'a list of this kind leaves nothing out: `[if i > 0 then a else b for i in 0..n]`';
  }
  if (found.tokenType === t.keyword.for) {
    return 'lists of lists are nested: `[[f(i, j) for j in 0..m] for i in 0..n]`';
  }
  return found.image === 'for' ? 'write a name and a range: `[f(i) for i in 0..n]`' : undefined;
}
