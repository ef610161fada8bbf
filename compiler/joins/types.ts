/**
 * Joins: pairs of nodes whose results one kernel makes, planned before any kernel is printed.
 *
 * A plan is data: `--dump-after joins` and `graph.txt` print it, `verifyJoins` checks it, the reference
 * executes it (`execute.ts`), and lowering does what it says and nothing else.
 */
import type { Node, NodeOf } from '../graph/types.ts';
import type { Layouts } from './layouts.ts';

/**
 * What the producer's kernel does for the consumer, by kind, and what the consumer is. One rule each in
 * rules.ts.
 */
export interface JoinConsumers {
  /** Plain arithmetic on the result, done where it is stored; the result itself is not stored. */
  epilogue: Node;
  /** Elementwise work that is summed along its rows at once; the work itself is not stored. */
  'row-sum': NodeOf<'sum'>;
  /** Attention also writes the log-sum-exp of its scores. */
  'log-sum-exp': NodeOf<'attention_lse'>;
  /** One kernel of subgroup matrices makes all gradients of attention, or those of k and v. */
  'key-gradient': NodeOf<'attention_grad_k'>;
  'value-gradient': NodeOf<'attention_grad_v'>;
  /** A product also writes the moments of its rows. */
  'row-moments': NodeOf<'group_moments'>;
  /** Layer norm's input gradient also keeps the statistics that the weight's gradient needs. */
  'weight-gradient': NodeOf<'layer_norm_grad_weight'>;
  /** A product that sums over samples also sums its left operand: a weight's gradient, and the bias's. */
  'left-sum': NodeOf<'sum'>;
  /** A product whose result others read, too, also writes what elementwise work makes of it: an activation. */
  'second-result': Node;
  /** Another product of the same operand: by further workgroups of the same launch, where that costs less than two. */
  beside: NodeOf<'matmul'>;
  /** The sum that makes layer norm's weight gradient also sums dy: the bias's gradient. */
  'bias-gradient': NodeOf<'sum'>;
}

export type JoinKind = keyof JoinConsumers;

export interface Join {
  readonly kind: JoinKind;
  /** The node whose kernel does the work. */
  readonly producer: number;
  /** The node whose result comes with it; it gets no kernel of its own. */
  readonly consumer: number;
}

/** How a graph is cut into kernels: what is joined, what is done in parts, how values lie in memory. */
export interface JoinPlan {
  /** In the order in which lowering meets the producers. */
  readonly joins: readonly Join[];
  readonly layouts: Layouts;
}

declare const verified: unique symbol;
/** A plan that `verifyJoins` accepted for its graph. */
export type VerifiedJoins = JoinPlan & { readonly [verified]: true };
