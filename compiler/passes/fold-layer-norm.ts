/**
 * A layer norm between two products disappears: the one in front writes the moments of its rows, the one
 * behind normalises what it reads.
 *
 * Only where nothing but products reads the normalised value, as their left operand: in training the weights'
 * gradients read it too. Only with fixed weights, because some devices then multiply them by the norm's own
 * weight once, before the first run; and in f32, for moments are of values as they are stored. Values that
 * the device's bindings cannot hold whole are left alone: these are done in slices.
 */
import type { Builder } from '../graph/builder.ts';
import { readersOf } from '../graph/readers.ts';
import { mergedOrigin } from '../graph/sources.ts';
import { type Graph, type NodeOf, nodeAt, numericShape, sizeOf } from '../graph/types.ts';
import { momentColumns } from '../ops/group-moments.ts';
import { operandCount } from '../ops/matmul.ts';
import { type DeviceProfile, deviceClass, matrixConfig } from '../profile.ts';
import { fromWeights } from './dependence.ts';
import type { PassSettings } from './pass.ts';
import { rewrite } from './rewrite.ts';

/**
 * Inputs that the normalisation adds to a product, and bindings beside a product's inputs: its result, and
 * that one's moments.
 */
const added = 3;

class Folding {
  /** Layer norms that no kernel makes. */
  readonly folded = new Set<number>();
  /** Bindings of the products that will normalise. */
  readonly #bindings = new Map<number, number>();
  readonly #graph: Graph;
  readonly #limits: DeviceProfile['limits'];
  readonly #fixed: readonly boolean[];
  readonly #consumers: readonly (readonly number[])[];

  constructor(graph: Graph, { limits }: DeviceProfile) {
    this.#graph = graph;
    this.#limits = limits;
    this.#fixed = fromWeights(graph);
    this.#consumers = readersOf(graph);
    const outputs = new Set(graph.outputs.map((o) => o.node));
    for (const node of graph.nodes)
      if (node.op === 'layer_norm' && !outputs.has(node.id) && this.#folds(node)) this.#fold(node);
  }

  #bindingsOf(product: NodeOf<'matmul'>): number {
    return this.#bindings.get(product.id) ?? product.inputs.length + 1;
  }

  #fold({ id, inputs }: NodeOf<'layer_norm'>): void {
    this.folded.add(id);
    for (const user of this.#consumers[id]!)
      this.#bindings.set(user, nodeAt(this.#graph, user).inputs.length + 1 + added);
    const producer = this.#graph.nodes[inputs[0]] as NodeOf<'matmul'>;
    this.#bindings.set(producer.id, this.#bindingsOf(producer) + 1);
  }

  #folds(node: NodeOf<'layer_norm'>): boolean {
    const [x, weight, bias] = node.inputs;
    const producer = nodeAt(this.#graph, x);
    const users = this.#consumers[node.id]!.map((id) => nodeAt(this.#graph, id));
    return (
      producer.op === 'matmul' &&
      this.#isFlat(producer) &&
      numericShape(producer.type).at(-1)! % momentColumns === 0 &&
      this.#bindingsOf(producer) < this.#limits.maxStorageBuffersPerShaderStage &&
      this.#fixed[weight]! &&
      this.#fixed[bias]! &&
      users.length > 0 &&
      users.every((user) => user.op === 'matmul' && this.#canNormalise(user, node.id))
    );
  }

  #canNormalise(user: NodeOf<'matmul'>, norm: number): boolean {
    const { inputs, attrs } = user;
    return (
      inputs[0] === norm &&
      inputs.filter((id) => id === norm).length === 1 &&
      !attrs.transposeA &&
      this.#isFlat(user) &&
      this.#fixed[inputs[1]]! &&
      inputs.length + 1 + added <= this.#limits.maxStorageBuffersPerShaderStage
    );
  }

  /**
   * One product over all rows, in f32, whose operands and result a binding can hold with columns padded to
   * whole vec4s.
   */
  #isFlat({ inputs, type, attrs }: NodeOf<'matmul'>): boolean {
    const types = [...inputs.slice(0, 2).map((id) => nodeAt(this.#graph, id).type), type];
    const [a, b] = types.map(({ shape }) => shape.length) as [number, number];
    return (
      b === 2 &&
      (a === 2 || !attrs.transposeA) &&
      types.every((t) => t.dtype === 'f32' && this.#isBindable(numericShape(t)))
    );
  }

  #isBindable(shape: readonly number[]): boolean {
    return 4 * (sizeOf(shape) + 3 * shape.at(-1)! + 64) <= this.#limits.maxStorageBufferBindingSize;
  }
}

export function foldLayerNorm(
  graph: Graph,
  profile: DeviceProfile,
  { fixedWeights, precision }: PassSettings,
): Graph {
  // Products by subgroup matrices, whose elements no kernel sees, do not normalise.
  const byMatrices = matrixConfig(profile, 'f32') !== undefined;
  // There a kernel with a barrier takes twice as long, and a norm of its own some thousandths of the whole.
  const barriersCost = deviceClass(profile) === 'swiftshader';
  if (!fixedWeights || precision !== 'f32' || byMatrices || barriersCost) return graph;
  const { folded } = new Folding(graph, profile);
  /** Moments by the node they are of, in the new graph. */
  const moments = new Map<number, number>();
  return rewrite(graph, (b, node, inputs) => {
    if (node.op === 'layer_norm' && folded.has(node.id)) {
      const [x] = inputs as [number];
      if (!moments.has(x)) moments.set(x, b.add('group_moments', [x], {}));
      return undefined;
    }
    const norm = graph.nodes[node.inputs[0] ?? -1];
    if (node.op !== 'matmul' || norm?.op !== 'layer_norm' || !folded.has(norm.id)) return undefined;
    const origin = mergedOrigin(node.origin, [norm.origin]);
    return b.withOrigin(origin, () =>
      normalisedProduct(b, node, inputs as typeof node.inputs, norm.attrs.eps, moments),
    );
  });
}

/** The product of a folded norm's result, as one of the norm's input. */
function normalisedProduct(
  b: Builder,
  { attrs }: NodeOf<'matmul'>,
  inputs: NodeOf<'matmul'>['inputs'],
  eps: number,
  moments: ReadonlyMap<number, number>,
): number {
  const [left, right] = inputs;
  const [x, weight, bias] = (b.node(left) as NodeOf<'layer_norm'>).inputs;
  const further = inputs.slice(operandCount(attrs));
  const all = [x, right, moments.get(x)!, weight, bias, ...further];
  return b.add('matmul', all, { ...attrs, normalise: { eps } });
}
