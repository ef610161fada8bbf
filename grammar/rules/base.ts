/**
 * What all grammar rules share: the builder of the file being read, spans, and error recovery.
 *
 * Recovery starts again at the next statement, never inside an expression: rules for statements
 * resynchronise, all others pass the error on. The search for the next statement steps over whole
 * brackets, so that a mistake in the head of a `forward` does not make its body's `let`s look
 * like members of the block.
 */
import { EmbeddedActionsParser, EOF, type IToken, type TokenType, tokenMatcher } from 'chevrotain';
import type * as ast from '../ast.ts';
import { AstBuilder } from '../ast-builder.ts';
import { type Brackets, noBrackets, startsLine } from '../keywords.ts';
import type { Span } from '../source.ts';
import { describeStray, type StrayPlace } from '../strays.ts';
import { errorMessages, startsElement } from '../syntax-errors.ts';
import * as t from '../tokens.ts';

/** For rules inside statements: an error ends the whole statement. */
export const passErrorsOn = { resyncEnabled: false };

export abstract class BaseRules extends EmbeddedActionsParser {
  protected builder = new AstBuilder({ path: '', text: '' });
  private brackets = noBrackets;

  /** @param validated looks for mistakes in the rules themselves: as much work as all else at the start, so only tests do */
  constructor(validated = false) {
    super(t.allTokens, {
      recoveryEnabled: true,
      maxLookahead: 3,
      errorMessageProvider: errorMessages,
      skipValidations: !validated,
    });
  }

  /** Prepares for one file. */
  start(builder: AstBuilder, tokens: IToken[], brackets: Brackets): void {
    this.builder = builder;
    this.brackets = brackets;
    this.input = tokens;
  }

  // ── spans ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Offset at which the next token starts. */
  protected here(): number {
    const offset = this.LA(1).startOffset;
    return Number.isNaN(offset) ? this.builder.file.text.length : offset;
  }

  /** From an offset to the end of the last token read. */
  protected since(start: number): Span {
    const last = this.LA(0);
    const end = last.tokenType === EOF ? start : last.startOffset + last.image.length;
    return { file: this.builder.file, start: Math.min(start, end), end };
  }

  protected identifier(token: IToken): ast.Identifier {
    if (token.isInsertedInRecovery === true) {
      const { file, end } = this.since(this.here());
      return { text: '', span: { file, start: end, end }, quoted: false };
    }
    const quoted = token.image.startsWith('"');
    const text = quoted ? this.builder.unescape(token) : token.image;
    return { text, span: this.builder.tokenSpan(token), quoted };
  }

  protected string(token: IToken): ast.StringExpr {
    const { text, span } = this.identifier(token);
    return { kind: 'string', value: text, span };
  }

  protected errorHere(): ast.ErrorExpr {
    const start = this.here();
    return this.builder.error({ file: this.builder.file, start, end: start });
  }

  // ── recovery (these override Chevrotain's recovery trait) ────────────────────────────────────────────────

  /**
   * Only punctuation and declared names are made up, and only where what follows
   * cannot be what was forgotten.
   */
  protected override canTokenTypeBeInsertedInRecovery(type: TokenType): boolean {
    if (!insertable.has(type) || tokenMatcher(this.LA(2), type)) {
      return false;
    }
    if (type !== t.RParen && type !== t.RBracket) {
      return true;
    }
    const next = this.LA(1);
    if ([t.keyword.with, t.keyword.if, t.keyword.for].includes(next.tokenType)) {
      return false;
    }
    return labels.has(next.tokenType) ? startsLine(next, this.builder.file.text) : !startsElement(next);
  }

  protected findReSyncTokenType(): TokenType {
    const types = (this as unknown as RecoveryTrait)
      .flattenFollowSet()
      .filter((type) => !strayTypes.has(type));
    for (let k = 1; ; k = this.behind(k)) {
      const found = types.find((type) => this.restartsAt(this.LA(k), type));
      if (found !== undefined) {
        return found;
      }
    }
  }

  protected reSyncTo(type: TokenType): IToken[] {
    const skipped: IToken[] = [];
    while (!this.restartsAt(this.LA(1), type)) {
      for (let count = this.behind(1) - 1; count > 0; count--) {
        skipped.push(this.SKIP_TOKEN());
      }
    }
    return skipped;
  }

  /** Statements start at the top or directly in braces, so a word in round or square brackets is none. */
  private restartsAt(token: IToken, type: TokenType): boolean {
    let opener = this.brackets.around.get(token);
    while (opener !== undefined && !this.brackets.closers.has(opener)) {
      opener = this.brackets.around.get(opener);
    }
    return tokenMatcher(token, type) && (opener === undefined || opener.tokenType === t.LBrace);
  }

  /** Reports a token that fits nowhere in a list of statements and steps to the next statement. */
  protected skipStray(place: StrayPlace, token: IToken): undefined {
    return this.ACTION(() => {
      const diagnostic = describeStray(place, token, this.builder);
      this.builder.diagnostics.push(diagnostic);
      // A misspelt keyword takes the name behind it along: `parm weight: ...` is no child.
      if (diagnostic.fix !== undefined && labels.has(this.LA(1).tokenType)) {
        this.SKIP_TOKEN();
      }
      const closer = this.brackets.closers.get(token);
      while (closer !== undefined && this.LA(0) !== closer) {
        this.SKIP_TOKEN();
      }
      this.reSyncTo(this.findReSyncTokenType());
      return undefined;
    });
  }

  /** Distance of the token behind the one at distance `k`, a bracketed part counting as one. */
  private behind(k: number): number {
    const closer = this.brackets.closers.get(this.LA(k));
    let at = k;
    while (closer !== undefined && this.LA(at) !== closer) {
      at++;
    }
    return at + 1;
  }
}

/** They start no statement, so recovery must not stop at them. */
const strayTypes = new Set<TokenType>([t.StrayItem, t.StrayMember, t.StraySetting, t.StrayRule]);

/**
 * The part of Chevrotain's recovery that has no public type: the tokens at which some open rule could go on.
 */
interface RecoveryTrait {
  flattenFollowSet(): TokenType[];
}

const labels = new Set<TokenType>([t.LabelName, t.KeyName, t.StringLabel]);
const insertable = new Set<TokenType>([
  t.Colon,
  t.Comma,
  t.RParen,
  t.RBracket,
  t.RBrace,
  t.LBrace,
  t.Equals,
  t.Name,
]);
