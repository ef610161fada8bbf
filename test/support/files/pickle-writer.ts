/**
 * Writes Python pickles after the published description of the opcodes (CPython's `pickletools`): protocol 2
 * as PyTorch's two picklers write it, and protocol 4 with frames. Written for the tests alone, apart from the
 * reader.
 */

export type Py =
  | null
  | boolean
  | number
  | string
  | { readonly tuple: readonly Py[] }
  | { readonly list: readonly Py[] }
  | { readonly dict: readonly (readonly [Py, Py])[] }
  /** `module name` */
  | { readonly global: string }
  | Made
  | { readonly persistent: Py };

/** What a pickle makes by a call or a class. */
type Made =
  | { readonly call: string; readonly args: readonly Py[] }
  | { readonly ordered: readonly (readonly [Py, Py])[]; readonly state?: Py }
  /** An object of a class with its attributes, as TorchScript writes modules. */
  | { readonly object: string; readonly state: readonly (readonly [Py, Py])[] };

function uint(bytes: number, value: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256);
}

export class PickleWriter {
  readonly #bytes: number[] = [];
  readonly #memo = new Map<string, number>();
  readonly #protocol: 2 | 4;
  #memoized = 0;

  constructor(protocol: 2 | 4 = 2) {
    this.#protocol = protocol;
  }

  /** The pickle of one value. */
  static write(value: Py, protocol: 2 | 4 = 2): Uint8Array {
    const writer = new PickleWriter(protocol);
    writer.value(value);
    writer.op('.');
    const body = writer.#bytes;
    const frame = protocol === 2 ? [] : [0x95, ...uint(8, body.length)];
    return Uint8Array.from([0x80, protocol, ...frame, ...body]);
  }

  /** Opcodes and bytes as they are. */
  op(...parts: readonly (string | number | Uint8Array)[]): void {
    for (const part of parts) {
      if (typeof part === 'number') this.#bytes.push(part);
      else for (const byte of Buffer.from(part)) this.#bytes.push(byte);
    }
  }

  value(value: Py): void {
    if (value === null) this.op('N');
    else if (typeof value === 'boolean') this.op(value ? 0x88 : 0x89);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#string(value);
    else if ('tuple' in value) this.#tuple(value.tuple);
    else if ('list' in value) {
      this.op(']');
      this.#put();
      if (value.list.length > 0) this.#marked(value.list, 'e');
    } else if ('dict' in value) {
      this.op('}');
      this.#put();
      this.#items(value.dict);
    } else if ('global' in value) this.#global(value.global);
    else if ('persistent' in value) {
      this.value(value.persistent);
      this.op('Q');
    } else this.#made(value);
  }

  #made(value: Made): void {
    if ('call' in value) {
      this.#global(value.call);
      this.#tuple(value.args);
      this.op('R');
      this.#put();
    } else if ('ordered' in value) {
      this.#global('collections OrderedDict');
      this.op(')', 'R');
      this.#put();
      this.#items(value.ordered);
      if (value.state !== undefined) {
        this.value(value.state);
        this.op('b');
      }
    } else {
      this.#global(value.object);
      this.op(')', 0x81, '}');
      this.#items(value.state);
      this.op('b');
    }
  }

  #items(pairs: readonly (readonly [Py, Py])[]): void {
    if (pairs.length > 0) this.#marked(pairs.flat(), 'u');
  }

  #marked(values: readonly Py[], end: string): void {
    this.op('(');
    for (const value of values) this.value(value);
    this.op(end);
  }

  #tuple(items: readonly Py[]): void {
    if (items.length === 0) {
      this.op(')');
      return;
    }
    if (items.length <= 3) {
      for (const item of items) this.value(item);
      this.op(0x84 + items.length);
    } else this.#marked(items, 't');
    this.#put();
  }

  #number(value: number): void {
    if (!Number.isInteger(value)) {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setFloat64(0, value, false);
      this.op('G', bytes);
    } else if (value >= 0 && value < 256) this.op('K', value);
    else if (value >= 0 && value < 65536) this.op('M', ...uint(2, value));
    else if (value >= -(2 ** 31) && value < 2 ** 31) this.op('J', ...uint(4, value >>> 0));
    else {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
      this.op(0x8a, 8, bytes);
    }
  }

  #string(text: string): void {
    if (this.#get(`s${text}`)) return;
    const bytes = Buffer.from(text);
    if (this.#protocol === 4 && bytes.length < 256) this.op(0x8c, bytes.length, bytes);
    else this.op('X', ...uint(4, bytes.length), bytes);
    this.#put(`s${text}`);
  }

  #global(name: string): void {
    if (this.#get(`g${name}`)) return;
    const [module = '', attribute = ''] = name.split(' ');
    if (this.#protocol === 4) {
      this.#string(module);
      this.#string(attribute);
      this.op(0x93);
    } else this.op('c', `${module}\n${attribute}\n`);
    this.#put(`g${name}`);
  }

  #get(key: string): boolean {
    const index = this.#memo.get(key);
    if (index === undefined) return false;
    if (index < 256) this.op('h', index);
    else this.op('j', ...uint(4, index));
    return true;
  }

  #put(key?: string): void {
    const index = this.#memoized++;
    if (this.#protocol === 4) this.op(0x94);
    else if (index < 256) this.op('q', index);
    else this.op('r', ...uint(4, index));
    if (key !== undefined) this.#memo.set(key, index);
  }
}

/** A pickle from opcodes and bytes, closed by STOP. */
export function rawPickle(...parts: readonly (string | number | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    [0x80, 2, ...parts, '.'].map((p) => (typeof p === 'number' ? Uint8Array.of(p) : Buffer.from(p))),
  );
}
