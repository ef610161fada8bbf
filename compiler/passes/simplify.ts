/**
 * Removes what computes nothing: neutral arithmetic, views that undo or repeat each other, gathers of one
 * chunk.
 */

import type { Builder } from '../graph/builder.ts';
import { constantValue } from '../graph/constants.ts';
import { type Graph, type Node, sameShape } from '../graph/types.ts';
import { binaryTable } from '../ops/binary.ts';
import { isBinary } from '../ops/map-program.ts';
import { rewrite } from './rewrite.ts';

function simplifyArithmetic(b: Builder, node: Node, inputs: readonly number[]): number | undefined {
  const { op } = node;
  if (!isBinary(op)) return undefined;
  const { neutral } = binaryTable[op];
  const [left, right] = inputs as [number, number];
  const value = (id: number) => constantValue((i) => b.node(i), id);
  const keeps = (id: number) =>
    sameShape(b.type(id).shape, node.type.shape) && b.type(id).dtype === node.type.dtype;
  if (neutral !== undefined && keeps(left) && value(right) === neutral.right) return left;
  if (neutral?.left !== undefined && keeps(right) && value(left) === neutral.left) return right;
  return undefined;
}

function simplifyView(b: Builder, node: Node, inputs: readonly number[]): number | undefined {
  const input = inputs[0]!;
  const below = b.node(input);
  const unchanged = sameShape(b.type(input).shape, node.type.shape);
  switch (node.op) {
    case 'all_gather':
    case 'stop_gradient':
      return input;
    case 'reshape':
      if (unchanged) return input;
      return below.op === 'reshape' ? b.add('reshape', below.inputs, node.attrs) : undefined;
    case 'expand':
      return unchanged ? input : undefined;
    case 'slice':
      return unchanged && node.attrs.starts.every((s) => s === 0) ? input : undefined;
    case 'transpose': {
      const { perm } = node.attrs;
      if (perm.every((p, i) => p === i)) return input;
      if (below.op !== 'transpose') return undefined;
      const joined = perm.map((p) => below.attrs.perm[p]!);
      return joined.every((p, i) => p === i)
        ? below.inputs[0]
        : b.add('transpose', below.inputs, { perm: joined });
    }
    case 'cast':
      return b.type(input).dtype === node.attrs.to ? input : undefined;
    default:
      return undefined;
  }
}

export function simplify(graph: Graph): Graph {
  return rewrite(graph, (b, node, inputs) =>
    inputs.length === 2
      ? simplifyArithmetic(b, node, inputs)
      : inputs.length === 1
        ? simplifyView(b, node, inputs)
        : undefined,
  );
}
