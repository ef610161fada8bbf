/**
 * Sorts of positions by keys of 32 bits, stable: short rows by counting ranks, long ones by a radix sort.
 *
 * Rank counting compares every pair of a row. The radix sort (least significant digit first, four bits at a
 * time) is linear: each invocation counts the digits of a segment in workgroup memory, running sums over
 * (digit, segment) say where its entries of each digit go, and it moves them there in order. No two
 * invocations share a counter, so there are no atomics and no barriers, and the order is the same on every
 * device.
 */
import { type Origin, sizeOf } from '../../graph/types.ts';
import { emitScan } from '../rows/scan.ts';
import { bytesOf, flatMain, indexExpression, Operands } from '../text/access.ts';
import { gridOf, type Lower, type LowerContext } from '../text/kernel.ts';
import { computeType } from '../text/memory.ts';
import { denseView, type View } from '../text/view.ts';
import { hiddenBound } from '../text/wgsl.ts';

/** Rows up to this length are sorted by counting ranks. */
const longestCounted = 256;

/** Bits of a digit, and how many digits there are. */
const digitBits = 4;
const digits = 2 ** digitBits;

/** Entries of a row that one invocation moves in order. */
const segmentLength = 64;

/** 4 KiB of counters for a workgroup. */
const workgroup = 64;

export interface Sort {
  readonly name: string;
  /** What is sorted: rows over the first `lead` axes, each row-major over the others. */
  readonly source: View;
  readonly lead: number;
  /** The key (u32) of an entry's value, and the functions it calls. */
  readonly key: (value: string) => string;
  readonly helpers: string;
  /** Keys are below 2^bits. */
  readonly bits: number;
  /** i32, of the shape of `source`: the positions within each row, in order. */
  readonly to: View;
  readonly origin: Origin;
}

/** Emits the kernels that sort. */
export function emitSort(ctx: LowerContext, sort: Sort): void {
  if (rowLength(sort) <= longestCounted) countRanks(ctx, sort);
  else emitRadixSort(ctx, sort);
}

const rowLength = ({ source, lead }: Sort) => sizeOf(source.shape.slice(lead));
const rowCount = ({ source, lead }: Sort) => sizeOf(source.shape.slice(0, lead));

/** `fn key_of(row, i)` over the bindings of the operands. */
function keyFunction({ source, lead, key, helpers }: Sort, operands: Operands): string {
  const { shape, strides, offset } = source;
  const row = indexExpression('row', shape.slice(0, lead), strides.slice(0, lead), offset);
  const along = indexExpression('i', shape.slice(lead), strides.slice(lead));
  return `${helpers}fn key_of(row: u32, i: u32) -> u32 {
  return ${key(operands.load('x', `${row} + ${along}`))};
}
`;
}

/** The place of an element, by its number, in a view. */
const placeIn = ({ shape, strides, offset }: View, number: string) =>
  indexExpression(number, shape, strides, offset);

/** Each entry goes to the place that as many others come before. */
function countRanks(ctx: LowerContext, sort: Sort): void {
  const { source, to, origin, name } = sort;
  const length = rowLength(sort);
  const total = rowCount(sort) * length;
  const operands = new Operands([
    { role: 'x', view: source, access: 'read', vector: false },
    { role: 'out', view: to, access: 'read_write', vector: false },
  ]);
  const size = ctx.profile.kind === 'cpu' ? 8 : workgroup;
  ctx.emit({
    name: `${name}_ranks`,
    args: operands.args,
    body: `${keyFunction(sort, operands)}${flatMain(size, total)}  let row = index / ${length}u;
  let own = index % ${length}u;
  let key = key_of(row, own);
  var rank = 0u;
  for (var i = 0u; i < ${hiddenBound(length, 'id.z')}; i += 1u) {
    let other = key_of(row, i);
    rank += select(0u, 1u, other < key || (other == key && i < own));
  }
  let slot = row * ${length}u + rank;
  ${operands.store('out', placeIn(to, 'slot'), 'i32(own)')}
}
`,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin,
    flops: total * length,
    bytes: bytesOf(source, to),
  });
}

/** One digit of the sort: where positions are read (the first time they are 0, 1, 2, ...) and written. */
interface Pass {
  readonly shift: number;
  readonly from: View | undefined;
  readonly to: View;
  /** [rows, digits x segments] */
  readonly counts: View;
}

/** Emits the radix sort, for rows of any length. */
export function emitRadixSort(ctx: LowerContext, sort: Sort): void {
  const { to, bits, name, origin } = sort;
  const rows = rowCount(sort);
  const length = rowLength(sort);
  const passes = Math.max(1, Math.ceil(bits / digitBits));
  const entries = digits * Math.ceil(length / segmentLength);
  const counts = denseView(ctx.scratch(rows * entries, 'i32', 'counts of digits'), [rows, entries]);
  // Positions go to and fro between the result and this, so that the last pass fills the result.
  const other =
    passes === 1 ? to : denseView(ctx.scratch(rows * length, 'i32', 'positions half sorted'), to.shape);
  const target = (pass: number) => ((passes - 1 - pass) % 2 === 0 ? to : other);
  for (let pass = 0; pass < passes; pass++) {
    const from = pass === 0 ? undefined : target(pass - 1);
    const work: Pass = { shift: pass * digitBits, from, to: target(pass), counts };
    countDigits(ctx, sort, work);
    const scan = { name: `${name}_offsets`, from: counts, to: counts, axis: 1, reverse: false };
    emitScan(ctx, { ...scan, exclusive: true, origin });
    moveByDigits(ctx, sort, work);
  }
}

/** What both kernels of a pass share: an invocation's counters and its walk through a segment. */
function printSegment(sort: Sort, { shift, from, counts }: Pass, operands: Operands) {
  const length = rowLength(sort);
  const segments = Math.ceil(length / segmentLength);
  const total = rowCount(sort) * segments;
  const position = from
    ? `u32(${operands.load('from', placeIn(from, `(row * ${length}u + place)`))})`
    : 'place';
  return {
    total,
    head: `${keyFunction(sort, operands)}var<workgroup> counters: array<i32, ${digits * workgroup}>;
${flatMain(workgroup, total)}  let lane = id.x % ${workgroup}u;
  let row = index / ${segments}u;
  let segment = index % ${segments}u;
`,
    loop: `let end = min((segment + 1u) * ${segmentLength}u, ${length}u);
  for (var place = segment * ${segmentLength}u; place < end; place += 1u) {
    let position = ${position};
    let digit = (key_of(row, position) >> ${shift}u) & ${digits - 1}u;
    let counter = digit * ${workgroup}u + lane;`,
    /** Over all digits: the counter, and its place in memory. */
    all: (statement: (counter: string, place: string) => string) =>
      `for (var digit = 0u; digit < ${hiddenBound(digits, 'id.z')}; digit += 1u) {
    ${statement(
      `counters[digit * ${workgroup}u + lane]`,
      `row * ${counts.shape[1]}u + digit * ${segments}u + segment`,
    )}
  }`,
  };
}

/** counts[row, digit, segment] = how many entries of the segment have the digit. */
function countDigits(ctx: LowerContext, sort: Sort, pass: Pass): void {
  const { source, name, origin } = sort;
  const { from, counts } = pass;
  const operands = new Operands([
    { role: 'x', view: source, access: 'read', vector: false },
    ...(from ? [{ role: 'from', view: from, access: 'read', vector: false } as const] : []),
    { role: 'counts', view: counts, access: 'read_write', vector: false },
  ]);
  const { total, head, loop, all } = printSegment(sort, pass, operands);
  ctx.emit({
    name: `${name}_digits`,
    args: operands.args,
    body: `${head}  ${all((counter) => `${counter} = 0;`)}
  ${loop}
    counters[counter] += 1;
  }
  ${all((counter, place) => operands.store('counts', place, counter))}
}
`,
    workgroups: gridOf(Math.ceil(total / workgroup), ctx.profile),
    origin,
    flops: 0,
    bytes: bytesOf(source, counts, ...(from ? [from] : [])),
  });
}

/** Each entry goes behind all of smaller digits and behind those of its own that stand before it. */
function moveByDigits(ctx: LowerContext, sort: Sort, pass: Pass): void {
  const { source, name, origin } = sort;
  const { from, to, counts } = pass;
  const operands = new Operands([
    { role: 'x', view: source, access: 'read', vector: false },
    ...(from ? [{ role: 'from', view: from, access: 'read', vector: false } as const] : []),
    { role: 'counts', view: counts, access: 'read', vector: false },
    { role: 'to', view: to, access: 'read_write', vector: false },
  ]);
  const { total, head, loop, all } = printSegment(sort, pass, operands);
  ctx.emit({
    name: `${name}_move`,
    args: operands.args,
    body: `${head}  ${all((counter, place) => `${counter} = ${operands.load('counts', place)};`)}
  ${loop}
    let slot = row * ${rowLength(sort)}u + u32(counters[counter]);
    counters[counter] += 1;
    ${operands.store('to', placeIn(to, 'slot'), 'i32(position)')}
  }
}
`,
    workgroups: gridOf(Math.ceil(total / workgroup), ctx.profile),
    origin,
    flops: 0,
    bytes: bytesOf(source, counts, to, ...(from ? [from] : [])),
  });
}

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
  return bitcast<u32>(x) ^ 0x80000000u;
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
    bits: 32,
    to: ctx.result(node),
    origin: node.origin,
  });
};

export const sortLowerings = { argsort: lowerArgsort };
