/**
 * `train` declarations with their settings, and `names` maps with their rules.
 */
import type { IToken, ParserMethod } from 'chevrotain';
import * as ast from '../ast.ts';
import * as t from '../tokens.ts';
import { passErrorsOn } from './base.ts';
import { BlockRules, recoverWithNothing } from './blocks.ts';

type SettingOf<K extends ast.Setting['kind']> = Extract<ast.Setting, { kind: K }>;

export class RecipeRules extends BlockRules {
  /** A declared name, quoted or not. */
  protected readonly anyName: ParserMethod<[], ast.Identifier> = this.RULE(
    'anyName',
    () => {
      const token = this.OR<IToken>([
        { ALT: () => this.CONSUME(t.Name) },
        { ALT: () => this.CONSUME(t.Text) },
      ]);
      return this.ACTION(() => this.identifier(token));
    },
    passErrorsOn,
  );

  readonly train: ParserMethod<[], ast.TrainDecl> = this.RULE(
    'train',
    () => {
      const start = this.here();
      let from: ast.Expr | undefined;
      const settings: ast.Setting[] = [];
      this.CONSUME(t.keyword.train);
      const name = this.SUBRULE(this.anyName);
      this.CONSUME(t.keyword.of);
      const of = this.SUBRULE1(this.expression);
      this.OPTION(() => {
        this.CONSUME(t.keyword.from);
        from = this.SUBRULE2(this.expression);
      });
      this.CONSUME(t.LBrace);
      this.MANY(() => {
        const setting = this.SUBRULE(this.setting);
        if (setting !== undefined) {
          settings.push(setting);
        }
      });
      this.CONSUME(t.RBrace);
      const span = this.since(start);
      return { kind: 'train' as const, name, of, ...(from === undefined ? {} : { from }), settings, span };
    },
    passErrorsOn,
  );

  private readonly setting: ParserMethod<[], ast.Setting | undefined> = this.RULE(
    'setting',
    () =>
      this.OR<ast.Setting | undefined>([
        { ALT: () => this.SUBRULE(this.assign) },
        { ALT: () => this.SUBRULE(this.clamp) },
        { ALT: () => this.SUBRULE(this.patterns) },
        { ALT: () => this.SUBRULE(this.rate) },
        { ALT: () => this.SUBRULE(this.init) },
        { ALT: () => this.SUBRULE(this.table) },
        { ALT: () => this.SUBRULE(this.startFiles) },
        { ALT: () => this.SUBRULE(this.checkpoint) },
        { ALT: () => this.SUBRULE(this.evaluate) },
        { ALT: () => this.skipStray('train', this.CONSUME(t.StraySetting)) },
      ]),
    recoverWithNothing,
  );

  private readonly assign: ParserMethod<[], SettingOf<'assign'>> = this.RULE(
    'assign',
    () => {
      const start = this.here();
      const key = this.identifier(this.CONSUME(t.KeyName));
      this.CONSUME(t.Equals);
      const value = this.SUBRULE(this.expression);
      return { kind: 'assign' as const, key, value, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly clamp: ParserMethod<[], SettingOf<'clamp'>> = this.RULE(
    'clamp',
    () => {
      const start = this.here();
      this.CONSUME(t.keyword.clamp);
      const path = this.SUBRULE(this.path);
      this.CONSUME(t.keyword.in);
      const range = this.SUBRULE(this.range);
      return { kind: 'clamp' as const, path, range, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly patterns: ParserMethod<[], SettingOf<'remat'> | SettingOf<'freeze'>> = this.RULE(
    'patterns',
    () => {
      const start = this.here();
      const word = this.OR<IToken>([
        { ALT: () => this.CONSUME(t.keyword.remat) },
        { ALT: () => this.CONSUME(t.keyword.freeze) },
      ]);
      const patterns = this.SUBRULE(this.patternList);
      const kind = word.tokenType === t.keyword.remat ? ('remat' as const) : ('freeze' as const);
      return { kind, patterns, span: this.since(start) };
    },
    passErrorsOn,
  );

  /** `lr "visual.**" = 1e-5`. */
  private readonly rate: ParserMethod<[], SettingOf<'rate'>> = this.RULE(
    'rate',
    () => {
      const start = this.here();
      const word = this.OR<IToken>(
        ast.rateWords.map((name) => ({ ALT: () => this.CONSUME(t.keyword[name]) })),
      );
      const patterns = this.SUBRULE(this.patternList);
      this.CONSUME(t.Equals);
      const value = this.SUBRULE(this.expression);
      const rate = word.image as ast.RateWord;
      return { kind: 'rate' as const, rate, patterns, value, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly patternList: ParserMethod<[], ast.StringExpr[]> = this.RULE(
    'patternList',
    () => {
      const patterns: ast.StringExpr[] = [];
      this.AT_LEAST_ONE_SEP({
        SEP: t.Comma,
        DEF: () => {
          patterns.push(this.string(this.CONSUME(t.Text)));
        },
      });
      return patterns;
    },
    passErrorsOn,
  );

  private readonly init: ParserMethod<[], SettingOf<'init'>> = this.RULE(
    'init',
    () => {
      const start = this.here();
      this.CONSUME(t.keyword.init);
      const path = this.SUBRULE(this.path);
      this.CONSUME(t.Equals);
      const value = this.SUBRULE(this.expression);
      return { kind: 'init' as const, path, value, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly table: ParserMethod<[], SettingOf<'table'>> = this.RULE(
    'table',
    () => {
      const start = this.here();
      this.CONSUME(t.keyword.table);
      const name = this.identifier(this.CONSUME(t.Name));
      this.CONSUME(t.Equals);
      const value = this.SUBRULE(this.expression);
      return { kind: 'table' as const, name, value, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly startFiles: ParserMethod<[], SettingOf<'from'>> = this.RULE(
    'startFiles',
    () => {
      const start = this.here();
      const files: ast.StartFile[] = [];
      this.CONSUME(t.keyword.from);
      this.CONSUME(t.LBrace);
      files.push(this.SUBRULE1(this.startFile));
      this.MANY(() => {
        this.CONSUME1(t.Comma);
        files.push(this.SUBRULE2(this.startFile));
      });
      this.OPTION(() => this.CONSUME2(t.Comma));
      this.CONSUME(t.RBrace);
      return { kind: 'from' as const, files, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly startFile: ParserMethod<[], ast.StartFile> = this.RULE(
    'startFile',
    () => {
      const start = this.here();
      const pattern = this.string(this.CONSUME1(t.Text));
      this.CONSUME(t.Equals);
      const weights = this.string(this.CONSUME2(t.Text));
      return { pattern, weights, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly checkpoint: ParserMethod<[], SettingOf<'checkpoint'>> = this.RULE(
    'checkpoint',
    () => {
      const start = this.here();
      let keep: ast.Expr | undefined;
      this.CONSUME(t.keyword.checkpoint);
      this.CONSUME(t.keyword.every);
      const every = this.SUBRULE1(this.pipeline);
      this.OPTION(() => {
        this.CONSUME(t.keyword.keep);
        keep = this.SUBRULE2(this.pipeline);
      });
      const span = this.since(start);
      return { kind: 'checkpoint' as const, every, ...(keep === undefined ? {} : { keep }), span };
    },
    passErrorsOn,
  );

  private readonly evaluate: ParserMethod<[], SettingOf<'evaluate'>> = this.RULE(
    'evaluate',
    () => {
      const start = this.here();
      let every: ast.Expr | undefined;
      this.CONSUME(t.keyword.evaluate);
      const what = this.SUBRULE1(this.pipeline);
      this.OPTION(() => {
        this.CONSUME(t.keyword.every);
        every = this.SUBRULE2(this.pipeline);
      });
      const span = this.since(start);
      return { kind: 'evaluate' as const, what, ...(every === undefined ? {} : { every }), span };
    },
    passErrorsOn,
  );

  readonly names: ParserMethod<[], ast.NamesDecl> = this.RULE(
    'names',
    () => {
      const start = this.here();
      const rules: ast.NameRule[] = [];
      this.CONSUME(t.keyword.names);
      const name = this.SUBRULE(this.anyName);
      this.CONSUME(t.keyword.for);
      const target = this.SUBRULE2(this.anyName);
      this.CONSUME(t.LBrace);
      this.MANY(() => {
        const rule = this.SUBRULE(this.nameRule);
        if (rule !== undefined) {
          rules.push(rule);
        }
      });
      this.CONSUME(t.RBrace);
      return { kind: 'names' as const, name, target, rules, span: this.since(start) };
    },
    passErrorsOn,
  );

  private readonly nameRule: ParserMethod<[], ast.NameRule | undefined> = this.RULE(
    'nameRule',
    () =>
      this.OR<ast.NameRule | undefined>([
        { ALT: () => this.mapping() },
        { ALT: () => this.skipStray('names', this.CONSUME(t.StrayRule)) },
      ]),
    recoverWithNothing,
  );

  /** `"ours" -> transpose "theirs"`. */
  private mapping(): ast.NameRule {
    const start = this.here();
    const transforms: ast.Expr[] = [];
    const from = this.string(this.CONSUME(t.StringLabel));
    this.CONSUME(t.Arrow);
    this.MANY(() => {
      transforms.push(this.SUBRULE(this.transform));
    });
    const to = this.string(this.CONSUME(t.StringLiteral));
    return { from, transforms, to, span: this.since(start) };
  }

  /** `transpose` or `split(0)`. */
  private readonly transform: ParserMethod<[], ast.Expr> = this.RULE(
    'transform',
    () => {
      const start = this.here();
      const token = this.CONSUME(t.Name);
      const callee: ast.NameExpr = { kind: 'name', text: token.image, span: this.builder.tokenSpan(token) };
      let args: ast.Argument[] | undefined;
      this.OPTION(() => {
        args = this.SUBRULE(this.callArguments);
      });
      return this.ACTION((): ast.Expr => {
        if (args === undefined) {
          return callee;
        }
        const values = args.map((argument) => argument.value);
        return this.builder.node({ kind: 'call', callee, args, span: this.since(start) }, ...values);
      });
    },
    passErrorsOn,
  );
}
