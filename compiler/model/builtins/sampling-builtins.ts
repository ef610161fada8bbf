/**
 * Built-ins that sample images and signals: pooling, enlarging, convolution along one axis. What has no op of
 * its own is made of convolutions, broadcasts and views, gradients included.
 */
import { divideDims, multiplyDims } from '../../graph/dims.ts';
import { type Dim, formatShape } from '../../graph/types.ts';
import type { Expressions } from '../../ops/expressions.ts';
import type { ShapeResult } from '../../ops/op.ts';
import { type PoolWindows, pooledShape } from '../../ops/pools.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseRank } from '../../ops/shapes.ts';
import { emit, refuse as report, shapeOf } from '../nodes/emit.ts';
import type { BuiltinParameter } from '../values/builtin.ts';
import { poison, type TensorValue, type Value } from '../values/values.ts';
import { built, intBetween, tensorArgument } from './call.ts';
import type { BuiltinCall, BuiltinRow } from './row.ts';

/** Reports what a shape rule refuses of `x`. */
function refused(call: BuiltinCall, x: TensorValue, result: ShapeResult): boolean {
  if (!result.ok) report(call.env, result.error, [x], call.span, ['`x`']);
  return !result.ok;
}

// ── pooling ────────────────────────────────────────────────────────────────────────────────────────────────

/** The image and its windows, which fit; undefined after a report. */
function windowsOf(call: BuiltinCall, verb: string): { x: TensorValue; windows: PoolWindows } | undefined {
  const x = tensorArgument(call, 'x');
  const kernel = intBetween(call, 'kernel', 1, 1);
  const stride = kernel === undefined ? undefined : intBetween(call, 'stride', 1, kernel);
  const padding = intBetween(call, 'padding', 0, 0);
  if (x === undefined || kernel === undefined || stride === undefined || padding === undefined)
    return undefined;
  const windows = { kernel, stride, padding };
  const type = call.env.tracer!.builder.type(x.node);
  return refused(call, x, pooledShape(verb, [type], windows)) ? undefined : { x, windows };
}

const isIdle = ({ kernel, stride }: PoolWindows) => kernel === 1 && stride === 1;

function maxPool(call: BuiltinCall): Value {
  const given = windowsOf(call, 'take the largest of');
  if (given === undefined) return poison;
  const { x, windows } = given;
  if (isIdle(windows)) return x;
  const axes = [x.axes[0], x.axes[1], undefined, undefined];
  return emit(call.env, 'max_pool', [x], windows, call.span, { axes });
}

/** Means of windows; the padding counts as zeros. Where windows do not tile the image, a depthwise convolution. */
function avgPool(call: BuiltinCall): Value {
  const given = windowsOf(call, 'average');
  if (given === undefined) return poison;
  const { x, windows } = given;
  const { kernel, stride, padding } = windows;
  if (isIdle(windows)) return x;
  const [, channels, ...sides] = shapeOf(x, call.env);
  const tiled = stride === kernel && sides.every((side) => divideDims(side, kernel) !== undefined);
  if (tiled && padding === 0) {
    const axes = [x.axes[0], x.axes[1], undefined, undefined];
    return emit(call.env, 'avg_pool', [x], { kernel }, call.span, { axes });
  }
  if (typeof channels !== 'number')
    return call.env.session.report('Z301', call.span, `${call.name} needs channels in numbers`);
  const filtered = ({ b }: Expressions) => {
    const shape = [channels, 1, kernel, kernel];
    const filters = b.add('constant', [], { value: 1 / kernel ** 2, dtype: 'f32', shape });
    return b.add('conv2d', [x.node, filters], { stride, padding, groups: channels, dilation: 1 });
  };
  return built(call, filtered, x.axes.slice(0, 2));
}

// ── convolution along one axis ─────────────────────────────────────────────────────────────────────────────

/** x [B, C, L], weight [O, C / groups, k]: a convolution of images of one row. */
function conv1d(call: BuiltinCall): Value {
  const [x, weight] = [tensorArgument(call, 'x'), tensorArgument(call, 'weight')];
  const [stride, padding] = [intBetween(call, 'stride', 1, 1), intBetween(call, 'padding', 0, 0)];
  const [groups, dilation] = [intBetween(call, 'groups', 1, 1), intBetween(call, 'dilation', 1, 1)];
  if (x === undefined || weight === undefined) return poison;
  if (stride === undefined || padding === undefined || groups === undefined || dilation === undefined)
    return poison;
  const { env, span } = call;
  const types = [x, weight].map(({ node }) => env.tracer!.builder.type(node));
  const refusal = firstOf(
    refuseRank('conv1d', types, 0, '[B, C, L]'),
    refuseRank('the filter of conv1d', types, 1, '[O, C, k]'),
    refuseIntegers('convolve', types),
  );
  const names = ['`x`', '`weight`'];
  if (refusal && !refusal.ok) return report(env, refusal.error, [x, weight], span, names);
  // Padding is for the one axis alone.
  const before = [0, 0, 0, padding];
  const image = oneRow(call, x);
  const padded =
    padding === 0 || image.kind === 'poison'
      ? image
      : emit(env, 'pad', [image], { before, after: before }, span);
  const filters = oneRow(call, weight);
  if (padded.kind === 'poison' || filters.kind === 'poison') return poison;
  const attrs = { stride, padding: 0, groups, dilation };
  const y = emit(env, 'conv2d', [padded, filters], attrs, span, { names });
  if (y.kind === 'poison') return poison;
  const [batch, out, , length] = shapeOf(y, env) as [Dim, Dim, Dim, Dim];
  const axes = [x.axes[0], weight.axes[0], undefined];
  return emit(env, 'reshape', [y], { shape: [batch, out, length] }, span, { axes });
}

/** [a, b, c] as [a, b, 1, c]. */
function oneRow(call: BuiltinCall, x: TensorValue) {
  const [a, b, c] = shapeOf(x, call.env) as [Dim, Dim, Dim];
  const axes = [x.axes[0], x.axes[1], undefined, x.axes[2]];
  return emit(call.env, 'reshape', [x], { shape: [a, b, 1, c] }, call.span, { axes });
}

// ── enlarging ──────────────────────────────────────────────────────────────────────────────────────────────

const methods = ['nearest', 'bilinear'] as const;

function methodOf(call: BuiltinCall): (typeof methods)[number] | undefined {
  const given = call.values.get('method');
  if (given === undefined) return 'nearest';
  const method = methods.find((name) => given.kind === 'string' && given.value === name);
  if (method !== undefined) return method;
  const shown = given.kind === 'string' ? `"${given.value}"` : 'something else';
  call.env.session.report(
    'Z209',
    call.spans.get('method') ?? call.span,
    `\`method\` of upsample must be "nearest" or "bilinear", got ${shown}`,
  );
  return undefined;
}

/** [B, C, H, W] -> [B, C, H factor, W factor]; bilinear as PyTorch's with align_corners = false. */
function upsample(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  const factor = intBetween(call, 'factor', 1, 1);
  const method = methodOf(call);
  if (x === undefined || factor === undefined || method === undefined) return poison;
  const type = call.env.tracer!.builder.type(x.node);
  const fits = firstOf(
    refuseRank('upsample', [type], 0, '[B, C, H, W]'),
    method === 'bilinear' ? refuseIntegers('interpolate', [type]) : undefined,
    type.shape.slice(2).every((d) => typeof d === 'number')
      ? undefined
      : refuse(`upsample needs images of known size, got ${formatShape(type.shape)}`),
  );
  if (refused(call, x, fits ?? accept(type))) return poison;
  if (factor === 1) return x;
  const enlarge = method === 'nearest' ? repeated : interpolated;
  const enlarged = (e: Expressions) => [2, 3].reduce((y, axis) => enlarge(e, y, axis, factor), x.node);
  return built(call, enlarged, x.axes.slice(0, 2));
}

/** The shape with another axis behind `axis`, and with both as one. */
function split(shape: readonly Dim[], axis: number, size: number): { apart: Dim[]; joined: Dim[] } {
  const [before, length, after] = [shape.slice(0, axis), shape[axis]!, shape.slice(axis + 1)];
  return {
    apart: [...before, length, size, ...after],
    joined: [...before, multiplyDims([length, size])!, ...after],
  };
}

function repeated(e: Expressions, x: number, axis: number, factor: number): number {
  const shape = e.shape(x);
  const { apart, joined } = split(shape, axis, factor);
  return e.reshape(e.expand(e.reshape(x, split(shape, axis, 1).apart), apart), joined);
}

/**
 * Between entry i and its neighbours: phase p of `factor` lies (p + 0.5) / factor - 0.5 from it. Beyond the
 * ends there is the last entry.
 */
function interpolated(e: Expressions, x: number, axis: number, factor: number): number {
  const { b } = e;
  const shape = e.shape(x);
  const length = Number(shape[axis]);
  const { apart, joined } = split(shape, axis, 1);
  const column = (y: number) => e.reshape(y, apart);
  const left =
    length === 1 ? x : b.add('concat', [e.part(x, axis, 0, 1), e.part(x, axis, 0, length - 1)], { axis });
  const right =
    length === 1
      ? x
      : b.add('concat', [e.part(x, axis, 1, length), e.part(x, axis, length - 1, length)], { axis });
  const number = (value: number) => b.add('constant', [], { value, dtype: 'f32', shape: [] });
  const phases = b.add('cast', [b.add('iota', [], { length: factor })], { to: 'f32' });
  const shift = e.sub(e.div(e.add(phases, number(0.5)), number(factor)), number(0.5));
  const ones = Array.from({ length: shape.length - axis - 1 }, () => 1);
  const away = e.reshape(shift, [factor, ...ones]);
  const weigh = (y: number, weight: number) => e.mul(column(y), weight);
  const own = weigh(x, e.sub(number(1), e.unary('abs', away)));
  const before = weigh(left, e.unary('relu', e.neg(away)));
  const behind = weigh(right, e.unary('relu', away));
  return e.reshape(e.add(own, e.add(before, behind)), split(joined, axis, factor).joined);
}

const x: BuiltinParameter = { name: 'x', kind: 'tensor' };
const int = (name: string): BuiltinParameter => ({ name, kind: 'int', optional: true });
const windows = [x, { name: 'kernel', kind: 'int' } as const, int('stride'), int('padding')];

export const samplingBuiltins: readonly BuiltinRow[] = [
  {
    name: 'max_pool',
    about: 'largest of each square window',
    shapes: "[B, C, H, W] -> [B, C, H', W']",
    gradient: 'to the first largest',
    source: 'torch.nn.functional.max_pool2d',
    parameters: windows,
    apply: maxPool,
  },
  {
    name: 'avg_pool',
    about: 'mean over each square window',
    shapes: "[B, C, H, W] -> [B, C, H', W']",
    gradient: '1 / kernel²',
    source: 'torch.nn.functional.avg_pool2d',
    parameters: windows,
    apply: avgPool,
  },
  {
    name: 'conv1d',
    about: 'one-dimensional convolution, [B, C, L]',
    shapes: "[B, C, L], [O, C / groups, l] -> [B, O, L']",
    gradient: 'of x and weight',
    source: 'torch.nn.functional.conv1d',
    parameters: [
      x,
      { name: 'weight', kind: 'tensor' },
      int('stride'),
      int('padding'),
      int('groups'),
      int('dilation'),
    ],
    apply: conv1d,
  },
  {
    name: 'upsample',
    about: 'images enlarged by a whole factor, "nearest" or "bilinear"',
    shapes: '[B, C, H, W] -> [B, C, factor · H, factor · W]',
    gradient: 'yes',
    source: 'torch.nn.functional.interpolate, align_corners = False',
    parameters: [x, { name: 'factor', kind: 'int' }, { name: 'method', kind: 'string', optional: true }],
    apply: upsample,
  },
];
