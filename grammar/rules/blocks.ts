/**
 * Blocks and everything callable: members, children, `seq`, and the bodies that `forward`,
 * `fn` and `objective` share.
 *
 * A member is where recovery starts again. What cannot start a member is read by `strayMember`, which reports
 * it and steps to the next one, so that one mistake costs one member and not the block.
 */
import type { IToken, ParserMethod } from 'chevrotain';
import type * as ast from '../ast.ts';
import * as t from '../tokens.ts';
import { passErrorsOn } from './base.ts';
import { TypeRules } from './types.ts';

/** The parts that a callable has besides its name. */
type CallableParts = Omit<ast.Callable, 'span'>;

/** For statements: after a mistake, nothing, and the list goes on with the next one. */
export const recoverWithNothing = { recoveryValueFunc: (): undefined => undefined };

export class BlockRules extends TypeRules {
  readonly block: ParserMethod<[], ast.BlockDecl> = this.RULE(
    'block',
    () => {
      const start = this.here();
      let params: ast.ParamDecl[] = [];
      const members: ast.Member[] = [];
      this.CONSUME(t.keyword.block);
      const name = this.identifier(this.CONSUME(t.Name));
      this.OPTION(() => {
        params = this.SUBRULE(this.parameters);
      });
      this.CONSUME(t.LBrace);
      this.MANY(() => {
        const member = this.SUBRULE(this.member);
        if (member !== undefined) {
          members.push(member);
        }
      });
      this.CONSUME(t.RBrace);
      return { kind: 'block' as const, name, params, members, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly member: ParserMethod<[], ast.Member | undefined> = this.RULE(
    'member',
    () =>
      this.OR<ast.Member | undefined>([
        { ALT: () => this.SUBRULE(this.requireMember) },
        { ALT: () => this.SUBRULE(this.letMember) },
        { ALT: () => this.SUBRULE(this.weight) },
        { ALT: () => this.SUBRULE(this.forward) },
        { ALT: () => this.SUBRULE(this.entry) },
        { ALT: () => this.SUBRULE(this.child) },
        { ALT: () => this.skipStray('block', this.CONSUME(t.StrayMember)) },
      ]),
    recoverWithNothing,
  );

  private readonly requireMember: ParserMethod<[], ast.RequireMember> = this.RULE(
    'requireMember',
    () => {
      const start = this.here();
      let message: ast.StringExpr | undefined;
      this.CONSUME(t.keyword.require);
      const condition = this.SUBRULE(this.pipeline);
      this.OPTION(() => {
        this.CONSUME(t.keyword.else);
        message = this.string(this.CONSUME(t.Text));
      });
      const span = this.since(start);
      return { kind: 'require' as const, condition, ...(message === undefined ? {} : { message }), span };
    },
    passErrorsOn,
  );

  protected readonly letMember: ParserMethod<[], ast.LetMember> = this.RULE(
    'letMember',
    () => {
      const start = this.here();
      this.CONSUME(t.keyword.let);
      const name = this.identifier(this.CONSUME(t.Name));
      this.CONSUME(t.Equals);
      const value = this.SUBRULE(this.expression);
      return { kind: 'let' as const, name, value, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly weight: ParserMethod<[], ast.WeightMember> = this.RULE(
    'weight',
    () => {
      const start = this.here();
      let init: ast.Expr | undefined;
      const role = this.OR1<IToken>([
        { ALT: () => this.CONSUME(t.keyword.param) },
        { ALT: () => this.CONSUME(t.keyword.buffer) },
      ]);
      const name = this.OR2<IToken>([
        { ALT: () => this.CONSUME(t.Name) },
        { ALT: () => this.CONSUME(t.Text) },
      ]);
      this.CONSUME(t.Colon);
      const type = this.SUBRULE(this.type);
      this.OPTION(() => {
        this.CONSUME(t.Equals);
        init = this.SUBRULE(this.pipeline);
      });
      return this.ACTION(() => ({
        kind: 'weight' as const,
        role: role.tokenType === t.keyword.param ? ('param' as const) : ('buffer' as const),
        name: this.identifier(name),
        type: this.builder.weightType(type),
        ...(init === undefined ? {} : { init }),
        span: this.since(start),
      }));
    },
    passErrorsOn,
  );

  private readonly child: ParserMethod<[], ast.ChildMember> = this.RULE(
    'child',
    () => {
      const start = this.here();
      let inline = false;
      let array: ast.ChildMember['array'];
      let when: ast.Expr | undefined;
      this.OPTION1(() => {
        this.CONSUME(t.keyword.inline);
        inline = true;
      });
      const label = this.OR1<IToken>([
        { ALT: () => this.CONSUME(t.LabelName) },
        { ALT: () => this.CONSUME(t.StringLabel) },
      ]);
      this.OPTION2(() => {
        this.CONSUME(t.LBracket);
        const index = this.identifier(this.CONSUME(t.Name));
        this.CONSUME(t.keyword.in);
        array = { index, range: this.SUBRULE(this.range) };
        this.CONSUME(t.RBracket);
      });
      this.CONSUME(t.Colon);
      const value = this.OR2<ast.ChildMember['value']>([
        { ALT: () => this.SUBRULE(this.seq) },
        { ALT: () => this.SUBRULE(this.expression) },
      ]);
      this.OPTION3(() => {
        this.CONSUME(t.keyword.when);
        when = this.SUBRULE(this.pipeline);
      });
      return this.ACTION(() => ({
        kind: 'child' as const,
        name: this.identifier(label),
        inline,
        ...(array === undefined ? {} : { array }),
        value,
        ...(when === undefined ? {} : { when }),
        span: this.since(start),
      }));
    },
    passErrorsOn,
  );

  private readonly seq: ParserMethod<[], ast.SeqExpr> = this.RULE(
    'seq',
    () => {
      const start = this.here();
      const children: ast.ChildMember[] = [];
      this.CONSUME(t.keyword.seq);
      this.CONSUME(t.LBrace);
      this.MANY(() => {
        const child = this.SUBRULE(this.seqChild);
        if (child !== undefined) {
          children.push(child);
        }
      });
      this.CONSUME(t.RBrace);
      return { kind: 'seq' as const, children, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly seqChild: ParserMethod<[], ast.ChildMember | undefined> = this.RULE(
    'seqChild',
    () =>
      this.OR<ast.ChildMember | undefined>([
        { ALT: () => this.SUBRULE(this.child) },
        { ALT: () => this.skipStray('seq', this.CONSUME(t.StrayMember)) },
      ]),
    recoverWithNothing,
  );

  private readonly forward: ParserMethod<[], ast.ForwardMember> = this.RULE(
    'forward',
    () => {
      const start = this.here();
      this.CONSUME(t.keyword.forward);
      const parts = this.SUBRULE(this.callable);
      return { kind: 'forward' as const, ...parts, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly entry: ParserMethod<[], ast.EntryMember> = this.RULE(
    'entry',
    () => {
      const start = this.here();
      let when: ast.Expr | undefined;
      this.CONSUME(t.keyword.entry);
      const name = this.identifier(this.CONSUME(t.Name));
      const parts = this.SUBRULE(this.callable);
      this.OPTION(() => {
        this.CONSUME(t.keyword.when);
        when = this.SUBRULE(this.pipeline);
      });
      return this.ACTION(() => ({
        kind: 'entry' as const,
        name,
        ...parts,
        ...(when === undefined ? {} : { when }),
        span: this.since(start),
      }));
    },
    passErrorsOn,
  );

  /** `(params) -> type fuses kernel { body }`, all but the parameters and the body optional. */
  protected readonly callable: ParserMethod<[], CallableParts> = this.RULE(
    'callable',
    () => {
      let result: ast.TypeExpr | undefined;
      let fuses: ast.Identifier | undefined;
      const params = this.SUBRULE(this.parameters);
      this.OPTION1(() => {
        this.CONSUME(t.Arrow);
        result = this.SUBRULE(this.type);
      });
      this.OPTION2(() => {
        this.CONSUME(t.keyword.fuses);
        fuses = this.identifier(this.CONSUME(t.Name));
      });
      const body = this.SUBRULE(this.body);
      return {
        params,
        ...(result === undefined ? {} : { result }),
        ...(fuses === undefined ? {} : { fuses }),
        body,
      };
    },
    passErrorsOn,
  );

  private readonly body: ParserMethod<[], ast.Body> = this.RULE(
    'body',
    () => {
      const start = this.here();
      const lets: ast.LetMember[] = [];
      return this.OR<ast.Body>([
        {
          ALT: () => {
            this.CONSUME(t.Equals);
            const result = this.SUBRULE(this.expression);
            return { form: 'equals', lets, result, span: this.since(start) };
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.LBrace);
            this.MANY(() => {
              const member = this.SUBRULE(this.bodyLet);
              if (member !== undefined) {
                lets.push(member);
              }
            });
            const result = this.SUBRULE(this.returned);
            this.CONSUME(t.RBrace);
            return { form: 'braces', lets, result, span: this.since(start) };
          },
        },
      ]);
    },
    passErrorsOn,
  );

  private readonly bodyLet: ParserMethod<[], ast.LetMember | undefined> = this.RULE(
    'bodyLet',
    (): ast.LetMember | undefined => this.SUBRULE(this.letMember),
    recoverWithNothing,
  );

  private readonly returned: ParserMethod<[], ast.Expr> = this.RULE(
    'returned',
    () => {
      this.CONSUME(t.keyword.return);
      return this.SUBRULE(this.expression);
    },
    { recoveryValueFunc: () => this.errorHere() },
  );
}
