/**
 * Lowers the nodes of a graph one after the other, as its join plan says: whole, in parts, or along with
 * another node.
 *
 * A node too large for the device's bindings is lowered slice by slice; those that sum over the slices leave
 * partial results, joined in order at the end.
 */
import { alignUp } from '../../graph/dims.ts';
import type { Node, NodeOf, VerifiedGraph } from '../../graph/types.ts';
import { numericShape, sizeOf } from '../../graph/types.ts';
import { viewOps } from '../../graph/views.ts';
import { JoinIndex } from '../../joins/plan.ts';
import type { VerifiedJoins } from '../../joins/types.ts';
import { isKernelNode, isLeaf, type KernelNode } from '../../ops/index.ts';
import type { Split } from '../../ops/traits.ts';
import type { DeviceProfile } from '../../profile.ts';
import { emitAccumulate } from '../moves/accumulate.ts';
import { joinPieces } from '../products/pieces.ts';
import type { Kernel } from '../text/kernel.ts';
import { denseStrides, denseView, isDense, type View } from '../text/view.ts';
import { bindingStart } from '../text/windows.ts';
import { PartContext, WholeContext } from './contexts.ts';
import { lowerWith } from './families.ts';
import { bareOf, type Part, partOf, splitOf } from './parts.ts';
import { type LoweringOptions, type OutputPlace, Values } from './values.ts';

interface CountedSplit extends Split {
  readonly count: number;
}

export class Lowering {
  readonly #plan: VerifiedJoins;
  readonly #joins: JoinIndex;
  readonly #values: Values;
  readonly #whole: WholeContext;

  constructor(
    graph: VerifiedGraph,
    plan: VerifiedJoins,
    profile: DeviceProfile,
    placed: ReadonlyMap<number, OutputPlace>,
    options: LoweringOptions,
  ) {
    this.#plan = plan;
    this.#joins = new JoinIndex(graph, plan);
    this.#values = new Values(graph, profile, plan.layouts, this.#joins, placed, options);
    this.#whole = new WholeContext(this.#values, this.#joins);
  }

  get kernels(): readonly Kernel[] {
    return this.#values.kernels;
  }

  /** Lowers one node, unless it is a leaf or a view (those are resolved when used), or comes with another. */
  lowerNode(node: Node): void {
    this.#values.lowered = node.id;
    // What is computed again must not hold on to copies (transposed weights) from long before.
    if (node.op === 'recompute') this.#values.forgetCopies();
    if (!isKernelNode(node)) {
      if (isLeaf(node.op) || viewOps.has(node.op)) return;
      throw new Error(`${node.op} has no kernel: a pass has to rewrite it before nodes are lowered`);
    }
    if (this.#joins.isMade(node.id)) {
      if (!this.#values.has(node.id))
        throw new Error(`no kernel made %${node.id} ${node.op}, as was planned`);
      return;
    }
    // A concatenation with a value has had its parts made in place.
    if (node.op === 'concat' && this.#values.has(node.id)) return;
    if (!this.#plan.layouts.parts.has(node.id)) lowerWith(this.#whole, node);
    else if (node.op === 'concat') this.#concatInParts(node);
    else this.#lowerInParts(node, this.#splitFor(node));
  }

  /** How a node is done whose operands or result a binding cannot hold. */
  #splitFor(node: KernelNode): CountedSplit {
    const inputs = node.inputs.map((id) => this.#values.view(id));
    const types = node.inputs.map((id) => this.#values.node(id).type);
    const split = splitOf(node, types);
    if (!split || (split.sliced.length === 0 && node.inputs.length > 0)) return { sliced: [], count: 1 };
    const sliced = split.sliced.map((i) => inputs[i]!);
    const shape = numericShape(node.type);
    const length = split.join ? sliced[0]!.shape[0]! : shape[0]!;
    return { ...split, count: this.#values.partsFor(sliced, length, split.join ? 0 : sizeOf(shape)) };
  }

  /** Every input is moved to its place by itself. */
  #concatInParts(node: NodeOf<'concat'>): void {
    const result = this.#values.allocateResult(node);
    const { axis } = node.attrs;
    let start = 0;
    for (const id of node.inputs) {
      const from = this.#values.view(id);
      const place = { ...result, shape: from.shape, offset: result.offset + start * result.strides[axis]! };
      this.#values.move(from, place, node.origin);
      start += from.shape[axis]!;
    }
  }

  #lowerInParts(node: KernelNode, { sliced, join, ownWindows, count }: CountedSplit): void {
    const shape = numericShape(node.type);
    const partial = join && count > 1 ? this.#partials(node, count, shape) : undefined;
    const results: Part['results'] = partial ? { partial } : {};
    const length = partial || count === 1 ? undefined : shape[0]! / count;
    const slicedIds = new Set(count === 1 ? [] : sliced.map((i) => node.inputs[i]!));
    const aliases = new Map<number, number>();
    // x @ x.T: one value, sliced as one operand and needed whole as another, which gets a number of its own.
    const inputs = node.inputs.map((id: number, i: number) => {
      if (!slicedIds.has(id) || sliced.includes(i)) return id;
      aliases.set(-1 - i, id);
      return -1 - i;
    });
    const work = { ...node, inputs } as typeof node;
    for (let index = 0; index < count; index++) {
      const context = new PartContext(this.#values, {
        index,
        count,
        sliced: slicedIds,
        aliases,
        inputs,
        ownWindows: ownWindows === true,
        results,
      });
      lowerWith(context, partOf(partial ? bareOf(work) : work, length));
    }
    if (partial) this.#joinParts(node, join!, partial);
  }

  /** [count, ...shape], each part at an aligned place. */
  #partials(node: Node, count: number, shape: readonly number[]): View {
    const step = alignUp(sizeOf(shape), bindingStart);
    const storage = this.#values.scratch(count * step, 'f32', `parts of %${node.id} ${node.op}`);
    return { storage, shape: [count, ...shape], strides: [step, ...denseStrides(shape)], offset: 0 };
  }

  #joinParts(node: Node, join: NonNullable<Split['join']>, partial: View): void {
    const [count, ...shape] = partial.shape as [number, ...number[]];
    const flat = { ...partial, shape: [count, sizeOf(shape)], strides: [partial.strides[0]!, 1] };
    const spec = { op: join === 'mean' ? 'sum' : join, scale: join === 'mean' ? 1 / count : 1 } as const;
    const program = node.op === 'matmul' ? node.attrs.epilogue : undefined;
    const extras = program ? node.inputs.slice(2).map((id) => this.#values.view(id)) : [];
    joinPieces(this.#whole, node, flat, this.#values.allocateResult(node), { program, extras }, spec);
  }

  /** Brings an output where it belongs, if its producer did not put it there. */
  deliver(id: number, { name, place }: OutputPlace): void {
    this.#values.lowered = id;
    const view = this.#values.view(id);
    if (view.storage.place === place && view.storage.name === name && isDense(view) && view.offset === 0)
      return;
    const storage = this.#values.allocate(sizeOf(view.shape), view.storage.dtype, name, place, name);
    this.#values.move(view, denseView(storage, view.shape), this.#values.node(id).origin);
  }

  /**
   * Adds a value to what lies at its place, as soon as it is known, so that it need not wait for the others.
   */
  accumulate(id: number, { name, place }: OutputPlace): void {
    const whole = this.#values.view(id);
    const view = this.#values.windows.holds(whole) ? whole : this.#values.dense(id);
    const storage = this.#values.allocate(sizeOf(view.shape), view.storage.dtype, name, place, name);
    emitAccumulate(this.#values, view, denseView(storage, view.shape), this.#values.node(id).origin);
  }
}
