/**
 * The safetensors header: what it may say, and every way it can be wrong.
 *
 * Format: little-endian u64 N (at most 100 000 000), N bytes of UTF-8 JSON, then the data. Weights come
 * from strangers, so nothing is believed: keys are scanned by hand for duplicates (JSON.parse keeps the
 * last one silently), sizes are multiplied as BigInt, and tensors must tile the data without hole or
 * overlap. Pure: no files here.
 */
// By its names alone, so that bundles leave out the words of all languages.
import * as z from 'zod/mini';
import { alignUp } from '../../../compiler/graph/dims.ts';
import { fail } from '../../../grammar/diagnostics.ts';

/** Bytes of one element of each element type the format knows and we can carry. */
export const elementBytes = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
} as const;

export type SafetensorsDType = keyof typeof elementBytes;

/** Where a tensor lies: `[begin, end)` in bytes, relative to the end of the header. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string>;
}

export const prefixBytes = 8;
export const maxHeaderBytes = 100_000_000;
const maxDepth = 128;
const u64Limit = 2n ** 64n;

/** Raises Z411: the file `source` is not a well-formed safetensors file. */
function malformed(source: string, why: string): never {
  fail('Z411', `${source} is not a valid safetensors file: ${why}`);
}

/**
 * Length of the JSON header from the file's first bytes.
 * @param prefix the first 8 bytes (fewer if the file is shorter)
 * @param fileBytes size of the whole file
 */
export function headerLength(prefix: Uint8Array, fileBytes: number, source: string): number {
  if (fileBytes < prefixBytes || prefix.length < prefixBytes)
    malformed(source, `it has ${fileBytes} bytes, fewer than the 8 of the header length`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes))
    malformed(source, `the header length ${length} is above the limit of ${maxHeaderBytes} bytes`);
  if (length > BigInt(fileBytes - prefixBytes))
    malformed(source, `the header length ${length} reaches past the end of the file (${fileBytes} bytes)`);
  return Number(length);
}

/** A name for a message: quoted, and cut where a hostile file makes it endless. */
function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name);
}

/** Checks the JSON number that begins at `at`; returns the index behind it. */
function scanNumber(text: string, at: number, source: string): number {
  let end = at;
  while ('-+.eE0123456789'.includes(text.charAt(end)) && end < text.length) end++;
  const found = text.slice(at, end);
  if (!/^(0|[1-9]\d*)$/.test(found))
    malformed(source, `the header holds the number ${found.slice(0, 100)}; sizes are whole and not negative`);
  return end;
}

/** Index behind the string that begins at `at`, or of the end of the text. */
function scanString(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && text.charCodeAt(end) !== 0x22) end += text.charCodeAt(end) === 0x5c ? 2 : 1;
  return end + 1;
}

/** A JSON container that is open: its keys so far (objects only), and whether a key comes next. */
interface Open {
  readonly keys: Set<string> | undefined;
  expectKey: boolean;
}

function takeKey(text: string, object: Open, source: string): void {
  const key = parseText(text, source) as string;
  if (object.keys!.has(key)) malformed(source, `the header has the key ${quote(key)} twice`);
  object.keys!.add(key);
  object.expectKey = false;
}

/**
 * Rejects duplicate keys at any depth, numbers that are not plain non-negative integers, and absurd nesting.
 * Runs before JSON.parse, which would take minutes over a hundred million brackets; whatever else is wrong
 * with the text is left to it.
 */
function scanJson(text: string, source: string): void {
  const open: Open[] = [];
  let at = 0;
  while (at < text.length) {
    const c = text.charCodeAt(at);
    const top = open.at(-1);
    if (c === 0x22) {
      const end = scanString(text, at);
      if (top?.keys !== undefined && top.expectKey) takeKey(text.slice(at, end), top, source);
      at = end;
    } else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
      at = scanNumber(text, at, source);
    } else {
      if (c === 0x7b || c === 0x5b) open.push({ keys: c === 0x7b ? new Set() : undefined, expectKey: true });
      else if (c === 0x7d || c === 0x5d) open.pop();
      else if (c === 0x2c && top !== undefined) top.expectKey = true;
      if (open.length > maxDepth) malformed(source, `the header nests deeper than ${maxDepth} levels`);
      at++;
    }
  }
}

function parseText(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    malformed(source, 'the header is not JSON');
  }
}

function parseJson(bytes: Uint8Array, source: string): Record<string, unknown> {
  if (bytes[0] !== 0x7b) malformed(source, 'the header does not begin with {');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    malformed(source, 'the header is not UTF-8');
  }
  scanJson(text, source);
  return parseText(text, source) as Record<string, unknown>;
}

const size = z.int().check(z.nonnegative());
const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});
const metadataSchema = z.record(z.string(), z.string());

function parseEntry(name: string, value: unknown, source: string): TensorInfo {
  const label = quote(name);
  if (/\p{Surrogate}/u.test(name)) malformed(source, `the tensor name ${label} is not valid Unicode`);
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const where = issue.path.length > 0 ? ` (${issue.path.join('.')})` : '';
    malformed(source, `tensor ${label} is not described by dtype, shape and data_offsets${where}`);
  }
  const { dtype, shape, data_offsets: offsets } = parsed.data;
  if (!Object.hasOwn(elementBytes, dtype))
    malformed(source, `tensor ${label} has the unknown dtype ${quote(dtype)}`);
  const known = dtype as SafetensorsDType;
  const [begin, end] = offsets;
  const dims = `[${shape.slice(0, 16).join(', ')}${shape.length > 16 ? ', ...' : ''}]`;
  if (end < begin) malformed(source, `tensor ${label} ends at byte ${end}, before its begin ${begin}`);
  let elements = 1n;
  for (const dim of shape) {
    elements *= BigInt(dim);
    if (elements >= u64Limit) malformed(source, `the shape of tensor ${label}, ${dims}, overflows`);
  }
  const wanted = elements * BigInt(elementBytes[known]);
  if (BigInt(end - begin) !== wanted)
    malformed(
      source,
      `tensor ${label} of ${dtype} ${dims} needs ${wanted} bytes, its offsets span ${end - begin}`,
    );
  return { name, dtype: known, shape, begin, end };
}

/** Tensors, sorted by offset, must tile `[0, dataBytes)` exactly. */
function checkTiling(sorted: readonly TensorInfo[], dataBytes: number, source: string): void {
  let reached = 0;
  for (const t of sorted) {
    const label = quote(t.name);
    if (t.begin < reached)
      malformed(
        source,
        `tensor ${label} begins at byte ${t.begin} and overlaps the one before, which ends at ${reached}`,
      );
    if (t.begin > reached)
      malformed(
        source,
        `there is a hole before tensor ${label}: bytes ${reached} to ${t.begin} belong to nothing`,
      );
    reached = t.end;
  }
  if (reached > dataBytes)
    malformed(
      source,
      `the file is cut short: its tensors need ${reached} bytes of data and ${dataBytes} are there`,
    );
  if (reached < dataBytes)
    malformed(source, `${dataBytes - reached} bytes at the end of the file belong to no tensor`);
}

/**
 * Parses and validates the JSON header.
 * @param bytes the header, without the 8 bytes of its length
 * @param dataBytes bytes of the file behind the header
 * @param source what to call the file in messages
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number, source: string): Header {
  const json = parseJson(bytes, source);
  const metadata = new Map<string, string>();
  const infos: TensorInfo[] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') {
      const parsed = metadataSchema.safeParse(value);
      if (!parsed.success) malformed(source, '__metadata__ may only map strings to strings');
      for (const [key, text] of Object.entries(value as Record<string, string>)) metadata.set(key, text);
    } else infos.push(parseEntry(name, value, source));
  }
  infos.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkTiling(infos, dataBytes, source);
  return { tensors: new Map(infos.map((t) => [t.name, t])), metadata };
}

/** One tensor's place in a header that is to be written. */
interface HeaderEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

/** Elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/**
 * Prefix and header for tensors in this order, padded with spaces to a multiple of 8; metadata keys are
 * sorted. The same arguments give the same bytes.
 */
export function encodeHeader(
  entries: readonly HeaderEntry[],
  metadata: ReadonlyMap<string, string>,
): Uint8Array {
  const parts: string[] = [];
  if (metadata.size > 0) {
    const keys = [...metadata.keys()].sort();
    parts.push(
      `"__metadata__":{${keys.map((k) => `${JSON.stringify(k)}:${JSON.stringify(metadata.get(k))}`).join(',')}}`,
    );
  }
  const seen = new Set(['__metadata__']);
  let offset = 0;
  for (const { name, dtype, shape } of entries) {
    if (seen.has(name)) throw new Error(`the tensor name ${JSON.stringify(name)} cannot be written twice`);
    seen.add(name);
    const end = offset + elementCount(shape) * elementBytes[dtype];
    parts.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const padded = alignUp(json.length, 8);
  const out = new Uint8Array(prefixBytes + padded).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
  out.set(json, prefixBytes);
  return out;
}
