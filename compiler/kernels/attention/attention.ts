/**
 * Attention without T×S memory: forward, log-sum-exp and the three gradients, as five uses of one scheme.
 *
 * A kernel owns rows (queries, or keys for the gradients of k and v) and walks the other side's rows. For
 * each pair it takes one or two dot products of owned rows with walked ones, turns them into a weight, and
 * adds weight times a walked row to the owned result (FlashAttention, Dao et al. 2022: online softmax; in the
 * gradients p = exp(s - lse)). How that runs on a device is in attention-cpu.ts and attention-gpu.ts. Results
 * lie in memory as [B, T, H, D], so that joining the heads afterwards is a free view.
 */
import { type Node, numericShape } from '../../graph/types.ts';
import type { OpAttributes, OpName } from '../../ops/attributes.ts';
import type { Lower, LowerContext } from '../text/kernel.ts';
import { denseStrides, type View } from '../text/view.ts';
import { cpuAttention } from './attention-cpu.ts';
import { gpuAttention } from './attention-gpu.ts';
import { type AttentionKind, AttentionOperands, type AttentionWork } from './work.ts';

type Rows = readonly (readonly [role: string, input: number])[];

interface Scheme {
  readonly kind: AttentionKind;
  readonly rows: Rows;
  readonly added: string | undefined;
}

/** Which input plays which role. Inputs: q, k, v, dout, lse, delta. */
const schemes = {
  attention: {
    kind: 'forward',
    rows: [
      ['own0', 0],
      ['other0', 1],
      ['added', 2],
    ],
    added: 'added',
  },
  attention_lse: {
    kind: 'lse',
    rows: [
      ['own0', 0],
      ['other0', 1],
    ],
    added: undefined,
  },
  attention_grad_q: {
    kind: 'grad_q',
    rows: [
      ['own0', 0],
      ['own1', 3],
      ['other0', 1],
      ['other1', 2],
    ],
    added: 'other0',
  },
  attention_grad_k: {
    kind: 'grad_k',
    rows: [
      ['own0', 1],
      ['own1', 2],
      ['other0', 0],
      ['other1', 3],
    ],
    added: 'other0',
  },
  attention_grad_v: {
    kind: 'grad_v',
    rows: [
      ['own0', 1],
      ['other0', 0],
      ['added', 3],
    ],
    added: 'added',
  },
} satisfies Record<string, Scheme>;

function lowerAttention(
  ctx: LowerContext,
  node: Node & { readonly attrs: OpAttributes['attention'] },
  { kind, rows, added }: Scheme,
): void {
  const [batch, heads, , width] = numericShape(ctx.node(node.inputs[0]).type) as [
    number,
    number,
    number,
    number,
  ];
  const views = new Map<string, View>(rows.map(([role, input]) => [role, ctx.rows(node.inputs[input]!, 3)]));
  const scalars = new Map<string, View>();
  if (kind.startsWith('grad')) scalars.set('lse', ctx.view(node.inputs[4]!));
  if (kind === 'grad_q' || kind === 'grad_k') scalars.set('delta', ctx.view(node.inputs[5]!));
  const shape = numericShape(node.type);
  // The gradients want the log-sum-exp of the same scores: the forward pass has it at hand.
  const logSum = ctx.joined(node, 'log-sum-exp');
  if (logSum) scalars.set('log_sum', ctx.result(logSum));
  if (kind === 'lse') scalars.set('out', ctx.result(node));
  else views.set('out', ctx.result(node, headsInside(shape)));
  const work: AttentionWork = {
    kind,
    name: node.op,
    heads: batch * heads,
    rows: shape[2]!,
    others: views.get('other0')!.shape[2]!,
    width,
    scale: node.attrs.scale,
    causal: node.attrs.causal,
    products: views.has('own1') ? 2 : 1,
    added,
    operands: new AttentionOperands(views, scalars, width),
  };
  const print = ctx.profile.kind === 'cpu' ? cpuAttention : gpuAttention;
  ctx.emit(print(work, ctx, node.origin));
}

/** Strides of [B, H, T, D] for values that lie as [B, T, H, D]. */
function headsInside(shape: readonly number[]): number[] {
  const [b, h, t, d] = shape as [number, number, number, number];
  const dense = denseStrides([b, t, h, d]);
  return [dense[0]!, dense[2]!, dense[1]!, dense[3]!];
}

export const attentionLowerings = {
  attention: (ctx, node) => lowerAttention(ctx, node, schemes.attention as Scheme),
  attention_lse: (ctx, node) => lowerAttention(ctx, node, schemes.attention_lse as Scheme),
  attention_grad_q: (ctx, node) => lowerAttention(ctx, node, schemes.attention_grad_q as Scheme),
  attention_grad_k: (ctx, node) => lowerAttention(ctx, node, schemes.attention_grad_k as Scheme),
  attention_grad_v: (ctx, node) => lowerAttention(ctx, node, schemes.attention_grad_v as Scheme),
} satisfies { [K in OpName]?: Lower<K> };
