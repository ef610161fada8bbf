/**
 * Attention without T×S memory: forward, log-sum-exp and the three gradients, as five uses of one scheme.
 *
 * A kernel owns rows (queries, or keys for the gradients of k and v) and walks the other side's rows. For each pair it
 * takes one or two dot products of owned rows with walked ones, turns them into a weight, and adds weight times a walked row
 * to the owned result (FlashAttention, Dao et al. 2022: online softmax; in the gradients p = exp(s - lse)). How that runs on
 * a device is in attention-cpu.ts and attention-gpu.ts. Results lie in memory as [B, T, H, D], so that joining the heads
 * afterwards is a free view.
 */
import { type Node, numericShape } from '../graph/types.ts';
import type { OpAttributes, OpName } from '../ops/attributes.ts';
import { indexExpression, type Operand, Operands, vectorizable } from './access.ts';
import { cpuAttention } from './attention-cpu.ts';
import { gpuAttention } from './attention-gpu.ts';
import type { Lower, LowerContext } from './kernel.ts';
import { denseStrides, type View } from './view.ts';

/** What a pair's products become: forward keeps a running maximum and sum, `lse` only those, gradients read lse and delta. */
export type AttentionKind = 'forward' | 'lse' | 'grad_q' | 'grad_k' | 'grad_v';

export interface AttentionWork {
  readonly kind: AttentionKind;
  readonly name: string;
  readonly heads: number;
  /** Owned rows of a head, and the rows walked for each. */
  readonly rows: number;
  readonly others: number;
  readonly width: number;
  readonly scale: number;
  readonly causal: boolean;
  /** Products: role `own0` with `other0` (scores) and, for grad_q and grad_k, `own1` with `other1` (dout · v). */
  readonly products: 1 | 2;
  /** The walked operand whose rows are added up: a role, or undefined for lse. */
  readonly added: string | undefined;
  readonly operands: AttentionOperands;
}

/** The owned side is the queries; else it is the keys. */
export function ownsQueries(kind: AttentionKind): boolean {
  return kind === 'forward' || kind === 'lse' || kind === 'grad_q';
}

/** Pairs of rows over all heads; half of them under a causal mask. */
export function pairsOf({ heads, rows, others, causal, kind }: AttentionWork): number {
  const [queries, keys] = ownsQueries(kind) ? [rows, others] : [others, rows];
  return heads * queries * (causal ? keys - (queries - 1) / 2 : keys);
}

/** Operands by role: own0, own1, other0, other1, added, lse, delta, out, log_sum (of the forward pass, for the gradients); with rows of `width` elements where it applies. */
export class AttentionOperands {
  readonly bindings: Operands;
  /** Rows are read as vec4; else as four guarded scalars. */
  readonly vector: boolean;
  /** The result is stored as vec4. */
  readonly #vectorOut: boolean;
  readonly views: ReadonlyMap<string, View>;
  private readonly width: number;

  constructor(rows: ReadonlyMap<string, View>, scalars: ReadonlyMap<string, View>, width: number) {
    this.vector = [...rows].every(([role, view]) => role === 'out' || vectorizable(view));
    const out = rows.get('out');
    this.#vectorOut = this.vector && out !== undefined && vectorizable(out);
    this.views = new Map([...rows, ...scalars]);
    this.width = width;
    const operand =
      (vector: boolean) =>
      ([role, view]: [string, View]): Operand => ({
        role,
        view,
        access: role === 'out' || role === 'log_sum' ? 'read_write' : 'read',
        vector: role === 'out' ? vector && this.#vectorOut : vector,
      });
    const list = [...[...rows].map(operand(this.vector)), ...[...scalars].map(operand(false))];
    const written = ({ access }: Operand) => Number(access === 'read_write');
    this.bindings = new Operands(list.sort((a, b) => written(a) - written(b)));
  }

  private view(role: string): View {
    const view = this.views.get(role);
    if (view === undefined) throw new Error(`attention has no operand ${role}`);
    return view;
  }

  private unit(role: string): number {
    const vector = role === 'out' ? this.#vectorOut : this.vector;
    return vector && this.view(role).shape.length === 4 ? 4 : 1;
  }

  /** Where a head's first row begins, in the operand's units. */
  base(role: string, head: string): string {
    const { shape, strides, offset } = this.view(role);
    const unit = this.unit(role);
    return indexExpression(
      head,
      shape.slice(0, 2),
      strides.slice(0, 2).map((s) => s / unit),
      offset / unit,
    );
  }

  /** Distance of a head's rows, in the operand's units. */
  rowStride(role: string): number {
    return this.view(role).strides[2]! / this.unit(role);
  }

  /** vec4 number `chunk` (a u32 expression) of the row that begins at `row`; zeros behind the width. */
  load(role: string, row: string, chunk: string): string {
    if (this.vector) return this.bindings.at(role, `${row} + ${chunk}`);
    const parts = [0, 1, 2, 3].map((lane) => {
      const d = `4u * ${chunk} + ${lane}u`;
      return `select(0.0, ${this.bindings.at(role, `${row} + ${d}`)}, ${d} < ${this.width}u)`;
    });
    return `vec4<f32>(${parts.join(', ')})`;
  }

  /** Statements that store vec4 number `chunk` of a row of the result. */
  store(row: string, chunk: string, value: string): string {
    if (this.#vectorOut) return `${this.bindings.at('out', `${row} + ${chunk}`)} = ${value};`;
    const stride = this.view('out').strides[3]!;
    const parts = [0, 1, 2, 3].map((lane) => {
      const d = `4u * ${chunk} + ${lane}u`;
      const at = this.bindings.at('out', `${row} + (${d}) * ${stride}u`);
      return `if (${d} < ${this.width}u) { ${at} = ${value}[${lane}]; }`;
    });
    return parts.join(' ');
  }

  /** A scalar operand (lse, delta, or the result of lse) at a row of a head whose base is known. */
  scalar(role: string, base: string, row: string): string {
    const stride = this.view(role).strides[2]!;
    return this.bindings.at(role, `${base} + ${stride === 1 ? row : `${row} * ${stride}u`}`);
  }
}

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
  const [batch, heads, , width] = numericShape(ctx.node(node.inputs[0]!).type) as [
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
