/**
 * A kernel as a JavaScript function that runs it: every invocation of every workgroup, one after the other.
 *
 * Invocations that meet at barriers are generators, run in turn from barrier to barrier; a workgroup whose invocations do not
 * all come to the same one is an error, and so is a store outside of its binding. Shared memory starts as zeros, as WGSL has it.
 * Matrices of a subgroup are held by its first invocation.
 */
import { type Expr, type Fn, type Module, Reader, type Stmt, scalar, type Type } from './syntax.ts';
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
interface Memory {
  readonly js: string;
  readonly of: Type;
  /** Halves in storage are bits. */
  readonly bits: boolean;
}

type Entry = { readonly value: Value } | { readonly memory: Memory };

const barriers = ['workgroupBarrier', 'storageBarrier'];
const swizzles = ['xyzw', 'rgba'];

export class Translator {
  readonly #module: Module;
  readonly #subgroup: number;
  readonly #scopes: Map<string, Entry>[] = [new Map()];
  readonly #generators: ReadonlySet<string>;
  #lines: string[] = [];
  #names = 0;

  constructor(text: string, subgroup: number) {
    this.#module = new Reader(text).module();
    this.#subgroup = subgroup;
    const waiting = new Set<string>();
    for (const fn of [...this.#module.functions, this.#module.entry])
      if (calls(fn.body).some((name) => barriers.includes(name) || waiting.has(name))) waiting.add(fn.name);
    this.#generators = waiting;
  }

  /** The text of a function that makes the kernel's `run(buffers, groups, backwards)`. */
  text(): string {
    const { bindings, shared, functions, entry, workgroupSize } = this.#module;
    const ordered = bindings.toSorted((a, b) => a.binding - b.binding);
    for (const { name, type } of ordered) this.#declare(name, { memory: memoryOf(`b$${name}`, type, true) });
    for (const { name, type } of shared) this.#declare(name, { memory: memoryOf(`s$${name}`, type, false) });
    const arrays = shared.map(({ name, type }) => `const s$${name} = ${arrayText(type)};`);
    const made = [...functions, entry].map((fn) => this.#function(fn));
    const waits = this.#generators.has(entry.name);
    const call = (lane: string) => `main($gx, $gy, $gz, $nx, $ny, $nz, ${lane})`;
    const runs = waits
      ? `together(${workgroupSize}, $backwards, ($lane) => ${call('$lane')});`
      : `for (let $i = 0; $i < ${workgroupSize}; $i++) ${call(`$backwards ? ${workgroupSize - 1} - $i : $i`)};`;
    return `"use strict";
${ordered.length > 0 ? `let ${ordered.map(({ name }) => `b$${name}`).join(', ')};` : ''}
${arrays.join('\n')}
${made.join('\n')}
return function run($buffers, [$nx, $ny, $nz], $backwards) {
  [${ordered.map(({ name }) => `b$${name}`).join(', ')}] = $buffers;
  const $count = $nx * $ny * $nz;
  for (let $n = 0; $n < $count; $n++) {
    const $at = $backwards ? $count - 1 - $n : $n;
    const $gx = $at % $nx, $gy = Math.floor($at / $nx) % $ny, $gz = Math.floor($at / ($nx * $ny));
    ${shared.map(({ name }) => `s$${name}.fill(0);`).join(' ')}
    ${runs}
  }
};`;
  }

  /** Element types of the bindings in order, for the views that are bound. */
  elements(): string[] {
    const ordered = this.#module.bindings.toSorted((a, b) => a.binding - b.binding);
    return ordered.map(({ type }) =>
      type.kind === 'array' ? elementOf(type.of).name : elementOf(type).name,
    );
  }

  #declare(name: string, entry: Entry): void {
    this.#scopes.at(-1)!.set(name, entry);
  }

  #lookup(name: string): Entry {
    for (const scope of this.#scopes.toReversed()) {
      const found = scope.get(name);
      if (found !== undefined) return found;
    }
    throw new Error(`WGSL: nothing is called ${name}`);
  }

  #fresh(name = 't'): string {
    return `${name}$${this.#names++}`;
  }

  /** Names that hold a value's components, evaluated once. */
  #held(value: Value): Value {
    const parts = value.parts.map((part) => {
      if (/^[\w$.()-]*$/.test(part) && !part.includes('[') && !/[a-zA-Z]\(/.test(part)) return part;
      const name = this.#fresh();
      this.#lines.push(`const ${name} = ${part};`);
      return name;
    });
    return { type: value.type, parts };
  }

  #function(fn: Fn): string {
    const outer = this.#lines;
    this.#lines = [];
    this.#scopes.push(new Map());
    const entry = fn === this.#module.entry;
    const params: string[] = [];
    for (const { name, type, builtin: source } of fn.params) {
      const value = entry ? this.#builtinValue(source!) : { type, parts: names(this.#fresh(name), type) };
      if (!entry) params.push(...value.parts);
      this.#declare(name, { value });
    }
    this.#body(fn.body);
    this.#scopes.pop();
    const star = this.#generators.has(fn.name) ? '*' : '';
    const own = this.#lines.join('\n');
    this.#lines = outer;
    const list = entry ? '$gx, $gy, $gz, $nx, $ny, $nz, $lane' : params.join(', ');
    return `function${star} ${entry ? 'main' : `f$${fn.name}`}(${list}) {\n${own}\n}`;
  }

  #builtinValue(name: string): Value {
    const size = this.#module.workgroupSize;
    const vector = (...parts: string[]): Value => ({
      type: { kind: 'vec', size: 3, of: scalar('u32') },
      parts,
    });
    switch (name) {
      case 'global_invocation_id':
        return vector(`($gx * ${size} + $lane)`, '$gy', '$gz');
      case 'local_invocation_id':
        return vector('$lane', '0', '0');
      case 'workgroup_id':
        return vector('$gx', '$gy', '$gz');
      case 'num_workgroups':
        return vector('$nx', '$ny', '$nz');
      case 'local_invocation_index':
        return { type: scalar('u32'), parts: ['$lane'] };
      case 'subgroup_id':
        return { type: scalar('u32'), parts: [`(($lane / ${this.#subgroup}) >>> 0)`] };
      default:
        throw new Error(`WGSL: no builtin ${name}`);
    }
  }

  #body(body: readonly Stmt[]): void {
    this.#scopes.push(new Map());
    for (const statement of body) this.#statement(statement);
    this.#scopes.pop();
  }

  #block(body: readonly Stmt[], head = ''): void {
    this.#lines.push(`${head}{`);
    this.#body(body);
    this.#lines.push('}');
  }

  #statement(s: Stmt): void {
    if (s.kind === 'block') this.#block(s.body);
    else if (s.kind === 'declare') this.#declaration(s);
    else if (s.kind === 'assign') this.#assignment(s);
    else if (s.kind === 'call') this.#callStatement(s.call);
    else if (s.kind === 'for') this.#for(s);
    else if (s.kind === 'break' || s.kind === 'continue') this.#lines.push(`${s.kind};`);
    else if (s.kind === 'if') this.#if(s);
    else {
      const parts = s.value ? this.#value(s.value).parts : [];
      this.#lines.push(parts.length > 1 ? `return [${parts.join(', ')}];` : `return ${parts[0] ?? ''};`);
    }
  }

  #if(s: Extract<Stmt, { kind: 'if' }>): void {
    this.#block(s.then, `if (${this.#value(s.condition).parts[0]}) `);
    if (s.else) this.#block(s.else, 'else ');
  }

  #declaration({ name, mutable, type: given, value }: Extract<Stmt, { kind: 'declare' }>): void {
    if (given?.kind === 'array') {
      const js = this.#fresh(name);
      this.#lines.push(`const ${js} = ${arrayText(given)};`);
      this.#declare(name, { memory: memoryOf(js, given, false) });
      return;
    }
    const made = value ? this.#value(value) : zero(given!);
    const type = given ?? concrete(made.type);
    const typed = type.kind === 'matrix' ? made : converted(made, elementOf(type));
    const js = names(this.#fresh(name), type);
    this.#lines.push(
      js.map((n, i) => `${mutable ? 'let' : 'const'} ${n} = ${typed.parts[i] ?? typed.parts[0]};`).join(' '),
    );
    this.#declare(name, { value: { type, parts: js } });
  }

  #assignment({ target, op, value }: Extract<Stmt, { kind: 'assign' }>): void {
    const made = op === '' ? this.#value(value) : binary(op, this.#value(target), this.#value(value));
    const memory = this.#memoryOf(target);
    if (memory) {
      this.#store(memory.memory, memory.index, made);
      return;
    }
    const place = this.#value(target);
    const typed =
      place.type.kind === 'matrix' ? made : converted(unifiedTo(made, place), elementOf(place.type));
    const held = typed.parts.length > 1 ? this.#held(typed) : typed;
    this.#lines.push(place.parts.map((part, i) => `${part} = ${held.parts[i]};`).join(' '));
  }

  #store(memory: Memory, index: Expr, value: Value): void {
    const size = memory.of.kind === 'vec' ? memory.of.size : 1;
    const of = elementOf(memory.of);
    const shaped = size > 1 ? (unified([zero(memory.of), value])[1] as Value) : value;
    const typed = this.#held(converted(shaped, of));
    const at = this.#fresh();
    this.#lines.push(`const ${at} = inside(${this.#index(index)}, ${memory.js}.length / ${size}) * ${size};`);
    const stored = (part: string) => (memory.bits && of.name === 'f16' ? `narrow(${part})` : part);
    this.#lines.push(typed.parts.map((part, i) => `${memory.js}[${at} + ${i}] = ${stored(part)};`).join(' '));
  }

  #index(index: Expr): string {
    return this.#value(index).parts[0]!;
  }

  #memoryOf(e: Expr): { memory: Memory; index: Expr } | undefined {
    if (e.kind !== 'index' || e.object.kind !== 'name') return undefined;
    const entry = this.#lookup(e.object.name);
    return 'memory' in entry ? { memory: entry.memory, index: e.index } : undefined;
  }

  #for({ init, condition, update, body }: Extract<Stmt, { kind: 'for' }>): void {
    this.#lines.push('{');
    this.#scopes.push(new Map());
    if (init) this.#statement(init);
    const outer = this.#lines;
    this.#lines = [];
    if (update) this.#statement(update);
    const step = this.#lines;
    if (step.length > 1) throw new Error('WGSL: a loop whose step takes several statements');
    this.#lines = [];
    const test = condition ? this.#value(condition).parts[0] : 'true';
    const before = this.#lines;
    this.#lines = outer;
    const stepText = (step[0] ?? '').replace(/;$/, '');
    if (before.length === 0) this.#block(body, `for (; ${test}; ${stepText}) `);
    else {
      this.#lines.push(`for (; ; ${stepText}) {`, ...before, `if (!(${test})) break;`);
      this.#block(body);
      this.#lines.push('}');
    }
    this.#scopes.pop();
    this.#lines.push('}');
  }

  #callStatement(call: Expr): void {
    if (call.kind === 'store-matrix') {
      const [tile, at, matrix, stride] = call.args as [Expr, Expr, Expr, Expr];
      const memory = this.#shared(tile);
      const { type, parts } = this.#value(matrix);
      if (type.kind !== 'matrix') throw new Error('WGSL: only matrices are stored so');
      this.#lines.push(
        `if (${parts[0]} !== null) storeMatrix(${memory.js}, ${this.#scaled(memory, at)}, ${this.#scaled(memory, stride)}, ${call.order === 'row_major'}, ${parts[0]}, ${type.rows}, ${type.columns});`,
      );
    } else if (call.kind !== 'call') throw new Error('WGSL: a statement that does nothing');
    else if (barriers.includes(call.name)) this.#lines.push('yield;');
    else this.#called(call);
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
  #called({ name, args }: Extract<Expr, { kind: 'call' }>): Value {
    const fn = this.#module.functions.find((f) => f.name === name);
    if (fn === undefined) throw new Error(`WGSL: no function ${name}`);
    const given = args.flatMap((arg, i) => {
      const { type } = fn.params[i]!;
      return converted(this.#value(arg), elementOf(type)).parts;
    });
    const text = `${this.#generators.has(name) ? 'yield* ' : ''}f$${name}(${given.join(', ')})`;
    if (fn.result === undefined) {
      this.#lines.push(`${text};`);
      return { type: scalar('bool'), parts: [] };
    }
    const held = this.#fresh();
    this.#lines.push(`const ${held} = ${text};`);
    const { result } = fn;
    return {
      type: result,
      parts: result.kind === 'vec' ? Array.from({ length: result.size }, (_, i) => `${held}[${i}]`) : [held],
    };
  }

  #value(e: Expr): Value {
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
        return unary(e.op, this.#value(e.x));
      case 'binary':
        return binary(e.op, this.#value(e.a), this.#value(e.b));
      case 'make':
        return this.#made(
          e.type,
          e.args.map((arg) => this.#value(arg)),
        );
      case 'index':
        return this.#indexed(e);
      case 'member':
        return this.#member(this.#value(e.object), e.member);
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
      const [a, b, c] = e.args.map((arg) => this.#value(arg)) as [Value, Value, Value];
      if (a.type.kind !== 'matrix' || c.type.kind !== 'matrix') throw new Error('WGSL: no matrices');
      const sizes = `${c.type.rows}, ${c.type.columns}, ${a.type.columns}`;
      return {
        type: c.type,
        parts: [
          `(${a.parts[0]} === null ? null : multiplyAdd(${a.parts[0]}, ${b.parts[0]}, ${c.parts[0]}, ${sizes}))`,
        ],
      };
    }
    if (this.#module.functions.some((f) => f.name === e.name)) return this.#called(e);
    const args = e.args.map((arg) => this.#held(this.#value(arg)));
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
    return { type: e.type, parts: [`($lane % ${this.#subgroup} === 0 ? ${load} : null)`] };
  }

  #made(type: Type, args: readonly Value[]): Value {
    if (args.length === 0) return zero(type);
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
      const { type, parts } = this.#value(e.object);
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
    const at = this.#fresh();
    this.#lines.push(`const ${at} = ${index} * ${memory.of.size};`);
    return { type: memory.of, parts: Array.from({ length: memory.of.size }, (_, i) => read(`${at} + ${i}`)) };
  }

  #member({ type, parts }: Value, member: string): Value {
    const letters = swizzles.find((s) => [...member].every((c) => s.includes(c)));
    if (letters === undefined) throw new Error(`WGSL: no component ${member}`);
    const picked = [...member].map((c) => parts[letters.indexOf(c)]!);
    const of = elementOf(type);
    return { type: picked.length === 1 ? of : { kind: 'vec', size: picked.length, of }, parts: picked };
  }
}

/** All functions that statements call, however deep. */
function calls(body: readonly Stmt[]): string[] {
  const text = JSON.stringify(body);
  return [...text.matchAll(/"kind":"call","name":"(\w+)"/g)].map((m) => m[1]!);
}

function memoryOf(js: string, type: Type, stored: boolean): Memory {
  if (type.kind !== 'array' || (type.of.kind === 'vec' && type.of.size === 3))
    throw new Error('WGSL: memory that is no array of scalars, pairs or fours');
  return { js, of: type.of, bits: stored };
}

function names(name: string, type: Type): string[] {
  return type.kind === 'vec' ? Array.from({ length: type.size }, (_, i) => `${name}_${i}`) : [name];
}

const arrayOf = { f32: 'Float32Array', f16: 'Float32Array', i32: 'Int32Array', u32: 'Uint32Array' } as const;

function arrayText(type: Type): string {
  if (type.kind !== 'array' || type.length === undefined) throw new Error('WGSL: an array without a length');
  const of = elementOf(type.of).name;
  if (!(of in arrayOf)) throw new Error(`WGSL: no arrays of ${of}`);
  return `new ${arrayOf[of as 'f32']}(${type.length * (type.of.kind === 'vec' ? type.of.size : 1)})`;
}

function zero(type: Type): Value {
  if (type.kind === 'matrix')
    return { type, parts: [`($lane % 1 === 0 ? new Float32Array(${type.rows * type.columns}) : null)`] };
  const of = elementOf(type);
  const part = convert('0', 'int', of.name);
  return { type, parts: names('', type).map(() => (of.name === 'bool' ? 'false' : part)) };
}

/** A scalar repeated where a vector is assigned. */
function unifiedTo(value: Value, place: Value): Value {
  if (value.parts.length === place.parts.length) return value;
  return {
    type: place.type.kind === 'vec' ? { ...place.type, of: elementOf(value.type) } : value.type,
    parts: place.parts.map(() => value.parts[0]!),
  };
}
