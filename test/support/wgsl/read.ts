/**
 * Reads the WGSL that kernels are written in: one entry point, helper functions, workgroup variables, storage bindings.
 *
 * A recursive descent over the part of the language that the compiler prints; anything else is an error, so that nothing is
 * run otherwise than it says.
 */
import {
  type Expr,
  type Fn,
  type Module,
  type Param,
  type ScalarType,
  type Stmt,
  scalar,
  type Type,
} from './syntax.ts';

const token =
  /\s+|\/\/[^\n]*|(0x[0-9a-fA-F]+[ui]?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fhui]?)|([A-Za-z_]\w*)|(->|\+\+|--|&&|\|\||<<=|>>=|<<|>>|[-+*/%&|^<>=!]=|[-+*/%&|^<>=!~(){}[\],;:.@])/gy;

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const start = token.lastIndex;
    const found = token.exec(text);
    if (found === null) throw new Error(`WGSL: cannot read ${JSON.stringify(text.slice(start, start + 30))}`);
    if (found[1] ?? found[2] ?? found[3]) tokens.push(found[0]);
  }
  return tokens;
}

const precedences: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<', '>', '<=', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];
const scalars = ['f32', 'f16', 'i32', 'u32', 'bool'];
const assignments = ['=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>='];

export class Reader {
  readonly #tokens: string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  module(): Module {
    const bindings: { name: string; type: Type; binding: number }[] = [];
    const shared: { name: string; type: Type }[] = [];
    const functions: Fn[] = [];
    let entry: Fn | undefined;
    let workgroupSize = 0;
    while (this.#at < this.#tokens.length) {
      if (this.#accept('enable')) {
        while (!this.#accept(';')) this.#at++;
        continue;
      }
      const attributes = this.#attributes();
      if (this.#accept('var')) {
        this.#expect('<');
        const space = this.#next();
        while (!this.#accept('>')) this.#at++;
        const variable = { name: this.#next(), type: this.#typed() };
        this.#expect(';');
        if (space === 'workgroup') shared.push(variable);
        else bindings.push({ ...variable, binding: Number(attributes.get('binding')) });
      } else {
        const fn = this.#function();
        if (attributes.has('compute')) {
          entry = fn;
          workgroupSize = Number(attributes.get('workgroup_size'));
        } else functions.push(fn);
      }
    }
    if (entry === undefined || !(workgroupSize > 0))
      throw new Error('WGSL: no entry point with one workgroup size');
    return { bindings, shared, functions, entry, workgroupSize };
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #next(): string {
    return this.#tokens[this.#at++] ?? '';
  }

  #accept(text: string): boolean {
    if (this.#tokens[this.#at] !== text) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    const found = this.#next();
    if (found !== text)
      throw new Error(
        `WGSL: wanted ${text}, found ${found} in ${this.#tokens.slice(this.#at - 8, this.#at + 8).join(' ')}`,
      );
  }

  /** Closes a list of template arguments, whose end may have been read as part of a shift. */
  #close(): void {
    if (this.#peek() === '>>') {
      this.#tokens[this.#at] = '>';
      return;
    }
    this.#expect('>');
  }

  #attributes(): Map<string, string> {
    const found = new Map<string, string>();
    while (this.#accept('@')) {
      const name = this.#next();
      const words: string[] = [];
      if (this.#accept('(')) while (!this.#accept(')')) words.push(this.#next());
      found.set(name, words.join(' '));
    }
    return found;
  }

  #typed(): Type {
    this.#expect(':');
    return this.#type();
  }

  #type(): Type {
    const name = this.#next();
    if (scalars.includes(name)) return scalar(name as ScalarType['name']);
    const vector = /^vec([234])([fuih]?)$/.exec(name);
    if (vector) {
      const short = { f: 'f32', u: 'u32', i: 'i32', h: 'f16' }[vector[2]!];
      return { kind: 'vec', size: Number(vector[1]), of: short ? scalar(short as 'f32') : this.#element() };
    }
    if (name === 'array') {
      this.#expect('<');
      const of = this.#type();
      const length = this.#accept(',') ? Number.parseInt(this.#next(), 10) : undefined;
      this.#close();
      return { kind: 'array', of, length };
    }
    const matrix = /^subgroup_matrix_(left|right|result)$/.exec(name);
    if (!matrix) throw new Error(`WGSL: no type ${name}`);
    this.#expect('<');
    const of = this.#type() as ScalarType;
    this.#expect(',');
    const columns = Number(this.#next());
    this.#expect(',');
    const rows = Number(this.#next());
    this.#close();
    return { kind: 'matrix', side: matrix[1] as 'left', of, columns, rows };
  }

  #element(): ScalarType {
    this.#expect('<');
    const of = this.#type();
    this.#close();
    return of as ScalarType;
  }

  #function(): Fn {
    this.#expect('fn');
    const name = this.#next();
    this.#expect('(');
    const params: Param[] = [];
    while (!this.#accept(')')) {
      const builtin = this.#attributes().get('builtin');
      params.push({ name: this.#next(), type: this.#typed(), ...(builtin === undefined ? {} : { builtin }) });
      this.#accept(',');
    }
    const result = this.#accept('->') ? this.#type() : undefined;
    const body = this.#block();
    return { name, params, body, ...(result ? { result } : {}) };
  }

  #block(): Stmt[] {
    this.#expect('{');
    const body: Stmt[] = [];
    while (!this.#accept('}')) body.push(this.#statement());
    return body;
  }

  #statement(): Stmt {
    const word = this.#peek();
    if (word === '{') return { kind: 'block', body: this.#block() };
    if (word === 'if') return this.#if();
    if (word === 'for') return this.#for();
    const simple = this.#simple();
    this.#expect(';');
    return simple;
  }

  #if(): Stmt {
    this.#expect('if');
    const condition = this.expression();
    const then = this.#block();
    if (!this.#accept('else')) return { kind: 'if', condition, then };
    return { kind: 'if', condition, then, else: this.#peek() === 'if' ? [this.#if()] : this.#block() };
  }

  #for(): Stmt {
    this.#expect('for');
    this.#expect('(');
    const init = this.#peek() === ';' ? {} : { init: this.#simple() };
    this.#expect(';');
    const condition = this.#peek() === ';' ? {} : { condition: this.expression() };
    this.#expect(';');
    const update = this.#peek() === ')' ? {} : { update: this.#simple() };
    this.#expect(')');
    return { kind: 'for', ...init, ...condition, ...update, body: this.#block() };
  }

  /** Statements that end with a semicolon. */
  #simple(): Stmt {
    const word = this.#peek();
    if (word === 'break' || word === 'continue') {
      this.#at++;
      return { kind: word };
    }
    if (this.#accept('return'))
      return this.#peek() === ';' ? { kind: 'return' } : { kind: 'return', value: this.expression() };
    if (word === 'let' || word === 'var' || word === 'const') {
      this.#at++;
      const name = this.#next();
      const type = this.#peek() === ':' ? { type: this.#typed() } : {};
      const value = this.#accept('=') ? { value: this.expression() } : {};
      return { kind: 'declare', name, mutable: word === 'var', ...type, ...value };
    }
    const target = this.#postfix();
    const one: Expr = { kind: 'number', value: 1, type: scalar('int') };
    if (this.#accept('++')) return { kind: 'assign', target, op: '+', value: one };
    if (this.#accept('--')) return { kind: 'assign', target, op: '-', value: one };
    if (!assignments.includes(this.#peek())) return { kind: 'call', call: target };
    return { kind: 'assign', target, op: this.#next().slice(0, -1), value: this.expression() };
  }

  expression(level = 0): Expr {
    if (level === precedences.length) return this.#unary();
    let a = this.expression(level + 1);
    while (precedences[level]!.includes(this.#peek()))
      a = { kind: 'binary', op: this.#next(), a, b: this.expression(level + 1) };
    return a;
  }

  #unary(): Expr {
    const op = this.#peek();
    if (!['-', '!', '~', '&'].includes(op)) return this.#postfix();
    this.#at++;
    return op === '&' ? this.#unary() : { kind: 'unary', op, x: this.#unary() };
  }

  #postfix(): Expr {
    let x = this.#primary();
    for (;;) {
      if (this.#accept('[')) {
        x = { kind: 'index', object: x, index: this.expression() };
        this.#expect(']');
      } else if (this.#accept('.')) x = { kind: 'member', object: x, member: this.#next() };
      else return x;
    }
  }

  #args(): Expr[] {
    this.#expect('(');
    const args: Expr[] = [];
    while (!this.#accept(')')) {
      args.push(this.expression());
      this.#accept(',');
    }
    return args;
  }

  #primary(): Expr {
    const word = this.#peek();
    if (this.#accept('(')) {
      const inner = this.expression();
      this.#expect(')');
      return inner;
    }
    if (/^[\d.]/.test(word)) {
      this.#at++;
      return numberOf(word);
    }
    if (word === 'true' || word === 'false') {
      this.#at++;
      return { kind: 'bool', value: word === 'true' };
    }
    if (word === 'subgroupMatrixLoad' || word === 'subgroupMatrixStore') {
      this.#at++;
      this.#expect('<');
      const type = word === 'subgroupMatrixLoad' ? this.#type() : undefined;
      if (type) this.#expect(',');
      const order = this.#next();
      this.#close();
      const args = this.#args();
      return type ? { kind: 'load-matrix', type, order, args } : { kind: 'store-matrix', order, args };
    }
    if (scalars.includes(word) || /^(vec[234][fuih]?|array|subgroup_matrix_\w+)$/.test(word)) {
      const type = this.#type();
      return { kind: 'make', type, args: this.#args() };
    }
    this.#at++;
    if (word === 'bitcast') {
      this.#expect('<');
      const type = this.#type();
      this.#close();
      const of = type.kind === 'vec' ? type.of : type;
      if (of.kind !== 'scalar') throw new Error(`WGSL: bits as a ${of.kind}`);
      return { kind: 'call', name: `bitcast ${of.name}`, args: this.#args() };
    }
    return this.#peek() === '('
      ? { kind: 'call', name: word, args: this.#args() }
      : { kind: 'name', name: word };
  }
}

function numberOf(word: string): Expr {
  const suffix = /^0x/.test(word) ? /[ui]$/.exec(word)?.[0] : /[fhui]$/.exec(word)?.[0];
  const text = suffix === undefined ? word : word.slice(0, -1);
  const value = Number(text);
  const whole = suffix === 'u' || suffix === 'i';
  if (Number.isNaN(value) || (whole && !Number.isInteger(value)) || (whole && text.includes('.')))
    throw new Error(`WGSL: no number ${word}`);
  const types = { f: 'f32', h: 'f16', u: 'u32', i: 'i32' } as const;
  if (suffix) return { kind: 'number', value, type: scalar(types[suffix as 'f']) };
  // Without a suffix a number takes the type of what it meets.
  return { kind: 'number', value, type: scalar(/[.e]/i.test(text) && !/^0x/.test(text) ? 'float' : 'int') };
}
