/**
 * Batch norm becomes (x - mean) · scale + bias with scale = weight / sqrt(variance + eps) for each channel.
 *
 * Behind a convolution that feeds nothing else, and where the statistics are the model's own, the scale goes
 * into the filters (in inference these are then computed once) and bias - mean · scale into the convolution's
 * epilogue.
 */

import type { Builder } from '../graph/builder.ts';
import { readersOf } from '../graph/readers.ts';
import { mergedOrigin } from '../graph/sources.ts';
import type { Graph, NodeOf } from '../graph/types.ts';
import { nodeAt } from '../graph/types.ts';
import { asChannels } from '../ops/batch-norm.ts';
import { Expressions } from '../ops/expressions.ts';
import { fromWeights } from './dependence.ts';
import { rewrite } from './rewrite.ts';

function normalised(
  b: Builder,
  node: NodeOf<'batch_norm'>,
  inputs: NodeOf<'batch_norm'>['inputs'],
  fold: boolean,
): number {
  const e = new Expressions(b);
  const [x, weight, bias, mean, variance] = inputs;
  const scale = e.mul(weight, e.unary('rsqrt', e.add(variance, e.scalar(x, node.attrs.eps))));
  const convolution = b.node(x);
  if (!fold || convolution.op !== 'conv2d') {
    const centred = e.sub(x, asChannels(e, mean));
    return e.add(e.mul(centred, asChannels(e, scale)), asChannels(e, bias));
  }
  const shift = asChannels(e, e.sub(bias, e.mul(mean, scale)));
  const [image, filters] = convolution.inputs;
  const scaled = e.mul(filters, e.reshape(scale, [e.shape(scale)[0]!, 1, 1, 1]));
  const origin = mergedOrigin(convolution.origin, [b.origin]);
  const folded = b.add('conv2d', [image, scaled], convolution.attrs, origin);
  return e.add(folded, shift);
}

export function lowerBatchNorm(graph: Graph): Graph {
  const known = fromWeights(graph);
  const readers = readersOf(graph);
  const outputs = new Set(graph.outputs.map((o) => o.node));
  return rewrite(graph, (b, node, inputs) => {
    if (node.op !== 'batch_norm') return undefined;
    const [x, ...rest] = node.inputs;
    const alone = readers[x]!.length === 1 && !outputs.has(x);
    const fold = nodeAt(graph, x).op === 'conv2d' && alone && rest.every((id) => known[id]);
    return normalised(b, node, inputs as typeof node.inputs, fold);
  });
}
