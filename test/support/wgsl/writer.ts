/**
 * What one invocation of a kernel does, as JavaScript statements.
 *
 * Vectors are held as one variable for each component. Loads outside of a binding give `undefined`, which no arithmetic survives;
 * stores there are errors. Matrices of a subgroup are held by its first invocation, `null` by the others.
 */
import { type Expr, type Module, type Stmt, scalar, type Type } from './syntax.ts';
import {
  binary,
  builtin,
  concrete,
  convert,
  converted,
  elementOf,
  literal,
  unary,
  unified,
  type Value,
} from './values.ts';

/** An array that expressions index: a binding, shared memory, or an invocation's own. */
export interface Memory {
  readonly js: string;
  readonly of: Type;
  /** Halves in storage are bits. */
  readonly bits: boolean;
}

export type Entry = { readonly value: Value } | { readonly memory: Memory };

const swizzles = ['xyzw', 'rgba'];

export class Writer {
  protected readonly module: Module;
  protected readonly subgroup: number;
  protected lines: string[] = [];
  readonly #scopes: Map<string, Entry>[] = [new Map()];
  #names = 0;
  /** Of blocks within blocks. */
  protected depth = 0;
  /** Loops around what is written. */
  protected loops = 0;
  /** What ends an invocation's part of a statement. */
  protected leave = 'return';

  constructor(module: Module, subgroup: number) {
    this.module = module;
    this.subgroup = subgroup;
  }

  protected within(work: () => void): void {
    this.#scopes.push(new Map());
    work();
    this.#scopes.pop();
  }

  /** The lines that `work` writes, kept apart. */
  protected apart(work: () => unknown): string[] {
    const outer = this.lines;
    this.lines = [];
    work();
    const own = this.lines;
    this.lines = outer;
    return own;
  }

  protected declare(name: string, entry: Entry): void {
    this.#scopes.at(-1)!.set(name, entry);
  }

  #lookup(name: string): Entry {
    for (const scope of this.#scopes.toReversed()) {
      const found = scope.get(name);
      if (found !== undefined) return found;
    }
    throw new Error(`WGSL: nothing is called ${name}`);
  }

  protected fresh(name = 't'): string {
    return `${name}$${this.#names++}`;
  }

  /** Names that hold a value's components, evaluated once. */
  #held(value: Value): Value {
    const parts = value.parts.map((part) => {
      if (/^[\w$.()-]*$/.test(part) && !part.includes('[') && !/[a-zA-Z]\(/.test(part)) return part;
      const name = this.fresh();
      this.lines.push(`const ${name} = ${part};`);
      return name;
    });
    return { type: value.type, parts };
  }

  #body(body: readonly Stmt[]): void {
    this.depth++;
    this.within(() => {
      for (const statement of body) this.statement(statement);
    });
    this.depth--;
  }

  /** Where a variable lives: in JavaScript variables of its own, which are declared by a word; or elsewhere, without. */
  protected variable(name: string, type: Type): { readonly parts: string[]; readonly declared: boolean } {
    return { parts: names(this.fresh(name), type), declared: true };
  }

  /** An array of an invocation's own, as zeros. */
  protected ownArray(name: string, type: Type): string {
    const js = this.fresh(name);
    this.lines.push(`const ${js} = ${arrayText(type)};`);
    return js;
  }

  #block(body: readonly Stmt[], head = ''): void {
    this.lines.push(`${head}{`);
    this.#body(body);
    this.lines.push('}');
  }

  protected statement(s: Stmt): void {
    if (s.kind === 'block') this.#block(s.body);
    else if (s.kind === 'declare') this.declaration(s);
    else if (s.kind === 'assign') this.#assignment(s);
    else if (s.kind === 'call') this.callStatement(s.call);
    else if (s.kind === 'for') this.for(s);
    else if (s.kind === 'break' || s.kind === 'continue') this.lines.push(`${s.kind};`);
    else if (s.kind === 'if') this.if(s);
    else if (s.value === undefined) this.lines.push(`${this.leave};`);
    else this.lines.push(`return [${this.value(s.value).parts.join(', ')}];`);
  }

  protected if(s: Extract<Stmt, { kind: 'if' }>): void {
    this.#block(s.then, `if (${this.value(s.condition).parts[0]}) `);
    if (s.else) this.#block(s.else, 'else ');
  }

  protected declaration({ name, mutable, type: given, value }: Extract<Stmt, { kind: 'declare' }>): void {
    if (given?.kind === 'array') {
      this.declare(name, { memory: memoryOf(this.ownArray(name, given), given, false) });
      return;
    }
    const made = value ? this.value(value) : this.zero(given!);
    const type = given ?? concrete(made.type);
    if (type.kind === 'matrix' && !value && this.loops > 0)
      throw new Error(
        `WGSL: ${name} has no value, and Dawn clears such a matrix once, not in each turn of a loop`,
      );
    const typed = type.kind === 'matrix' ? made : converted(made, elementOf(type));
    const { parts: js, declared } = this.variable(name, type);
    const word = declared ? (mutable ? 'let ' : 'const ') : '';
    this.lines.push(js.map((n, i) => `${word}${n} = ${typed.parts[i] ?? typed.parts[0]};`).join(' '));
    this.declare(name, { value: { type, parts: js } });
  }

  #assignment({ target, op, value }: Extract<Stmt, { kind: 'assign' }>): void {
    const made = op === '' ? this.value(value) : binary(op, this.value(target), this.value(value));
    const memory = this.#memoryOf(target);
    if (memory) {
      this.#store(memory.memory, memory.index, made);
      return;
    }
    const place = this.value(target);
    const typed =
      place.type.kind === 'matrix' ? made : converted(unifiedTo(made, place), elementOf(place.type));
    const held = typed.parts.length > 1 ? this.#held(typed) : typed;
    this.lines.push(place.parts.map((part, i) => `${part} = ${held.parts[i]};`).join(' '));
  }

  #store(memory: Memory, index: Expr, value: Value): void {
    const size = memory.of.kind === 'vec' ? memory.of.size : 1;
    const of = elementOf(memory.of);
    const shaped = size > 1 ? (unified([this.zero(memory.of), value])[1] as Value) : value;
    const typed = this.#held(converted(shaped, of));
    const at = this.fresh();
    this.lines.push(`const ${at} = inside(${this.#index(index)}, ${memory.js}.length / ${size}) * ${size};`);
    const stored = (part: string) => (memory.bits && of.name === 'f16' ? `narrow(${part})` : part);
    this.lines.push(typed.parts.map((part, i) => `${memory.js}[${at} + ${i}] = ${stored(part)};`).join(' '));
  }

  #index(index: Expr): string {
    return this.value(index).parts[0]!;
  }

  #memoryOf(e: Expr): { memory: Memory; index: Expr } | undefined {
    if (e.kind !== 'index' || e.object.kind !== 'name') return undefined;
    const entry = this.#lookup(e.object.name);
    return 'memory' in entry ? { memory: entry.memory, index: e.index } : undefined;
  }

  protected for({ init, condition, update, body }: Extract<Stmt, { kind: 'for' }>): void {
    this.lines.push('{');
    this.depth++;
    this.loops++;
    this.within(() => {
      if (init) this.statement(init);
      const head = this.loopHead(condition, update);
      this.lines.push(...head);
      this.#body(body);
      this.lines.push('}');
    });
    this.depth--;
    this.loops--;
    this.lines.push('}');
  }

  /** `for (...) {`, and what ends the loop where its condition takes statements. */
  protected loopHead(condition: Expr | undefined, update: Stmt | undefined): string[] {
    const step = this.apart(() => update && this.statement(update));
    if (step.length > 1) throw new Error('WGSL: a loop whose step takes several statements');
    let test: string | undefined = 'true';
    const before = this.apart(() => {
      if (condition) test = this.value(condition).parts[0];
    });
    const stepText = (step[0] ?? '').replace(/;$/, '');
    if (before.length === 0) return [`for (; ${test}; ${stepText}) {`];
    return [`for (; ; ${stepText}) {`, ...before, `if (!(${test})) break;`];
  }

  protected callStatement(call: Expr): void {
    if (call.kind === 'store-matrix') {
      const [tile, at, matrix, stride] = call.args as [Expr, Expr, Expr, Expr];
      const memory = this.#shared(tile);
      const { type, parts } = this.value(matrix);
      if (type.kind !== 'matrix') throw new Error('WGSL: only matrices are stored so');
      this.lines.push(
        `if (${parts[0]} !== null) storeMatrix(${memory.js}, ${this.#scaled(memory, at)}, ${this.#scaled(memory, stride)}, ${call.order === 'row_major'}, ${parts[0]}, ${type.rows}, ${type.columns});`,
      );
    } else if (call.kind !== 'call') throw new Error('WGSL: a statement that does nothing');
    else this.called(call);
  }

  #shared(e: Expr): Memory {
    const entry = e.kind === 'name' ? this.#lookup(e.name) : undefined;
    if (entry === undefined || !('memory' in entry)) throw new Error('WGSL: no memory to load a matrix from');
    return entry.memory;
  }

  /** A place or a stride in scalars. */
  #scaled({ of }: Memory, e: Expr): string {
    return `${this.#index(e)} * ${of.kind === 'vec' ? of.size : 1}`;
  }

  /** A call of a function of the module. */
  protected called({ name, args }: Extract<Expr, { kind: 'call' }>): Value {
    const fn = this.module.functions.find((f) => f.name === name);
    if (fn === undefined) throw new Error(`WGSL: no function ${name}`);
    const given = args.flatMap((arg, i) => {
      const { type } = fn.params[i]!;
      return converted(this.value(arg), elementOf(type)).parts;
    });
    const text = `f$${name}(${given.join(', ')})`;
    if (fn.result === undefined) {
      this.lines.push(`${text};`);
      return { type: scalar('bool'), parts: [] };
    }
    const held = this.fresh();
    this.lines.push(`const ${held} = ${text};`);
    return { type: fn.result, parts: names('', fn.result).map((_, i) => `${held}[${i}]`) };
  }

  protected value(e: Expr): Value {
    switch (e.kind) {
      case 'number':
        return { type: e.type, parts: [literal(e.type.name === 'f32' ? Math.fround(e.value) : e.value)] };
      case 'bool':
        return { type: scalar('bool'), parts: [String(e.value)] };
      case 'name': {
        const entry = this.#lookup(e.name);
        if ('memory' in entry) throw new Error(`WGSL: the whole of ${e.name} is used`);
        return entry.value;
      }
      case 'unary':
        return unary(e.op, this.value(e.x));
      case 'binary':
        return binary(e.op, this.value(e.a), this.value(e.b));
      case 'make':
        if (e.type.kind === 'matrix') return this.zero(e.type);
        return this.#made(
          e.type,
          e.args.map((arg) => this.value(arg)),
        );
      case 'index':
        return this.#indexed(e);
      case 'member':
        return this.#member(this.value(e.object), e.member);
      case 'load-matrix':
        return this.#loaded(e);
      case 'store-matrix':
        throw new Error('WGSL: a store has no value');
      case 'call':
        return this.#callValue(e);
    }
  }

  #callValue(e: Extract<Expr, { kind: 'call' }>): Value {
    if (e.name === 'subgroupMatrixMultiplyAccumulate') {
      const [a, b, c] = e.args.map((arg) => this.value(arg)) as [Value, Value, Value];
      if (a.type.kind !== 'matrix' || c.type.kind !== 'matrix') throw new Error('WGSL: no matrices');
      const sizes = `${c.type.rows}, ${c.type.columns}, ${a.type.columns}`;
      return {
        type: c.type,
        parts: [
          `(${a.parts[0]} === null ? null : multiplyAdd(${a.parts[0]}, ${b.parts[0]}, ${c.parts[0]}, ${sizes}))`,
        ],
      };
    }
    if (this.module.functions.some((f) => f.name === e.name)) return this.called(e);
    const args = e.args.map((arg) => this.#held(this.value(arg)));
    const known = builtin(e.name, args);
    if (known === undefined) throw new Error(`WGSL: no function ${e.name}`);
    return known;
  }

  #loaded(e: Extract<Expr, { kind: 'load-matrix' }>): Value {
    const [tile, at, stride] = e.args as [Expr, Expr, Expr];
    const memory = this.#shared(tile);
    if (e.type.kind !== 'matrix') throw new Error('WGSL: only matrices are loaded so');
    const { rows, columns } = e.type;
    const load = `loadMatrix(${memory.js}, ${this.#scaled(memory, at)}, ${this.#scaled(memory, stride)}, ${e.order === 'row_major'}, ${rows}, ${columns})`;
    return { type: e.type, parts: [this.#atFirst(load)] };
  }

  #made(type: Type, args: readonly Value[]): Value {
    if (args.length === 0) return this.zero(type);
    const of = elementOf(type);
    const given = args.map((arg) => converted(arg, of)).flatMap((arg) => arg.parts);
    if (type.kind !== 'vec') return { type, parts: given.slice(0, 1) };
    if (given.length === type.size) return { type, parts: given };
    if (given.length !== 1) throw new Error(`WGSL: ${given.length} numbers for a vector of ${type.size}`);
    const one = this.#held({ type: of, parts: given }).parts[0]!;
    return { type, parts: Array.from({ length: type.size }, () => one) };
  }

  #indexed(e: Extract<Expr, { kind: 'index' }>): Value {
    const found = this.#memoryOf(e);
    if (found === undefined) {
      const { type, parts } = this.value(e.object);
      const index = this.#index(e.index);
      const part = /^\d+$/.test(index) ? parts[Number(index)]! : `[${parts.join(', ')}][${index}]`;
      return { type: elementOf(type), parts: [part] };
    }
    const { memory } = found;
    const of = elementOf(memory.of);
    const read = (at: string) =>
      memory.bits && of.name === 'f16' ? `widen[${memory.js}[${at}]]` : `${memory.js}[${at}]`;
    const index = this.#index(found.index);
    if (memory.of.kind !== 'vec') return { type: memory.of, parts: [read(index)] };
    const at = this.fresh();
    this.lines.push(`const ${at} = ${index} * ${memory.of.size};`);
    return { type: memory.of, parts: Array.from({ length: memory.of.size }, (_, i) => read(`${at} + ${i}`)) };
  }

  protected zero(type: Type): Value {
    if (type.kind === 'matrix')
      return { type, parts: [this.#atFirst(`new Float32Array(${type.rows * type.columns})`)] };
    const of = elementOf(type);
    const part = of.name === 'bool' ? 'false' : convert('0', 'int', of.name);
    return { type, parts: names('', type).map(() => part) };
  }

  /** What the first invocation of a subgroup has. */
  #atFirst(text: string): string {
    return `($lane % ${this.subgroup} === 0 ? ${text} : null)`;
  }

  #member({ type, parts }: Value, member: string): Value {
    const letters = swizzles.find((s) => [...member].every((c) => s.includes(c)));
    if (letters === undefined) throw new Error(`WGSL: no component ${member}`);
    const picked = [...member].map((c) => parts[letters.indexOf(c)]!);
    const of = elementOf(type);
    return { type: picked.length === 1 ? of : { kind: 'vec', size: picked.length, of }, parts: picked };
  }
}

export function memoryOf(js: string, type: Type, stored: boolean): Memory {
  if (type.kind !== 'array' || (type.of.kind === 'vec' && type.of.size === 3))
    throw new Error('WGSL: memory that is no array of scalars, pairs or fours');
  return { js, of: type.of, bits: stored };
}

export function names(name: string, type: Type): string[] {
  return type.kind === 'vec' ? Array.from({ length: type.size }, (_, i) => `${name}_${i}`) : [name];
}

const arrayOf = { f32: 'Float32Array', f16: 'Float32Array', i32: 'Int32Array', u32: 'Uint32Array' } as const;

export function arrayText(type: Type): string {
  if (type.kind !== 'array' || type.length === undefined) throw new Error('WGSL: an array without a length');
  const of = elementOf(type.of).name;
  if (!(of in arrayOf)) throw new Error(`WGSL: no arrays of ${of}`);
  return `new ${arrayOf[of as 'f32']}(${type.length * (type.of.kind === 'vec' ? type.of.size : 1)})`;
}

/** A scalar repeated where a vector is assigned. */
function unifiedTo(value: Value, place: Value): Value {
  if (value.parts.length === place.parts.length) return value;
  return {
    type: place.type.kind === 'vec' ? { ...place.type, of: elementOf(value.type) } : value.type,
    parts: place.parts.map(() => value.parts[0]!),
  };
}
