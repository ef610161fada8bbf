/**
 * Bytes of tables and lists as text: UTF-8 or UTF-16, told apart by their mark or a zero byte, or the encoding named.
 *
 * Bytes that are no text there are an error which names their place; nothing is replaced or dropped. Whole lines
 * are decoded at a time, so no character is cut and a place can be told.
 */
import { TextDecoder } from 'node:util';
import { fail } from '../../../grammar/diagnostics.ts';
import { readAllC1 } from '../texts/c1.ts';

/** No line of a table or list is that long; a file without line ends is none. */
const longestLine = 16 * 2 ** 20;
const newline = 0x0a;

/** Whether there is an encoding of this name. */
export function isEncoding(name: string): boolean {
  try {
    new TextDecoder(name);
    return true;
  } catch {
    return false;
  }
}

interface Mark {
  readonly encoding: string;
  /** Bytes of the mark. */
  readonly length: number;
}

/** What the first bytes say; a text without a mark begins with no zero byte unless a character has two. */
function markOf([a, b, c]: Uint8Array): Mark | undefined {
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: 'utf-8', length: 3 };
  if (a === 0xff && b === 0xfe) return { encoding: 'utf-16le', length: 2 };
  if (a === 0xfe && b === 0xff) return { encoding: 'utf-16be', length: 2 };
  if (b === 0 && a !== 0 && a !== undefined) return { encoding: 'utf-16le', length: 0 };
  if (a === 0 && b !== 0 && b !== undefined) return { encoding: 'utf-16be', length: 0 };
  return undefined;
}

export class LineDecoder {
  readonly #path: string;
  readonly #named: string | undefined;
  readonly #help: string | undefined;
  #decoder: TextDecoder | undefined;
  #carry: Uint8Array = new Uint8Array();
  /** Lines decoded so far. */
  #lines = 0;

  /**
   * @param options.encoding by its name on the web; a mark at the beginning of a file goes before it
   * @param options.help what to do about bytes that are no text
   */
  constructor(path: string, options: { readonly encoding?: string; readonly help?: string } = {}) {
    this.#path = path;
    this.#named = options.encoding;
    this.#help = options.help;
  }

  /**
   * The lines that end in what came so far.
   * @throws DiagnosticError Z427
   */
  push(chunk: Uint8Array): string {
    let bytes = chunk;
    if (this.#carry.length > 0) bytes = Buffer.concat([this.#carry, chunk]);
    if (this.#decoder === undefined) {
      if (bytes.length < 3) return this.#keep(bytes);
      bytes = this.#begin(bytes);
    }
    const end = this.#endOfLines(bytes);
    this.#keep(bytes.slice(end));
    return this.#decode(bytes.subarray(0, end));
  }

  /** The rest. */
  end(): string {
    const rest = this.#decoder === undefined ? this.#begin(this.#carry) : this.#carry;
    this.#carry = new Uint8Array();
    return this.#decode(rest);
  }

  #begin(bytes: Uint8Array): Uint8Array {
    const mark = markOf(bytes);
    const written = mark?.length === 0 ? (this.#named ?? mark.encoding) : (mark?.encoding ?? this.#named);
    this.#decoder = this.#fresh(written ?? 'utf-8');
    return bytes.subarray(mark?.length ?? 0);
  }

  #fresh(encoding: string): TextDecoder {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  }

  #keep(bytes: Uint8Array): string {
    if (bytes.length > longestLine)
      fail(
        'Z427',
        `${this.#path}, line ${this.#lines + 1} has more than ${longestLine} bytes: it is no text`,
      );
    this.#carry = bytes;
    return '';
  }

  /** Where the last line ends. */
  #endOfLines(bytes: Uint8Array): number {
    const { encoding } = this.#decoder!;
    if (!encoding.startsWith('utf-16')) return bytes.lastIndexOf(newline) + 1;
    const low = encoding === 'utf-16le' ? 0 : 1;
    for (let at = bytes.length - (bytes.length % 2) - 2; at >= 0; at -= 2)
      if (bytes[at + low] === newline && bytes[at + 1 - low] === 0) return at + 2;
    return 0;
  }

  #decode(bytes: Uint8Array): string {
    if (bytes.length === 0) return '';
    const decoder = this.#decoder!;
    let text = '';
    try {
      text = decoder.decode(bytes);
    } catch {
      this.#failAt(bytes);
    }
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lines++;
    // Some versions of Node read these as ISO 8859-1.
    return decoder.encoding === 'windows-1252' ? readAllC1(text) : text;
  }

  /** Decodes byte by byte up to the one that is wrong. */
  #failAt(bytes: Uint8Array): never {
    const { encoding } = this.#decoder!;
    const decoder = this.#fresh(encoding);
    let text = '';
    try {
      for (let at = 0; at < bytes.length; at++)
        text += decoder.decode(bytes.subarray(at, at + 1), { stream: true });
    } catch {
      // What was decoded before ends where the place is.
    }
    const lines = text.split('\n');
    const line = this.#lines + lines.length;
    const column = [...lines.at(-1)!].length + 1;
    const byte = encoding === 'utf-8' ? bytes[Buffer.byteLength(text)]! : undefined;
    const what = byte === undefined ? 'bytes' : `the byte 0x${byte.toString(16)}`;
    return fail(
      'Z427',
      `${this.#path}, line ${line}, column ${column}: ${what} that ${byte === undefined ? 'are' : 'is'} no ${encoding.toUpperCase()}`,
      this.#help,
    );
  }
}

/**
 * The text of a file, whole.
 * @throws DiagnosticError Z427
 */
export function decodeText(bytes: Uint8Array, path: string): string {
  const decoder = new LineDecoder(path, { help: 'save it as UTF-8' });
  return decoder.push(bytes) + decoder.end();
}
