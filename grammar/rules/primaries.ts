/**
 * Primaries, and what stands in brackets: argument lists, subscripts, axis patterns, literals,
 * groups, lists and records.
 */
import type { IToken, ParserMethod } from 'chevrotain';
import type * as ast from '../ast.ts';
import { joinSpans } from '../source.ts';
import * as t from '../tokens.ts';
import { BaseRules, passErrorsOn } from './base.ts';

type Field = ast.RecordExpr['fields'][number];
type Loop = Pick<ast.ComprehensionExpr, 'index' | 'range'>;

export abstract class PrimaryRules extends BaseRules {
  /** Any expression; defined by the next layer. */
  abstract readonly expression: ParserMethod<[], ast.Expr>;
  /** An expression without `with`: an element of a list with commas. */
  abstract readonly pipeline: ParserMethod<[], ast.Expr>;

  readonly callArguments: ParserMethod<[], ast.Argument[]> = this.RULE(
    'callArguments',
    () => {
      let args: ast.Argument[] = [];
      const add = (argument: ast.Argument, axes: ast.AxisPattern | undefined): void => {
        this.ACTION(() => {
          args = axes === undefined ? [...args, argument] : this.withArrow(args, argument, axes);
        });
      };
      this.CONSUME(t.LParen);
      this.OPTION(() => {
        const first = this.SUBRULE1(this.argument);
        add(first.argument, first.axes);
        this.MANY(() => {
          this.CONSUME1(t.Comma);
          const next = this.SUBRULE2(this.argument);
          add(next.argument, next.axes);
        });
        this.OPTION2(() => this.CONSUME2(t.Comma));
      });
      this.CONSUME(t.RParen);
      return args;
    },
    passErrorsOn,
  );

  private readonly argument: ParserMethod<[], { argument: ast.Argument; axes: ast.AxisPattern | undefined }> =
    this.RULE(
      'argument',
      () => {
        const start = this.here();
        let name: ast.Identifier | undefined;
        let axes: ast.AxisPattern | undefined;
        this.OPTION(() => {
          name = this.identifier(this.CONSUME(t.KeyName));
          this.CONSUME(t.Equals);
        });
        const value = this.SUBRULE(this.pipeline);
        this.OPTION2(() => {
          this.CONSUME(t.Arrow);
          axes = this.SUBRULE(this.axisPattern);
        });
        return {
          argument: { ...(name === undefined ? {} : { name }), value, span: this.since(start) },
          axes,
        };
      },
      passErrorsOn,
    );

  /** Joins an argument that ends in `-> [axes]` with the einsum operands in front of it. */
  private withArrow(before: ast.Argument[], last: ast.Argument, axes: ast.AxisPattern): ast.Argument[] {
    let from = before.length;
    if (last.value.kind !== 'list') {
      while (from > 0 && before[from - 1]!.name === undefined) {
        from--;
      }
    }
    const operands = before.slice(from);
    const span = joinSpans(operands[0]?.span ?? last.span, last.span);
    const value = this.builder.arrow(
      last.value,
      operands,
      axes,
      joinSpans(operands[0]?.span ?? last.value.span, span),
    );
    const name = last.name === undefined ? {} : { name: last.name };
    return [...before.slice(0, from), { ...name, value, span }];
  }

  private readonly axisPattern: ParserMethod<[], ast.AxisPattern> = this.RULE(
    'axisPattern',
    () => {
      const start = this.here();
      const axes: ast.AxisItem[] = [];
      this.CONSUME(t.LBracket);
      this.MANY_SEP({
        SEP: t.Comma,
        DEF: () => {
          axes.push(this.SUBRULE(this.axisItem));
        },
      });
      this.CONSUME(t.RBracket);
      return { kind: 'axes' as const, axes, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly axisItem: ParserMethod<[], ast.AxisItem> = this.RULE(
    'axisItem',
    () => {
      const start = this.here();
      return this.OR<ast.AxisItem>([
        { ALT: () => ({ kind: 'axis', name: this.identifier(this.CONSUME1(t.Name)) }) },
        {
          ALT: () => {
            const token = this.CONSUME(t.Int);
            return this.ACTION((): ast.AxisItem => {
              if (token.image !== '1') {
                const help = 'name the axis and give its length as an argument: `[b, (n h)] -> ..., n = 3`';
                this.builder.report('Z108', this.since(start), 'the only number in an axis pattern is 1', {
                  help,
                });
              }
              return { kind: 'one', span: this.since(start) };
            });
          },
        },
        {
          ALT: () => {
            const names: ast.Identifier[] = [];
            this.CONSUME(t.LParen);
            this.AT_LEAST_ONE(() => {
              names.push(this.identifier(this.CONSUME2(t.Name)));
            });
            this.CONSUME(t.RParen);
            return { kind: 'group', names, span: this.since(start) };
          },
        },
      ]);
    },
    passErrorsOn,
  );

  protected readonly subscripts: ParserMethod<[], (ast.Expr | ast.SliceSubscript)[]> = this.RULE(
    'subscripts',
    () => {
      const subscripts: (ast.Expr | ast.SliceSubscript)[] = [];
      this.CONSUME(t.LBracket);
      this.AT_LEAST_ONE_SEP({
        SEP: t.Comma,
        DEF: () => {
          subscripts.push(this.SUBRULE(this.subscript));
        },
      });
      this.CONSUME(t.RBracket);
      return subscripts;
    },
    passErrorsOn,
  );

  private readonly subscript: ParserMethod<[], ast.Expr | ast.SliceSubscript> = this.RULE(
    'subscript',
    () => {
      const from = this.here();
      let start: ast.Expr | undefined;
      let end: ast.Expr | undefined;
      let mark: ast.SliceSubscript['mark'] | undefined;
      this.OR1([
        {
          ALT: () => {
            start = this.SUBRULE1(this.pipeline);
            this.OPTION1(() => {
              mark = this.SUBRULE1(this.sliceMark);
              this.OPTION2(() => {
                end = this.SUBRULE2(this.pipeline);
              });
            });
          },
        },
        {
          ALT: () => {
            mark = this.SUBRULE2(this.sliceMark);
            this.OPTION3(() => {
              end = this.SUBRULE3(this.pipeline);
            });
          },
        },
      ]);
      if (start !== undefined && mark === undefined) {
        return start;
      }
      const bounds = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
      return { kind: 'slice' as const, mark: mark ?? ':', ...bounds, span: this.since(from) };
    },
    passErrorsOn,
  );

  private readonly sliceMark: ParserMethod<[], ast.SliceSubscript['mark']> = this.RULE(
    'sliceMark',
    () =>
      this.OR<ast.SliceSubscript['mark']>([
        {
          ALT: () => {
            this.CONSUME(t.Colon);
            return ':';
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.DotDot);
            return '..';
          },
        },
      ]),
    passErrorsOn,
  );

  // Made once and not at each of the many calls.
  private readonly primaries = [
    { ALT: (): ast.Expr => this.name(this.CONSUME(t.Name)) },
    { ALT: (): ast.Expr => this.literal(this.CONSUME(t.Int)) },
    { ALT: (): ast.Expr => this.literal(this.CONSUME(t.Float)) },
    { ALT: (): ast.Expr => this.literal(this.CONSUME(t.BadNumber)) },
    { ALT: (): ast.Expr => this.string(this.CONSUME(t.Text)) },
    { ALT: (): ast.Expr => this.literal(this.CONSUME(t.keyword.true)) },
    { ALT: (): ast.Expr => this.literal(this.CONSUME(t.keyword.false)) },
    { ALT: (): ast.Expr => this.SUBRULE(this.group) },
    { ALT: (): ast.Expr => this.SUBRULE(this.list) },
    { ALT: (): ast.Expr => this.SUBRULE(this.record) },
  ];

  protected readonly primary: ParserMethod<[], ast.Expr> = this.RULE(
    'primary',
    () => this.OR(this.primaries),
    passErrorsOn,
  );

  private name(token: IToken): ast.Expr {
    return { kind: 'name', text: token.image, span: this.builder.tokenSpan(token) };
  }

  private literal(token: IToken): ast.Expr {
    const span = this.builder.tokenSpan(token);
    switch (token.tokenType) {
      case t.Int:
        return this.builder.int(token);
      case t.Float:
        return this.builder.float(token);
      case t.keyword.true:
      case t.keyword.false:
        return { kind: 'bool', value: token.image === 'true', span };
      default:
        return this.builder.error(span);
    }
  }

  /** `(x + y)`; `(h d)` is a group of axes. */
  private readonly group: ParserMethod<[], ast.Expr> = this.RULE(
    'group',
    () => {
      const start = this.here();
      const more: ast.Identifier[] = [];
      this.CONSUME(t.LParen);
      const inner = this.SUBRULE(this.expression);
      this.MANY(() => {
        more.push(this.identifier(this.CONSUME(t.Name)));
      });
      this.CONSUME(t.RParen);
      return this.ACTION(() => {
        const span = this.since(start);
        return more.length === 0
          ? this.builder.node({ kind: 'group', inner, span }, inner)
          : this.builder.axisGroup(inner, more, span);
      });
    },
    passErrorsOn,
  );

  private readonly list: ParserMethod<[], ast.Expr> = this.RULE(
    'list',
    () => {
      const start = this.here();
      const items: ast.Expr[] = [];
      let loop: Loop | undefined;
      this.CONSUME(t.LBracket);
      this.OPTION1(() => {
        items.push(this.SUBRULE1(this.pipeline));
        this.OR([
          {
            ALT: () => {
              loop = this.SUBRULE(this.loop);
            },
          },
          {
            ALT: () => {
              this.MANY(() => {
                this.CONSUME1(t.Comma);
                items.push(this.SUBRULE2(this.pipeline));
              });
              this.OPTION2(() => this.CONSUME2(t.Comma));
            },
          },
        ]);
      });
      this.CONSUME(t.RBracket);
      return this.ACTION(() => {
        const span = this.since(start);
        if (loop === undefined) return this.builder.node({ kind: 'list', items, span }, ...items);
        const item = items[0]!;
        const { start: from, end } = loop.range;
        return this.builder.node({ kind: 'comprehension', item, ...loop, span }, item, from, end);
      });
    },
    passErrorsOn,
  );

  /** `for i in 0..n` */
  private readonly loop: ParserMethod<[], Loop> = this.RULE(
    'loop',
    () => {
      let end: ast.Expr | undefined;
      this.CONSUME(t.keyword.for);
      const index = this.identifier(this.CONSUME(t.Name));
      this.CONSUME(t.keyword.in);
      const start = this.SUBRULE1(this.pipeline);
      this.OPTION(() => {
        this.CONSUME(t.DotDot);
        end = this.SUBRULE2(this.pipeline);
      });
      return this.ACTION(() => ({ index, range: this.builder.rangeOfLoop(index, start, end) }));
    },
    passErrorsOn,
  );

  private readonly record: ParserMethod<[], ast.Expr> = this.RULE(
    'record',
    () => {
      const start = this.here();
      const fields: Field[] = [];
      this.CONSUME(t.LBrace);
      this.OPTION(() => {
        fields.push(this.SUBRULE1(this.field));
        this.MANY(() => {
          this.CONSUME1(t.Comma);
          fields.push(this.SUBRULE2(this.field));
        });
        this.OPTION2(() => this.CONSUME2(t.Comma));
      });
      this.CONSUME(t.RBrace);
      return this.ACTION(() => {
        const values = fields.map((field) => field.value);
        return this.builder.node({ kind: 'record', fields, span: this.since(start) }, ...values);
      });
    },
    passErrorsOn,
  );

  private readonly field: ParserMethod<[], Field> = this.RULE(
    'field',
    () => {
      const name = this.identifier(this.CONSUME(t.Name));
      this.CONSUME(t.Equals);
      return { name, value: this.SUBRULE(this.pipeline) };
    },
    passErrorsOn,
  );
}
