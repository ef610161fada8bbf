/**
 * Attention without T×S memory: forward, log-sum-exp and the three gradients, as five uses of one scheme.
 *
 * A kernel owns rows (queries, or keys for the gradients of k and v) and walks the other side's rows. For
 * each pair it takes one or two dot products of owned rows with walked ones, turns them into a weight, and
 * adds weight times a walked row to the owned result (FlashAttention, Dao et al. 2022: online softmax; in the
 * gradients p = exp(s - lse)). How that runs on a device is in attention-cpu.ts, attention-gpu.ts and, where it
 * multiplies by subgroup matrices, attention-matrix.ts, which makes several gradients at once. Results
 * lie in memory as [B, T, H, D], so that joining the heads afterwards is a free view.
 */
import { type AttentionUse, attentionSizes, attentionTile } from '../../attention-tiles.ts';
import { type Node, numericShape } from '../../graph/types.ts';
import type { OpAttributes, OpName } from '../../ops/attributes.ts';
import type { Lower, LowerContext } from '../text/kernel.ts';
import { denseStrides, type View } from '../text/view.ts';
import { cpuAttention } from './attention-cpu.ts';
import { gpuAttention } from './attention-gpu.ts';
import { matrixAttention } from './attention-matrix.ts';
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

type AttentionNode = Node & { readonly attrs: OpAttributes['attention'] };

function lowerAttention(ctx: LowerContext, node: AttentionNode, { kind, rows, added }: Scheme): void {
  const [batch, heads, , width] = numericShape(ctx.node(node.inputs[0]).type) as [
    number,
    number,
    number,
    number,
  ];
  const use = useOf(ctx, node, kind);
  const roles = use === undefined ? rows : rowsFor(ctx, use, node, rows);
  const views = new Map<string, View>(roles.map(([role, input]) => [role, ctx.rows(node.inputs[input]!, 3)]));
  const scalars = new Map<string, View>();
  if (kind.startsWith('grad')) scalars.set('lse', ctx.view(node.inputs[4]!));
  const products = views.has('own1') ? 2 : 1;
  if (products === 2 && use !== 'gradients' && !views.has('result'))
    scalars.set('delta', ctx.view(node.inputs[5]!));
  const shape = numericShape(node.type);
  // The gradients want the log-sum-exp of the same scores: the forward pass has it at hand.
  const logSum = ctx.joined(node, 'log-sum-exp');
  if (logSum) scalars.set('log_sum', ctx.result(logSum));
  const write = (role: string, made: Node) =>
    views.set(role, ctx.result(made, headsInside(numericShape(made.type))));
  if (kind === 'lse') scalars.set('out', ctx.result(node));
  else write('out', node);
  const [key, value] = [ctx.joined(node, 'key-gradient'), ctx.joined(node, 'value-gradient')];
  if (key) write('out_k', key);
  if (value) write('out_v', value);
  const work: AttentionWork = {
    kind,
    name: node.op,
    heads: batch * heads,
    rows: shape[2]!,
    others: views.get('other0')!.shape[2]!,
    width,
    scale: node.attrs.scale,
    causal: node.attrs.causal,
    products,
    added,
    operands: new AttentionOperands(views, scalars, width),
  };
  if (use !== undefined) {
    const tile = attentionTile(ctx.profile, use, sizesOf(ctx, node))!;
    ctx.emit(matrixAttention(work, use, tile, ctx, node.origin));
    return;
  }
  const print = ctx.profile.kind === 'cpu' ? cpuAttention : gpuAttention;
  ctx.emit(print(work, ctx, node.origin));
}

/** By the types of q, k, v and dout. */
function sizesOf(ctx: LowerContext, { inputs }: Node) {
  return attentionSizes(inputs.slice(0, 4).map((id) => ctx.node(id)));
}

/** What of attention a kernel of subgroup matrices makes, where the device has one for it. */
function useOf(ctx: LowerContext, node: Node, kind: AttentionKind): AttentionUse | undefined {
  if (kind === 'lse') return undefined;
  const use =
    kind === 'forward'
      ? kind
      : ctx.joined(node, 'key-gradient')
        ? 'gradients'
        : kind === 'grad_q'
          ? kind
          : 'grad_kv';
  return attentionTile(ctx.profile, use, sizesOf(ctx, node)) && use;
}

/** With out in place of delta, where that is not the sum of what a workgroup has of a row. */
function rowsFor(ctx: LowerContext, use: AttentionUse, node: Node, rows: Rows): Rows {
  const given = node.inputs[5];
  const isResult = given !== undefined && ctx.node(given).type.shape.length === 4;
  return isResult && use !== 'gradients' && rows.length === 4 ? [...rows, ['result', 5]] : rows;
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
