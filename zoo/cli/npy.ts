/**
 * NumPy's .npy format, version 1.0: float32, C order, little-endian; header padded so that
 * data starts at 64 bytes.
 */

import { alignUp } from '../../compiler/graph/dims.ts';

/** @param shape row-major sizes of `data` */
export function encodeNpy(shape: readonly number[], data: Float32Array): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const description = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`;
  const fixed = 10;
  const total = alignUp(fixed + description.length + 1, 64);
  const header = Buffer.alloc(total, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(total - fixed, 8);
  header.write(description, fixed, 'latin1');
  header.write('\n', total - 1, 'latin1');
  return Buffer.concat([header, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);
}
