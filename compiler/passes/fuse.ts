/**
 * Elementwise fusion: chains become one `map`, and a chain that begins at a matrix product or a convolution
 * becomes its epilogue.
 *
 * Going backwards, an elementwise node joins the group of its consumers if they have its shape and form one
 * group; a cheap one (quick GELU's sigmoid, wanted forward and backward) joins several groups and is computed
 * again in each, which costs less than storing it. What remains alone is a group's root and the only value
 * stored. A sum of many products stays a chain of groups with a product each, because one group would keep
 * all of them until its end.
 */

import type { Builder } from '../graph/builder.ts';
import { constantValue } from '../graph/constants.ts';
import { createBuilder } from '../graph/create-builder.ts';
import { readersOf } from '../graph/readers.ts';
import { mergedOrigin } from '../graph/sources.ts';
import {
  type Graph,
  type Node,
  type NodeOf,
  nodeAt,
  numericShape,
  sameShape,
  sizeOf,
} from '../graph/types.ts';
import { isDepthwise } from '../ops/convolve.ts';
import {
  instructionOf,
  isElementwise,
  isMask,
  type MapInstruction,
  type MapProgram,
} from '../ops/map-program.ts';
import type { DeviceProfile } from '../profile.ts';

/** Instructions and stored operands up to which recomputing beats storing. */
const cheap = { instructions: 6, operands: 2 };

interface Groups {
  /** For each elementwise node the roots of the groups that compute it; a root is in its own group only. */
  readonly of: ReadonlyMap<number, ReadonlySet<number>>;
  /** For each root, the matrix product that takes the group as its epilogue. */
  readonly product: ReadonlyMap<number, number>;
}

class Fusion {
  readonly graph: Graph;
  readonly consumers: readonly (readonly number[])[];
  readonly isOutput: Set<number>;
  readonly #operandLimit: number;

  constructor(graph: Graph, profile: DeviceProfile) {
    this.graph = graph;
    this.consumers = readersOf(graph);
    this.isOutput = new Set(graph.outputs.map((o) => o.node));
    // One binding for the result; two more where the group may become an epilogue.
    this.#operandLimit = Math.min(profile.limits.maxStorageBuffersPerShaderStage, 12) - 3;
  }

  node(id: number): Node {
    return nodeAt(this.graph, id);
  }

  /** Of floats; comparisons and random numbers may read integers, which end a chain. */
  isElementwise(id: number): boolean {
    const node = this.node(id);
    const { op, inputs, type } = node;
    if (op === 'uniform') return true;
    if (!isElementwise(op) || type.dtype !== 'f32') return false;
    return isMask(op) || inputs.every((i) => this.node(i).type.dtype === 'f32');
  }

  constant(id: number): number | undefined {
    return constantValue((i) => this.node(i), id);
  }

  /** Instructions and stored operands of a node with everything that only it uses. */
  #weigh(id: number, operands: Set<number>): number {
    // Random numbers are never worth storing.
    if (this.node(id).op === 'uniform') return 1;
    let instructions = 1;
    for (const input of this.node(id).inputs) {
      if (this.constant(input) !== undefined) continue;
      const private_ =
        this.isElementwise(input) &&
        this.consumers[input]!.every((c) => c === id) &&
        this.#sameShape(input, id);
      if (private_) instructions += this.#weigh(input, operands);
      else operands.add(input);
    }
    return instructions;
  }

  #isCheap(id: number): boolean {
    const operands = new Set<number>();
    return this.#weigh(id, operands) <= cheap.instructions && operands.size <= cheap.operands;
  }

  #sameShape(a: number, b: number): boolean {
    return sameShape(this.node(a).type.shape, this.node(b).type.shape);
  }

  /** Whether a product that only this node reads could take it as its epilogue. */
  #isProductOf(id: number): boolean {
    return this.node(id).inputs.some((input) => this.#isOwnProduct(input, id));
  }

  #isOwnProduct(product: number, user: number): boolean {
    return (
      this.#takesEpilogue(this.node(product)) &&
      this.#sameShape(product, user) &&
      this.consumers[product]!.every((c) => c === user)
    );
  }

  /** Whether a group has a product of its own already, besides what `id` brings. */
  #holdsProduct(operands: ReadonlySet<number>, id: number): boolean {
    return [...operands].some(
      (leaf) =>
        leaf !== id &&
        this.#takesEpilogue(this.node(leaf)) &&
        this.consumers[leaf]!.length === 1 &&
        this.#sameShape(leaf, id),
    );
  }

  groups(): Groups {
    const of = new Map<number, ReadonlySet<number>>();
    const operands = new Map<number, Set<number>>();
    const stored = (id: number) => this.constant(id) === undefined;
    for (let id = this.graph.nodes.length - 1; id >= 0; id--) {
      if (!this.isElementwise(id)) continue;
      const users = this.consumers[id]!;
      const joinable =
        !this.isOutput.has(id) && users.length > 0 && users.every((u) => of.has(u) && this.#sameShape(u, id));
      const roots = joinable ? new Set(users.flatMap((u) => [...of.get(u)!])) : new Set<number>();
      const inputs = this.node(id).inputs.filter(stored);
      const fits = [...roots].every((root) => {
        const after = new Set([...operands.get(root)!, ...inputs]);
        after.delete(id);
        return after.size <= this.#operandLimit;
      });
      const apart =
        this.#isProductOf(id) && [...roots].some((root) => this.#holdsProduct(operands.get(root)!, id));
      const joins = roots.size > 0 && fits && !apart && (roots.size === 1 || this.#isCheap(id));
      const mine = joins ? roots : new Set([id]);
      of.set(id, mine);
      if (!joins) operands.set(id, new Set());
      for (const root of mine) {
        const set = operands.get(root)!;
        set.delete(id);
        for (const input of inputs) set.add(input);
      }
    }
    return { of, product: this.#products(of, operands) };
  }

  /** Depthwise convolutions are no products: as much memory as arithmetic. */
  #takesEpilogue({ op, attrs, inputs }: Node): boolean {
    if (op === 'matmul') return true;
    return op === 'conv2d' && !isDepthwise(this.node(inputs[1]).type.shape, attrs.groups);
  }

  #products(of: Groups['of'], operands: ReadonlyMap<number, ReadonlySet<number>>): Map<number, number> {
    const product = new Map<number, number>();
    for (const [root, leaves] of operands) {
      // An epilogue reads floats.
      if ([...leaves].some((id) => this.node(id).type.dtype === 'i32')) continue;
      const only = (users: readonly number[]) =>
        users.every((u) => {
          const groups = of.get(u);
          return groups?.size === 1 && groups.has(root);
        });
      const candidates = [...leaves].filter(
        (id) =>
          this.#takesEpilogue(this.node(id)) &&
          !this.isOutput.has(id) &&
          this.#sameShape(id, root) &&
          only(this.consumers[id]!),
      );
      const flops = (id: number) => sizeOf(numericShape(this.node(this.node(id).inputs[0]).type));
      const best = candidates.sort((a, b) => flops(b) - flops(a))[0];
      if (best !== undefined) product.set(root, best);
    }
    return product;
  }

  /** The program of a group; `operands` lists its stored inputs in order, the product (if any) first. */
  program(
    root: number,
    groups: Groups,
  ): { program: MapProgram; operands: number[]; members: readonly Node[] } {
    const product = groups.product.get(root);
    const operands: number[] = product === undefined ? [] : [product];
    const isInside = (id: number) => id === root || (groups.of.get(id)?.has(root) ?? false);
    const visit = (id: number, seen: Set<number>): void => {
      if (seen.has(id)) return;
      seen.add(id);
      for (const input of this.node(id).inputs) {
        if (isInside(input)) visit(input, seen);
        else if (this.constant(input) === undefined && !operands.includes(input)) operands.push(input);
      }
    };
    const seen = new Set<number>();
    visit(root, seen);
    const instructions: MapInstruction[] = [];
    const values = new Map<number, number>(operands.map((id, i) => [id, i]));
    const push = (instruction: MapInstruction) => operands.length + instructions.push(instruction) - 1;
    const evaluate = (id: number): number => {
      const known = values.get(id);
      if (known !== undefined) return known;
      const constant = this.constant(id);
      const node = this.node(id);
      const value =
        constant !== undefined
          ? push({ op: 'constant', args: [], value: constant, ...elementOf(node) })
          : push(instructionOf(node, node.inputs.map(evaluate))!);
      values.set(id, value);
      return value;
    };
    evaluate(root);
    const members = [...seen].map((id) => this.node(id));
    return { program: { inputs: operands.length, instructions }, operands, members };
  }
}

/** Constants beside integers are integers. */
function elementOf({ type }: Node): { element?: 'i32' } {
  return type.dtype === 'i32' ? { element: 'i32' } : {};
}

function emitGroup(
  b: Builder,
  fusion: Fusion,
  groups: Groups,
  root: Node,
  renamed: readonly number[],
): number {
  const { program, operands, members } = fusion.program(root.id, groups);
  const product = groups.product.get(root.id);
  const origins = members.map(({ origin }) => origin);
  if (product === undefined) {
    const inputs = operands.map((id) => renamed[id]!);
    return b.add('map', inputs, { program, shape: root.type.shape }, mergedOrigin(root.origin, origins));
  }
  const contraction = fusion.node(product) as NodeOf<'matmul' | 'conv2d'>;
  const inputs = [...contraction.inputs, ...operands.slice(1)].map((id) => renamed[id]!);
  const attrs = { ...contraction.attrs, epilogue: program };
  return b.add(contraction.op, inputs, attrs, mergedOrigin(contraction.origin, origins));
}

export function fuse(graph: Graph, profile: DeviceProfile): Graph {
  const fusion = new Fusion(graph, profile);
  const groups = fusion.groups();
  const absorbed = new Set(groups.product.values());
  const b = createBuilder();
  const renamed: number[] = [];
  for (const node of graph.nodes) {
    const roots = groups.of.get(node.id);
    if (absorbed.has(node.id) || (roots && !roots.has(node.id))) {
      renamed.push(-1);
      continue;
    }
    const id = b.withOrigin(node.origin, () =>
      roots
        ? emitGroup(b, fusion, groups, node, renamed)
        : b.add(
            node.op,
            node.inputs.map((i) => renamed[i]!),
            node.attrs,
          ),
    );
    renamed.push(id);
  }
  return b.finish(graph.outputs.map(({ name, node }) => ({ name, node: renamed[node]! })));
}
