/**
 * The frame of TensorBoard's event files, which is TFRecord's: length (u64), its checksum, the bytes, their checksum,
 * all little-endian. A checksum is CRC-32C, masked so that a record may hold records.
 */
import crc32c from '@chainsafe/fast-crc32c';

function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c.calculate(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One record around these bytes. */
export function frame(bytes: Uint8Array): Uint8Array {
  const record = new Uint8Array(8 + 4 + bytes.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(bytes.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(bytes, 12);
  view.setUint32(12 + bytes.length, maskedCrc(bytes), true);
  return record;
}
