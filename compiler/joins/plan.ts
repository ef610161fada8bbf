/**
 * Graph to join plan: goes through the nodes in the order in which they are lowered and asks each kind's
 * rule.
 *
 * A node is made once, so the first join that finds it has it. Nodes done in parts are joined with nothing.
 */
import type { Node, VerifiedGraph } from '../graph/types.ts';
import type { DeviceProfile } from '../profile.ts';
import { planLayouts } from './layouts.ts';
import { joinKinds, joinRules } from './rules.ts';
import { Surroundings } from './surroundings.ts';
import type { Join, JoinConsumers, JoinKind, VerifiedJoins } from './types.ts';
import { verifyJoins } from './verify.ts';

export function planJoins(graph: VerifiedGraph, profile: DeviceProfile): VerifiedJoins {
  const layouts = planLayouts(graph, profile);
  const around = new Surroundings(graph, profile, layouts);
  const joins: Join[] = [];
  for (const producer of graph.nodes) {
    if (layouts.parts.has(producer.id)) continue;
    for (const kind of joinKinds) {
      const { find, chains } = joinRules[kind];
      if (!chains && around.makerOf(producer.id)) continue;
      const consumer = find(producer, around)?.id;
      if (consumer === undefined || layouts.parts.has(consumer)) continue;
      if (around.makerOf(consumer) || consumer <= around.turnOf(producer.id)) continue;
      const join = { kind, producer: producer.id, consumer };
      around.note(join);
      joins.push(join);
    }
  }
  return verifyJoins(graph, { joins, layouts });
}

/** The joins of a graph by producer and by consumer. */
export class JoinIndex {
  readonly #consumers: ReadonlyMap<string, Node>;
  readonly #made: ReadonlySet<number>;
  /** Joined nodes by each of them. */
  readonly #kernels = new Map<number, readonly number[]>();

  constructor({ nodes }: VerifiedGraph, { joins }: VerifiedJoins) {
    this.#consumers = new Map(
      joins.map(({ kind, producer, consumer }) => [`${kind} ${producer}`, nodes[consumer]!]),
    );
    this.#made = new Set(joins.map(({ consumer }) => consumer));
    for (const { producer, consumer } of joins) {
      const all = [...this.kernelOf(producer), ...this.kernelOf(consumer)];
      for (const id of all) this.#kernels.set(id, all);
    }
  }

  /**
   * The node that `producer`'s kernel makes as well; each kind's rule finds only what `JoinConsumers` says.
   */
  consumerOf<K extends JoinKind>(producer: number, kind: K): JoinConsumers[K] | undefined {
    return this.#consumers.get(`${kind} ${producer}`) as JoinConsumers[K] | undefined;
  }

  /** The nodes that a node's kernel makes, itself among them. */
  kernelOf(id: number): readonly number[] {
    return this.#kernels.get(id) ?? [id];
  }

  /** Whether another node's kernel makes a node. */
  isMade(id: number): boolean {
    return this.#made.has(id);
  }
}
