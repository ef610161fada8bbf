/**
 * A reader of Python pickles that runs nothing: values go onto a stack, globals are names, and calls go to a
 * host that knows a short list of them.
 *
 * Checkpoints come from strangers, and a pickle is a program. What the host does not know (a class, a function)
 * becomes a foreign object: its name, without what it was given. An opcode that is not on the list is refused by
 * its name and its byte. Values, nesting and marks are counted, and no step copies what a reference shares, so
 * time and memory follow the length of the file.
 */
import { fail } from '../../../../grammar/diagnostics.ts';
import { PickleBytes } from './pickle-bytes.ts';
import { opcodes as op, refusedOpcode } from './pickle-opcodes.ts';
import {
  depthOf,
  describePickle,
  isForeign,
  isKey,
  type PickleHost,
  type PickleValue,
  type Refuse,
  shortName,
} from './pickle-values.ts';

const pickleLimits = {
  /** Values pushed onto the stack. A checkpoint of ViT-L/14 with its optimizer has some 100 000. */
  values: 2_000_000,
  /** Containers inside containers. */
  depth: 200,
  /** Names of foreign objects that are kept to be told. */
  foreign: 100,
} as const;

function refuseAt(source: string, at: number, why: string): never {
  fail(
    'Z422',
    `${source}, byte ${at}: ${why}`,
    'only plain tensors are read, nothing is run; save model.state_dict(), or safetensors',
  );
}

/** The machine: one run over one pickle. */
class Unpickler {
  readonly #bytes: PickleBytes;
  readonly #source: string;
  readonly #host: PickleHost;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  /** Where the current opcode begins. */
  #start = 0;
  #spent = 0;
  /** Names of what foreign objects were made by. */
  readonly foreign = new Set<string>();

  /** @param from where the pickle begins */
  constructor(bytes: Uint8Array, source: string, host: PickleHost, from: number) {
    this.#bytes = new PickleBytes(bytes, from, (why) => this.#refuse(why));
    this.#source = source;
    this.#host = host;
  }

  /** Where the next byte is. */
  get at(): number {
    return this.#bytes.at;
  }

  run(): PickleValue {
    for (;;) {
      this.#start = this.#bytes.at;
      const code = this.#bytes.u8();
      if (code === op.STOP) return this.#stop();
      this.#execute(code);
    }
  }

  readonly #refuse: Refuse = (why) => refuseAt(this.#source, this.#start, why);

  #stop(): PickleValue {
    if (this.#stack.length !== 1 || this.#marks.length > 0)
      this.#refuse(`the pickle ends with ${this.#stack.length} values instead of one`);
    return this.#stack[0]!;
  }

  // ── stack ────────────────────────────────────────────────────────────────────────────────────────────────

  #spend(values: number): void {
    this.#spent += values;
    if (this.#spent > pickleLimits.values)
      this.#refuse(`more than ${pickleLimits.values.toLocaleString('en-US')} values`);
  }

  #push(value: PickleValue): void {
    this.#spend(1);
    this.#stack.push(value);
  }

  /** The values of the current level: those above the last mark. */
  #need(count: number): void {
    if (this.#stack.length - (this.#marks.at(-1) ?? 0) < count) this.#refuse('the stack is empty');
  }

  #pop(): PickleValue {
    this.#need(1);
    return this.#stack.pop()!;
  }

  #popMany(count: number): PickleValue[] {
    this.#need(count);
    return this.#stack.splice(this.#stack.length - count, count);
  }

  #popMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) this.#refuse('there is no mark');
    return this.#stack.splice(mark, this.#stack.length - mark);
  }

  #top(): PickleValue {
    this.#need(1);
    return this.#stack.at(-1)!;
  }

  #mark(): void {
    if (this.#marks.length >= pickleLimits.depth)
      this.#refuse(`nests deeper than ${pickleLimits.depth} levels`);
    this.#marks.push(this.#stack.length);
  }

  /** The depth of a container that takes these values in. */
  #deepen(depth: number, values: readonly PickleValue[]): number {
    let deepest = depth;
    for (const value of values) deepest = Math.max(deepest, depthOf(value) + 1);
    if (deepest > pickleLimits.depth) this.#refuse(`nests deeper than ${pickleLimits.depth} levels`);
    return deepest;
  }

  // ── opcodes ──────────────────────────────────────────────────────────────────────────────────────────────

  #execute(code: number): void {
    const done =
      this.#executeScalar(code) ||
      this.#executeBytes(code) ||
      this.#executeContainer(code) ||
      this.#executeMemo(code) ||
      this.#executeCall(code);
    if (!done) this.#refuse(`the opcode ${refusedOpcode(code)} is not read`);
  }

  #executeScalar(code: number): boolean {
    switch (code) {
      case op.NONE:
        this.#push(null);
        return true;
      case op.NEWTRUE:
      case op.NEWFALSE:
        this.#push(code === op.NEWTRUE);
        return true;
      case op.BININT:
        this.#push(this.#bytes.i32());
        return true;
      case op.BININT1:
        this.#push(this.#bytes.u8());
        return true;
      case op.BININT2:
        this.#push(this.#bytes.u16());
        return true;
      case op.LONG1:
        this.#push(this.#bytes.long(this.#bytes.u8()));
        return true;
      case op.BINFLOAT:
        this.#push(this.#bytes.f64());
        return true;
      case op.BINUNICODE:
        this.#push(this.#bytes.unicode(this.#bytes.u32()));
        return true;
      case op.SHORT_BINUNICODE:
        this.#push(this.#bytes.unicode(this.#bytes.u8()));
        return true;
      case op.BINUNICODE8:
        this.#push(this.#bytes.unicode(this.#bytes.size()));
        return true;
      default:
        return false;
    }
  }

  #executeBytes(code: number): boolean {
    switch (code) {
      case op.BINSTRING:
        this.#push(this.#bytes.byteText(this.#bytes.u32()));
        return true;
      case op.SHORT_BINSTRING:
        this.#push(this.#bytes.byteText(this.#bytes.u8()));
        return true;
      case op.BINBYTES:
        this.#push(this.#bytes.pass(this.#bytes.u32()));
        return true;
      case op.SHORT_BINBYTES:
        this.#push(this.#bytes.pass(this.#bytes.u8()));
        return true;
      case op.BINBYTES8:
      case op.BYTEARRAY8:
        this.#push(this.#bytes.pass(this.#bytes.size()));
        return true;
      default:
        return false;
    }
  }

  #executeContainer(code: number): boolean {
    switch (code) {
      case op.MARK:
        this.#mark();
        return true;
      case op.EMPTY_TUPLE:
        this.#pushTuple([]);
        return true;
      case op.TUPLE1:
      case op.TUPLE2:
      case op.TUPLE3:
        this.#pushTuple(this.#popMany(code - op.TUPLE1 + 1));
        return true;
      case op.TUPLE:
        this.#pushTuple(this.#popMark());
        return true;
      case op.EMPTY_LIST:
        this.#push({ kind: 'list', items: [], depth: 1 });
        return true;
      case op.APPEND:
        this.#append([this.#pop()]);
        return true;
      case op.APPENDS:
      case op.ADDITEMS:
        this.#append(this.#popMark());
        return true;
      case op.EMPTY_DICT:
        this.#push({ kind: 'dict', entries: new Map(), depth: 1 });
        return true;
      case op.SETITEM:
        this.#setItems(this.#popMany(2));
        return true;
      case op.SETITEMS:
        this.#setItems(this.#popMark());
        return true;
      case op.EMPTY_SET:
        this.#push({ kind: 'foreign', what: 'a set' });
        return true;
      case op.FROZENSET:
        this.#popMark();
        this.#push({ kind: 'foreign', what: 'a set' });
        return true;
      default:
        return false;
    }
  }

  #executeMemo(code: number): boolean {
    switch (code) {
      case op.BINPUT:
        this.#memo.set(this.#bytes.u8(), this.#top());
        break;
      case op.LONG_BINPUT:
        this.#memo.set(this.#bytes.u32(), this.#top());
        break;
      case op.MEMOIZE:
        this.#memo.set(this.#memo.size, this.#top());
        break;
      case op.BINGET:
        this.#recall(this.#bytes.u8());
        return true;
      case op.LONG_BINGET:
        this.#recall(this.#bytes.u32());
        return true;
      default:
        return false;
    }
    this.#spend(1);
    return true;
  }

  #executeCall(code: number): boolean {
    switch (code) {
      case op.PROTO:
        this.#protocol();
        return true;
      case op.FRAME:
        this.#bytes.frame();
        return true;
      case op.GLOBAL:
        this.#global(this.#bytes.line(), this.#bytes.line());
        return true;
      case op.STACK_GLOBAL:
        this.#stackGlobal();
        return true;
      case op.BINPERSID:
        this.#push(this.#host.persistent(this.#pop(), this.#refuse));
        return true;
      case op.REDUCE:
        this.#reduce();
        return true;
      case op.NEWOBJ:
        this.#newObject(this.#popMany(2));
        return true;
      case op.NEWOBJ_EX:
        this.#newForeign(this.#popMany(3));
        return true;
      case op.BUILD:
        this.#build();
        return true;
      default:
        return false;
    }
  }

  #protocol(): void {
    const version = this.#bytes.u8();
    if (version < 2 || version > 5) this.#refuse(`pickle protocol ${version} is not read (2 to 5 are)`);
  }

  #recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) this.#refuse(`nothing was stored under ${index}`);
    this.#push(value);
  }

  #pushTuple(items: readonly PickleValue[]): void {
    this.#push({ kind: 'tuple', items, depth: this.#deepen(1, items) });
  }

  #append(values: readonly PickleValue[]): void {
    const list = this.#top();
    if (isForeign(list)) return;
    if (isKey(list) || list.kind !== 'list') this.#refuse(`items are appended to ${describePickle(list)}`);
    list.depth = this.#deepen(list.depth, values);
    for (const value of values) list.items.push(value);
  }

  #setItems(values: readonly PickleValue[]): void {
    const dict = this.#top();
    if (isForeign(dict)) return;
    if (isKey(dict) || dict.kind !== 'dict') this.#refuse(`entries are set in ${describePickle(dict)}`);
    if (values.length % 2 === 1) this.#refuse('a key without a value');
    dict.depth = this.#deepen(dict.depth, values);
    for (let i = 0; i < values.length; i += 2) {
      const key = values[i]!;
      if (isKey(key)) dict.entries.set(key, values[i + 1]!);
      else if (key.kind === 'list' || key.kind === 'dict') this.#refuse(`${describePickle(key)} as a key`);
    }
  }

  #global(module: string, name: string): void {
    this.#push({ kind: 'global', name: `${module}.${name}` });
  }

  #stackGlobal(): void {
    const [module, name] = this.#popMany(2);
    if (typeof module !== 'string' || typeof name !== 'string')
      this.#refuse('the name of a global is not a string');
    this.#global(module, name);
  }

  #reduce(): void {
    const [callee, args] = this.#popMany(2) as [PickleValue, PickleValue];
    if (isForeign(callee)) {
      this.#push(callee);
      return;
    }
    if (isKey(callee) || callee.kind !== 'global') this.#refuse(`a call of ${describePickle(callee)}`);
    if (isKey(args) || args.kind !== 'tuple') this.#refuse(`${describePickle(args)} as arguments`);
    if (!this.#host.knows(callee.name)) {
      this.#pushForeign(callee.name);
      return;
    }
    // A call may look at every item of a list that it is given.
    for (const arg of args.items) if (!isKey(arg) && arg.kind === 'list') this.#spend(arg.items.length);
    this.#push(this.#host.call(callee.name, args.items, this.#refuse));
  }

  /** What the host knows nothing of: its name stays, what it was given is dropped, nothing is run. */
  #pushForeign(name: string): void {
    const short = shortName(name);
    if (this.foreign.size < pickleLimits.foreign) this.foreign.add(short);
    this.#push({ kind: 'foreign', what: short });
  }

  /** A class with arguments, by position and by name. */
  #newForeign([type = null]: readonly PickleValue[]): void {
    if (isKey(type) || type.kind !== 'global' || this.#host.knows(type.name))
      this.#refuse(`an object of ${describePickle(type)}`);
    this.#pushForeign(type.name);
  }

  #newObject(parts: readonly PickleValue[]): void {
    const [type, args] = parts as [PickleValue, PickleValue];
    if (isKey(type) || type.kind !== 'global' || !this.#host.constructs(type.name)) {
      this.#newForeign(parts);
      return;
    }
    if (isKey(args) || args.kind !== 'tuple' || args.items.length > 0)
      this.#refuse(`${describePickle(args)} as arguments of an object`);
    this.#push({ kind: 'object', className: type.name, state: undefined, depth: 1 });
  }

  /** State of an object; attributes of an ordered dict (PyTorch's `_metadata`) are dropped. */
  #build(): void {
    const state = this.#pop();
    const target = this.#top();
    if (isForeign(target)) return;
    if (isKey(state) || state.kind !== 'dict') this.#refuse(`${describePickle(state)} as a state`);
    if (isKey(target) || (target.kind !== 'object' && target.kind !== 'dict'))
      this.#refuse(`a state for ${describePickle(target)}`);
    if (target.kind === 'dict') return;
    target.state = state;
    target.depth = this.#deepen(target.depth, [state]);
  }
}

/** What `readPickle` found. */
export interface ReadPickle {
  readonly value: PickleValue;
  /** Names of what was not run: the classes and functions of foreign objects. */
  readonly foreign: readonly string[];
  /** Index behind the pickle. */
  readonly end: number;
}

/**
 * A pickle, behind which others may stand.
 * @param source what to call it in messages
 * @param from where it begins
 * @throws DiagnosticError Z422 for anything but plain data, foreign objects and what the host allows
 */
export function readPickle(bytes: Uint8Array, source: string, host: PickleHost, from = 0): ReadPickle {
  const unpickler = new Unpickler(bytes, source, host, from);
  const value = unpickler.run();
  return { value, foreign: [...unpickler.foreign], end: unpickler.at };
}

/** A pickle that is all there is. */
export function readWholePickle(bytes: Uint8Array, source: string, host: PickleHost): ReadPickle {
  const read = readPickle(bytes, source, host);
  const behind = bytes.length - read.end;
  if (behind > 0) refuseAt(source, read.end, `${behind} bytes stand behind the end of the pickle`);
  return read;
}
