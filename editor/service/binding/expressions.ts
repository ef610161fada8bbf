/** Names within expressions and types: what each stands for, and what kind of value the whole is. */
import { pipedCall } from '../../../compiler/model/nodes/arguments.ts';
import type { Module } from '../../../compiler/model/values/module.ts';
import type {
  ArrowExpr,
  CallExpr,
  Expr,
  Identifier,
  ParamDecl,
  PathExpr,
  StringExpr,
  TypeExpr,
  WithExpr,
} from '../../../grammar/ast.ts';
import { declaredBy, type Named, NameScope, type Occurrence, type Thing, tensor, unknown } from './named.ts';
import {
  blockThing,
  calledThing,
  globalName,
  membersOf,
  modelNamed,
  parameterNamed,
  parametersOf,
} from './things.ts';

export class ExpressionBinder {
  readonly module: Module;
  readonly occurrences: Occurrence[] = [];

  constructor(module: Module) {
    this.module = module;
  }

  note(name: Occurrence['name'], named: Named | undefined, role: Occurrence['role'] = 'use'): void {
    if (named !== undefined && name.text !== '') this.occurrences.push({ name, named, role });
  }

  /** A name that is declared in a scope. */
  declare(name: Identifier, named: Named, scope: NameScope): void {
    scope.bind(named);
    this.note(name, named, 'declaration');
  }

  expression(expr: Expr, scope: NameScope): Thing {
    switch (expr.kind) {
      case 'name': {
        const named = scope.find(expr.text) ?? globalName(this.module, expr.text);
        this.note({ text: expr.text, span: expr.span, quoted: false }, named);
        return named?.thing ?? unknown;
      }
      case 'group':
        return this.expression(expr.inner, scope);
      case 'list':
        for (const item of expr.items) this.expression(item, scope);
        return { of: 'static' };
      case 'comprehension': {
        const inner = new NameScope(scope);
        this.range(expr.range, scope);
        this.declare(expr.index, declaredBy('variable', expr.index, { of: 'static' }), inner);
        this.expression(expr.item, inner);
        return unknown;
      }
      case 'record': {
        const fields = expr.fields.map(({ name, value }) => {
          const named = declaredBy('field', name, this.expression(value, scope), { module: this.module });
          this.note(name, named, 'declaration');
          return [name.text, named] as const;
        });
        return { of: 'record', fields: new Map(fields) };
      }
      case 'call':
        return this.call(expr, scope);
      case 'member':
        return this.member(this.expression(expr.object, scope), expr.member);
      case 'index': {
        const object = this.expression(expr.object, scope);
        for (const part of expr.subscripts) {
          if (part.kind !== 'slice') this.expression(part, scope);
          else for (const end of [part.start, part.end]) if (end !== undefined) this.expression(end, scope);
        }
        const cut = expr.subscripts.some((part) => part.kind === 'slice');
        return object.of === 'array' && !cut ? object.item : object;
      }
      case 'unary':
        return this.expression(expr.operand, scope);
      case 'binary':
        return mixed(this.expression(expr.left, scope), this.expression(expr.right, scope));
      case 'if':
        this.expression(expr.condition, scope);
        return mixed(this.expression(expr.then, scope), this.expression(expr.else, scope));
      case 'pipe':
        this.expression(expr.left, scope);
        return this.call(pipedCall(expr), scope);
      case 'elvis':
        return mixed(this.expression(expr.left, scope), this.expression(expr.right, scope));
      case 'with':
        return this.variant(expr, scope);
      case 'range':
        this.range(expr, scope);
        return unknown;
      case 'arrow':
        this.pattern(expr, scope);
        return unknown;
      case 'quantity':
        this.expression(expr.value, scope);
        return unknown;
      default:
        return unknown;
    }
  }

  range({ start, end }: { readonly start: Expr; readonly end: Expr }, scope: NameScope): void {
    this.expression(start, scope);
    this.expression(end, scope);
  }

  private pattern({ operands }: ArrowExpr, scope: NameScope): void {
    for (const { value } of operands) this.expression(value, scope);
  }

  private member(object: Thing, member: Identifier): Thing {
    const named = membersOf(object).get(member.text);
    this.note(member, named);
    if (named !== undefined) return named.thing;
    return object.of === 'tensor' ? tensor : unknown;
  }

  private call(expr: CallExpr, scope: NameScope): Thing {
    const callee = this.expression(expr.callee, scope);
    const params = parametersOf(callee);
    let position = 0;
    for (const { name, value } of expr.args) {
      const param =
        name === undefined ? params?.[position++] : params?.find((p) => p.name.text === name.text);
      if (name !== undefined) this.note(name, this.parameter(callee, param, name));
      if (takesBlock(param)) this.model(value, scope);
      else this.expression(value, scope);
    }
    return callee.of === 'block' ? (blockThing(expr, this.module) ?? callee) : calledThing(callee);
  }

  private parameter(callee: Thing, param: ParamDecl | undefined, name: Identifier): Named | undefined {
    if (param !== undefined && 'module' in callee) return parameterNamed(param, callee.module);
    const known = callee.of === 'builtin' && callee.builtin.parameters.some((p) => p.name === name.text);
    return known
      ? { kind: 'parameter', name: name.text, builtin: callee.builtin, thing: unknown }
      : undefined;
  }

  /** An expression where a block or model belongs: there a string is a model. */
  model(expr: Expr, scope: NameScope): Thing {
    if (expr.kind === 'group') return this.model(expr.inner, scope);
    if (expr.kind !== 'string') return this.expression(expr, scope);
    const named = modelNamed(this.module, expr.value);
    this.note({ text: expr.value, span: expr.span, quoted: true }, named);
    return named?.thing ?? unknown;
  }

  private variant(expr: WithExpr, scope: NameScope): Thing {
    const base = this.model(expr.base, scope);
    for (const change of expr.changes) {
      if (change.kind === 'override') this.overridden(base, expr.base, change.path.segments);
      else this.weights(change.pattern);
      this.expression(change.value, scope);
    }
    return base;
  }

  /** A path or pattern of weights or blocks. */
  weights(at: StringExpr | PathExpr): void {
    const text = at.kind === 'string' ? at.value : at.segments.map((s) => s.text).join('.');
    const quoted = at.kind === 'string';
    this.note({ text, span: at.span, quoted }, { kind: 'pattern', name: text, thing: unknown });
  }

  /** `vision.layers`: a parameter of the model or its block, then of the block that this was given. */
  private overridden(base: Thing, expr: Expr, [first, ...more]: readonly Identifier[]): void {
    if (first === undefined) return;
    if (base.of === 'model') {
      const own = base.decl.params.find((p) => p.name.text === first.text);
      if (own !== undefined) {
        this.note(first, parameterNamed(own, base.module));
        return;
      }
    }
    let block = blockThing(expr, this.module);
    for (const segment of [first, ...more]) {
      if (block?.of !== 'block') return;
      const param = block.decl.params.find((p) => p.name.text === segment.text);
      if (param === undefined) return;
      this.note(segment, parameterNamed(param, block.module));
      const given = block.given.get(segment.text);
      block = given && blockThing(given.expr, given.module);
    }
  }

  // ── types ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Names in a type; capitalised ones that nothing binds are dimension variables from here on. */
  type(type: TypeExpr, scope: NameScope): void {
    if (type.kind === 'record-type') {
      for (const field of type.fields) {
        this.note(
          field.name,
          declaredBy('field', field.name, unknown, { module: this.module }),
          'declaration',
        );
        this.type(field.type, scope);
      }
    } else if (type.kind === 'static-type') {
      this.note({ text: type.name, span: type.span, quoted: false }, builtinType(type.name));
    } else if (type.kind === 'member-type') {
      this.note(type.object, scope.find(type.object.text));
    } else if (type.kind === 'tensor-type') {
      if (type.element !== undefined) this.note(type.element, builtinType(type.element.text));
      for (const dim of type.dims) {
        if (dim.kind === 'ellipsis') continue;
        if (dim.kind === 'name' && /^[A-Z]/.test(dim.text) && scope.find(dim.text) === undefined) {
          const name: Identifier = { text: dim.text, span: dim.span, quoted: false };
          this.declare(name, declaredBy('dimension', name, { of: 'static' }, { module: this.module }), scope);
        } else this.expression(dim, scope);
      }
    }
  }
}

function builtinType(name: string): Named {
  return { kind: 'type', name, thing: unknown };
}

function takesBlock(param: ParamDecl | undefined): boolean {
  return param?.type.kind === 'static-type' && param.type.name === 'block';
}

/** Of a value that is one or the other, or is made from both. */
function mixed(a: Thing, b: Thing): Thing {
  if (a.of === b.of) return a;
  return a.of === 'tensor' || b.of === 'tensor' ? tensor : unknown;
}
