/**
 * What rules of joins ask about a graph: who reads a value, and whether it is in memory when a kernel runs.
 */

import { readersOf } from '../graph/readers.ts';
import type { Graph, Node, NodeOf } from '../graph/types.ts';
import { nodeAt } from '../graph/types.ts';
import { rootOf } from '../graph/views.ts';
import type { OpName } from '../ops/attributes.ts';
import { isLeaf } from '../ops/index.ts';
import type { DeviceProfile } from '../profile.ts';
import type { Layouts } from './layouts.ts';
import type { Join } from './types.ts';

export class Surroundings {
  readonly graph: Graph;
  readonly profile: DeviceProfile;
  readonly layouts: Layouts;
  readonly mostBindings: number;
  readonly #readers: readonly (readonly number[])[];
  readonly #outputs: ReadonlySet<number>;
  readonly #concats: ReadonlySet<number>;
  /** Joins by what they make. */
  readonly #makers = new Map<number, Join>();

  constructor(graph: Graph, profile: DeviceProfile, layouts: Layouts) {
    this.graph = graph;
    this.profile = profile;
    this.layouts = layouts;
    this.mostBindings = profile.limits.maxStorageBuffersPerShaderStage;
    this.#readers = readersOf(graph);
    this.#outputs = new Set(graph.outputs.map((o) => o.node));
    this.#concats = new Set([...layouts.inside.values()].map(({ concat }) => concat));
  }

  node(id: number): Node {
    return nodeAt(this.graph, id);
  }

  /** The nodes of an op that read a value, ascending. */
  readers<K extends OpName>(id: number, op: K): readonly NodeOf<K>[] {
    return this.allReaders(id).filter((reader): reader is Node & NodeOf<K> => reader.op === op);
  }

  allReaders(id: number): readonly Node[] {
    return this.#readers[id]!.map((reader) => this.node(reader));
  }

  /** The only reader of a value that is no output of the graph. */
  soleReader({ id }: Node): Node | undefined {
    const [only, ...others] = this.allReaders(id);
    return others.length === 0 && !this.#outputs.has(id) ? only : undefined;
  }

  /** Whether a concatenation needs no kernel, because its parts are made in their places. */
  isMadeInside({ id }: Node): boolean {
    return this.#concats.has(id);
  }

  note(join: Join): void {
    this.#makers.set(join.consumer, join);
  }

  /** The join that makes a node, if another node's kernel does. */
  makerOf(id: number): Join | undefined {
    return this.#makers.get(id);
  }

  /** The node in whose turn a node's result is made: its own, unless it comes with another. */
  turnOf(id: number): number {
    const join = this.#makers.get(id);
    return join === undefined ? id : this.turnOf(join.producer);
  }

  /** Whether a value is in memory in `producer`'s turn; views are followed to what they show. */
  isReady(id: number, producer: Node): boolean {
    const root = rootOf(this.graph, id);
    return isLeaf(this.node(root).op) || this.turnOf(root) < this.turnOf(producer.id);
  }
}
