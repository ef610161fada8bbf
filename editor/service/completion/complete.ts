/** What can be written at a place. */
import type { IToken } from 'chevrotain';
import type { Module } from '../../../compiler/model/values/module.ts';
import type { Expr, ParamDecl } from '../../../grammar/ast.ts';
import { parseExpression } from '../../../grammar/parser.ts';
import * as t from '../../../grammar/tokens.ts';
import type { Binding } from '../binding/bind.ts';
import { ExpressionBinder } from '../binding/expressions.ts';
import type { NameScope, Thing } from '../binding/named.ts';
import { blockThing, membersOf, parametersOf } from '../binding/things.ts';
import { instanceOf } from '../elaborated.ts';
import { builtinParameters, parameterText } from '../heads.ts';
import { scopeAt } from '../places.ts';
import { endOf, isKeyword, isName } from '../tokens.ts';
import type { CompletionItem, CompletionList } from '../types.ts';
import type { Syntax, Workspace } from '../workspace.ts';
import {
  type Call,
  callAt,
  declarationStart,
  namedBehind,
  operandStart,
  type Place,
  placeAt,
} from './context.ts';
import { importItems } from './imports.ts';
import { distinct, globalItems, itemOf, keywordItem, modelItems, scopeItems } from './items.ts';
import { patternItems } from './paths.ts';
import { recipeItems } from './recipes.ts';

export function complete(workspace: Workspace, path: string, offset: number): CompletionList {
  const none: CompletionList = { start: offset, end: offset, items: [] };
  const syntax = workspace.syntax(path);
  const binding = workspace.binding(path);
  if (syntax === undefined || binding === undefined) return none;
  const place = placeAt(syntax.lexed, syntax.file.text, offset);
  if (place === undefined) return none;
  const { start, end } = place;
  return { start, end, items: distinct(new Completer(syntax, binding, place, workspace.documents).items()) };
}

const operandWords = ['if', 'not', 'true', 'false'];
const memberWords = ['param', 'buffer', 'let', 'require', 'forward', 'entry', 'inline'];
const bodyWords = ['let', 'return'];
const typeNames = ['int', 'float', 'bool', 'string', 'fn', 'block', 'i32'];

/** A call with what is known of its callee. */
export interface CalledPlace extends Call {
  readonly callee: Thing;
  /** A pipe gives the first argument. */
  readonly piped: boolean;
}

/** Values of texts that stand in a file, as its own expressions mean them. */
export class TextReader {
  readonly syntax: Syntax;
  readonly binding: Binding;
  readonly place: Place;

  constructor(syntax: Syntax, binding: Binding, place: Place) {
    this.syntax = syntax;
    this.binding = binding;
    this.place = place;
  }

  get module(): Module {
    return this.binding.module;
  }

  get scope(): NameScope {
    return scopeAt(this.binding, this.place.start);
  }

  /** The expression of some tokens in front of the place. */
  read(from: number, to: number): Expr | undefined {
    const [first, last] = [this.place.before[from], this.place.before[to - 1]];
    if (first === undefined || last === undefined || to <= from) return undefined;
    const text = this.syntax.file.text.slice(first.startOffset, endOf(last));
    return parseExpression({ path: this.syntax.file.path, text }).expression;
  }

  /** What stands in front of the token with this index. */
  operandBefore(end: number): { readonly expr: Expr; readonly start: number } | undefined {
    const start = operandStart(this.place.before, end);
    const expr = this.read(start, end);
    return expr === undefined ? undefined : { expr, start };
  }

  thing(expr: Expr): Thing {
    return new ExpressionBinder(this.module).model(expr, this.scope);
  }

  call(): CalledPlace | undefined {
    const call = callAt(this.place);
    if (call === undefined) return undefined;
    const operand = this.operandBefore(call.opener);
    if (operand === undefined) return undefined;
    const { before } = this.place;
    // `fn f(`, `block B(`: a list of parameters that are declared.
    const word = before[operand.start - 1];
    if (isKeyword(word) && declaring.includes(word!.image)) return undefined;
    const piped = word?.tokenType === t.Pipe;
    return { ...call, callee: this.thing(operand.expr), piped };
  }
}

const declaring = ['block', 'fn', 'objective', 'model', 'entry'];

class Completer extends TextReader {
  /** Paths of files that can be imported. */
  readonly #files: readonly string[];

  constructor(syntax: Syntax, binding: Binding, place: Place, files: readonly string[]) {
    super(syntax, binding, place);
    this.#files = files;
  }

  items(): CompletionItem[] {
    const { place, module, syntax } = this;
    const { before, open, string } = place;
    const start = declarationStart(place, syntax.file.text);
    const word = start === undefined ? undefined : before[start]!.image;
    if (start !== undefined && word === 'import' && !this.closedImport(start))
      return importItems(place, start, module, syntax.lexed, this.#files);
    if (word === 'package' && before.length - 1 === start) return [];
    if (open.length === 0 && string === undefined && this.beginsDeclaration(start))
      return t.declarationWords.map(keywordItem);
    if (start !== undefined && word === 'train') {
      const found = recipeItems({ place, module, text: syntax.file.text, start });
      if (found !== undefined) return found;
    }
    const changes = this.changes();
    if (changes !== undefined) return changes;
    if (string !== undefined) return this.takesModel() ? modelItems(module, true) : [];
    if (before.at(-1)?.tokenType === t.Dot) return this.members();
    return this.expressions(word);
  }

  /** Whether the last import is closed, and something else begins. */
  private closedImport(start: number): boolean {
    const { before } = this.place;
    return before.slice(start).some((token) => token.tokenType === t.RBrace) && this.startsLine();
  }

  private startsLine(): boolean {
    const { text } = this.syntax.file;
    const line = text.lastIndexOf('\n', this.place.start - 1) + 1;
    return text.slice(line, this.place.start).trim() === '';
  }

  private beginsDeclaration(start: number | undefined): boolean {
    const { before } = this.place;
    const last = before.at(-1);
    if (last === undefined || start === undefined) return true;
    const head = before[start]!.image;
    if (head === 'package') return true;
    return this.startsLine() && (last.tokenType === t.RBrace || last.tokenType === t.RParen);
  }

  // ── `with` ───────────────────────────────────────────────────────────────────────────────────────────────

  /** What a `with` in front of the place can change: parameters, or blocks by pattern. */
  private changes(): CompletionItem[] | undefined {
    const { before, open, string } = this.place;
    const word = before.findLastIndex(
      (token, i) => isKeyword(token) && token.image === 'with' && i > (open.at(-1) ?? -1),
    );
    if (word < 0) return undefined;
    const segments = segmentsBefore(before);
    const mark = before[before.length - 1 - 2 * segments.length];
    if (mark !== before[word] && mark?.tokenType !== t.Comma) return undefined;
    const base = this.operandBefore(word)?.expr;
    if (base === undefined) return [];
    if (string !== undefined) {
      const root = instanceOf(base, this.module);
      return root === undefined ? [] : patternItems(root, string, 'blocks');
    }
    return parameterItems(this.varied(base, segments)).map((item) => ({ ...item, insert: item.label }));
  }

  private varied(base: Expr, segments: readonly string[]): ParamDecl[] {
    const thing = this.thing(base);
    const own = thing.of === 'model' && segments.length === 0 ? thing.decl.params : [];
    let block = blockThing(base, this.module);
    for (const segment of segments) {
      const given = block?.of === 'block' ? block.given.get(segment) : undefined;
      block = given && blockThing(given.expr, given.module);
    }
    return [...own, ...(block?.of === 'block' ? block.decl.params : [])];
  }

  // ── members and names ────────────────────────────────────────────────────────────────────────────────────

  private members(): CompletionItem[] {
    const operand = this.operandBefore(this.place.before.length - 1);
    if (operand === undefined) return [];
    const thing = this.thing(operand.expr);
    const members = [...membersOf(thing).values()].map(itemOf);
    if (thing.of === 'tensor') return [{ label: 'T', kind: 'field', detail: 'the transpose of a matrix' }];
    const name = operand.expr.kind === 'name' ? this.scope.find(operand.expr.text) : undefined;
    const input =
      name?.kind === 'parameter' && this.place.before.at(operand.start - 1)?.tokenType === t.Colon;
    return input ? [{ label: 'input', kind: 'type', detail: 'the type of what the block takes' }] : members;
  }

  /** Whether a string here would be a model. */
  private takesModel(): boolean {
    const { before, open } = this.place;
    const last = before.at(-1);
    if (isKeyword(last) && ['of', 'from'].includes(last!.image)) return true;
    if (last?.tokenType === t.Colon && before[open.at(-1) ?? 0]?.tokenType === t.LBrace) return true;
    if (last?.tokenType === t.Equals && open.length === 0) return true;
    return isBlock(this.argument(this.call()));
  }

  /** The parameter that the argument at the place is for. */
  private argument(call: CalledPlace | undefined): ParamDecl | undefined {
    const params = call && parametersOf(call.callee);
    if (call === undefined || params === undefined) return undefined;
    if (call.writing !== undefined) return params.find((p) => p.name.text === call.writing);
    return params[call.positional + (call.piped ? 1 : 0)];
  }

  private expressions(word: string | undefined): CompletionItem[] {
    const { before, open, start } = this.place;
    const { module } = this;
    const last = before.at(-1);
    const bracket = before[open.at(-1) ?? -1]?.tokenType;
    const call = this.call();
    if (last?.tokenType === t.Colon && bracket === t.LParen && call === undefined)
      return typeNames.map((label): CompletionItem => ({ label, kind: 'type' }));
    const names = [...scopeItems(this.scope, start), ...globalItems(module)];
    if (bracket === t.LBrace && this.startsLine() && last?.tokenType !== t.Equals) {
      if (word === 'block' && open.length === 1) return memberWords.map(keywordItem);
      if (open.length === 2 || word === 'fn' || word === 'objective')
        return [...bodyWords.map(keywordItem), ...names];
    }
    const models = this.takesModel() ? modelItems(module, false) : [];
    const writing = this.argument(call);
    const arguments_ = call === undefined || call.writing !== undefined ? [] : this.argumentItems(call);
    const words = call?.writing !== undefined && isBool(writing) ? ['true', 'false'] : [];
    return [
      ...arguments_,
      ...words.map(keywordItem),
      ...(isBlock(writing) ? names.filter(({ kind }) => kind === 'block') : []),
      ...models,
      ...names,
      ...operandWords.map(keywordItem),
    ];
  }

  /** Parameters of what is called that have no argument yet. */
  private argumentItems(call: CalledPlace): CompletionItem[] {
    const behind = namedBehind(this.syntax.lexed.tokens, this.place.end);
    const given = new Set([...call.named, ...behind]);
    const positional = call.positional + (call.piped ? 1 : 0);
    const { callee } = call;
    if (callee.of === 'builtin') {
      const open = builtinParameters(callee.builtin).slice(callee.builtin.variadic === true ? 1 : positional);
      return open
        .filter(({ name }) => !given.has(name))
        .map(({ name, text }) => ({ label: name, kind: 'parameter', detail: text, insert: `${name} = ` }));
    }
    const taken = callee.of === 'block' ? callee.given : new Map<string, unknown>();
    const params = (parametersOf(callee) ?? []).filter((p) => !taken.has(p.name.text));
    return parameterItems(params.slice(positional).filter((p) => !given.has(p.name.text)));
  }
}

function parameterItems(params: readonly ParamDecl[]): CompletionItem[] {
  return params.map((param) => ({
    label: param.name.text,
    kind: 'parameter',
    detail: parameterText(param),
    insert: `${param.name.text} = `,
  }));
}

function isBlock(param: ParamDecl | undefined): boolean {
  return param?.type.kind === 'static-type' && param.type.name === 'block';
}

function isBool(param: ParamDecl | undefined): boolean {
  return param?.type.kind === 'static-type' && param.type.name === 'bool';
}

/** `vision.` in front of the place, as segments. */
function segmentsBefore(before: readonly IToken[]): string[] {
  const segments: string[] = [];
  for (let i = before.length - 1; before[i]?.tokenType === t.Dot && isName(before[i - 1]); i -= 2)
    segments.unshift(before[i - 1]!.image);
  return segments;
}
