/** Arrays one behind the other. */

/** Their bytes, copied. */
export function joinedBytes(arrays: readonly ArrayBufferView[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(arrays.reduce((n, { byteLength }) => n + byteLength, 0));
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of arrays) {
    all.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return all;
}

/** The same as numbers of 4 bytes, whatever bits they hold. */
export function joinedFloats(arrays: readonly ArrayBufferView[]): Float32Array<ArrayBuffer> {
  return new Float32Array(joinedBytes(arrays).buffer);
}
