/**
 * Checks a join plan against its graph, from the plan alone: whatever rule found a join, the order and the
 * readers must be right. A failure is a defect of the compiler. That a join means what its nodes mean is for
 * execute.ts to show.
 */

import { readersOf } from '../graph/readers.ts';
import type { Graph } from '../graph/types.ts';
import { nodeAt } from '../graph/types.ts';
import { rootOf } from '../graph/views.ts';
import { isLeaf } from '../ops/index.ts';
import { joinRules } from './rules.ts';
import type { Join, JoinPlan, VerifiedJoins } from './types.ts';

export function verifyJoins(graph: Graph, plan: JoinPlan): VerifiedJoins {
  const makers = new Map<number, Join>();
  for (const join of plan.joins) {
    const fault = faultOf(graph, plan, join, makers);
    if (fault !== undefined)
      throw new Error(`join ${join.kind} of %${join.producer} with %${join.consumer} is broken: ${fault}`);
    makers.set(join.consumer, join);
  }
  const readers = readersOf(graph);
  for (const { kind, producer, consumer } of plan.joins) {
    if (joinRules[kind].keepsProducer) continue;
    if (readers[producer]!.some((id) => id !== consumer))
      throw new Error(`%${producer} is not stored (${kind}), but not only %${consumer} reads it`);
    if (graph.outputs.some(({ node }) => node === producer))
      throw new Error(`%${producer} is not stored (${kind}), but it is an output`);
  }
  return plan as VerifiedJoins;
}

function faultOf(
  graph: Graph,
  { layouts }: JoinPlan,
  { producer, consumer }: Join,
  makers: ReadonlyMap<number, Join>,
): string | undefined {
  const turnOf = (id: number): number => {
    const maker = makers.get(id);
    return maker === undefined ? id : turnOf(maker.producer);
  };
  const turn = turnOf(producer);
  if (makers.has(consumer)) return 'it is made already';
  if (consumer <= turn) return 'it has had its own turn';
  if (layouts.parts.has(producer) || layouts.parts.has(consumer)) return 'one of them is done in parts';
  const own = new Set(nodeAt(graph, producer).inputs);
  const missing = nodeAt(graph, consumer).inputs.find((id) => {
    const root = rootOf(graph, id);
    const ready = isLeaf(nodeAt(graph, root).op) || turnOf(root) < turn;
    return id !== producer && !own.has(id) && !ready;
  });
  return missing === undefined ? undefined : `%${missing} is not there yet`;
}
