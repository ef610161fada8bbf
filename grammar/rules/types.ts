/**
 * Types and parameter lists: `int`, `[int]`, `[B, T, width]`, `i32[B, 77]`, `[..., width]`,
 * `{ image: [B, E] }`, `vision.input`.
 */
import type { IToken, ParserMethod } from 'chevrotain';
import type * as ast from '../ast.ts';
import * as t from '../tokens.ts';
import { passErrorsOn } from './base.ts';
import { ExpressionRules } from './expressions.ts';

type Dims = ast.TensorTypeExpr['dims'];
type TypeField = ast.RecordTypeExpr['fields'][number];

export class TypeRules extends ExpressionRules {
  readonly type: ParserMethod<[], ast.TypeExpr> = this.RULE(
    'type',
    () =>
      this.OR<ast.TypeExpr>([
        { ALT: () => this.wordType() },
        { ALT: () => this.bracketType() },
        { ALT: () => this.SUBRULE(this.recordType) },
      ]),
    passErrorsOn,
  );

  /** `int`, `i32[B, 77]` or `vision.input`. */
  private wordType(): ast.TypeExpr {
    const start = this.here();
    const name = this.identifier(this.CONSUME1(t.Name));
    let dims: Dims | undefined;
    let member: IToken | undefined;
    this.OPTION(() => {
      this.OR2([
        {
          ALT: () => {
            dims = this.SUBRULE1(this.dims);
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.Dot);
            member = this.CONSUME2(t.Name);
          },
        },
      ]);
    });
    return this.ACTION(() => {
      const span = this.since(start);
      if (dims !== undefined) {
        return { kind: 'tensor-type', element: name, dims, span };
      }
      return member === undefined
        ? this.builder.namedType(name)
        : { kind: 'member-type', object: name, member: this.identifier(member), span };
    });
  }

  private bracketType(): ast.TypeExpr {
    const start = this.here();
    const dims = this.SUBRULE2(this.dims);
    return this.ACTION(() => this.builder.bracketType(dims, this.since(start)));
  }

  private readonly dims: ParserMethod<[], Dims> = this.RULE(
    'dims',
    () => {
      const dims: (ast.Expr | ast.EllipsisDim)[] = [];
      this.CONSUME(t.LBracket);
      this.MANY_SEP({
        SEP: t.Comma,
        DEF: () => {
          dims.push(this.SUBRULE(this.dim));
        },
      });
      this.CONSUME(t.RBracket);
      return dims;
    },
    passErrorsOn,
  );

  private readonly dim: ParserMethod<[], ast.Expr | ast.EllipsisDim> = this.RULE(
    'dim',
    () =>
      this.OR<ast.Expr | ast.EllipsisDim>([
        { ALT: () => ({ kind: 'ellipsis', span: this.builder.tokenSpan(this.CONSUME(t.Ellipsis)) }) },
        { ALT: () => this.SUBRULE(this.pipeline) },
      ]),
    passErrorsOn,
  );

  private readonly recordType: ParserMethod<[], ast.RecordTypeExpr> = this.RULE(
    'recordType',
    () => {
      const start = this.here();
      const fields: TypeField[] = [];
      this.CONSUME(t.LBrace);
      this.OPTION(() => {
        fields.push(this.SUBRULE1(this.typeField));
        this.MANY(() => {
          this.CONSUME1(t.Comma);
          fields.push(this.SUBRULE2(this.typeField));
        });
        this.OPTION2(() => this.CONSUME2(t.Comma));
      });
      this.CONSUME(t.RBrace);
      return { kind: 'record-type' as const, fields, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly typeField: ParserMethod<[], TypeField> = this.RULE(
    'typeField',
    () => {
      const name = this.identifier(this.CONSUME(t.Name));
      this.CONSUME(t.Colon);
      return { name, type: this.SUBRULE(this.type) };
    },
    passErrorsOn,
  );

  readonly parameters: ParserMethod<[], ast.ParamDecl[]> = this.RULE(
    'parameters',
    () => {
      const params: ast.ParamDecl[] = [];
      this.CONSUME(t.LParen);
      this.OPTION(() => {
        params.push(this.SUBRULE1(this.parameter));
        this.MANY(() => {
          this.CONSUME1(t.Comma);
          params.push(this.SUBRULE2(this.parameter));
        });
        this.OPTION2(() => this.CONSUME2(t.Comma));
      });
      this.CONSUME(t.RParen);
      return params;
    },
    passErrorsOn,
  );

  private readonly parameter: ParserMethod<[], ast.ParamDecl> = this.RULE(
    'parameter',
    () => {
      const start = this.here();
      const name = this.identifier(this.CONSUME(t.Name));
      this.CONSUME(t.Colon);
      const type = this.SUBRULE(this.type);
      let ids: ast.RangeExpr | undefined;
      let value: ast.Expr | undefined;
      this.OPTION1(() => {
        this.CONSUME(t.keyword.in);
        ids = this.SUBRULE(this.range);
      });
      this.OPTION2(() => {
        this.CONSUME(t.Equals);
        value = this.SUBRULE(this.pipeline);
      });
      return {
        name,
        type,
        ...(ids === undefined ? {} : { ids }),
        ...(value === undefined ? {} : { default: value }),
        span: this.since(start),
      };
    },
    passErrorsOn,
  );
}
