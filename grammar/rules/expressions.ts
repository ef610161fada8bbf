/**
 * Expressions: `with`, `|>`, `if`, operator chains, and operands with their calls, subscripts and members.
 *
 * From loosest to tightest: with, |>, if, ?:, or, and, not, comparisons, + -, * / % @, unary -, ^, postfix.
 * Operators are read as one flat chain and folded by the builder, which keeps the call stack short. `with`
 * lists changes separated by commas, so inside lists of arguments, fields and items it needs parentheses
 * (`pipeline` is an expression without it).
 */
import type { IToken, ParserMethod } from 'chevrotain';
import type * as ast from '../ast.ts';
import type { ChainLink } from '../ast-builder.ts';
import { joinSpans } from '../source.ts';
import * as t from '../tokens.ts';
import { passErrorsOn } from './base.ts';
import { PrimaryRules } from './primaries.ts';

type Change = ast.WithExpr['changes'][number];

export class ExpressionRules extends PrimaryRules {
  readonly expression: ParserMethod<[], ast.Expr> = this.RULE(
    'expression',
    () => {
      const start = this.here();
      const base = this.SUBRULE(this.pipeline);
      const changes: Change[] = [];
      this.OPTION(() => {
        this.CONSUME(t.keyword.with);
        this.AT_LEAST_ONE_SEP({
          SEP: t.Comma,
          DEF: () => {
            changes.push(this.SUBRULE(this.change));
          },
        });
      });
      return this.ACTION(() => {
        const span = this.since(start);
        const children = [base, ...changes.map((change) => change.value)];
        return changes.length === 0
          ? base
          : this.builder.node({ kind: 'with', base, changes, span }, ...children);
      });
    },
    passErrorsOn,
  );

  private readonly change: ParserMethod<[], Change> = this.RULE(
    'change',
    () => {
      const start = this.here();
      const path = this.SUBRULE(this.path);
      return this.OR<Change>([
        {
          ALT: () => {
            this.CONSUME(t.Equals);
            const value = this.SUBRULE1(this.pipeline);
            return { kind: 'override' as const, path, value, span: this.since(start) };
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.keyword.as);
            const value = this.SUBRULE2(this.pipeline);
            return this.ACTION(() => this.builder.replacement(path, value, this.since(start)));
          },
        },
      ]);
    },
    passErrorsOn,
  );

  readonly path: ParserMethod<[], ast.PathExpr> = this.RULE(
    'path',
    () => {
      const start = this.here();
      const parts = [this.SUBRULE1(this.segment)];
      this.MANY(() => {
        this.CONSUME(t.Dot);
        parts.push(this.SUBRULE2(this.segment));
      });
      return this.ACTION(() => ({ kind: 'path' as const, segments: parts.flat(), span: this.since(start) }));
    },
    passErrorsOn,
  );

  /** One segment, or two where `0.1` was lexed as a number. */
  private readonly segment: ParserMethod<[], ast.Identifier[]> = this.RULE(
    'segment',
    () => {
      const token = this.OR<IToken>([
        { ALT: () => this.CONSUME(t.Name) },
        { ALT: () => this.CONSUME(t.Text) },
        { ALT: () => this.CONSUME(t.Int) },
        { ALT: () => this.CONSUME(t.Float) },
      ]);
      return this.ACTION(() => {
        if (token.tokenType !== t.Float) {
          return [this.identifier(token)];
        }
        let start = token.startOffset;
        return token.image.split('.').map((text) => {
          const span = { file: this.builder.file, start, end: start + text.length };
          start = span.end + 1;
          return { text, span, quoted: false };
        });
      });
    },
    passErrorsOn,
  );

  readonly pipeline: ParserMethod<[], ast.Expr> = this.RULE(
    'pipeline',
    () => {
      let left = this.SUBRULE(this.conditional);
      this.MANY(() => {
        this.CONSUME(t.Pipe);
        const right = this.SUBRULE2(this.conditional);
        this.ACTION(() => {
          const span = joinSpans(left.span, right.span);
          left = this.builder.node({ kind: 'pipe', left, right, span }, left, right);
        });
      });
      return left;
    },
    passErrorsOn,
  );

  private readonly conditional: ParserMethod<[], ast.Expr> = this.RULE(
    'conditional',
    () => this.OR<ast.Expr>([{ ALT: () => this.ifExpression() }, { ALT: () => this.chain() }]),
    passErrorsOn,
  );

  private ifExpression(): ast.Expr {
    const start = this.here();
    this.CONSUME(t.keyword.if);
    const condition = this.SUBRULE1(this.pipeline);
    this.CONSUME(t.keyword.then);
    const then = this.SUBRULE2(this.pipeline);
    this.CONSUME(t.keyword.else);
    const otherwise = this.SUBRULE3(this.conditional);
    return this.ACTION(() => {
      const node: ast.IfExpr = { kind: 'if', condition, then, else: otherwise, span: this.since(start) };
      return this.builder.node(node, condition, then, otherwise);
    });
  }

  /** Prefixed operands joined by infix operators, folded by precedence. */
  private chain(): ast.Expr {
    const links: ChainLink[] = [this.SUBRULE1(this.link)];
    this.MANY(() => {
      const infix = this.CONSUME(t.Infix);
      const { prefixes, operand } = this.SUBRULE2(this.link);
      links.push({ infix, prefixes, operand });
    });
    return this.ACTION(() => this.builder.fold(links));
  }

  private readonly link: ParserMethod<[], ChainLink> = this.RULE(
    'link',
    () => {
      const prefixes: IToken[] = [];
      this.MANY(() => {
        prefixes.push(
          this.OR([{ ALT: () => this.CONSUME(t.Minus) }, { ALT: () => this.CONSUME(t.keyword.not) }]),
        );
      });
      return { prefixes, operand: this.SUBRULE(this.operand) };
    },
    passErrorsOn,
  );

  /** A primary with its calls, subscripts, members and unit. */
  private readonly operand: ParserMethod<[], ast.Expr> = this.RULE(
    'operand',
    () => {
      const start = this.here();
      let value = this.SUBRULE(this.primary);
      this.MANY(() => {
        this.OR([
          {
            ALT: () => {
              const args = this.SUBRULE(this.callArguments);
              this.ACTION(() => {
                const children = args.map((argument) => argument.value);
                value = this.builder.node(
                  { kind: 'call', callee: value, args, span: this.since(start) },
                  value,
                  ...children,
                );
              });
            },
          },
          {
            ALT: () => {
              const subscripts = this.SUBRULE(this.subscripts);
              this.ACTION(() => {
                const span = this.since(start);
                const bounds = subscripts.flatMap((part) =>
                  part.kind === 'slice' ? [part.start ?? [], part.end ?? []] : [part],
                );
                value = this.builder.node(
                  { kind: 'index', object: value, subscripts, span },
                  value,
                  ...bounds,
                );
              });
            },
          },
          {
            ALT: () => {
              this.CONSUME(t.Dot);
              const member = this.identifier(this.CONSUME(t.Name));
              this.ACTION(() => {
                value = this.builder.node(
                  { kind: 'member', object: value, member, span: this.since(start) },
                  value,
                );
              });
            },
          },
        ]);
      });
      this.OPTION(() => {
        const unit = this.OR2([
          { ALT: () => this.CONSUME(t.keyword.steps) },
          { ALT: () => this.CONSUME(t.keyword.epochs) },
        ]);
        this.ACTION(() => {
          const span = this.since(start);
          value = this.builder.node({ kind: 'quantity', value, unit: this.identifier(unit), span }, value);
        });
      });
      return value;
    },
    passErrorsOn,
  );

  /** `0..layers`, `0 .. ln(100)`. */
  readonly range: ParserMethod<[], ast.RangeExpr> = this.RULE(
    'range',
    () => {
      const start = this.SUBRULE1(this.pipeline);
      this.CONSUME(t.DotDot);
      const end = this.SUBRULE2(this.pipeline);
      return this.ACTION(() => ({
        kind: 'range' as const,
        start,
        end,
        span: joinSpans(start.span, end.span),
      }));
    },
    passErrorsOn,
  );
}
