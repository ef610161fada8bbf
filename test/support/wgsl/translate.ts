/**
 * A kernel as a JavaScript function that runs it: every invocation of every workgroup.
 *
 * Without barriers, invocations run one after the other. Code with barriers is cut at them: what lies between two runs for all
 * invocations in turn, and variables that live on are arrays with an element for each. Loops and conditions around barriers
 * are run once for the workgroup, by the values of its first invocation; where invocations disagree about leaving, that is an error.
 * Shared memory starts as zeros, as WGSL has it.
 */

import { Reader } from './read.ts';
import { type Expr, type Fn, type Param, type Stmt, scalar, type Type } from './syntax.ts';
import { converted, elementOf, type Value } from './values.ts';
import { arrayText, memoryOf, names, Writer } from './writer.ts';

const barriers = ['workgroupBarrier', 'storageBarrier'];
/** Calls that give what another invocation of the quad has, by the bits in which its number differs. */
const swaps: Readonly<Record<string, number>> = { quadSwapX: 1, quadSwapY: 2, quadSwapDiagonal: 3 };
const meets = (name: string) => barriers.includes(name) || Object.hasOwn(swaps, name);

export class Translator extends Writer {
  /** Functions with barriers. */
  readonly #waiting: ReadonlySet<string>;
  /** Declarations of the module: arrays that live longer than what lies between two barriers. */
  readonly #kept: string[] = [];
  /** Names of those arrays, for variables. */
  readonly #spine: string[] = [];
  #onSpine = false;

  constructor(text: string, subgroup: number) {
    super(new Reader(text).module(), subgroup);
    const waiting = new Set<string>();
    for (const fn of [...this.module.functions, this.module.entry])
      if (fn.body.some((s) => callsOf(s).some((name) => meets(name) || waiting.has(name))))
        waiting.add(fn.name);
    this.#waiting = waiting;
  }

  /** The text of a function that makes the kernel's `run(buffers, groups, backwards)`. */
  text(): string {
    const { bindings, shared, functions, entry } = this.module;
    const ordered = bindings.toSorted((a, b) => a.binding - b.binding);
    for (const { name, type } of ordered) this.declare(name, { memory: memoryOf(`b$${name}`, type, true) });
    for (const { name, type } of shared) this.declare(name, { memory: memoryOf(`s$${name}`, type, false) });
    const made = [...functions, entry].map((fn) => this.#function(fn));
    const buffers = ordered.map(({ name }) => `b$${name}`).join(', ');
    const main = this.#waiting.has(entry.name)
      ? 'main($gx, $gy, $gz, $nx, $ny, $nz);'
      : `${this.#lanes()} main($gx, $gy, $gz, $nx, $ny, $nz, $lane); }`;
    return `"use strict";
let $backwards = false;
${buffers === '' ? '' : `let ${buffers};`}
${shared.map(({ name, type }) => `const s$${name} = ${arrayText(type)};`).join('\n')}
${this.#kept.join('\n')}
${made.join('\n')}
return function run($buffers, [$nx, $ny, $nz], $turned) {
  $backwards = $turned;
  [${buffers}] = $buffers;
  const $count = $nx * $ny * $nz;
  for (let $n = 0; $n < $count; $n++) {
    const $at = $backwards ? $count - 1 - $n : $n;
    const $gx = $at % $nx, $gy = Math.floor($at / $nx) % $ny, $gz = Math.floor($at / ($nx * $ny));
    ${shared.map(({ name }) => `s$${name}.fill(0);`).join(' ')}
    ${main}
  }
};`;
  }

  /** Element types of the bindings in order, for the views that are bound. */
  elements(): string[] {
    const ordered = this.module.bindings.toSorted((a, b) => a.binding - b.binding);
    return ordered.map(({ type }) => elementOf(type.kind === 'array' ? type.of : type).name);
  }

  /** The head of a loop over the invocations of a workgroup. */
  #lanes(): string {
    const size = this.module.workgroupSize;
    return `$lanes: for (let $i = 0; $i < ${size}; $i++) { const $lane = $backwards ? ${size - 1} - $i : $i;`;
  }

  #function(fn: Fn): string {
    const entry = fn === this.module.entry;
    const name = entry ? 'main' : `f$${fn.name}`;
    const groups = '$gx, $gy, $gz, $nx, $ny, $nz';
    const waits = this.#waiting.has(fn.name);
    const params: string[] = [];
    let own: string[] = [];
    this.within(() => {
      for (const param of fn.params) {
        const value = entry ? this.#builtinValue(param.builtin!) : this.#param(fn, param, waits);
        params.push(...value.parts);
        this.declare(param.name, { value });
      }
      own = waits ? this.#groupFunction(fn) : this.apart(() => fn.body.map((s) => this.statement(s)));
    });
    const list = entry ? (waits ? groups : `${groups}, $lane`) : waits ? '' : params.join(', ');
    return `function ${name}(${list}) {\n${own.join('\n')}\n}`;
  }

  /** Functions with barriers take their arguments, and give their result, in arrays. */
  #param({ name: fn }: Fn, { name, type }: Param, waits: boolean): Value {
    return { type, parts: waits ? this.#keep(`${fn}$${name}`, type) : names(this.fresh(name), type) };
  }

  /** Arrays with an element for each invocation. */
  #keep(name: string, type: Type): string[] {
    const array = type.kind === 'matrix' ? 'Array' : 'Float64Array';
    return names(name, type).map((js) => {
      this.#kept.push(`const ${js} = new ${array}(${this.module.workgroupSize});`);
      return `${js}[$lane]`;
    });
  }

  #builtinValue(name: string): Value {
    const size = this.module.workgroupSize;
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
        return { type: scalar('u32'), parts: [`(($lane / ${this.subgroup}) >>> 0)`] };
      default:
        throw new Error(`WGSL: no builtin ${name}`);
    }
  }

  protected override variable(name: string, type: Type) {
    if (!this.#onSpine || this.depth > 0) return super.variable(name, type);
    const js = this.fresh(name);
    this.#spine.push(...names(js, type));
    return { parts: this.#keep(js, type), declared: false };
  }

  protected override ownArray(name: string, type: Type): string {
    if (!this.#onSpine || this.depth > 0) return super.ownArray(name, type);
    const js = this.fresh(name);
    this.#kept.push(
      `const ${js} = Array.from({ length: ${this.module.workgroupSize} }, () => ${arrayText(type)});`,
    );
    this.lines.push(`${js}[$lane].fill(0);`);
    return `${js}[$lane]`;
  }

  #groupFunction(fn: Fn): string[] {
    const leave = this.leave;
    this.#onSpine = true;
    if (fn.result) this.#keep(`r$${fn.name}`, fn.result);
    const chunks: string[] = [];
    this.#groupBody(fn, fn.body, false, chunks);
    this.#onSpine = false;
    this.leave = leave;
    return ['const $lane = 0;', ...this.#localised(chunks)];
  }

  /** Within a stretch, variables are JavaScript's own; those that several stretches know are taken from their arrays and put back. */
  #localised(chunks: readonly string[]): string[] {
    const spine = new Set(this.#spine.splice(0));
    const place = /([\w$]+)\[\$lane\]/g;
    const users = new Map<string, number>();
    const usedBy = chunks.map(
      (chunk) => new Set([...chunk.matchAll(place)].map((m) => m[1]!).filter((n) => spine.has(n))),
    );
    for (const names of usedBy) for (const name of names) users.set(name, (users.get(name) ?? 0) + 1);
    return chunks.map((chunk, i) => {
      if (!chunk.startsWith('$lanes:')) return chunk;
      const names = [...usedBy[i]!];
      const shared = names.filter((name) => users.get(name)! > 1);
      const own = names.filter((name) => users.get(name) === 1);
      const [head, ...lines] = chunk
        .replace(place, (all, name) => (spine.has(name) ? `l$${name}` : all))
        .split('\n');
      const end = lines.pop();
      const taken = shared.map((name) => `let l$${name} = ${name}[$lane];`);
      const declared = own.length > 0 ? [`let ${own.map((name) => `l$${name}`).join(', ')};`] : [];
      const kept = shared.map((name) => `${name}[$lane] = l$${name};`);
      return [head, ...taken, ...declared, ...lines, ...kept, end].join('\n');
    });
  }

  /** Statements of a workgroup: stretches without barriers, and what lies between them. */
  #groupBody(fn: Fn, body: readonly Stmt[], waitsAfter: boolean, chunks: string[]): void {
    let stretch: string[] = [];
    const flush = () => {
      if (stretch.length > 0) chunks.push(`${this.#lanes()}\n${stretch.join('\n')}\n}`);
      stretch = [];
    };
    const inLanes = (work: () => void) => {
      this.leave = 'continue $lanes';
      stretch.push(...this.apart(work));
      this.leave = 'return';
    };
    body.forEach((s, i) => {
      const later = waitsAfter || body.slice(i + 1).some((next) => this.#waits(next));
      if (s.kind === 'return' && s.value) inLanes(() => this.#result(fn, s.value!));
      else if (s.kind === 'if' && later && !this.#waits(s) && leaves(s)) {
        flush();
        chunks.push(this.#leaveTogether(s));
      } else if (!this.#waits(s)) inLanes(() => this.statement(s));
      else if (s.kind === 'call' && s.call.kind === 'call' && barriers.includes(s.call.name)) flush();
      else if (s.kind === 'declare' && s.value?.kind === 'call' && Object.hasOwn(swaps, s.value.name))
        this.#swap(s.name, s.value, inLanes, flush);
      else if (s.kind === 'for' || s.kind === 'if' || s.kind === 'block') {
        flush();
        this.#groupStatement(fn, s, chunks);
      } else {
        const plain = this.#withCalls(s, (call) => {
          inLanes(() => this.#arguments(call));
          flush();
          chunks.push(`f$${call.name}();`);
          return this.#taken(call, inLanes);
        });
        if (plain) inLanes(() => this.statement(plain));
      }
    });
    flush();
  }

  /** `let name = quadSwapX(value);`: all invocations put down what they have before any takes another's. */
  #swap(
    name: string,
    { name: word, args }: Extract<Expr, { kind: 'call' }>,
    inLanes: (work: () => void) => void,
    flush: () => void,
  ): void {
    let put: Value | undefined;
    inLanes(() => {
      const { type, parts } = this.value(args[0]!);
      put = { type, parts: this.#keep(this.fresh('swapped'), type) };
      this.lines.push(parts.map((part, i) => `${put!.parts[i]} = ${part};`).join(' '));
    });
    flush();
    const { type, parts } = put!;
    inLanes(() => {
      const taken = this.variable(name, type);
      const from = parts.map((part) => part.replace('[$lane]', `[$lane ^ ${swaps[word]}]`));
      this.lines.push(taken.parts.map((part, i) => `${part} = ${from[i]};`).join(' '));
      this.declare(name, { value: { type, parts: taken.parts } });
    });
  }

  #waits(s: Stmt): boolean {
    return callsOf(s).some((name) => meets(name) || this.#waiting.has(name));
  }

  #result(fn: Fn, value: Expr): void {
    const made = converted(this.value(value), elementOf(fn.result!));
    const places = names(`r$${fn.name}`, fn.result!);
    this.lines.push(made.parts.map((part, i) => `${places[i]}[$lane] = ${part};`).join(' '));
  }

  /** `if (...) { return; }` in front of a barrier: all invocations or none. */
  #leaveTogether(s: Extract<Stmt, { kind: 'if' }>): string {
    if (s.then.length !== 1 || s.then[0]!.kind !== 'return' || s.else)
      throw new Error('WGSL: a barrier behind a condition that does more than leave');
    const lines = this.apart(() => this.lines.push(`if (${this.value(s.condition).parts[0]}) $left++;`));
    const size = this.module.workgroupSize;
    return `{ let $left = 0; ${this.#lanes()}\n${lines.join('\n')}\n}
if ($left === ${size}) return;
if ($left > 0) throw new Error($left + ' of ${size} invocations leave in front of a barrier'); }`;
  }

  /** A loop or a condition around barriers, by the values of the first invocation. */
  #groupStatement(fn: Fn, s: Extract<Stmt, { kind: 'for' | 'if' | 'block' }>, chunks: string[]): void {
    chunks.push('{');
    this.within(() => {
      if (s.kind === 'block') this.#groupBody(fn, s.body, true, chunks);
      else if (s.kind === 'if') {
        chunks.push(...this.apart(() => this.lines.push(`if (${this.value(s.condition).parts[0]}) {`)));
        this.#groupBody(fn, s.then, true, chunks);
        chunks.push('} else {');
        this.#groupBody(fn, s.else ?? [], true, chunks);
        chunks.push('}');
      } else {
        this.#onSpine = false;
        chunks.push(
          ...this.apart(() => s.init && this.statement(s.init)),
          ...this.loopHead(s.condition, s.update),
        );
        this.#onSpine = true;
        this.loops++;
        this.within(() => this.#groupBody(fn, s.body, true, chunks));
        this.loops--;
        chunks.push('}');
      }
    });
    chunks.push('}');
  }

  /** The statement with the values of calls that wait in place of the calls; undefined where it is only such a call. */
  #withCalls(s: Stmt, call: (e: Extract<Expr, { kind: 'call' }>) => Expr): Stmt | undefined {
    const replace = (e: Expr): Expr => {
      if (e.kind === 'call' && this.#waiting.has(e.name)) return call(e);
      if (e.kind === 'binary') return { ...e, a: replace(e.a), b: replace(e.b) };
      if (e.kind === 'unary') return { ...e, x: replace(e.x) };
      if (e.kind === 'call' || e.kind === 'make') return { ...e, args: e.args.map(replace) };
      return e;
    };
    if (s.kind === 'call') {
      replace(s.call);
      return undefined;
    }
    if (s.kind === 'declare' && s.value) return { ...s, value: replace(s.value) };
    if (s.kind === 'assign') return { ...s, value: replace(s.value) };
    throw new Error(`WGSL: a barrier in a statement of kind ${s.kind}`);
  }

  #arguments({ name, args }: Extract<Expr, { kind: 'call' }>): void {
    const fn = this.module.functions.find((f) => f.name === name)!;
    for (const [i, { name: param, type }] of fn.params.entries()) {
      const { parts } = converted(this.value(args[i]!), elementOf(type));
      const places = names(`${name}$${param}`, type);
      this.lines.push(places.map((place, part) => `${place}[$lane] = ${parts[part]};`).join(' '));
    }
  }

  /** A name for the result of the call just made. */
  #taken({ name }: Extract<Expr, { kind: 'call' }>, inLanes: (work: () => void) => void): Expr {
    const { result } = this.module.functions.find((f) => f.name === name)!;
    const held = this.fresh('taken');
    if (result)
      inLanes(() => {
        const { parts } = this.variable(held, result);
        this.lines.push(
          names(`r$${name}`, result)
            .map((from, i) => `${parts[i]} = ${from}[$lane];`)
            .join(' '),
        );
        this.declare(held, { value: { type: result, parts } });
      });
    return { kind: 'name', name: held };
  }
}

/** Whether a statement may end an invocation. */
function leaves(s: Stmt): boolean {
  return s.kind === 'return' || inner(s).some(leaves);
}

/** Statements within a statement. */
function inner(s: Stmt): readonly Stmt[] {
  if (s.kind === 'if') return [...s.then, ...(s.else ?? [])];
  return s.kind === 'for' || s.kind === 'block' ? s.body : [];
}

const called = new WeakMap<Stmt, readonly string[]>();

/** All functions that a statement calls, however deep. */
function callsOf(s: Stmt): readonly string[] {
  const known = called.get(s);
  if (known !== undefined) return known;
  const found = inner(s).flatMap(callsOf);
  if (s.kind === 'call') found.push(...callsIn(s.call));
  else if (s.kind === 'assign' || s.kind === 'declare' || s.kind === 'return')
    if (s.value) found.push(...callsIn(s.value));
  called.set(s, found);
  return found;
}

function callsIn(e: Expr): string[] {
  if (e.kind === 'call') return [e.name, ...e.args.flatMap(callsIn)];
  if (e.kind === 'make') return e.args.flatMap(callsIn);
  if (e.kind === 'binary') return [...callsIn(e.a), ...callsIn(e.b)];
  return e.kind === 'unary' ? callsIn(e.x) : [];
}
