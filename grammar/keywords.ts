/**
 * Soft keywords: which words are keywords here, and which are names.
 *
 * Almost every keyword may also name an argument, a weight or a path segment (`text = ...`, `train.batch`,
 * `init: Linear()`). One pass over the tokens decides by the neighbours and the enclosing bracket, so that
 * the grammar itself stays LL(1) and a soft keyword seen by the parser always is one. The same pass marks
 * names that open a member (`LabelName`) or a setting (`KeyName`), which is where error recovery starts
 * again, pairs the brackets, and bounds the depth of nesting.
 */
import type { IToken, TokenType } from 'chevrotain';
import * as t from './tokens.ts';

/** Deepest nesting of brackets and `if`s that is read: one level takes the parser about 50 stack frames. */
export const maxNesting = 100;

/** How the brackets pair, for recovery and messages. */
export interface Brackets {
  /** Closing bracket of an opening one; none for those that stay open. */
  readonly closers: ReadonlyMap<IToken, IToken>;
  /** The innermost bracket around a token, closed or not; a bracket's own is the one around the pair. */
  readonly around: ReadonlyMap<IToken, IToken>;
}

export const noBrackets: Brackets = { closers: new Map(), around: new Map() };

interface Classified {
  readonly tokens: IToken[];
  readonly brackets: Brackets;
  /** The token at which the nesting became too deep; everything from there on was cut off. */
  readonly tooDeep?: IToken;
}

const closerOf = new Map<TokenType, TokenType>([
  [t.LParen, t.RParen],
  [t.LBracket, t.RBracket],
  [t.LBrace, t.RBrace],
]);
const closingTypes = new Set<TokenType>([...closerOf.values()]);

const is = (token: IToken | undefined, ...types: TokenType[]): boolean =>
  token !== undefined && types.includes(token.tokenType);

const wordTypes = new Set<TokenType>([...Object.values(t.keyword), t.Identifier, t.LabelName, t.KeyName]);
const isWord = (token: IToken | undefined): boolean => token !== undefined && wordTypes.has(token.tokenType);
const textTypes = new Set<TokenType>([t.StringLiteral, t.StringLabel, t.OpenString]);
const isText = (token: IToken | undefined): boolean => token !== undefined && textTypes.has(token.tokenType);
const isNameOrText = (token: IToken | undefined): boolean => isWord(token) || isText(token);

type Role = 'declaration' | 'member' | 'setting' | 'joint';

interface SoftRule {
  readonly role: Role;
  /** Whether the token behind fits a use as a keyword. */
  readonly fits: (next: IToken | undefined) => boolean;
  /** Whether the three tokens behind leave no other reading; asked where an operand is due. */
  readonly certain: (
    next: IToken | undefined,
    second: IToken | undefined,
    third: IToken | undefined,
  ) => boolean;
  /** Of a joint word: whether it is one inside round or square brackets, by the tokens around it. */
  readonly bracketed?: (
    opener: IToken,
    previous: IToken | undefined,
    next: IToken | undefined,
    second: IToken | undefined,
  ) => boolean;
}

/** A keyword in front of a name or string, and what surely follows that. */
function opens(role: Role, ...afterName: TokenType[]): SoftRule {
  return {
    role,
    fits: isNameOrText,
    certain: (next, second) => isNameOrText(next) && is(second, ...afterName),
  };
}

/** In front of a number, too, so that the message is about the pattern that belongs there. */
const patterns: SoftRule = {
  role: 'setting',
  fits: (next) => isNameOrText(next) || is(next, t.Int, t.Float),
  certain: isText,
};
const joint: SoftRule = { role: 'joint', fits: () => true, certain: () => false };
/** `2000 steps`: stands inside brackets as well. */
const unit: SoftRule = { ...joint, bracketed: () => true };

const softRules: Record<t.SoftWord, SoftRule> = {
  package: opens('declaration'),
  import: opens('declaration', t.LBrace),
  block: opens('declaration', t.LParen, t.LBrace),
  fn: opens('declaration', t.LParen),
  model: opens('declaration', t.LParen, t.Equals),
  objective: opens('declaration', t.LParen),
  names: opens('declaration', t.keyword.for),
  train: opens('declaration', t.keyword.of),
  param: opens('member', t.Colon),
  buffer: opens('member', t.Colon),
  inline: opens('member', t.Colon),
  entry: opens('member', t.LParen),
  forward: {
    role: 'member',
    fits: (next) => is(next, t.LParen),
    certain: (next, second, third) => is(next, t.LParen) && isWord(second) && is(third, t.Colon),
  },
  clamp: opens('setting', t.Dot, t.keyword.in),
  init: opens('setting', t.Dot, t.Equals),
  table: opens('setting', t.Equals),
  evaluate: opens('setting', t.LParen),
  remat: patterns,
  freeze: patterns,
  lr: patterns,
  weight_decay: patterns,
  layer_decay: patterns,
  checkpoint: {
    role: 'setting',
    fits: (next) => is(next, t.Int) || isNameOrText(next),
    certain: (next) => is(next, t.keyword.every),
  },
  seq: { ...joint, fits: (next) => is(next, t.LBrace) },
  fuses: joint,
  // `[f(i) for i in 0..n]`
  for: {
    ...joint,
    bracketed: (opener, _previous, next, second) =>
      is(opener, t.LBracket) && isWord(next) && is(second, t.keyword.in),
  },
  // `"visual.**" as LoRALinear(rank = 4)`
  as: { ...joint, bracketed: (_opener, previous) => isText(previous) },
  of: joint,
  from: joint,
  every: joint,
  keep: joint,
  steps: unit,
  epochs: unit,
};

const softTypes = new Map<TokenType, SoftRule>(t.softWords.map((word) => [t.keyword[word], softRules[word]]));
const hardTypes = new Set<TokenType>(t.hardWords.map((word) => t.keyword[word]));
const operandEnds = new Set<TokenType>([
  t.Identifier,
  t.LabelName,
  t.KeyName,
  t.Int,
  t.Float,
  t.BadNumber,
  t.StringLiteral,
  t.OpenString,
  t.RParen,
  t.RBracket,
  t.RBrace,
  t.keyword.true,
  t.keyword.false,
  t.keyword.steps,
  t.keyword.epochs,
]);

function retype(token: IToken, type: TokenType): void {
  token.tokenType = type;
  token.tokenTypeIdx = type.tokenTypeIdx ?? 0;
}

interface Frame {
  readonly opener: IToken;
  /** Braces of a block, body or recipe rather than of a record: they follow a name, a type or `seq`. */
  readonly statements: boolean;
  ifs: number;
}

/** Marks soft keywords, labels and keys, in place. `text` is the source, for line starts. */
export function classify(tokens: IToken[], text: string): Classified {
  const closers = new Map<IToken, IToken>();
  const around = new Map<IToken, IToken>();
  const brackets = { closers, around };
  const frames: Frame[] = [];
  let topIfs = 0;
  let nesting = 0;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    classifyToken(tokens, i, frames.at(-1), text);
    const outer = frames.at(-1)?.opener;
    nesting += nest(token, tokens[i - 1], frames, closers);
    const opener = closerOf.has(token.tokenType) ? outer : frames.at(-1)?.opener;
    if (opener !== undefined) {
      around.set(token, opener);
    }
    const ifs = ifChange(token, frames.at(-1)?.ifs ?? topIfs);
    nesting += ifs - (frames.at(-1)?.ifs ?? topIfs);
    const top = frames.at(-1);
    if (top === undefined) {
      topIfs = ifs;
    } else {
      top.ifs = ifs;
    }
    if (nesting > maxNesting) {
      return { tokens: tokens.slice(0, i), brackets, tooDeep: token };
    }
  }
  return { tokens, brackets };
}

/** Opens or closes a bracket; returns the change of the nesting. */
function nest(
  token: IToken,
  previous: IToken | undefined,
  frames: Frame[],
  closers: Map<IToken, IToken>,
): number {
  if (closerOf.has(token.tokenType)) {
    const named =
      previous !== undefined && (operandEnds.has(previous.tokenType) || is(previous, t.keyword.seq));
    frames.push({ opener: token, statements: named && token.tokenType === t.LBrace, ifs: 0 });
    return 1;
  }
  if (!closingTypes.has(token.tokenType)) {
    return 0;
  }
  let at = frames.length - 1;
  while (at >= 0 && closerOf.get(frames[at]!.opener.tokenType) !== token.tokenType) {
    at--;
  }
  if (at < 0) {
    return 0;
  }
  closers.set(frames[at]!.opener, token);
  const closed = frames.splice(at);
  return -closed.reduce((sum, frame) => sum + 1 + frame.ifs, 0);
}

/** `if`s nest through `then` and `else` until a comma or a new statement. */
function ifChange(token: IToken, ifs: number): number {
  const type = token.tokenType;
  if (type === t.keyword.if) {
    return ifs + 1;
  }
  const starts =
    type === t.Comma ||
    type === t.LabelName ||
    type === t.KeyName ||
    softTypes.has(type) ||
    type === t.keyword.let;
  return starts || type === t.keyword.return ? 0 : ifs;
}

function classifyToken(tokens: IToken[], i: number, frame: Frame | undefined, text: string): void {
  const token = tokens[i]!;
  const next = tokens[i + 1];
  if (wordTypes.has(token.tokenType)) {
    classifyWord(tokens, i, frame, text);
  } else if (token.tokenType === t.StringLiteral) {
    // A colon behind a subscript belongs to a slice.
    const label = is(next, t.Arrow) || (is(next, t.Colon) && !is(frame?.opener, t.LBracket));
    retype(token, label ? t.StringLabel : t.StringLiteral);
  } else if (token.tokenType === t.OpenString) {
    retype(token, t.StringLiteral);
  }
}

function classifyWord(tokens: IToken[], i: number, frame: Frame | undefined, text: string): void {
  const opener = frame?.opener;
  const token = tokens[i]!;
  const previous = tokens[i - 1];
  const next = tokens[i + 1];
  if (is(previous, t.Dot)) {
    retype(token, is(next, t.Equals) ? t.KeyName : t.Identifier);
    return;
  }
  const listStart =
    is(previous, t.LParen, t.Comma) || (is(previous, t.LBrace) && frame?.statements === false);
  if (hardTypes.has(token.tokenType) && !listStart) {
    return;
  }
  const arrayLabel = is(next, t.LBracket) && isWord(tokens[i + 2]) && is(tokens[i + 3], t.keyword.in);
  if (is(next, t.Equals)) {
    retype(token, t.KeyName);
  } else if (arrayLabel || (is(next, t.Colon) && !is(opener, t.LBracket))) {
    retype(token, t.LabelName);
  } else {
    const rule = softTypes.get(token.tokenType);
    if (rule !== undefined && !isKeyword(rule, tokens, i, opener, text)) {
      retype(token, t.Identifier);
    }
  }
}

function isKeyword(
  rule: SoftRule,
  tokens: IToken[],
  i: number,
  opener: IToken | undefined,
  text: string,
): boolean {
  const token = tokens[i]!;
  const previous = tokens[i - 1];
  const next = tokens[i + 1];
  if (!rule.fits(next)) {
    return false;
  }
  if (token.tokenType === t.keyword.seq) {
    return is(previous, t.Colon);
  }
  const inBrackets = is(opener, t.LParen, t.LBracket);
  const behindOperand = previous !== undefined && operandEnds.has(previous.tokenType);
  if (rule.role === 'joint') {
    const second = tokens[i + 2];
    const allowed = opener === undefined || !inBrackets || rule.bracketed?.(opener, previous, next, second);
    // `{ from { "visual.**" = "b32.safetensors" } }`: a setting, here the first one.
    const setting = token.tokenType === t.keyword.from && is(previous, t.LBrace) && is(next, t.LBrace);
    return (behindOperand || setting || is(previous, t.keyword.checkpoint)) && allowed === true;
  }
  // Where an operand is due, or inside round or square brackets, a word is taken for a keyword only if it
  // begins its line and nothing else makes sense: then an operand or a bracket was forgotten above it.
  const operandDue = previous !== undefined && !behindOperand && !is(previous, t.LBrace);
  return (
    (!inBrackets && !operandDue) ||
    (startsLine(token, text) && rule.certain(next, tokens[i + 2], tokens[i + 3]))
  );
}

/** Whether only spaces stand in front of a token on its line. */
export function startsLine(token: IToken, text: string): boolean {
  const lineStart = text.lastIndexOf('\n', token.startOffset - 1) + 1;
  return text.slice(lineStart, token.startOffset).trim() === '';
}
