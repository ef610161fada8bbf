/**
 * Embedding look-up and its gradient over tables that may be larger than a binding.
 *
 * The gradient adds rows of dy that have the same token. Float atomics would make reruns differ and a matrix
 * product with one-hot rows would be huge, so positions are sorted by token, equal tokens in order (sort.ts). Then
 * runs of equal tokens are summed in that order, cut into pieces of 32 so that no invocation walks a long run
 * (padding tokens) alone.
 */

import { type Node, sizeOf } from '../../graph/types.ts';
import type { OpName } from '../../ops/attributes.ts';
import { bytesOf, flatMain, flatWorkgroup, indexExpression, vectorizable } from '../text/access.ts';
import { gridOf, type Kernel, type KernelArg, type Lower, type LowerContext } from '../text/kernel.ts';
import { load, store, wgslType } from '../text/memory.ts';
import { denseView, type Storage, type View } from '../text/view.ts';
import { type Window, windowArg, windowsOf } from '../text/windows.ts';
import { emitSort } from './sort.ts';

/** Sorted positions that one invocation sums. */
const PIECE = 32;

const lowerEmbedding: Lower<'embedding'> = (ctx, node) => {
  const table = ctx.dense(node.inputs[0]);
  const ids = ctx.view(node.inputs[1]);
  const output = ctx.result(node);
  const [vocabulary, width] = table.shape as [number, number];
  const whole = table.offset === 0 && table.storage.elements === vocabulary * width;
  const windows = windowsOf(table.storage.elements, whole ? width : table.storage.elements, ctx.profile);
  const most = ctx.profile.limits.maxStorageBuffersPerShaderStage - 2;
  for (let from = 0; from < windows.length; from += most) {
    ctx.emit(lookUp(ctx, node, table, ids, output, windows.slice(from, from + most)));
  }
};

/** Fills the positions whose token lies in `windows` of the table. */
function lookUp(
  ctx: LowerContext,
  node: Node,
  table: View,
  ids: View,
  output: View,
  windows: readonly Window[],
): Kernel {
  const [vocabulary, width] = table.shape as [number, number];
  const unit = vectorizable(table) && vectorizable(output) ? 4 : 1;
  const columns = width / unit;
  const total = sizeOf(ids.shape) * columns;
  const size = flatWorkgroup(ctx.profile);
  const whole = windows.length === 1 && windows[0]!.elements === table.storage.elements;
  const place = output.offset === 0 ? 'index' : `index + ${output.offset / unit}u`;
  const tables = windows.map((window, w) => windowArg(`table${w}_data`, unit, table.storage, 'read', window));
  const tokens = { name: 'ids_data', width: 1, storage: ids.storage, access: 'read' } as const;
  const out = { name: 'out_data', width: unit, storage: output.storage, access: 'read_write' } as const;
  const choices = windows.map((window, w) => {
    const shift = (table.offset - window.start) / unit;
    const at = `row * ${columns}u + column${shift === 0 ? '' : shift > 0 ? ` + ${shift}u` : ` - ${-shift}u`}`;
    const first = window.start / width;
    const test = whole ? '' : `if (row >= ${first}u && row < ${first + window.elements / width}u) `;
    return `  ${w === 0 ? '' : 'else '}${test}{ ${store(out, place, load(tables[w]!, at))} }`;
  });
  return {
    name: `embedding${unit === 4 ? '_vec4' : ''}`,
    args: [...tables, tokens, out],
    body: `${flatMain(size, total)}  let column = index % ${columns}u;
  let position = index / ${columns}u;
  let row = u32(clamp(${tokenAt(ids, 'position')}, 0, ${vocabulary - 1}));
${choices.join('\n')}
}
`,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin: node.origin,
    flops: 0,
    bytes: 2 * bytesOf(output) + bytesOf(ids),
  };
}

/** The token of a position, in kernels that bind `ids` as `ids_data`. */
function tokenAt(ids: View, position: string): string {
  return `ids_data[${indexExpression(position, ids.shape, ids.strides, ids.offset)}]`;
}

interface Segments {
  readonly ids: View;
  readonly dy: View;
  readonly order: Storage;
  readonly parts: Storage;
  readonly positions: number;
  readonly width: number;
  /** 4 where rows are read as vec4, else 1. */
  readonly unit: 1 | 4;
}

const lowerEmbeddingGrad: Lower<'embedding_grad'> = (ctx, node) => {
  const ids = ctx.view(node.inputs[0]);
  const dyGiven = ctx.view(node.inputs[1]);
  const width = dyGiven.shape.at(-1)!;
  const dy = dyGiven.strides.at(-1) === 1 || width === 1 ? dyGiven : ctx.dense(node.inputs[1]);
  const output = ctx.result(node);
  if (output.offset !== 0 || output.storage.elements !== sizeOf(output.shape)) {
    throw new Error('the gradient of an embedding must fill its storage');
  }
  const positions = sizeOf(ids.shape);
  const pieces = Math.ceil(positions / PIECE);
  const work: Segments = {
    ids,
    dy,
    order: ctx.scratch(positions, 'i32', 'positions sorted by token'),
    parts: ctx.scratch(pieces * width, 'f32', 'sums of pieces of tokens'),
    positions,
    width,
    unit: vectorizable(dy) && vectorizable(output) ? 4 : 1,
  };
  emitSort(ctx, {
    name: 'embedding_sort',
    source: ids,
    lead: 0,
    key: (id) => `u32(${id})`,
    helpers: '',
    to: denseView(work.order, ids.shape),
    origin: node.origin,
  });
  ctx.emit(sumPieces(ctx, node, work));
  for (const window of windowsOf(output.storage.elements, width, ctx.profile)) {
    ctx.emit(zeroFill(ctx, node, output.storage, window, work.unit));
    ctx.emit(sumSegments(ctx, node, work, output, window));
  }
};

/** Shared by the summing kernels: the token and the dy row of a sorted place. */
function segmentHelpers({ ids, dy, unit }: Segments): string {
  const lead = dy.shape.slice(0, -1);
  const strides = dy.strides.slice(0, -1).map((s) => s / unit);
  const row = indexExpression('position', lead, strides, dy.offset / unit);
  return `fn token_at(place: u32) -> i32 {
  let position = u32(order_data[place]);
  return ${tokenAt(ids, 'position')};
}
fn row_at(place: u32, column: u32) -> ${wgslType(unit, 'f32')} {
  let position = u32(order_data[place]);
  return ${load(gradientArg(dy, unit), `${row} + column`)};
}
`;
}

function gradientArg({ storage }: View, width: 1 | 4): KernelArg {
  return { name: 'dy_data', width, storage, access: 'read' };
}

function segmentArgs({ ids, dy, order, unit }: Segments): KernelArg[] {
  return [
    { name: 'ids_data', width: 1, storage: ids.storage, access: 'read' },
    { name: 'order_data', width: 1, storage: order, access: 'read' },
    gradientArg(dy, unit),
  ];
}

/** parts[piece] = sum over the places of the piece that hold the token of its first place. */
function sumPieces(ctx: LowerContext, node: Node, work: Segments): Kernel {
  const { positions, width, unit, parts } = work;
  const columns = width / unit;
  const total = Math.ceil(positions / PIECE) * columns;
  const size = flatWorkgroup(ctx.profile);
  const type = wgslType(unit, 'f32');
  return {
    name: `embedding_pieces${unit === 4 ? '_vec4' : ''}`,
    args: [...segmentArgs(work), { name: 'parts_data', width: unit, storage: parts, access: 'read_write' }],
    body: `${segmentHelpers(work)}${flatMain(size, total)}  let column = index % ${columns}u;
  let start = (index / ${columns}u) * ${PIECE}u;
  let end = min(start + ${PIECE}u, ${positions}u);
  let token = token_at(start);
  var total = ${type}();
  for (var place = start; place < end; place += 1u) {
    if (token_at(place) != token) { break; }
    total += row_at(place, column);
  }
  parts_data[index] = total;
}
`,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin: node.origin,
    flops: positions * width,
    bytes: bytesOf(work.dy) + 4 * (2 * positions + (positions / PIECE) * width),
  };
}

function zeroFill(ctx: LowerContext, node: Node, storage: Storage, window: Window, unit: 1 | 4): Kernel {
  const total = window.elements / unit;
  const size = flatWorkgroup(ctx.profile);
  const type = wgslType(unit, 'f32');
  const out = windowArg('out_data', unit, storage, 'read_write', window);
  return {
    name: `zero${unit === 4 ? '_vec4' : ''}`,
    args: [out],
    body: `${flatMain(size, total)}  ${store(out, 'index', `${type}()`)}\n}\n`,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin: node.origin,
    flops: 0,
    bytes: 4 * window.elements,
  };
}

/**
 * Where a run of a token begins, sums it: places up to the end of the piece, then whole pieces that go on
 * with it.
 */
function sumSegments(ctx: LowerContext, node: Node, work: Segments, output: View, window: Window): Kernel {
  const { positions, width, unit, parts } = work;
  const columns = width / unit;
  const total = positions * columns;
  const size = flatWorkgroup(ctx.profile);
  const type = wgslType(unit, 'f32');
  const first = window.start / width;
  const rows = window.elements / width;
  const out = windowArg('out_data', unit, output.storage, 'read_write', window);
  const target = `u32(token - ${first}) * ${columns}u + column`;
  return {
    name: `embedding_segments${unit === 4 ? '_vec4' : ''}`,
    args: [...segmentArgs(work), { name: 'parts_data', width: unit, storage: parts, access: 'read' }, out],
    body: `${segmentHelpers(work)}${flatMain(size, total)}  let column = index % ${columns}u;
  let start = index / ${columns}u;
  let token = token_at(start);
  if (start > 0u && token_at(start - 1u) == token) { return; }
  if (token < ${first} || token >= ${first + rows}) { return; }
  var total = ${type}();
  var place = start;
  let end = min((start / ${PIECE}u + 1u) * ${PIECE}u, ${positions}u);
  for (; place < end; place += 1u) {
    if (token_at(place) != token) { break; }
    total += row_at(place, column);
  }
  for (; place < ${positions}u && place % ${PIECE}u == 0u; place += ${PIECE}u) {
    if (token_at(place) != token) { break; }
    total += parts_data[(place / ${PIECE}u) * ${columns}u + column];
  }
  ${store(out, target, 'total')}
}
`,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin: node.origin,
    flops: positions * width,
    bytes: bytesOf(work.dy) + 4 * (2 * positions + Math.min(rows, positions) * width),
  };
}

export const embeddingLowerings = {
  embedding: lowerEmbedding,
  embedding_grad: lowerEmbeddingGrad,
} satisfies { [K in OpName]?: Lower<K> };
