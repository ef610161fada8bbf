/**
 * The bytes of a pickle, read from the front to the end: numbers, texts, and what is passed over. Nothing is read
 * behind the end, and no text is made that is longer than a name can be.
 */
import type { PickleValue, Refuse } from './pickle-values.ts';

/** Bytes of one string; names of tensors have less than a hundred. */
const longestText = 65_536;

/** Bytes hold no tensor. */
const bytesValue: PickleValue = { kind: 'foreign', what: 'bytes' };

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class PickleBytes {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #refuse: Refuse;
  #at: number;

  /** @param from where the first pickle begins */
  constructor(bytes: Uint8Array, from: number, refuse: Refuse) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#refuse = refuse;
    this.#at = from;
  }

  /** Where the next byte is. */
  get at(): number {
    return this.#at;
  }

  /** Takes `length` bytes; returns where they begin. */
  #advance(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) this.#refuse('the pickle is cut short');
    this.#at = at + length;
    return at;
  }

  u8(): number {
    return this.#bytes[this.#advance(1)]!;
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** A number of eight bytes that counts bytes of the pickle. */
  size(): number {
    const size = this.#view.getBigUint64(this.#advance(8), true);
    return size > BigInt(this.#bytes.length) ? this.#refuse('the pickle is cut short') : Number(size);
  }

  /** The length of a frame, which must be there. */
  frame(): void {
    if (this.size() > this.#bytes.length - this.#at) this.#refuse('the pickle is cut short');
  }

  /** A number of LONG1: two's complement, little-endian. */
  long(length: number): number | bigint {
    const at = this.#advance(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i]!);
    value = BigInt.asIntN(8 * length, value);
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
  }

  #text(length: number): string {
    if (length > longestText) this.#refuse(`a string of ${length} bytes`);
    const at = this.#advance(length);
    try {
      return utf8.decode(this.#bytes.subarray(at, at + length));
    } catch {
      return this.#refuse('a string that is not UTF-8');
    }
  }

  /** A text up to the end of its line. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) this.#refuse('the pickle is cut short');
    const text = this.#text(end - this.#at);
    this.#advance(1);
    return text;
  }

  /** A string; one that is too long for a name holds an array, as numpy writes its bytes in protocol 2. */
  unicode(length: number): PickleValue {
    return length > longestText ? this.pass(length) : this.#text(length);
  }

  /** A string of Python 2, which may hold any bytes. */
  byteText(length: number): PickleValue {
    const at = this.#advance(length);
    if (length > longestText) return bytesValue;
    try {
      return utf8.decode(this.#bytes.subarray(at, at + length));
    } catch {
      return bytesValue;
    }
  }

  pass(length: number): PickleValue {
    this.#advance(length);
    return bytesValue;
  }
}
