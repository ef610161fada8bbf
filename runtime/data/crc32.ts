/** CRC-32 (IEEE 802.3) of a text in UTF-8, as zlib computes it: names streams of random numbers, in browsers as well. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

const encoder = new TextEncoder();

/** The checksum, in [0, 2^32). */
export function crc32(text: string): number {
  let crc = -1;
  for (const byte of encoder.encode(text)) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}
