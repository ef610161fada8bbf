/**
 * What all grammar rules share: the builder of the file being read, spans, and error recovery.
 *
 * Recovery starts again at the next statement, never inside an expression: rules for statements resynchronise, all others
 * pass the error on. The search for the next statement steps over whole brackets, so that a mistake in the head of a
 * `forward` does not make its body's `let`s look like members of the block.
 */
import { EmbeddedActionsParser, EOF, type IToken, type TokenType, tokenMatcher } from 'chevrotain';
import type * as ast from '../ast.ts';
import { AstBuilder } from '../ast-builder.ts';
import type { Span } from '../source.ts';
import { describeStray, errorMessages, type StrayPlace } from '../syntax-errors.ts';
import * as t from '../tokens.ts';

/** For rules inside statements: an error ends the whole statement. */
export const passErrorsOn = { resyncEnabled: false };

export class BaseRules extends EmbeddedActionsParser {
  protected builder = new AstBuilder({ path: '', text: '' });
  private closers: ReadonlyMap<IToken, IToken> = new Map();

  constructor() {
    super(t.allTokens, { recoveryEnabled: true, maxLookahead: 3, errorMessageProvider: errorMessages });
  }

  /** Prepares for one file; `closers` pairs its brackets. */
  start(builder: AstBuilder, tokens: IToken[], closers: ReadonlyMap<IToken, IToken>): void {
    this.builder = builder;
    this.closers = closers;
    this.input = tokens;
  }

  // ── spans ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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

  // ── recovery (these three override Chevrotain's recovery trait) ───────────────────────────────────────────────────

  /** Only closing brackets, separators and names' punctuation are made up: a made-up operand would hide the mistake. */
  protected override canTokenTypeBeInsertedInRecovery(type: TokenType): boolean {
    return insertable.has(type);
  }

  protected findReSyncTokenType(): TokenType {
    const types = (this as unknown as RecoveryTrait)
      .flattenFollowSet()
      .filter((type) => !strayTypes.has(type));
    for (let k = 1; ; k = this.behind(k)) {
      const found = types.find((type) => tokenMatcher(this.LA(k), type));
      if (found !== undefined) {
        return found;
      }
    }
  }

  protected reSyncTo(type: TokenType): IToken[] {
    const skipped: IToken[] = [];
    while (!tokenMatcher(this.LA(1), type)) {
      for (let count = this.behind(1) - 1; count > 0; count--) {
        skipped.push(this.SKIP_TOKEN());
      }
    }
    return skipped;
  }

  /** Reports a token that fits nowhere in a list of statements and steps to the next statement. */
  protected skipStray(place: StrayPlace, token: IToken): undefined {
    return this.ACTION(() => {
      this.builder.diagnostics.push(describeStray(place, token, this.builder));
      const closer = this.closers.get(token);
      while (closer !== undefined && this.LA(0) !== closer) {
        this.SKIP_TOKEN();
      }
      this.reSyncTo(this.findReSyncTokenType());
      return undefined;
    });
  }

  /** Distance of the token behind the one at distance `k`, a bracketed part counting as one. */
  private behind(k: number): number {
    const closer = this.closers.get(this.LA(k));
    let at = k;
    while (closer !== undefined && this.LA(at) !== closer) {
      at++;
    }
    return at + 1;
  }
}

/** They start no statement, so recovery must not stop at them. */
const strayTypes = new Set<TokenType>([t.StrayItem, t.StrayMember, t.StraySetting, t.StrayRule]);

/** The part of Chevrotain's recovery that has no public type: the tokens at which some open rule could go on. */
interface RecoveryTrait {
  flattenFollowSet(): TokenType[];
}

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
