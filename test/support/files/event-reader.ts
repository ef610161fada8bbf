/**
 * Event files read without the code that writes them: a bitwise CRC-32C, frames, and the fields of messages by number.
 */

/** CRC-32C by its definition, a bit at a time. */
export function plainCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function masked(crc: number): number {
  return Number((((BigInt(crc) >> 15n) | (BigInt(crc) << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** The records of a file. @throws Error where a checksum or a length is wrong */
export function recordsOf(file: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    const end = at + 12 + length;
    if (end + 4 > file.length) throw new Error(`the record at ${at} is cut`);
    const body = file.subarray(at + 12, end);
    const sound = masked(plainCrc32c(file.subarray(at, at + 8))) === view.getUint32(at + 8, true);
    if (!sound || masked(plainCrc32c(body)) !== view.getUint32(end, true))
      throw new Error(`a checksum of the record at ${at} is wrong`);
    records.push(body);
    at = end + 4;
  }
  return records;
}

type Field = number | bigint | Uint8Array;

/** A message as its fields by number, each with all its values. */
function fieldsOf(message: Uint8Array): Map<number, Field[]> {
  const fields = new Map<number, Field[]>();
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(message[at++]!);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return value;
    }
  };
  const take = (bytes: number): number => {
    at += bytes;
    return at - bytes;
  };
  const readField = (wire: number): Field => {
    if (wire === 0) return varint();
    if (wire === 1) return view.getFloat64(take(8), true);
    if (wire === 5) return view.getFloat32(take(4), true);
    const length = Number(varint());
    return message.subarray(take(length), at);
  };
  while (at < message.length) {
    const key = Number(varint());
    const value = readField(key & 7);
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), value]);
  }
  return fields;
}

const part = (fields: Map<number, Field[]>, number: number) =>
  fields.get(number)?.[0] as Uint8Array | undefined;
const words = (bytes: Uint8Array | undefined) => (bytes === undefined ? '' : new TextDecoder().decode(bytes));

export interface ReadEvent {
  readonly step: number;
  readonly version?: string;
  /** The session begins again. */
  readonly restart: boolean;
  readonly scalars: Readonly<Record<string, number>>;
  readonly texts: Readonly<Record<string, string>>;
  /** PNG by tag. */
  readonly images: Readonly<Record<string, Uint8Array>>;
  /** Bytes for the plugin hparams, by tag. */
  readonly hparams: Readonly<Record<string, Uint8Array>>;
}

/** The events of a file. */
export function eventsOf(file: Uint8Array): ReadEvent[] {
  return recordsOf(file).map((record) => {
    const event = fieldsOf(record);
    const scalars: Record<string, number> = {};
    const texts: Record<string, string> = {};
    const images: Record<string, Uint8Array> = {};
    const hparams: Record<string, Uint8Array> = {};
    const summary = part(event, 5);
    for (const bytes of summary === undefined ? [] : (fieldsOf(summary).get(1) as Uint8Array[])) {
      const value = fieldsOf(bytes);
      const tag = words(part(value, 1));
      if (value.has(2)) scalars[tag] = value.get(2)![0] as number;
      else if (value.has(4)) images[tag] = part(fieldsOf(part(value, 4)!), 4)!;
      else {
        const plugin = fieldsOf(part(fieldsOf(part(value, 9)!), 1)!);
        if (words(part(plugin, 1)) === 'text') texts[tag] = words(part(fieldsOf(part(value, 8)!), 8));
        else hparams[tag] = part(plugin, 2)!;
      }
    }
    const log = part(event, 7);
    return {
      step: Number(event.get(2)?.[0] ?? 0),
      ...(event.has(3) ? { version: words(part(event, 3)) } : {}),
      restart: log !== undefined && fieldsOf(log).get(1)?.[0] === 1n,
      ...{ scalars, texts, images, hparams },
    };
  });
}
