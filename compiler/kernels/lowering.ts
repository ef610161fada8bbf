/**
 * What lowering rules work with (`LowerContext`), for a whole graph: values, readers of values, results that one kernel makes for
 * another node.
 *
 * A value that no view can express is copied just before its consumer. A node too large for the device's bindings is
 * lowered slice by slice: while that goes on, its operands and its result look like the slice.
 */
import { alignUp } from '../graph/dims.ts';
import type { Node, NodeOf } from '../graph/types.ts';
import { numericShape, sizeOf } from '../graph/types.ts';
import { viewOps } from '../graph/views.ts';
import { isKernelNode, isLeaf, type KernelNode } from '../ops/index.ts';
import type { Split } from '../ops/traits.ts';
import { emitAccumulate } from './accumulate.ts';
import { lowerWith } from './families.ts';
import type { LowerContext } from './kernel.ts';
import { worthColumns } from './layouts.ts';
import { bareOf, type Part, partOf, slicePart, splitOf } from './parts.ts';
import { joinPieces } from './pieces.ts';
import { type OutputPlace, Values } from './values.ts';
import { denseStrides, denseView, isDense, type Storage, type View } from './view.ts';
import { bindingStart } from './windows.ts';

/** Stands for a result that is not allocated yet. */
const noStorage: Storage = { id: -1, dtype: 'f32', elements: 0, label: '', place: 'workspace' };

export class Lowering extends Values implements LowerContext {
  /** Nodes whose results another node's kernel made. */
  readonly #claimed = new Set<number>();
  /** The slice of a node that is being lowered, where it is too large to be done at once. */
  #part: Part | undefined;

  protected context(): LowerContext {
    return this;
  }

  node(id: number): Node {
    const node = this.graph.nodes[id]!;
    return this.#part?.sliced.has(id) ? partOf(node, numericShape(node.type)[0]! / this.#part.count) : node;
  }

  view(id: number): View {
    const part = this.#part;
    if (!part) return this.whole(id);
    if (part.ownWindows && !part.sliced.has(id)) return this.whole(id);
    const slice = (input: number) =>
      part.sliced.has(input) ? slicePart(this.whole(input), part) : this.whole(input);
    return this.windows.within(slice(id), part.inputs.map(slice));
  }

  consumers(id: number): readonly Node[] {
    return this.#part ? [] : this.readers[id]!.map((user) => this.graph.nodes[user]!);
  }

  soleConsumer(id: number): Node | undefined {
    const users = this.consumers(id);
    return users.length === 1 && !this.outputs.has(id) ? users[0] : undefined;
  }

  isLowered(id: number): boolean {
    return this.values.has(id) || isLeaf(this.graph.nodes[id]!.op);
  }

  claim(node: Node, strides?: readonly number[]): View | undefined {
    const tooLarge = sizeOf(numericShape(node.type)) > this.windows.most;
    if (this.#part || this.values.has(node.id) || tooLarge) return undefined;
    this.#claimed.add(node.id);
    return this.result(node, strides);
  }

  dense(id: number): View {
    const view = this.view(id);
    return isDense(view) ? view : this.copy(view, this.node(id));
  }

  rows(id: number, axis: number): View {
    const view = this.view(id);
    const tail = { ...view, shape: view.shape.slice(axis), strides: view.strides.slice(axis) };
    return isDense(tail) ? view : this.copy(view, this.node(id));
  }

  result(node: Node, wanted?: readonly number[]): View {
    const part = this.#part;
    if (!part) return this.allocateResult(node, wanted);
    const { results, index } = part;
    if (results.partial) {
      const [step, ...strides] = results.partial.strides as [number, ...number[]];
      const offset = results.partial.offset + index * step;
      return this.windows.alone({
        ...results.partial,
        shape: results.partial.shape.slice(1),
        strides,
        offset,
      });
    }
    results.whole ??= this.allocateResult(this.graph.nodes[node.id]!, wanted);
    return this.window(part.count === 1 ? results.whole : slicePart(results.whole, part));
  }

  columnCopy(node: Node): View | undefined {
    const shape = numericShape(node.type);
    const [rows, width] = [sizeOf(shape.slice(0, -1)), shape.at(-1)!];
    const wanted =
      this.profile.kind === 'cpu' &&
      rows % 4 === 0 &&
      rows * width <= this.windows.most &&
      this.consumers(node.id).some((user) => worthColumns(user, node.id));
    if (!wanted || this.columns.has(node.id)) return undefined;
    const copy = denseView(this.scratch(rows * width, node.type.dtype, `%${node.id} ${node.op} by columns`), [
      width,
      rows,
    ]);
    const { storage, offset } = this.whole(node.id);
    this.cached({ storage, offset, shape: [width, rows], strides: [1, width] }, () => copy);
    return { ...copy, shape, strides: [...denseStrides(shape.slice(0, -1)), rows] };
  }

  /** Lowers one node, unless it is a leaf or a view (those are resolved when used). */
  lowerNode(node: Node): void {
    // What is computed again must not hold on to copies (transposed weights) from long before.
    if (node.op === 'recompute') this.forgetCopies();
    if (!isKernelNode(node)) {
      if (isLeaf(node.op) || viewOps.has(node.op)) return;
      throw new Error(`${node.op} has no kernel: a pass has to rewrite it before nodes are lowered`);
    }
    // A concatenation with a value has had its parts made in place.
    if (this.#claimed.has(node.id) || (node.op === 'concat' && this.values.has(node.id))) return;
    const split = this.#splitFor(node);
    if (split && node.op === 'concat') this.#concatInParts(node);
    else if (split) this.#lowerInParts(node, split);
    else lowerWith(this, node);
  }

  /** How a node is done whose operands or result a binding cannot hold; undefined where all is well. */
  #splitFor(node: KernelNode): (Split & { readonly count: number }) | undefined {
    const { most } = this.windows;
    const inputs = node.inputs.map((id) => this.whole(id));
    const size = sizeOf(numericShape(node.type));
    if (size <= most && inputs.every(({ storage }) => storage.elements <= most)) return undefined;
    const types = node.inputs.map((id) => this.graph.nodes[id]!.type);
    const split = splitOf(node, types);
    if (!split || (split.sliced.length === 0 && node.inputs.length > 0)) return { sliced: [], count: 1 };
    const sliced = split.sliced.map((i) => inputs[i]!);
    const length = split.join ? sliced[0]!.shape[0]! : numericShape(node.type)[0]!;
    const result: View[] = split.join
      ? []
      : [denseView({ ...noStorage, elements: size }, numericShape(node.type))];
    return { ...split, count: this.partsFor([...sliced, ...result], length) };
  }

  /** Every input is moved to its place by itself. */
  #concatInParts(node: NodeOf<'concat'>): void {
    const result = this.allocateResult(node);
    const { axis } = node.attrs;
    let start = 0;
    for (const id of node.inputs) {
      const from = this.whole(id);
      const place = { ...result, shape: from.shape, offset: result.offset + start * result.strides[axis]! };
      this.move(from, place, node.origin);
      start += from.shape[axis]!;
    }
  }

  #lowerInParts(
    node: KernelNode,
    { sliced, join, ownWindows, count }: Split & { readonly count: number },
  ): void {
    const shape = numericShape(node.type);
    const partial = join && count > 1 ? this.#partials(node, count, shape) : undefined;
    const results: Part['results'] = partial ? { partial } : {};
    const length = partial || count === 1 ? undefined : shape[0]! / count;
    for (let index = 0; index < count; index++) {
      this.#part = {
        index,
        count,
        sliced: new Set(count === 1 ? [] : sliced.map((i) => node.inputs[i]!)),
        inputs: node.inputs,
        ownWindows: ownWindows === true,
        results,
      };
      lowerWith(this, partOf(partial ? bareOf(node) : node, length));
    }
    this.#part = undefined;
    if (partial) this.#joinParts(node, join!, partial);
  }

  /** [count, ...shape], each part at an aligned place. */
  #partials(node: Node, count: number, shape: readonly number[]): View {
    const step = alignUp(sizeOf(shape), bindingStart);
    const storage = this.scratch(count * step, 'f32', `parts of %${node.id} ${node.op}`);
    return { storage, shape: [count, ...shape], strides: [step, ...denseStrides(shape)], offset: 0 };
  }

  #joinParts(node: Node, join: NonNullable<Split['join']>, partial: View): void {
    const [count, ...shape] = partial.shape as [number, ...number[]];
    const flat = { ...partial, shape: [count, sizeOf(shape)], strides: [partial.strides[0]!, 1] };
    const spec = { op: join === 'max' ? join : 'sum', scale: join === 'mean' ? 1 / count : 1 } as const;
    const program = node.op === 'matmul' ? node.attrs.epilogue : undefined;
    const extras = program ? node.inputs.slice(2).map((id) => this.whole(id)) : [];
    joinPieces(this, node, flat, this.allocateResult(node), { program, extras }, spec);
  }

  /** Brings an output where it belongs, if its producer did not put it there. */
  deliver(id: number, { name, place }: OutputPlace): void {
    const view = this.view(id);
    if (view.storage.place === place && view.storage.name === name && isDense(view) && view.offset === 0)
      return;
    const node = this.node(id);
    const storage = this.allocate(sizeOf(view.shape), view.storage.dtype, name, place, name);
    this.move(view, denseView(storage, view.shape), node.origin);
  }

  /** Adds a value to what lies at its place, as soon as it is known, so that it need not wait for the others. */
  accumulate(id: number, { name, place }: OutputPlace): void {
    const whole = this.view(id);
    const view = this.windows.holds(whole) ? whole : this.dense(id);
    const storage = this.allocate(sizeOf(view.shape), view.storage.dtype, name, place, name);
    emitAccumulate(this, view, denseView(storage, view.shape), this.node(id).origin);
  }
}
