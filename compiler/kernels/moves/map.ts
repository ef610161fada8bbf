/**
 * The map family: fused elementwise chains with broadcasting, and the copies and fills that views could not
 * avoid.
 *
 * One invocation makes one vec4 of the result where every operand is dense or constant along the last axis,
 * else one scalar. Operands are strided views, so transposes, slices and broadcasts are read in place.
 */

import type { Node, Origin } from '../../graph/types.ts';
import { numericShape, sizeOf } from '../../graph/types.ts';
import type { ElementwiseOp } from '../../ops/attributes.ts';
import { elementwiseOps, type MapProgram, programOf } from '../../ops/map-program.ts';
import { rowKernel } from '../rows/rows.ts';
import { bytesOf, flatMain } from '../text/access.ts';
import { type Emitter, gridOf, type KernelArg, type Lower, type LowerContext } from '../text/kernel.ts';
import { computeType, elementBytes, load, store, wgslType } from '../text/memory.ts';
import { denseView, isDense, type View } from '../text/view.ts';
import { collapseAxes, expandView } from '../text/view-algebra.ts';
import {
  affine,
  arithmeticExpression,
  type Lanes,
  literal,
  printCoordinates,
  printProgram,
  programHelpers,
} from '../text/wgsl.ts';

const workgroup = 64;

/** One binding for every distinct storage: that of each view. */
function bindStorages(views: readonly View[], vectors: readonly boolean[]): KernelArg[] {
  const bound = new Map<number, KernelArg>();
  return views.map(({ storage }, i) => {
    const known = bound.get(storage.id);
    if (known !== undefined) return known;
    const arg: KernelArg = { name: `in${bound.size}`, width: vectors[i] ? 4 : 1, storage, access: 'read' };
    bound.set(storage.id, arg);
    return arg;
  });
}

interface MapKernel {
  readonly name: string;
  readonly program: MapProgram;
  readonly inputs: readonly View[];
  readonly result: View;
  readonly origin: Origin;
}

/** Emits `result = program(inputs...)`; inputs broadcast to the result's shape. */
export function emitMap(ctx: Emitter, kernel: MapKernel): void {
  const { program, result } = kernel;
  const operands = kernel.inputs.map((view) => expandView(view, result.shape));
  const { shape, strides } = collapseAxes(result.shape, [...operands.map((v) => v.strides), result.strides]);
  const inner = shape.length - 1;
  const inputStrides = strides.slice(0, -1);
  const resultStrides = strides.at(-1)!;
  const canVectorise = (s: readonly number[], offset: number, constant: boolean) =>
    (s[inner] === 1 && offset % 4 === 0 && s.slice(0, inner).every((n) => n % 4 === 0)) ||
    (constant && s[inner] === 0);
  // A storage bound once has one element type, so a view that broadcasts and one that does not keep it scalar.
  const byStorage = new Map<number, boolean>();
  const vectorInputs = operands.map((_, i) => inputStrides[i]![inner] === 1);
  operands.forEach((v, i) => {
    byStorage.set(v.storage.id, (byStorage.get(v.storage.id) ?? true) && vectorInputs[i]!);
  });
  const uniform = operands.every((v, i) => byStorage.get(v.storage.id) === vectorInputs[i]);
  const vector =
    shape[inner]! % 4 === 0 &&
    uniform &&
    canVectorise(resultStrides, result.offset, false) &&
    operands.every((v, i) => canVectorise(inputStrides[i]!, v.offset, true));
  const lanes: Lanes = vector ? 4 : 1;
  const bound = bindStorages(
    operands,
    vectorInputs.map((v) => vector && v),
  );
  const unit = (n: number, isVector: boolean) => (isVector ? n / 4 : n);
  const coordinate = (axis: number) => `x${axis}`;
  const index = (offset: number, s: readonly number[], isVector: boolean) =>
    affine(
      unit(offset, isVector),
      s.map((stride, axis) => [
        coordinate(axis),
        // the last coordinate counts vec4s
        axis === inner ? (isVector ? stride : stride * lanes) : unit(stride, isVector),
      ]),
    );
  const loads = operands.map((v, i) => {
    const isVector = vector && vectorInputs[i]!;
    const element = load(bound[i]!, index(v.offset, inputStrides[i]!, isVector));
    const value = vector && !isVector ? `${wgslType(4, computeType(v.storage))}(${element})` : element;
    return `let v${i} = ${value};`;
  });
  const { lines, result: value } = printProgram(
    program,
    operands.map((_, i) => `v${i}`),
    lanes,
    't',
    lanes === 1 ? 'index' : 'index * 4u',
  );
  const loopShape = shape.map((n, axis) => (axis === inner ? n / lanes : n));
  const count = sizeOf(loopShape);
  // In place: an operand in the result's storage is one of the same elements, read before it is written.
  const name = bound.find((arg) => arg.storage.id === result.storage.id)?.name ?? 'out';
  const out: KernelArg = { name, width: lanes, storage: result.storage, access: 'read_write' };
  const body = `${programHelpers(program, lanes)}${flatMain(workgroup, count)}  ${[...printCoordinates('index', loopShape, 'x'), ...loads, ...lines].join('\n  ')}
  ${store(out, index(result.offset, resultStrides, vector), value)}
}
`;
  const elements = sizeOf(result.shape);
  ctx.emit({
    name: kernel.name,
    args: [...new Set(bound)].filter((arg) => arg.storage.id !== result.storage.id).concat(out),
    body,
    workgroups: gridOf(Math.ceil(count / workgroup), ctx.profile),
    origin: kernel.origin,
    flops: elements * program.instructions.length,
    bytes: [...kernel.inputs, result].reduce((sum, v) => sum + elementBytes(v.storage) * sizeOf(v.shape), 0),
  });
}

const identity: MapProgram = { inputs: 1, instructions: [] };

/** Copies a view into another of the same shape (a transpose, a slice made dense ...). */
export function emitCopy(ctx: Emitter, from: View, to: View, origin: Origin): void {
  emitMap(ctx, { name: 'copy', program: identity, inputs: [from], result: to, origin });
}

/** Fills a view with one value, or with 0, 1, 2, ... (`iota`, one axis). */
function emitFill(ctx: Emitter, to: View, value: number | 'iota', origin: Origin): void {
  const out = { name: 'out', width: 1, storage: to.storage, access: 'read_write' } as const;
  const { shape, strides } = collapseAxes(to.shape, [to.strides]);
  const count = sizeOf(shape);
  const integer = value === 'iota' ? 'i32(index)' : `i32(${value})`;
  const filled = value === 'iota' || computeType(to.storage) === 'i32' ? integer : literal(value);
  const place = affine(
    to.offset,
    strides[0]!.map((s, axis) => [`x${axis}`, s]),
  );
  ctx.emit({
    name: 'fill',
    args: [out],
    body: `${flatMain(workgroup, count)}  ${printCoordinates('index', shape, 'x').join('\n  ')}
  ${store(out, place, filled)}
}
`,
    workgroups: gridOf(Math.ceil(count / workgroup), ctx.profile),
    origin,
    flops: 0,
    bytes: elementBytes(to.storage) * count,
  });
}

export function lowerElementwise(ctx: LowerContext, node: Node): void {
  const program = programOf(node)!;
  const sum = ctx.joined(node, 'row-sum');
  if (sum) {
    emitRowSum(ctx, node, program, sum);
    return;
  }
  const inputs = node.inputs.map((id) => ctx.view(id));
  const result = ctx.result(node, sharedLayout(inputs, numericShape(node.type)));
  emitMap(ctx, { name: 'map', program, inputs, result, origin: node.origin });
}

/**
 * Where plain arithmetic serves a sum along its rows only (attention's sum of dout · out), the sum's kernel
 * does it all.
 */
function emitRowSum(ctx: LowerContext, node: Node, program: MapProgram, sum: Node): void {
  const roles = node.inputs.map((_, i) => `x${i}`);
  const inputs = node.inputs.map((id, i) => ({ role: roles[i]!, view: ctx.view(id) }));
  const result = ctx.result(sum);
  const lead = numericShape(node.type).slice(0, -1);
  const value = arithmeticExpression(program, roles);
  const spec = {
    name: 'row_sum',
    inputs,
    output: denseView(result.storage, lead, result.offset),
    steps: [{ reduce: [{ op: 'sum' as const, name: 'total', value, reads: roles }] }, { put: 'total' }],
    flops: sizeOf(numericShape(node.type)) * (program.instructions.length + 1),
  };
  ctx.emit(rowKernel(spec, ctx.profile, node.origin));
}

/**
 * Strides of the first input of the result's shape that fills its memory in another order (channels last), to
 * be kept.
 */
function sharedLayout(inputs: readonly View[], shape: readonly number[]): readonly number[] | undefined {
  const whole = inputs.find((view) => fillsMemory(view, shape));
  return whole === undefined || isDense(whole) ? undefined : whole.strides;
}

function fillsMemory(view: View, shape: readonly number[]): boolean {
  if (view.shape.length !== shape.length || view.shape.some((n, axis) => n !== shape[axis])) return false;
  const axes = shape.map((n, axis) => ({ n, stride: view.strides[axis]! })).filter(({ n }) => n > 1);
  let next = 1;
  for (const { n, stride } of axes.sort((a, b) => a.stride - b.stride)) {
    if (stride !== next) return false;
    next *= n;
  }
  return true;
}

const lowerMask: Lower<'mask_future'> = (ctx, node) => {
  const shape = numericShape(node.type);
  const from = ctx.dense(node.inputs[0]);
  const to = ctx.result(node);
  const keys = shape.at(-1)!;
  const queries = shape.at(-2)!;
  const count = sizeOf(shape);
  const x = { name: 'x', width: 1, storage: from.storage, access: 'read' } as const;
  const out = { name: 'out', width: 1, storage: to.storage, access: 'read_write' } as const;
  const value = `select(${load(x, `${from.offset}u + index`)}, -3e38, key > query + ${keys - queries})`;
  ctx.emit({
    name: 'mask_future',
    args: [x, out],
    body: `${flatMain(workgroup, count)}  let key = i32(index % ${keys}u);
  let query = i32((index / ${keys}u) % ${queries}u);
  ${store(out, `${to.offset}u + index`, value)}
}
`,
    workgroups: gridOf(Math.ceil(count / workgroup), ctx.profile),
    origin: node.origin,
    flops: 0,
    bytes: 8 * count,
  });
};

const lowerCast: Lower<'cast'> = (ctx, node) => {
  const from = ctx.view(node.inputs[0]);
  const result = ctx.result(node);
  if (computeType(from.storage) === computeType(result.storage)) {
    emitMap(ctx, { name: 'cast', program: identity, inputs: [from], result, origin: node.origin });
    return;
  }
  const source = ctx.dense(node.inputs[0]);
  const count = sizeOf(result.shape);
  const type = computeType(result.storage);
  const x = { name: 'x', width: 1, storage: source.storage, access: 'read' } as const;
  const out = { name: 'out', width: 1, storage: result.storage, access: 'read_write' } as const;
  const value = `${type}(${load(x, `${source.offset}u + index`)})`;
  ctx.emit({
    name: 'cast',
    args: [x, out],
    body: `${flatMain(workgroup, count)}  ${store(out, `${result.offset}u + index`, value)}
}
`,
    workgroups: gridOf(Math.ceil(count / workgroup), ctx.profile),
    origin: node.origin,
    flops: 0,
    bytes: bytesOf(source, result),
  });
};

const lowerConstant: Lower<'constant'> = (ctx, node) =>
  emitFill(ctx, ctx.result(node), node.attrs.value, node.origin);
const lowerIota: Lower<'iota'> = (ctx, node) => emitFill(ctx, ctx.result(node), 'iota', node.origin);

const elementwise = Object.fromEntries(elementwiseOps.map((op) => [op, lowerElementwise])) as {
  [K in ElementwiseOp]: Lower<K>;
};

export const mapLowerings = {
  ...elementwise,
  map: lowerElementwise,
  uniform: lowerElementwise,
  mask_future: lowerMask,
  cast: lowerCast,
  constant: lowerConstant,
  iota: lowerIota,
};
