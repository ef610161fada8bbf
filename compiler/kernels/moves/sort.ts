/**
 * Sorts of positions by keys of 32 bits, stable: blocks of a row by counting ranks, then runs merged two by two.
 *
 * Counting compares every pair of a block. In a merge each entry goes to its place in its own run behind those of the
 * other run that come before it, whose number a binary search finds (of equal keys the left run's come first). So work
 * grows as n log n, no two invocations share anything, there are no atomics and no barriers, and the order is the same
 * on every device.
 */
import { type Origin, sizeOf } from '../../graph/types.ts';
import { bytesOf, flatMain, indexExpression, Operands } from '../text/access.ts';
import { gridOf, type Lower, type LowerContext } from '../text/kernel.ts';
import { computeType } from '../text/memory.ts';
import { denseView, type View } from '../text/view.ts';

/** Entries that are sorted by counting ranks: as many loads, none of which waits for another, in place of two launches that merge. */
const block = 1024;

export interface Sort {
  readonly name: string;
  /** What is sorted: rows over the first `lead` axes, each row-major over the others. */
  readonly source: View;
  readonly lead: number;
  /** The key (u32) of an entry's value, and the functions it calls. */
  readonly key: (value: string) => string;
  readonly helpers: string;
  /** i32, of the shape of `source`: the positions within each row, in order. */
  readonly to: View;
  readonly origin: Origin;
}

/** One kernel of a sort: from runs of half the length (at first from none) to runs of this one. */
interface Pass {
  readonly run: number;
  readonly from: View | undefined;
  readonly to: View;
}

/** Emits the kernels that sort. */
export function emitSort(ctx: LowerContext, sort: Sort): void {
  const { source, lead, to } = sort;
  const [rows, length] = [sizeOf(source.shape.slice(0, lead)), sizeOf(source.shape.slice(lead))];
  const merges = Math.max(0, Math.ceil(Math.log2(length / block)));
  // Positions go to and fro between the result and this, so that the last pass fills the result.
  const other =
    merges === 0 ? to : denseView(ctx.scratch(rows * length, 'i32', 'positions half sorted'), to.shape);
  const target = (pass: number) => ((merges - pass) % 2 === 0 ? to : other);
  for (let pass = 0; pass <= merges; pass++) {
    const from = pass === 0 ? undefined : target(pass - 1);
    emitPass(ctx, sort, rows, length, { run: block * 2 ** pass, from, to: target(pass) });
  }
}

/** The place of an element, by its number, in a view. */
const placeIn = ({ shape, strides, offset }: View, number: string) =>
  indexExpression(number, shape, strides, offset);

function emitPass(ctx: LowerContext, sort: Sort, rows: number, length: number, pass: Pass): void {
  const { source, lead, key, helpers, name, origin } = sort;
  const { run, from, to } = pass;
  const total = rows * length;
  const operands = new Operands([
    { role: 'x', view: source, access: 'read', vector: false },
    ...(from ? [{ role: 'from', view: from, access: 'read', vector: false } as const] : []),
    { role: 'out', view: to, access: 'read_write', vector: false },
  ]);
  const row = indexExpression(
    'row',
    source.shape.slice(0, lead),
    source.strides.slice(0, lead),
    source.offset,
  );
  const along = indexExpression('i', source.shape.slice(lead), source.strides.slice(lead));
  const position = (i: string) =>
    from ? `u32(${operands.load('from', placeIn(from, `(row * ${length}u + ${i})`))})` : i;
  const size = ctx.profile.kind === 'cpu' ? 8 : 64;
  ctx.emit({
    name: `${name}_${from ? 'merge' : 'blocks'}`,
    args: operands.args,
    body: `${helpers}fn key_of(row: u32, i: u32) -> u32 {
  return ${key(operands.load('x', `${row} + ${along}`))};
}
${flatMain(size, total)}  let row = index / ${length}u;
  let own = index % ${length}u;
  let position = ${position('own')};
  let key = key_of(row, position);
  let first = own - own % ${run}u;
  let end = min(first + ${run}u, max(${length}u, id.z));
${from ? merge(run, length, position) : count}
  ${operands.store('out', placeIn(to, `(row * ${length}u + place)`), 'i32(position)')}
}
`,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin,
    flops: 0,
    bytes: bytesOf(source, to, ...(from ? [from] : [])),
  });
}

/** Each entry goes to the place that as many others of the block come before. */
const count = `  var place = first;
  for (var i = first; i < end; i += 1u) {
    let other = key_of(row, i);
    place += select(0u, 1u, other < key || (other == key && i < own));
  }`;

/** In a run behind the middle, as many of the other one come before as are not larger. */
const merge = (
  run: number,
  length: number,
  position: (i: string) => string,
) => `  let middle = min(first + ${run / 2}u, ${length}u);
  let left = own < middle;
  var low = select(first, middle, left);
  var high = select(middle, end, left);
  for (; low < high;) {
    let at = (low + high) / 2u;
    let other = key_of(row, ${position('at')});
    if (other < key || (other == key && !left)) { low = at + 1u; } else { high = at; }
  }
  let place = own + low - middle;`;

/**
 * Keys of f32 in the order of their values: the sign bit turned, all bits of negative numbers. The bits are
 * looked at, since shaders may take it that there is no NaN.
 */
const floatKey = `fn sort_key(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if ((bits & 0x7fffffffu) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
`;

const integerKey = `fn sort_key(x: i32) -> u32 {
  return u32(x) ^ 0x80000000u;
}
`;

const lowerArgsort: Lower<'argsort'> = (ctx, node) => {
  const source = ctx.view(node.inputs[0]);
  const { descending } = node.attrs;
  emitSort(ctx, {
    name: 'argsort',
    source,
    lead: source.shape.length - 1,
    key: (value) => `${descending ? '~' : ''}sort_key(${value})`,
    helpers: computeType(source.storage) === 'f32' ? floatKey : integerKey,
    to: ctx.result(node),
    origin: node.origin,
  });
};

export const sortLowerings = { argsort: lowerArgsort };
