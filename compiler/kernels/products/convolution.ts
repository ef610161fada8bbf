/**
 * Convolutions as implicit matrix products: nothing is unfolded, the operand's addresses follow the window.
 *
 * Images are kept with their channels innermost (the logical shape stays [B, C, H, W], the strides say
 * otherwise), so that a product's columns, which are channels, are dense and the next convolution reads what
 * this one wrote. Forward and the image's gradient have pixels as rows and K = taps × channels; the filters'
 * gradient has channels as rows and K = pixels. Filters are copied once into the order of K (in inference by
 * `setup`).
 */
import { type NodeOf, numericShape, sizeOf } from '../../graph/types.ts';
import { type ConvolutionAttributes, isDepthwise } from '../../ops/convolve.ts';
import { emitTransposedCopy } from '../moves/transpose.ts';
import { matrixElement } from '../schedules/matrix.ts';
import { channelsLastStrides } from '../text/image-strides.ts';
import type { Lower, LowerContext } from '../text/kernel.ts';
import { denseView, isDense, type View } from '../text/view.ts';
import { expandView, reshapeView, transposeView } from '../text/view-algebra.ts';
import { type Contraction, type ImageStrides, operandOf, type TapWalk } from './contraction.ts';
import { type Depthwise, emitDepthwise, emitDepthwiseGradWeight } from './depthwise.ts';
import { emitContraction } from './emit.ts';
import { joinPieces, mostPieces, wantedPieces } from './pieces.ts';

const toChannelsLast = [0, 2, 3, 1];

const filterShape = (ctx: LowerContext, id: number) => numericShape(ctx.node(id).type);

/** [B, C, H, W] as [B, H, W, groups, C / groups]. */
function grouped(view: View, groups: number): View {
  const last = transposeView(view, toChannelsLast);
  const shape = [...last.shape.slice(0, 3), groups, last.shape[3]! / groups];
  return reshapeView(last, shape)!;
}

/** The image with dense channels, copied if they are not. */
function channelsDense(ctx: LowerContext, id: number): View {
  const view = ctx.view(id);
  if (view.strides[1] === 1) return view;
  return ctx.cached(view, () => {
    const strides = channelsLastStrides(view.shape);
    const storage = ctx.scratch(sizeOf(view.shape), view.storage.dtype, `channels of %${id} innermost`);
    const copy: View = { storage, shape: view.shape, strides, offset: 0 };
    emitTransposedCopy(ctx, view, copy, ctx.node(id).origin);
    return copy;
  });
}

/** A dense copy of filters seen in another order, unless they lie so. */
function reordered(ctx: LowerContext, view: View, id: number): View {
  if (isDense(view)) return view;
  return ctx.cached(view, () => {
    const storage = ctx.scratch(sizeOf(view.shape), view.storage.dtype, 'filters in the order of taps');
    const copy = denseView(storage, view.shape);
    emitTransposedCopy(ctx, view, copy, ctx.node(id).origin);
    return copy;
  });
}

/**
 * Filters [groups, kernel rows, kernel columns, K of a tap, N], dense: `perTap` is which of O and C the
 * product sums.
 */
function filterMatrix(ctx: LowerContext, id: number, groups: number, perTap: 'in' | 'out'): View {
  const w = ctx.view(id);
  const [out, inner, kh, kw] = w.shape as [number, number, number, number];
  const split = reshapeView(w, [groups, out / groups, inner, kh, kw])!;
  return reordered(ctx, transposeView(split, perTap === 'in' ? [0, 3, 4, 2, 1] : [0, 3, 4, 1, 2]), id);
}

/** Filters [kernel rows, kernel columns, C], dense. */
function depthwiseFilters(ctx: LowerContext, id: number): View {
  const w = transposeView(ctx.view(id), [2, 3, 0, 1]);
  return reordered(ctx, { ...w, shape: w.shape.slice(0, 3), strides: w.strides.slice(0, 3) }, id);
}

const imageStrides = ({ strides }: View): ImageStrides => ({
  batch: strides[0]!,
  row: strides[1]!,
  column: strides[2]!,
});

/** Rows and columns of [B, C, H, W]. */
const sides = (view: View): [number, number] => [view.shape[2]!, view.shape[3]!];

interface Sliding {
  readonly attrs: ConvolutionAttributes;
  /** The image that the window reads, and the filters in the order of K. */
  readonly left: View;
  readonly filters: View;
  readonly result: View;
  readonly transposed: boolean;
}

/** The product whose rows are pixels of `result`, without its epilogue. */
function slidingProduct({ attrs, left, filters, result, transposed }: Sliding): Contraction {
  const { groups, stride, padding, dilation } = attrs;
  const [, kh, kw, channels, n] = filters.shape as [number, number, number, number, number];
  const a = grouped(left, groups);
  const to = transposeView(grouped(result, groups), [3, 0, 1, 2, 4]);
  const walk: TapWalk = {
    kind: 'taps',
    grid: sides(transposed ? left : result),
    source: sides(transposed ? result : left),
    kernel: [kh, kw],
    stride,
    padding,
    dilation,
    transposed,
    channels,
    image: imageStrides(a),
  };
  const batch = { shape: [groups], strides: [a.strides[3]!] };
  const plain = kh === 1 && kw === 1 && padding === 0 && (stride === 1 || !transposed);
  // Without neighbours a convolution is an ordinary product over every stride-th pixel.
  const rows = {
    shape: to.shape.slice(1, 4),
    strides: [a.strides[0]!, a.strides[1]! * stride, a.strides[2]! * stride],
  };
  const b = operandOf(
    { ...filters, shape: [groups, kh * kw * channels, n], strides: [kh * kw * channels * n, n, 1] },
    1,
    'last',
  );
  return {
    batch: groups,
    m: sizeOf(to.shape.slice(1, 4)),
    n,
    k: kh * kw * channels,
    a: { view: a, batch, outer: rows, inner: a.strides[4]! },
    b,
    result: operandOf(to, 1, 'middle'),
    epilogue: undefined,
    extras: [],
    ...(plain ? {} : { walk }),
  };
}

/** The same where no channels mix. */
function depthwise(
  ctx: LowerContext,
  node: NodeOf<'conv2d'> | NodeOf<'conv2d_grad_input'>,
  transposed: boolean,
): void {
  const left = channelsDense(ctx, node.inputs[0]);
  const filters = depthwiseFilters(ctx, node.inputs[1]);
  const result = ctx.result(node, channelsLastStrides(numericShape(node.type)));
  const work: Depthwise = {
    left: transposeView(left, toChannelsLast),
    filters,
    result: transposeView(result, toChannelsLast),
    window: {
      grid: sides(transposed ? left : result),
      source: sides(transposed ? result : left),
      kernel: [filters.shape[0]!, filters.shape[1]!],
      stride: node.attrs.stride,
      padding: node.attrs.padding,
      dilation: node.attrs.dilation,
    },
    transposed,
  };
  emitDepthwise(ctx, work, node.origin);
}

function depthwiseGradWeight(ctx: LowerContext, node: NodeOf<'conv2d_grad_weight'>): void {
  const [x, dy] = node.inputs.map((id) => channelsDense(ctx, id)) as [View, View];
  const { kernel, stride, padding, dilation } = node.attrs;
  emitDepthwiseGradWeight(ctx, node, {
    x: transposeView(x, toChannelsLast),
    dy: transposeView(dy, toChannelsLast),
    window: { grid: sides(dy), source: sides(x), kernel, stride, padding, dilation },
  });
}

const lowerConv2d: Lower<'conv2d'> = (ctx, node) => {
  const { epilogue, ...attrs } = node.attrs;
  if (isDepthwise(filterShape(ctx, node.inputs[1]), attrs.groups)) {
    if (epilogue) throw new Error('the fusion pass gives depthwise convolutions no epilogue');
    depthwise(ctx, node, false);
    return;
  }
  const filters = filterMatrix(ctx, node.inputs[1], attrs.groups, 'in');
  const left = ctx.view(node.inputs[0]);
  const shape = numericShape(node.type);
  const extras = node.inputs.slice(2).map((id) => expandView(ctx.view(id), shape));
  const result = ctx.result(node, channelsLastStrides(shape));
  const product = slidingProduct({ attrs, left, filters, result, transposed: false });
  const extra = (view: View) =>
    operandOf(transposeView(grouped(view, attrs.groups), [3, 0, 1, 2, 4]), 1, 'middle');
  emitContraction(ctx, { ...product, epilogue, extras: extras.map(extra) }, 'convolution', node.origin);
};

const lowerGradInput: Lower<'conv2d_grad_input'> = (ctx, node) => {
  const { attrs } = node;
  if (isDepthwise(filterShape(ctx, node.inputs[1]), attrs.groups)) {
    depthwise(ctx, node, true);
    return;
  }
  const filters = filterMatrix(ctx, node.inputs[1], attrs.groups, 'out');
  const left = ctx.view(node.inputs[0]);
  const result = ctx.result(node, channelsLastStrides(numericShape(node.type)));
  const product = slidingProduct({ attrs, left, filters, result, transposed: true });
  emitContraction(ctx, product, 'convolution_grad_input', node.origin);
};

/**
 * Lines that a piece sums: short enough to keep the device busy, so few pieces that a binding holds all their
 * results.
 */
function linesPerPiece(
  { profile }: LowerContext,
  lines: number,
  size: Parameters<typeof wantedPieces>[1],
  elements: number,
): number {
  const most = Math.min(lines, mostPieces(profile, elements));
  const counts = Array.from({ length: most }, (_, i) => Math.ceil(lines / Math.ceil(lines / (i + 1))));
  return Math.ceil(lines / wantedPieces(profile, size, counts));
}

const lowerGradWeight: Lower<'conv2d_grad_weight'> = (ctx, node) => {
  const { groups, kernel } = node.attrs;
  if (isDepthwise(numericShape(node.type), groups)) {
    depthwiseGradWeight(ctx, node);
    return;
  }
  const x = grouped(ctx.view(node.inputs[0]), groups);
  const dy = grouped(channelsDense(ctx, node.inputs[1]), groups);
  const [batch, rows, , , m] = x.shape as [number, number, number, number, number];
  const [, height, width, , n] = dy.shape as [number, number, number, number, number];
  const lines = batch * height;
  const matrix = matrixElement(ctx.profile, x.storage, dy.storage);
  const size = { batch: groups * kernel[0] * kernel[1], m, n, k: lines * width, matrix };
  const linesOfPiece = linesPerPiece(ctx, lines, size, sizeOf(numericShape(node.type)));
  const pieces = Math.ceil(lines / linesOfPiece);
  const batchShape = [pieces, groups, ...kernel];
  const dw = gradientPlace(ctx, node, pieces);
  const parts = transposeView(dw.parts, [0, 1, 4, 5, 3, 2]); // [pieces, groups, kh, kw, C, O]
  const axes = (group: number) => ({ shape: batchShape, strides: [0, group, 0, 0] });
  const c: Contraction = {
    batch: sizeOf(batchShape),
    m,
    n,
    k: linesOfPiece * width,
    a: {
      view: x,
      batch: axes(x.strides[3]!),
      outer: { shape: [m], strides: [x.strides[4]!] },
      inner: x.strides[2]! * node.attrs.stride,
    },
    b: {
      view: dy,
      batch: axes(dy.strides[3]!),
      outer: { shape: [n], strides: [dy.strides[4]!] },
      inner: dy.strides[2]!,
    },
    result: operandOf(parts, 4, 'middle'),
    walk: {
      kind: 'pixels',
      grid: [height, width],
      source: [rows, x.shape[2]!],
      kernel,
      stride: node.attrs.stride,
      padding: node.attrs.padding,
      dilation: node.attrs.dilation,
      image: imageStrides(x),
      lines,
      linesOfPiece,
      batchShape,
      right: imageStrides(dy),
    },
    epilogue: undefined,
    extras: [],
  };
  emitContraction(ctx, c, 'convolution_grad_weight', node.origin);
  if (pieces > 1) joinPieces(ctx, node, dw.flat, dw.result);
};

/**
 * Where the pieces of the filters' gradient go, [pieces, groups, O, C, kh, kw] as a whole and flat: the
 * result itself if there is one.
 */
function gradientPlace(
  ctx: LowerContext,
  node: NodeOf<'conv2d_grad_weight'>,
  pieces: number,
): { parts: View; flat: View; result: View } {
  const result = ctx.result(node);
  const { groups } = node.attrs;
  const [out, ...rest] = result.shape as [number, ...number[]];
  const shape = [pieces, groups, out / groups, ...rest];
  const storage =
    pieces === 1 ? result.storage : ctx.scratch(sizeOf(shape), 'f32', 'pieces of a filter gradient');
  const whole = denseView(storage, shape, pieces === 1 ? result.offset : 0);
  return {
    parts: whole,
    flat: { ...whole, shape: [pieces, sizeOf(result.shape)], strides: [sizeOf(result.shape), 1] },
    result,
  };
}

export const convolutionLowerings = {
  conv2d: lowerConv2d,
  conv2d_grad_input: lowerGradInput,
  conv2d_grad_weight: lowerGradWeight,
};
