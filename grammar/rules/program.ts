/**
 * A whole file: the package, imports, and declarations in any order. The last and complete
 * layer of the grammar's rules.
 */
import { EOF, type ParserMethod } from 'chevrotain';
import type * as ast from '../ast.ts';
import * as t from '../tokens.ts';
import { passErrorsOn } from './base.ts';
import { recoverWithNothing } from './blocks.ts';
import { RecipeRules } from './recipes.ts';

interface PackageDecl {
  readonly kind: 'package';
  readonly name: ast.Identifier;
  readonly span: ast.Identifier['span'];
}

/** What a file holds, in source order. */
export type FileElement = PackageDecl | ast.ImportDecl | ast.Item;

export class ProgramRules extends RecipeRules {
  readonly program: ParserMethod<[], FileElement[]> = this.RULE('program', () => {
    const elements: FileElement[] = [];
    this.MANY(() => {
      const element = this.SUBRULE(this.element);
      if (element !== undefined) {
        elements.push(element);
      }
    });
    this.CONSUME(EOF);
    return elements;
  });

  /** One expression and nothing else: the value of a `--set path=value`. */
  readonly soleExpression: ParserMethod<[], ast.Expr> = this.RULE(
    'soleExpression',
    () => {
      const value = this.SUBRULE(this.expression);
      this.CONSUME(EOF);
      return value;
    },
    { recoveryValueFunc: () => this.errorHere() },
  );

  private readonly element: ParserMethod<[], FileElement | undefined> = this.RULE(
    'element',
    () =>
      this.OR<FileElement | undefined>([
        { ALT: () => this.SUBRULE(this.package) },
        { ALT: () => this.SUBRULE(this.import) },
        { ALT: () => this.SUBRULE(this.block) },
        { ALT: () => this.SUBRULE(this.fn) },
        { ALT: () => this.SUBRULE(this.model) },
        { ALT: () => this.SUBRULE(this.objective) },
        { ALT: () => this.SUBRULE(this.names) },
        { ALT: () => this.SUBRULE(this.train) },
        { ALT: () => this.skipStray('file', this.CONSUME(t.StrayItem)) },
      ]),
    recoverWithNothing,
  );

  private readonly package: ParserMethod<[], PackageDecl> = this.RULE(
    'package',
    () => {
      const start = this.here();
      this.CONSUME(t.keyword.package);
      const name = this.SUBRULE(this.anyName);
      return { kind: 'package' as const, name, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly import: ParserMethod<[], ast.ImportDecl> = this.RULE(
    'import',
    () => {
      const start = this.here();
      const names: ast.Identifier[] = [];
      this.CONSUME(t.keyword.import);
      const from = this.SUBRULE1(this.anyName);
      this.CONSUME(t.LBrace);
      this.OPTION(() => {
        names.push(this.SUBRULE2(this.anyName));
        this.MANY(() => {
          this.CONSUME1(t.Comma);
          names.push(this.SUBRULE3(this.anyName));
        });
        this.OPTION2(() => this.CONSUME2(t.Comma));
      });
      this.CONSUME(t.RBrace);
      return { kind: 'import' as const, from, names, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly fn: ParserMethod<[], ast.FnDecl> = this.RULE(
    'fn',
    () => {
      const start = this.here();
      this.CONSUME(t.keyword.fn);
      const name = this.identifier(this.CONSUME(t.Name));
      const parts = this.SUBRULE(this.callable);
      return { kind: 'fn' as const, name, ...parts, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly objective: ParserMethod<[], ast.ObjectiveDecl> = this.RULE(
    'objective',
    () => {
      const start = this.here();
      this.CONSUME(t.keyword.objective);
      const name = this.identifier(this.CONSUME(t.Name));
      const parts = this.SUBRULE(this.callable);
      return { kind: 'objective' as const, name, ...parts, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly model: ParserMethod<[], ast.ModelDecl> = this.RULE(
    'model',
    () => {
      const start = this.here();
      let params: ast.ParamDecl[] = [];
      this.CONSUME(t.keyword.model);
      const name = this.SUBRULE(this.anyName);
      this.OPTION(() => {
        params = this.SUBRULE(this.parameters);
      });
      this.CONSUME(t.Equals);
      const value = this.SUBRULE(this.expression);
      return { kind: 'model' as const, name, params, value, span: this.since(start) };
    },
    passErrorsOn,
  );

  constructor(validated = false) {
    super(validated);
    this.performSelfAnalysis();
  }
}
