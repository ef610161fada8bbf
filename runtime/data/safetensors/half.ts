/**
 * Half-precision storage formats to and from float32.
 *
 * Published checkpoints hold most weights in IEEE binary16, some in bfloat16. Both widen to float32
 * exactly; narrowing rounds to nearest, ties to even. Values are moved as bits, so that every NaN stays a
 * NaN and signed zeros survive.
 */

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

let table: Float32Array | undefined;

/**
 * All 65 536 binary16 values, made at the first use: a look-up is several times faster than the arithmetic.
 */
function halfTable(): Float32Array {
  if (table !== undefined) return table;
  table = new Float32Array(65536);
  const bits = new Uint32Array(table.buffer);
  for (let h = 0; h < 65536; h++) {
    const sign = (h & 0x8000) << 16;
    const exponent = (h >>> 10) & 31;
    const fraction = h & 0x3ff;
    if (exponent === 0) table[h] = (sign === 0 ? 1 : -1) * fraction * 2 ** -24;
    else if (exponent === 31) bits[h] = sign | 0x7f800000 | (fraction << 13);
    else bits[h] = sign | ((exponent + 112) << 23) | (fraction << 13);
  }
  return table;
}

/** binary16 bits to float32, exact. */
export function widenF16(bits: Uint16Array): Float32Array {
  const values = halfTable();
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = values[bits[i]!]!;
  return out;
}

/** bfloat16 bits to float32, exact. */
export function widenBF16(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i]! << 16;
  return new Float32Array(out.buffer);
}

function halfBits(value: number): number {
  f32[0] = value;
  const bits = u32[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  const exponent = (magnitude >>> 23) - 112;
  // Below the smallest normal half the fraction loses bits: shift the explicit leading one down as well.
  const shift = exponent > 0 ? 13 : 14 - exponent;
  if (shift > 24) return sign;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const base = exponent > 0 ? (exponent - 1) << 10 : 0;
  const half = 1 << (shift - 1);
  const rest = significand & ((1 << shift) - 1);
  let result = base + (significand >>> shift);
  if (rest > half || (rest === half && (result & 1) === 1)) result++;
  return sign | result;
}

/** float32 to binary16 bits; too large becomes infinity. */
export function narrowF16(values: Float32Array): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = halfBits(values[i]!);
  return out;
}

/** float32 to bfloat16 bits. */
export function narrowBF16(values: Float32Array): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    f32[0] = values[i]!;
    const bits = u32[0]!;
    const nan = (bits & 0x7fffffff) > 0x7f800000;
    out[i] = nan ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  }
  return out;
}
