/**
 * What lowering rules work with (`LowerContext`), for a whole graph: values as views, memory, copies, and the kernels so far.
 *
 * A value that no view can express is copied just before its consumer. A node too large for the device's bindings is
 * lowered slice by slice: while that goes on, its operands and its result look like the slice.
 */
import { fail } from '../../grammar/diagnostics.ts';
import type { Node, NodeOf, Origin, VerifiedGraph } from '../graph/types.ts';
import { numericShape, sizeOf } from '../graph/types.ts';
import type { OpName } from '../ops/attributes.ts';
import type { DeviceProfile } from '../profile.ts';
import { emitAccumulate } from './accumulate.ts';
import { columnReduction } from './columns.ts';
import { tapStrides } from './convolution.ts';
import { type AnyLower, lowerings } from './families.ts';
import type { Kernel, LowerContext } from './kernel.ts';
import { columnOperands, filtersOnly, isReadAlone, type Joined, joinedParts, viewOps } from './layouts.ts';
import { emitCopy } from './map.ts';
import { equalParts, furthestAxis, type Part, partOf, type Split, slicePart, splitOf } from './parts.ts';
import { emitTransposedCopy } from './transpose.ts';
import { denseStrides, denseView, isDense, type Storage, type View } from './view.ts';
import { expandView, reshapeView, sliceView, transposeView } from './view-algebra.ts';
import { extent, Windows } from './windows.ts';

/**
 * Where a named graph output goes: the host reads it, it is a gradient kept beside its weight, the new value of a weight,
 * or a gradient of features.
 */
export interface OutputPlace {
  readonly name: string;
  readonly place: 'output' | 'gradients' | 'weights' | 'features';
  /** Add to what lies there. */
  readonly accumulate?: boolean;
}

export interface LoweringOptions {
  /** Inputs that lie among the features of the whole batch. */
  readonly features?: ReadonlySet<string>;
  /** The first number for storages, so that those of several graphs do not meet. */
  readonly firstStorage?: number;
}

/** Elements (256 bytes) at whose multiples a binding may start on any device. */
const bindingStart = 64;

/** Stands for a result that is not allocated yet. */
const noStorage: Storage = { id: -1, dtype: 'f32', elements: 0, label: '', place: 'workspace' };

export class Lowering implements LowerContext {
  readonly kernels: Kernel[] = [];
  readonly graph: VerifiedGraph;
  readonly profile: DeviceProfile;
  readonly #values = new Map<number, View>();
  readonly #copies = new Map<string, View>();
  readonly #placed: ReadonlyMap<number, OutputPlace>;
  /** Nodes that only serve as filters, which products want in the order of taps. */
  readonly #filters: ReadonlySet<number>;
  readonly #windows: Windows;
  readonly #consumers: readonly (readonly number[])[];
  readonly #outputs: ReadonlySet<number>;
  readonly #joined: ReadonlyMap<number, Joined>;
  /** Strides of left operands that are written column by column. */
  readonly #columns: ReadonlyMap<number, readonly number[]>;
  /** Nodes whose results another node's kernel made. */
  readonly #claimed = new Set<number>();
  /** The slice of a node that is being lowered, where it is too large to be done at once. */
  #part: Part | undefined;
  readonly #features: ReadonlySet<string>;
  #storages: number;

  constructor(
    graph: VerifiedGraph,
    profile: DeviceProfile,
    placed: ReadonlyMap<number, OutputPlace>,
    { features = new Set(), firstStorage = 0 }: LoweringOptions,
  ) {
    this.graph = graph;
    this.#features = features;
    this.#storages = firstStorage;
    this.profile = profile;
    this.#placed = placed;
    this.#filters = filtersOnly(graph);
    this.#outputs = new Set(graph.outputs.map((o) => o.node));
    const consumers: number[][] = graph.nodes.map(() => []);
    for (const { id, inputs } of graph.nodes) for (const input of new Set(inputs)) consumers[input]!.push(id);
    this.#consumers = consumers;
    this.#joined = joinedParts(graph, consumers);
    this.#columns = profile.kind === 'cpu' ? columnOperands(graph, consumers) : new Map();
    this.#windows = new Windows(profile, () => this.#storages++);
  }

  node(id: number): Node {
    const node = this.graph.nodes[id]!;
    return this.#part?.sliced.has(id) ? partOf(node, numericShape(node.type)[0]! / this.#part.count) : node;
  }

  view(id: number): View {
    const part = this.#part;
    if (!part) return this.#whole(id);
    if (part.ownWindows && !part.sliced.has(id)) return this.#whole(id);
    const slice = (input: number) =>
      part.sliced.has(input) ? slicePart(this.#whole(input), part) : this.#whole(input);
    return this.#windows.within(slice(id), part.inputs.map(slice));
  }

  consumers(id: number): readonly Node[] {
    return this.#part ? [] : this.#consumers[id]!.map((user) => this.graph.nodes[user]!);
  }

  soleConsumer(id: number): Node | undefined {
    const users = this.consumers(id);
    return users.length === 1 && !this.#outputs.has(id) ? users[0] : undefined;
  }

  isLowered(id: number): boolean {
    const { op } = this.graph.nodes[id]!;
    return this.#values.has(id) || op === 'input' || op === 'param';
  }

  claim(node: Node, strides?: readonly number[]): View | undefined {
    const tooLarge = sizeOf(numericShape(node.type)) > this.#windows.most;
    if (this.#part || this.#values.has(node.id) || tooLarge) return undefined;
    this.#claimed.add(node.id);
    return this.result(node, strides);
  }

  window(view: View): View {
    return this.#windows.within(view);
  }

  #whole(id: number): View {
    const known = this.#values.get(id);
    if (known) return known;
    const view = this.#viewOf(this.graph.nodes[id]!);
    this.#values.set(id, view);
    return view;
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

  copy(view: View, node: Node): View {
    return this.cached(view, () => {
      const copy = denseView(
        this.#allocate(sizeOf(view.shape), view.storage.dtype, `copy of %${node.id}`, 'workspace'),
        view.shape,
      );
      this.#move(view, copy, node.origin);
      return copy;
    });
  }

  /** Copies between equal shapes; cut along the axis that reaches furthest, again and again, until a binding holds each side. */
  #move(from: View, to: View, origin: Origin): void {
    const large = [from, to].find((view) => !this.#windows.holds(view));
    const axis = large === undefined ? -1 : furthestAxis(large);
    if (axis < 0) {
      const [a, b] = [this.window(from), this.window(to)];
      if (from.storage.dtype === 'f32') emitTransposedCopy(this, a, b, origin);
      else emitCopy(this, a, b, origin);
      return;
    }
    const count = equalParts(from.shape[axis]!, 2);
    for (let index = 0; index < count; index++)
      this.#move(slicePart(from, { index, count }, axis), slicePart(to, { index, count }, axis), origin);
  }

  /** Equal parts of `length` entries of a first axis, such that a binding holds each. */
  #partsFor(views: readonly View[], length: number): number {
    const { most } = this.#windows;
    const large = views.filter((view) => view.storage.elements > most && !this.#windows.holds(view));
    const wanted = large.map((view) => Math.ceil(extent(view) / Math.max(1, most - 64)));
    return equalParts(length, Math.max(1, ...wanted));
  }

  cached(source: View, make: () => View): View {
    const key = `${source.storage.id}+${source.offset}:${source.shape.join()}/${source.strides.join()}`;
    const known = this.#copies.get(key);
    if (known) return known;
    const made = make();
    this.#copies.set(key, made);
    return made;
  }

  result(node: Node, wanted?: readonly number[]): View {
    const part = this.#part;
    if (!part) return this.#allocateResult(node, wanted);
    const { results, index } = part;
    if (results.partial) {
      const [step, ...strides] = results.partial.strides as [number, ...number[]];
      const offset = results.partial.offset + index * step;
      return this.#windows.alone({
        ...results.partial,
        shape: results.partial.shape.slice(1),
        strides,
        offset,
      });
    }
    results.whole ??= this.#allocateResult(this.graph.nodes[node.id]!, wanted);
    return this.window(part.count === 1 ? results.whole : slicePart(results.whole, part));
  }

  /** The result of a node as a part of the concatenation that alone reads it. */
  #placeInside(node: Node, shape: readonly number[], { concat, whole, strides, offset }: Joined): View {
    if (!this.#values.has(concat)) {
      const all = numericShape(this.graph.nodes[concat]!.type);
      const storage = this.scratch(sizeOf(all), 'f32', `%${concat} concat`);
      this.#values.set(concat, { storage, shape: all, strides: whole, offset: 0 });
    }
    const view = { storage: this.#values.get(concat)!.storage, shape, strides, offset };
    this.#values.set(node.id, view);
    return view;
  }

  #allocateResult(node: Node, wanted?: readonly number[]): View {
    const shape = numericShape(node.type);
    const joined = this.#joined.get(node.id);
    if (joined) return this.#placeInside(node, shape, joined);
    const columns = this.#columnsOf(node, shape);
    if (columns) return columns;
    const strides = wanted ?? (this.#filters.has(node.id) ? tapStrides(shape) : undefined);
    const place = this.#placed.get(node.id);
    const inPlace = place !== undefined && strides === undefined;
    const storage =
      inPlace && place.place === 'weights'
        ? this.#weight(place.name)
        : this.#allocate(
            sizeOf(shape),
            node.type.dtype === 'i32' ? 'i32' : 'f32',
            `%${node.id} ${node.op}`,
            inPlace ? place.place : 'workspace',
            inPlace ? place.name : undefined,
          );
    const view: View = { storage, shape, strides: strides ?? denseStrides(shape), offset: 0 };
    this.#values.set(node.id, view);
    return view;
  }

  /** The result of a node whose reader wants it column by column, unless a binding cannot hold it. */
  #columnsOf(node: Node, shape: readonly number[]): View | undefined {
    const strides = this.#columns.get(node.id);
    if (!strides) return undefined;
    const elements = Math.ceil(extent({ shape, strides }) / 4) * 4;
    if (elements > this.#windows.most) return undefined;
    const storage = this.scratch(elements, 'f32', `%${node.id} ${node.op} by columns`);
    const view: View = { storage, shape, strides, offset: 0 };
    this.#values.set(node.id, view);
    return view;
  }

  /** The storage of a weight that the graph reads: a map that makes its new value writes over the old one. */
  #weight(name: string): Storage {
    const node = this.graph.nodes.find((n) => n.op === 'param' && n.attrs.name === name)!;
    return this.view(node.id).storage;
  }

  scratch(elements: number, dtype: 'f32' | 'i32', label: string): Storage {
    return this.#allocate(elements, dtype, label, 'workspace');
  }

  emit(kernel: Kernel): void {
    this.kernels.push({ ...kernel, args: kernel.args.map((arg) => this.#windows.resolve(arg)) });
  }

  /** Lowers one node, unless it is a leaf or a view (those are resolved when used). */
  lowerNode(node: Node): void {
    // What is computed again must not hold on to copies (transposed weights) from long before.
    if (node.op === 'recompute') this.#copies.clear();
    if (node.op === 'input' || node.op === 'param' || viewOps.has(node.op)) return;
    // A concatenation with a value has had its parts made in place.
    if (this.#claimed.has(node.id) || (node.op === 'concat' && this.#values.has(node.id))) return;
    const lower = lowerings[node.op] as AnyLower | undefined;
    if (!lower) {
      fail(
        'Z603',
        `${node.op} at ${node.origin.path || 'the top level'} has no kernel in this version`,
        'use --device reference to evaluate it on the CPU',
      );
    }
    const split = this.#splitFor(node);
    if (split && node.op === 'concat') this.#concatInParts(node);
    else if (split) this.#lowerInParts(node, lower, split);
    else lower(this, node);
  }

  /** How a node is done whose operands or result a binding cannot hold; undefined where all is well. */
  #splitFor(node: Node): (Split & { readonly count: number }) | undefined {
    const { most } = this.#windows;
    const inputs = node.inputs.map((id) => this.#whole(id));
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
    return { ...split, count: this.#partsFor([...sliced, ...result], length) };
  }

  /** Every input is moved to its place by itself. */
  #concatInParts(node: NodeOf<'concat'>): void {
    const result = this.#allocateResult(node);
    const { axis } = node.attrs;
    let start = 0;
    for (const id of node.inputs) {
      const from = this.#whole(id);
      const place = { ...result, shape: from.shape, offset: result.offset + start * result.strides[axis]! };
      this.#move(from, place, node.origin);
      start += from.shape[axis]!;
    }
  }

  #lowerInParts(
    node: Node,
    lower: AnyLower,
    { sliced, join, count }: Split & { readonly count: number },
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
        ownWindows: node.op === 'embedding',
        results,
      };
      lower(this, partOf(node, length));
    }
    this.#part = undefined;
    if (partial) this.#join(node, join!, partial);
  }

  /** [count, ...shape], each part at an aligned place. */
  #partials(node: Node, count: number, shape: readonly number[]): View {
    const step = Math.ceil(sizeOf(shape) / 64) * 64;
    const storage = this.scratch(count * step, 'f32', `parts of %${node.id} ${node.op}`);
    return { storage, shape: [count, ...shape], strides: [step, ...denseStrides(shape)], offset: 0 };
  }

  #join(node: Node, join: NonNullable<Split['join']>, partial: View): void {
    const count = partial.shape[0]!;
    const result = this.#allocateResult(node);
    const size = sizeOf(result.shape);
    const flat = { ...partial, shape: [count, size], strides: [partial.strides[0]!, 1] };
    const spec = { op: join === 'max' ? join : 'sum', scale: join === 'mean' ? 1 / count : 1 } as const;
    const inputs = [{ role: 'x', view: flat }];
    columnReduction(this, node, { inputs, axes: [0], values: ['x'], flops: 1, ...spec }, [
      { ...result, shape: [size], strides: [1] },
    ]);
  }

  /** Brings an output where it belongs, if its producer did not put it there. */
  deliver(id: number, { name, place }: OutputPlace): void {
    const view = this.view(id);
    if (view.storage.place === place && view.storage.name === name && isDense(view) && view.offset === 0)
      return;
    const node = this.node(id);
    const storage = this.#allocate(sizeOf(view.shape), view.storage.dtype, name, place, name);
    this.#move(view, denseView(storage, view.shape), node.origin);
  }

  /** Adds a value to what lies at its place, as soon as it is known, so that it need not wait for the others. */
  accumulate(id: number, { name, place }: OutputPlace): void {
    const whole = this.view(id);
    const view = this.#windows.holds(whole) ? whole : this.dense(id);
    const storage = this.#allocate(sizeOf(view.shape), view.storage.dtype, name, place, name);
    emitAccumulate(this, view, denseView(storage, view.shape), this.node(id).origin);
  }

  /** A dense slice that begins where a binding may, bound from there: slices so share the pipelines of wholes. */
  #rows(node: Node, view: View): View {
    const whole = view.storage.elements <= this.#windows.most;
    const starts = isDense(view) && view.offset > 0 && view.offset % bindingStart === 0;
    return whole && starts && isReadAlone(this.graph, this.#consumers, node.id)
      ? this.#windows.alone(view)
      : view;
  }

  #allocate(
    elements: number,
    dtype: Storage['dtype'],
    label: string,
    place: Storage['place'],
    name?: string,
  ): Storage {
    const id = this.#storages++;
    return {
      id,
      dtype,
      elements: Math.max(1, elements),
      label,
      place,
      ...(name === undefined ? {} : { name }),
    };
  }

  #viewOf(node: Node): View {
    const shape = numericShape(node.type);
    switch (node.op) {
      case 'input':
      case 'param': {
        const { dtype } = node.type;
        const input = this.#features.has(node.attrs.name) ? 'features' : 'input';
        const place = node.op === 'input' ? input : 'weights';
        return denseView(
          this.#allocate(sizeOf(shape), dtype, `${node.op} ${node.attrs.name}`, place, node.attrs.name),
          shape,
        );
      }
      case 'transpose':
        return transposeView(this.#whole(node.inputs[0]!), node.attrs.perm);
      case 'slice':
        return this.#rows(
          node,
          sliceView(this.#whole(node.inputs[0]!), node.attrs.starts, node.attrs.ends.map(Number)),
        );
      case 'expand':
        return expandView(this.#whole(node.inputs[0]!), shape);
      case 'all_gather':
      case 'recompute':
        return this.#whole(node.inputs[0]!);
      case 'reshape': {
        const from = this.#whole(node.inputs[0]!);
        return reshapeView(from, shape) ?? denseView(this.copy(from, node).storage, shape);
      }
      default:
        throw new Error(`%${node.id} ${(node as NodeOf<OpName>).op} was used before it was lowered`);
    }
  }
}
