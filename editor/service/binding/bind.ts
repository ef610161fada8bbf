/** What every name in a file stands for, from its text and that of its imports: no value is computed. */
import { displayPath, ModuleLoader } from '../../../compiler/model/modules/imports.ts';
import type { ModuleHost } from '../../../compiler/model/types.ts';
import type { Module } from '../../../compiler/model/values/module.ts';
import { Session } from '../../../compiler/model/values/session.ts';
import type {
  BlockDecl,
  Callable,
  ChildMember,
  Expr,
  Identifier,
  ImportDecl,
  Item,
  NamesDecl,
  ParamDecl,
  Setting,
  TrainDecl,
} from '../../../grammar/ast.ts';
import { settingNamed } from '../settings.ts';
import type { Range } from '../types.ts';
import { ExpressionBinder } from './expressions.ts';
import { declaredBy, type Named, NameScope, type Occurrence, unknown } from './named.ts';
import { globalName, memberNamed, modelNamed, namedDeclaration, parameterNamed } from './things.ts';

export interface Binding {
  readonly module: Module;
  /** In order of their places. */
  readonly occurrences: readonly Occurrence[];
  /** Parts of the file with names of their own, outer ones first. */
  readonly scopes: readonly (Range & { readonly scope: NameScope })[];
}

export function bind(host: ModuleHost, path: string): Binding | undefined {
  const session = new Session();
  const loader = new ModuleLoader(host, session);
  const module = session.guard(() => loader.loadFile(path));
  return module && session.guard(() => bindModule(module));
}

/** The module that an import names. */
export function importedModule(
  module: Module,
  from: Pick<Identifier, 'text' | 'quoted'>,
): Module | undefined {
  if (!from.quoted) return module.loader.loadBundled(from.text);
  // What a host says of a damaged package is told where the file is checked.
  return new Session().guard(() => {
    const path = displayPath(from.text, module.file.path, module.loader.host);
    return path === undefined || !path.endsWith('.zoo') ? undefined : module.loader.loadFile(path);
  });
}

function bindModule(module: Module): Binding {
  const binder = new FileBinder(module);
  for (const item of module.program.imports) binder.import(item);
  for (const item of module.program.items) binder.item(item);
  const occurrences = binder.occurrences.sort((a, b) => a.name.span.start - b.name.span.start);
  return { module, occurrences, scopes: binder.scopes };
}

class FileBinder extends ExpressionBinder {
  readonly scopes: (Range & { scope: NameScope })[] = [];

  private open({ start, end }: Range, scope: NameScope): NameScope {
    this.scopes.push({ start, end, scope });
    return scope;
  }

  import(item: ImportDecl): void {
    const target = importedModule(this.module, item.from);
    if (target !== undefined)
      this.note(item.from, { kind: 'package', name: item.from.text, module: target, thing: unknown });
    for (const name of item.names) {
      const found = this.module.imports.get(name.text) ?? this.module.importedModels.get(name.text);
      const model = name.quoted ? this.module.importedModels.get(name.text) : undefined;
      const declared = model ?? found;
      if (declared !== undefined) this.note(name, namedDeclaration(declared), 'import');
    }
  }

  item(item: Item): void {
    const top = this.open(item.span, new NameScope());
    const { module } = this;
    switch (item.kind) {
      case 'block':
        this.note(item.name, namedDeclaration({ kind: 'block', decl: item, module }), 'declaration');
        this.block(item, top);
        return;
      case 'fn':
      case 'objective': {
        const declared =
          item.kind === 'fn'
            ? { kind: item.kind, decl: item, module }
            : { kind: item.kind, decl: item, module };
        this.note(item.name, namedDeclaration(declared), 'declaration');
        this.callable(item, top);
        return;
      }
      case 'model':
        this.note(item.name, namedDeclaration({ kind: 'model', decl: item, module }), 'declaration');
        this.params(item.params, top);
        this.model(item.value, top);
        return;
      case 'train':
        this.note(item.name, declaredBy('recipe', item.name, unknown, { node: item, module }), 'declaration');
        this.recipe(item, top);
        return;
      case 'names':
        this.names(item);
    }
  }

  private params(params: readonly ParamDecl[], scope: NameScope): void {
    for (const param of params) {
      this.type(param.type, scope);
      if (param.ids !== undefined) this.range(param.ids, scope);
      if (param.default !== undefined) this.expression(param.default, scope);
      this.declare(param.name, parameterNamed(param, this.module), scope);
    }
  }

  private block(block: BlockDecl, top: NameScope): void {
    this.params(block.params, top);
    const scope = this.open(block.span, new NameScope(top));
    for (const [i, member] of block.members.entries()) {
      const named = memberNamed(member, this.module);
      // A member that is being written may end early.
      const from = block.members[i + 1]?.span.start ?? block.span.end;
      switch (member.kind) {
        case 'require':
          this.expression(member.condition, scope);
          continue;
        case 'let':
          this.expression(member.value, scope);
          break;
        case 'weight':
          this.type(member.type, scope);
          if (member.init !== undefined) this.expression(member.init, scope);
          break;
        case 'child':
          this.child(member, scope, from);
          continue;
        case 'entry':
          if (named !== undefined) this.note(member.name, named, 'declaration');
          continue;
        case 'forward':
          continue;
      }
      if (named !== undefined) this.declare(member.name, { ...named, from }, scope);
    }
    // Bodies see every member, wherever it stands; an entry the forward as well.
    for (const member of block.members) {
      if (member.kind === 'forward') this.callable(member, scope);
      if (member.kind !== 'entry') continue;
      const inner = new NameScope(scope, true);
      const thing = { of: 'child', decl: block, module: this.module } as const;
      inner.bind({ kind: 'entry', name: 'forward', thing, module: this.module });
      if (member.when !== undefined) this.expression(member.when, scope);
      this.callable(member, inner);
    }
  }

  private child(member: ChildMember, scope: NameScope, from = member.span.end): void {
    if (member.when !== undefined) this.expression(member.when, scope);
    const inner = member.array === undefined ? scope : this.open(member.span, new NameScope(scope));
    if (member.array !== undefined) {
      const { index, range } = member.array;
      this.range(range, scope);
      this.declare(index, declaredBy('variable', index, { of: 'static' }, { module: this.module }), inner);
    }
    const named = memberNamed(member, this.module);
    if (member.value.kind === 'seq') {
      for (const part of member.value.children) this.child(part, new NameScope(inner));
    } else this.model(member.value, inner);
    if (named !== undefined) this.declare(member.name, { ...named, from }, scope);
  }

  private callable(callable: Callable, outer: NameScope): void {
    const scope = this.open(callable.span, new NameScope(outer, true));
    this.params(callable.params, scope);
    for (const item of callable.body.lets) {
      const thing = this.expression(item.value, scope);
      const { module } = this;
      const named = declaredBy('variable', item.name, thing, { node: item, module, from: item.span.end });
      this.declare(item.name, named, scope);
    }
    if (callable.result !== undefined) this.type(callable.result, scope);
    this.expression(callable.body.result, scope);
  }

  private recipe(recipe: TrainDecl, scope: NameScope): void {
    this.model(recipe.of, scope);
    if (recipe.from !== undefined) this.model(recipe.from, scope);
    for (const setting of recipe.settings) this.setting(setting, scope);
  }

  private setting(setting: Setting, scope: NameScope): void {
    if (setting.kind !== 'assign') {
      const word = setting.kind === 'rate' ? setting.rate : setting.kind;
      const { file, start } = setting.span;
      const span = { file, start, end: start + word.length };
      this.note({ text: word, span, quoted: false }, settingName(word));
    }
    switch (setting.kind) {
      case 'assign': {
        const { key, value } = setting;
        this.note(key, settingName(key.text));
        if (key.text === 'objective') this.expression(value, scope);
        else this.value(value, key.text, scope);
        return;
      }
      case 'clamp':
        this.weights(setting.path);
        this.range(setting.range, scope);
        return;
      case 'remat':
      case 'freeze':
        for (const pattern of setting.patterns) this.weights(pattern);
        return;
      case 'rate':
        for (const pattern of setting.patterns) this.weights(pattern);
        this.expression(setting.value, scope);
        return;
      case 'init':
        this.weights(setting.path);
        this.value(setting.value, 'init', scope);
        return;
      case 'table':
        this.value(setting.value, 'table', scope);
        return;
      case 'from':
        for (const { pattern } of setting.files) this.weights(pattern);
        return;
      case 'checkpoint':
        this.expression(setting.every, scope);
        if (setting.keep !== undefined) this.expression(setting.keep, scope);
        return;
      case 'evaluate':
        this.value(setting.what, 'evaluate', scope);
        if (setting.every !== undefined) this.expression(setting.every, scope);
    }
  }

  /** A setting's value: calls and words of its own, and numbers, which are expressions. */
  private value(expr: Expr, setting: string, scope: NameScope): void {
    switch (expr.kind) {
      case 'group':
        this.value(expr.inner, setting, scope);
        return;
      case 'list':
        for (const item of expr.items) this.value(item, setting, scope);
        return;
      case 'record':
        for (const { value } of expr.fields) this.value(value, setting, scope);
        return;
      case 'name':
        this.note(
          { text: expr.text, span: expr.span, quoted: false },
          settingName(`${setting}.${expr.text}`),
        );
        return;
      case 'call': {
        const { callee, args } = expr;
        if (callee.kind !== 'name' || !settingNamed(setting)?.calls.includes(callee.text)) {
          this.expression(expr, scope);
          return;
        }
        const path = `${setting}.${callee.text}`;
        this.note({ text: callee.text, span: callee.span, quoted: false }, settingName(path));
        for (const { name, value } of args) {
          if (name !== undefined) this.note(name, settingName(`${path}.${name.text}`));
          if (value.kind !== 'name' && value.kind !== 'binary') this.value(value, path, scope);
        }
        return;
      }
      default:
        this.expression(expr, scope);
    }
  }

  private names(item: NamesDecl): void {
    const target = item.target.quoted
      ? modelNamed(this.module, item.target.text)
      : globalName(this.module, item.target.text);
    this.note(item.target, target);
  }
}

/** By its path: `optimizer`, `optimizer.adamw`, `optimizer.adamw.lr`. */
function settingName(path: string): Named {
  return { kind: 'setting', name: path, thing: unknown };
}
