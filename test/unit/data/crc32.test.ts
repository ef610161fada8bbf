/** Names of random streams have the checksums that zlib gives, on which every stored number depends. */
import { crc32 as zlib } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../runtime/data/crc32.ts';

describe('the checksum of a name', () => {
  it('is that of the standard', () => {
    expect(crc32('123456789')).toBe(0xcbf43926);
    expect(crc32('')).toBe(0);
  });

  it('is zlib’s for any text, halves of characters included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 0xd800, max: 0xdfff }), (text, half) => {
        for (const name of [text, text + String.fromCharCode(half)]) expect(crc32(name)).toBe(zlib(name));
      }),
    );
  });
});
