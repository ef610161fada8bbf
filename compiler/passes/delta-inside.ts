/**
 * Gradients of attention that are made by subgroup matrices take what attention gave in place of delta, the sums of dout · out,
 * which they compute themselves: delta has no kernel then.
 *
 * It needs the types that values are stored in, so it stands behind `precision`.
 */
import { attentionSizes, attentionTile } from '../attention-tiles.ts';
import { builderFrom } from '../graph/create-builder.ts';
import { type Graph, type Node, type NodeOf, nodeAt } from '../graph/types.ts';
import type { Pass } from './pass.ts';

type Gradient = NodeOf<'attention_grad_q'> | NodeOf<'attention_grad_k'>;

export const deltaInside: Pass = (graph, profile) => {
  const results = new Map(
    graph.nodes.flatMap((node) => (node.op === 'attention' ? [[attentionOf(node), node.id]] : [])),
  );
  const nodes = graph.nodes.map((node) => {
    if (node.op !== 'attention_grad_q' && node.op !== 'attention_grad_k' && node.op !== 'attention_grad_v')
      return node;
    const out = results.get(attentionOf(node));
    const sizes = attentionSizes(node.inputs.slice(0, 4).map((id) => nodeAt(graph, id)));
    const possible = (['grad_q', 'grad_kv'] as const).every((use) => attentionTile(profile, use, sizes));
    if (out === undefined || !possible) return node;
    return { ...node, inputs: [...node.inputs.slice(0, 5), out] as unknown as Gradient['inputs'] } as Node;
  });
  return nodes.every((node, i) => node === graph.nodes[i])
    ? graph
    : builderFrom({ ...graph, nodes } as Graph).finish(graph.outputs);
};

/** What attention it is, of which inputs. */
function attentionOf({ inputs, attrs }: NodeOf<'attention'> | Gradient | NodeOf<'attention_grad_v'>): string {
  return JSON.stringify([inputs.slice(0, 3), attrs.causal, attrs.scale]);
}
