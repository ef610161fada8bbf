/** Rows as scaled halves, two in a word, and back; see ops/packed-halves.ts for what is kept of a number. */
import { sizeOf } from '../../graph/types.ts';
import { bytesOf, flatMain, flatWorkgroup, Operands } from '../text/access.ts';
import { gridOf, type Lower } from '../text/kernel.ts';
import type { View } from '../text/view.ts';

/** The exponent field of a row's largest magnitude, as far as both scales are normal numbers. */
const exponent = `fn exponent_of(peak: u32) -> u32 {
  return clamp((peak >> 23u) & 255u, 15u, 254u);
}
`;

/** WGSL: the half's bits of `x` times a scale that keeps it below 2^15, unless it is not finite. */
const toHalf = `fn to_half(x: f32, scale: f32) -> u32 {
  let size = bitcast<u32>(x * scale) & 0x7fffffffu;
  let sign = (bitcast<u32>(x) >> 16u) & 0x8000u;
  if ((bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u) { return sign | 0x7c00u; }
  if (size < 0x38800000u) { return sign; }
  let rounded = (size + 0xfffu + ((size >> 13u) & 1u)) >> 13u;
  return sign | min(rounded - 0x1c000u, 0x7c00u);
}
`;

const fromHalf = `fn from_half(half: u32, scale: f32) -> f32 {
  let size = half & 0x7fffu;
  let sign = (half & 0x8000u) << 16u;
  if (size == 0u) { return 0.0; }
  if (size >= 0x7c00u) { return bitcast<f32>(sign | 0x7f800000u); }
  return bitcast<f32>(sign | ((size << 13u) + 0x38000000u)) * scale;
}
`;

/** The place of a number of a dense view, an expression in parentheses. */
const at = ({ offset }: View, number: string) => (offset === 0 ? number : `${number} + ${offset}u`);

const lowerPack: Lower<'pack_halves'> = (ctx, node) => {
  const x = ctx.dense(node.inputs[0]);
  const peaks = ctx.dense(node.inputs[1]);
  const output = ctx.result(node);
  const operands = new Operands([
    { role: 'x', view: x, access: 'read', vector: false },
    { role: 'peak', view: peaks, access: 'read', vector: false },
    { role: 'out', view: output, access: 'read_write', vector: false },
  ]);
  const total = sizeOf(output.shape);
  const words = output.shape[1]!;
  const size = flatWorkgroup(ctx.profile);
  ctx.emit({
    name: 'pack_halves',
    args: operands.args,
    body: `${exponent}${toHalf}${flatMain(size, total)}  let row = index / ${words}u;
  let word = index % ${words}u;
  let peak = bitcast<u32>(${operands.load('peak', at(peaks, 'row'))});
  var value = peak;
  if (word < ${words - 1}u) {
    let scale = bitcast<f32>((268u - exponent_of(peak)) << 23u);
    let first = ${at(x, `row * ${x.shape[1]}u + word * 2u`)};
    let low = to_half(${operands.load('x', 'first')}, scale);
    let high = to_half(${operands.load('x', 'first + 1u')}, scale);
    value = low | (high << 16u);
  }
  ${operands.store('out', at(output, 'index'), 'i32(value)')}
}
`,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin: node.origin,
    flops: 0,
    bytes: bytesOf(x, peaks, output),
  });
};

const lowerUnpack: Lower<'unpack_halves'> = (ctx, node) => {
  const packed = ctx.dense(node.inputs[0]);
  const output = ctx.result(node);
  const operands = new Operands([
    { role: 'packed', view: packed, access: 'read', vector: false },
    { role: 'out', view: output, access: 'read_write', vector: false },
  ]);
  const words = packed.shape[1]! - 1;
  const total = packed.shape[0]! * words;
  const size = flatWorkgroup(ctx.profile);
  ctx.emit({
    name: 'unpack_halves',
    args: operands.args,
    body: `${exponent}${fromHalf}${flatMain(size, total)}  let row = index / ${words}u;
  let word = index % ${words}u;
  let start = ${at(packed, `row * ${words + 1}u`)};
  let peak = u32(${operands.load('packed', `start + ${words}u`)});
  let scale = bitcast<f32>((exponent_of(peak) - 14u) << 23u);
  let halves = u32(${operands.load('packed', 'start + word')});
  let first = ${at(output, 'index * 2u')};
  ${operands.store('out', 'first', 'from_half(halves & 0xffffu, scale)')}
  ${operands.store('out', 'first + 1u', 'from_half(halves >> 16u, scale)')}
}
`,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin: node.origin,
    flops: 0,
    bytes: bytesOf(packed, output),
  });
};

export const packedHalfLowerings = { pack_halves: lowerPack, unpack_halves: lowerUnpack };
