/**
 * A reader of Python pickles that runs nothing: values go onto a stack, globals are names, and calls go to a
 * host that knows a short list of them.
 *
 * Checkpoints come from strangers, and a pickle is a program. Whatever is not on the lists (an opcode, a
 * global, a call) is refused by its name and its byte. Values, nesting and marks are counted, and no step
 * copies what a reference shares, so time and memory follow the length of the file.
 */
import { fail } from '../../../../grammar/diagnostics.ts';
import { opcodes as op, refusedOpcode } from './pickle-opcodes.ts';
import { depthOf, describePickle, isKey, type PickleValue } from './pickle-values.ts';

/** Raises a refusal at the opcode that is being executed. */
export type Refuse = (why: string) => never;

/** What a kind of pickle may ask for. `global` names are `module.name`. */
export interface PickleHost {
  allows(global: string): boolean;
  /** May `global` be made into an object without arguments? */
  constructs(global: string): boolean;
  persistent(id: PickleValue, refuse: Refuse): PickleValue;
  call(global: string, args: readonly PickleValue[], refuse: Refuse): PickleValue;
}

const pickleLimits = {
  /** Values pushed onto the stack. A checkpoint of ViT-L/14 with its optimizer has some 100 000. */
  values: 2_000_000,
  /** Containers inside containers. */
  depth: 200,
  /** Bytes of one string; names of tensors have less than a hundred. */
  string: 65_536,
} as const;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The machine: one run over one pickle. */
class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #source: string;
  readonly #host: PickleHost;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at = 0;
  /** Where the current opcode begins. */
  #start = 0;
  #spent = 0;

  constructor(bytes: Uint8Array, source: string, host: PickleHost) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#source = source;
    this.#host = host;
  }

  run(): PickleValue {
    for (;;) {
      this.#start = this.#at;
      const code = this.#bytes[this.#advance(1)]!;
      if (code === op.STOP) return this.#stop();
      this.#execute(code);
    }
  }

  readonly #refuse: Refuse = (why) =>
    fail(
      'Z422',
      `${this.#source}, byte ${this.#start}: ${why}`,
      'only plain tensors are read, nothing is run; save model.state_dict(), or safetensors',
    );

  #stop(): PickleValue {
    if (this.#stack.length !== 1 || this.#marks.length > 0)
      this.#refuse(`the pickle ends with ${this.#stack.length} values instead of one`);
    if (this.#at < this.#bytes.length)
      this.#refuse(`${this.#bytes.length - this.#at} bytes stand behind the end of the pickle`);
    return this.#stack[0]!;
  }

  // ── bytes ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes `length` bytes; returns where they begin. */
  #advance(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) this.#refuse('the pickle is cut short');
    this.#at = at + length;
    return at;
  }

  #size8(): number {
    const size = this.#view.getBigUint64(this.#advance(8), true);
    return size > BigInt(this.#bytes.length) ? this.#refuse('the pickle is cut short') : Number(size);
  }

  #text(length: number): string {
    if (length > pickleLimits.string) this.#refuse(`a string of ${length} bytes`);
    const at = this.#advance(length);
    try {
      return utf8.decode(this.#bytes.subarray(at, at + length));
    } catch {
      return this.#refuse('a string that is not UTF-8');
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) this.#refuse('the pickle is cut short');
    const text = this.#text(end - this.#at);
    this.#advance(1);
    return text;
  }

  /** A number of LONG1: two's complement, little-endian. */
  #long(length: number): number | bigint {
    if (length > 16) this.#refuse(`an integer of ${length} bytes`);
    const at = this.#advance(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i]!);
    value = BigInt.asIntN(8 * length, value);
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
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
        this.#push(this.#view.getInt32(this.#advance(4), true));
        return true;
      case op.BININT1:
        this.#push(this.#bytes[this.#advance(1)]!);
        return true;
      case op.BININT2:
        this.#push(this.#view.getUint16(this.#advance(2), true));
        return true;
      case op.LONG1:
        this.#push(this.#long(this.#bytes[this.#advance(1)]!));
        return true;
      case op.BINFLOAT:
        this.#push(this.#view.getFloat64(this.#advance(8), false));
        return true;
      case op.BINUNICODE:
        this.#push(this.#text(this.#view.getUint32(this.#advance(4), true)));
        return true;
      case op.SHORT_BINUNICODE:
        this.#push(this.#text(this.#bytes[this.#advance(1)]!));
        return true;
      case op.BINUNICODE8:
        this.#push(this.#text(this.#size8()));
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
      default:
        return false;
    }
  }

  #executeMemo(code: number): boolean {
    switch (code) {
      case op.BINPUT:
        this.#memo.set(this.#bytes[this.#advance(1)]!, this.#top());
        break;
      case op.LONG_BINPUT:
        this.#memo.set(this.#view.getUint32(this.#advance(4), true), this.#top());
        break;
      case op.MEMOIZE:
        this.#memo.set(this.#memo.size, this.#top());
        break;
      case op.BINGET:
        this.#recall(this.#bytes[this.#advance(1)]!);
        return true;
      case op.LONG_BINGET:
        this.#recall(this.#view.getUint32(this.#advance(4), true));
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
        if (this.#size8() > this.#bytes.length - this.#at) this.#refuse('the pickle is cut short');
        return true;
      case op.GLOBAL:
        this.#global(this.#line(), this.#line());
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
        this.#newObject();
        return true;
      case op.BUILD:
        this.#build();
        return true;
      default:
        return false;
    }
  }

  #protocol(): void {
    const version = this.#bytes[this.#advance(1)]!;
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
    if (isKey(list) || list.kind !== 'list') this.#refuse(`items are appended to ${describePickle(list)}`);
    list.depth = this.#deepen(list.depth, values);
    for (const value of values) list.items.push(value);
  }

  #setItems(values: readonly PickleValue[]): void {
    const dict = this.#top();
    if (isKey(dict) || dict.kind !== 'dict') this.#refuse(`entries are set in ${describePickle(dict)}`);
    if (values.length % 2 === 1) this.#refuse('a key without a value');
    dict.depth = this.#deepen(dict.depth, values);
    for (let i = 0; i < values.length; i += 2) {
      const key = values[i]!;
      if (!isKey(key)) this.#refuse(`${describePickle(key)} as a key`);
      dict.entries.set(key, values[i + 1]!);
    }
  }

  #global(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!this.#host.allows(full)) this.#refuse(`it asks for ${full.slice(0, 200)}, which is not read`);
    this.#push({ kind: 'global', name: full });
  }

  #stackGlobal(): void {
    const [module, name] = this.#popMany(2);
    if (typeof module !== 'string' || typeof name !== 'string')
      this.#refuse('the name of a global is not a string');
    this.#global(module, name);
  }

  #reduce(): void {
    const [callee, args] = this.#popMany(2) as [PickleValue, PickleValue];
    if (isKey(callee) || callee.kind !== 'global') this.#refuse(`a call of ${describePickle(callee)}`);
    if (isKey(args) || args.kind !== 'tuple') this.#refuse(`${describePickle(args)} as arguments`);
    // A call may look at every item of a list that it is given.
    for (const arg of args.items) if (!isKey(arg) && arg.kind === 'list') this.#spend(arg.items.length);
    this.#push(this.#host.call(callee.name, args.items, this.#refuse));
  }

  #newObject(): void {
    const [type, args] = this.#popMany(2) as [PickleValue, PickleValue];
    if (isKey(type) || type.kind !== 'global' || !this.#host.constructs(type.name))
      this.#refuse(`an object of ${describePickle(type)}`);
    if (isKey(args) || args.kind !== 'tuple' || args.items.length > 0)
      this.#refuse(`${describePickle(args)} as arguments of an object`);
    this.#push({ kind: 'object', className: type.name, state: undefined, depth: 1 });
  }

  /** State of an object; attributes of an ordered dict (PyTorch's `_metadata`) are dropped. */
  #build(): void {
    const state = this.#pop();
    const target = this.#top();
    if (isKey(state) || state.kind !== 'dict') this.#refuse(`${describePickle(state)} as a state`);
    if (isKey(target) || (target.kind !== 'object' && target.kind !== 'dict'))
      this.#refuse(`a state for ${describePickle(target)}`);
    if (target.kind === 'dict') return;
    target.state = state;
    target.depth = this.#deepen(target.depth, [state]);
  }
}

/**
 * The value of a pickle.
 * @param source what to call it in messages
 * @throws DiagnosticError Z422 for anything but plain data and what the host allows
 */
export function unpickle(bytes: Uint8Array, source: string, host: PickleHost): PickleValue {
  return new Unpickler(bytes, source, host).run();
}
