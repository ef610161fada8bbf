/** The tree of a model's blocks as plain data, and what each of them computes in an entry. */

import { nodeFlops } from '../../../compiler/flops.ts';
import { type Graph, numericShape, type TensorType } from '../../../compiler/graph/types.ts';
import type { BlockNode, ConfigValue, Model, ParameterValue, Weight } from '../../../compiler/model/types.ts';
import type { Span } from '../../../grammar/source.ts';
import { type EntryRequest, traceGraph } from '../../run/compiled.ts';

/** One block of a model, as plain data. */
export interface TreeBlock {
  /** Its number in the tree, parents first: 0 at the root, those of all blocks below a block follow its own. */
  readonly id: number;
  /** As its parent calls it; the model's name at the root. */
  readonly name: string;
  /** Prefix of its weights' names; that of its parent where it is inline. */
  readonly path: string;
  readonly kind: 'block' | 'seq' | 'fn';
  /** The block's name where it is declared, and in which package or file; absent for a `seq`. */
  readonly block?: { readonly name: string; readonly origin: string };
  /** Values of its parameters by name; a block or function that was given stands as its name. */
  readonly arguments: Readonly<Record<string, ConfigValue>>;
  readonly weights: readonly WeightInfo[];
  /** Elements of all params in it and below. */
  readonly parameters: number;
  /** Where its parent declares it: UTF-16 units of a file's text. */
  readonly span: Span;
  readonly children: readonly TreeBlock[];
}

/** A weight of a model. */
export interface WeightInfo {
  /** The name in a state_dict. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: Weight['dtype'];
  readonly kind: 'param' | 'buffer';
}

/** An element type and a shape with the batch as a number, row-major. */
export interface TensorShape {
  readonly dtype: TensorType['dtype'];
  readonly shape: readonly number[];
}

/** A block with what it computes in one forward of an entry. */
export interface CostedBlock extends TreeBlock {
  /**
   * FLOPs in it and below, of the whole batch: a multiplication and an addition are two, a product of [m, k] and [k, n] has
   * 2 m n k; elementwise work, norms and softmax count as in `zooc show` and `bench`, views and gathers none. A block that is called twice has both
   * calls, unless they compute the same of the same, which is computed once; 0 where the entry leaves it out.
   */
  readonly flops: number;
  /** What it gives, call by call; empty where the entry leaves it out, or calls what is in it alone. */
  readonly activations: readonly TensorShape[];
  readonly children: readonly CostedBlock[];
}

function shownValue(value: ParameterValue): ConfigValue | undefined {
  if (typeof value !== 'object') return value;
  if ('origin' in value) return value.name;
  if (!Array.isArray(value)) return undefined;
  return value.map((item) => shownValue(item)).flatMap((v) => (typeof v === 'object' ? [] : (v ?? [])));
}

/** The tree of a model. @internal */
export function treeOf(model: Model): TreeBlock {
  return new Tree().block(model.root);
}

/**
 * The tree with the costs of an entry.
 * @throws DiagnosticError Z3xx for a batch that does not trace
 * @internal
 */
export function costedTree(model: Model, request: EntryRequest): CostedBlock {
  const activations = new Map<number, TensorShape[]>();
  const gives = (block: number, types: readonly TensorType[]) => {
    const all = activations.get(block) ?? [];
    activations.set(block, [...all, ...types.map(shapeOf)]);
  };
  const graph = traceGraph(model, { ...request, gives });
  return costed(treeOf(model), ownFlops(graph), activations);
}

/** @internal */
export function shapeOf(type: TensorType): TensorShape {
  return { dtype: type.dtype, shape: numericShape(type) };
}

/** FLOPs by block; what no block made (an objective's) is the root's. */
function ownFlops(graph: Graph): Map<number, number> {
  const own = new Map<number, number>();
  for (const node of graph.nodes) {
    const { block = 0 } = node.origin;
    own.set(block, (own.get(block) ?? 0) + nodeFlops(graph, node));
  }
  return own;
}

function costed(
  block: TreeBlock,
  own: ReadonlyMap<number, number>,
  activations: ReadonlyMap<number, readonly TensorShape[]>,
): CostedBlock {
  const children = block.children.map((child) => costed(child, own, activations));
  const flops = children.reduce((sum, child) => sum + child.flops, own.get(block.id) ?? 0);
  return { ...block, flops, activations: activations.get(block.id) ?? [], children };
}

/** Makes one tree, numbering its blocks. */
class Tree {
  #count = 0;

  block(node: BlockNode): TreeBlock {
    const id = this.#count++;
    const children = node.children.map((child) => this.block(child));
    const own = node.weights
      .filter(({ kind }) => kind === 'param')
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const given = [...node.parameters].flatMap(([name, value]) => {
      const shown = shownValue(value);
      return shown === undefined ? [] : [[name, shown] as const];
    });
    const { definition } = node;
    return {
      id,
      name: node.name,
      path: node.path,
      kind: node.kind,
      ...(definition === undefined ? {} : { block: { name: definition.name, origin: definition.origin } }),
      arguments: Object.fromEntries(given),
      weights: node.weights.map(({ name, shape, dtype, kind }) => ({ name, shape, dtype, kind })),
      parameters: children.reduce((sum, child) => sum + child.parameters, own),
      span: node.span,
      children,
    };
  }
}
