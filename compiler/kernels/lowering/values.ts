/**
 * The values of a graph in memory while it is lowered: views, storages and their layouts, and the copies that
 * no view can spare.
 *
 * A value is looked up by its node; views (reshape, transpose ...) are followed for free, and where strides
 * cannot say a reshape, the value is copied. What a reader asks of a layout (layouts.ts) decides the strides
 * of a new result.
 */
import { alignUp } from '../../graph/dims.ts';
import { readersOf } from '../../graph/readers.ts';
import type { Node, NodeOf, Origin, VerifiedGraph } from '../../graph/types.ts';
import { nodeAt, numericShape, sizeOf } from '../../graph/types.ts';
import { type Inside, isReadAlone, type Layouts, wantsColumnCopy } from '../../joins/layouts.ts';
import type { JoinIndex } from '../../joins/plan.ts';
import type { OpName } from '../../ops/attributes.ts';
import type { DeviceProfile } from '../../profile.ts';
import { emitCopy } from '../moves/map.ts';
import { emitTransposedCopy } from '../moves/transpose.ts';
import { tapStrides } from '../text/image-strides.ts';
import type { Emitter, Kernel } from '../text/kernel.ts';
import { equalParts, furthestAxis, slicePart } from '../text/slices.ts';
import { denseStrides, denseView, isDense, type Storage, type Storages, type View } from '../text/view.ts';
import { expandView, reshapeView, sliceView, transposeView } from '../text/view-algebra.ts';
import { bindingStart, extent, startOf, Windows } from '../text/windows.ts';
import { lossScaleInput, scalerElements, scalerName } from '../update/loss-scale.ts';

/**
 * Where a named graph output goes: the host reads it, it is a gradient kept beside its weight, the new value
 * of a weight, or a gradient of features.
 */
export interface OutputPlace {
  readonly name: string;
  readonly place: 'output' | 'gradients' | 'weights' | 'features';
  /** Add to what lies there. */
  readonly accumulate?: boolean;
}

export interface LoweringOptions {
  /** Where storages come from: one source for all graphs of a plan. */
  readonly storages: Storages;
  /** Inputs that lie among the features of the whole batch. */
  readonly features?: ReadonlySet<string>;
  /** Casts of weights to f16 lie in an arena of their own, which the optimizer keeps. */
  readonly keepHalves?: boolean;
}

export class Values implements Emitter {
  readonly kernels: Kernel[] = [];
  /** The node that is lowered. */
  lowered: number | undefined;
  readonly graph: VerifiedGraph;
  readonly profile: DeviceProfile;
  readonly windows: Windows;
  readonly #layouts: Layouts;
  readonly #joins: JoinIndex;
  /** Views of the nodes that have a value. */
  readonly #views = new Map<number, View>();
  /** Nodes that read each node. */
  readonly #readers: readonly (readonly number[])[];
  readonly #copies = new Map<string, View>();
  readonly #placed: ReadonlyMap<number, OutputPlace>;
  readonly #features: ReadonlySet<string>;
  readonly #keepHalves: boolean;
  readonly #storages: Storages;

  constructor(
    graph: VerifiedGraph,
    profile: DeviceProfile,
    layouts: Layouts,
    joins: JoinIndex,
    placed: ReadonlyMap<number, OutputPlace>,
    { storages, features = new Set(), keepHalves = false }: LoweringOptions,
  ) {
    this.graph = graph;
    this.#layouts = layouts;
    this.#joins = joins;
    this.#features = features;
    this.#keepHalves = keepHalves;
    this.#storages = storages;
    this.profile = profile;
    this.#placed = placed;
    this.#readers = readersOf(graph);
    this.windows = new Windows(profile, storages);
  }

  node(id: number): Node {
    return nodeAt(this.graph, id);
  }

  /** Whether a node's value has its place. */
  has(id: number): boolean {
    return this.#views.has(id);
  }

  /** The value of a node, however large; views are followed to what they show. */
  view(id: number): View {
    const known = this.#views.get(id);
    if (known) return known;
    const view = this.#resolve(this.node(id));
    this.#views.set(id, view);
    return view;
  }

  /** The value as a dense view, copied if it is not one. */
  dense(id: number): View {
    const view = this.view(id);
    return isDense(view) ? view : this.copy(view, this.node(id));
  }

  copy(view: View, node: Node): View {
    return this.cached(view, () => {
      const copy = denseView(
        this.allocate(sizeOf(view.shape), view.storage.dtype, `copy of %${node.id}`, 'workspace'),
        view.shape,
      );
      this.move(view, copy, node.origin);
      return copy;
    });
  }

  /**
   * The copy that a reshape needs: row by row, or column by column where its only reader wants a matrix so.
   */
  #copyReshaped(from: View, node: Node, shape: readonly number[]): View {
    const rows = from.shape.findIndex((_, axis) => sizeOf(from.shape.slice(0, axis)) === shape[0]);
    const columns = rows > 0 ? this.#columnsOf(node, shape) : undefined;
    if (!columns) return denseView(this.copy(from, node).storage, shape);
    const pitch = columns.strides[1]!;
    const strides = [
      ...denseStrides(from.shape.slice(0, rows)),
      ...denseStrides(from.shape.slice(rows)).map((stride) => stride * pitch),
    ];
    this.move(from, { ...columns, shape: from.shape, strides }, node.origin);
    return columns;
  }

  /**
   * Copies between equal shapes; cut along the axis that reaches furthest, again and again, until a binding
   * holds each side.
   */
  move(from: View, to: View, origin: Origin): void {
    const large = [from, to].find((view) => !this.windows.holds(view));
    const axis = large === undefined ? -1 : furthestAxis(large);
    if (axis < 0) {
      const [a, b] = [this.windows.within(from), this.windows.within(to)];
      if (from.storage.dtype === 'i32') emitCopy(this, a, b, origin);
      else emitTransposedCopy(this, a, b, origin);
      return;
    }
    const count = equalParts(from.shape[axis]!, 2);
    for (let index = 0; index < count; index++)
      this.move(slicePart(from, { index, count }, axis), slicePart(to, { index, count }, axis), origin);
  }

  /**
   * Equal parts of `length` entries of a first axis, such that a binding holds each of `views` and of a dense
   * result of `size`.
   */
  partsFor(views: readonly View[], length: number, size: number): number {
    const { most } = this.windows;
    const large = views.filter((view) => !this.windows.holds(view)).map((view) => extent(view));
    if (size > most) large.push(size);
    const wanted = large.map((elements) => Math.ceil(elements / Math.max(1, most - bindingStart)));
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

  /** The result of a node as a part of the concatenation that alone reads it. */
  #placeInside(node: Node, shape: readonly number[], { concat, whole, strides, offset }: Inside): View {
    if (!this.has(concat)) {
      const { type } = this.node(concat);
      const all = numericShape(type);
      const storage = this.scratch(sizeOf(all), type.dtype, `%${concat} concat`);
      this.#views.set(concat, { storage, shape: all, strides: whole, offset: 0 });
    }
    const view = { storage: this.view(concat).storage, shape, strides, offset };
    this.#views.set(node.id, view);
    return view;
  }

  /** Makes room for a node's result: where the plan places it, else dense or with the strides wanted. */
  allocateResult(node: Node, wanted?: readonly number[]): View {
    const shape = numericShape(node.type);
    const half = this.#halfOf(node);
    if (half) return half;
    const inside = this.#layouts.inside.get(node.id);
    if (inside) return this.#placeInside(node, shape, inside);
    const columns = this.#columnsOf(node, shape);
    if (columns) return columns;
    const strides = wanted ?? (this.#layouts.filters.has(node.id) ? tapStrides(shape) : undefined);
    const place = this.#placed.get(node.id);
    const inPlace = place !== undefined && strides === undefined;
    const storage =
      inPlace && place.place === 'weights'
        ? this.#weight(place.name)
        : this.allocate(
            sizeOf(shape),
            node.type.dtype,
            `%${node.id} ${node.op}`,
            inPlace ? place.place : 'workspace',
            inPlace ? place.name : undefined,
          );
    const view: View = { storage, shape, strides: strides ?? denseStrides(shape), offset: 0 };
    this.#views.set(node.id, view);
    return view;
  }

  /** The kept half of a weight. */
  #halfOf(node: Node): View | undefined {
    const source = node.op === 'cast' ? nodeAt(this.graph, node.inputs[0]) : undefined;
    if (!this.#keepHalves || source?.op !== 'param' || node.type.dtype !== 'f16') return undefined;
    const { name } = source.attrs;
    const shape = numericShape(node.type);
    const view = denseView(this.allocate(sizeOf(shape), 'f16', `half of ${name}`, 'halves', name), shape);
    this.#views.set(node.id, view);
    return view;
  }

  /** The result of a node whose reader wants it column by column, unless a binding cannot hold it. */
  #columnsOf(node: Node, shape: readonly number[]): View | undefined {
    const strides = this.#layouts.columns.get(node.id);
    if (!strides) return undefined;
    const elements = alignUp(extent({ shape, strides }), 4);
    if (elements > this.windows.most) return undefined;
    const storage = this.scratch(elements, node.type.dtype, `%${node.id} ${node.op} by columns`);
    const view: View = { storage, shape, strides, offset: 0 };
    this.#views.set(node.id, view);
    return view;
  }

  /** The storage of a weight that the graph reads: a map that makes its new value writes over the old one. */
  #weight(name: string): Storage {
    const node = this.graph.nodes.find((n) => n.op === 'param' && n.attrs.name === name)!;
    return this.view(node.id).storage;
  }

  /**
   * For a dense result that a product reads by columns as well: a second place, in the result's shape; see
   * `LowerContext`.
   */
  columnCopy(node: Node): View | undefined {
    const readers = this.#readers[node.id]!.map((id) => this.node(id));
    if (this.#layouts.columns.has(node.id) || !wantsColumnCopy(node, readers, this.profile)) return undefined;
    const shape = numericShape(node.type);
    const [rows, width] = [sizeOf(shape.slice(0, -1)), shape.at(-1)!];
    const copy = denseView(this.scratch(rows * width, node.type.dtype, `%${node.id} ${node.op} by columns`), [
      width,
      rows,
    ]);
    const { storage, offset } = this.view(node.id);
    this.cached({ storage, offset, shape: [width, rows], strides: [1, width] }, () => copy);
    return { ...copy, shape, strides: [...denseStrides(shape.slice(0, -1)), rows] };
  }

  scratch(elements: number, dtype: Storage['dtype'], label: string): Storage {
    return this.allocate(elements, dtype, label, 'workspace');
  }

  /** Copies made so far serve nothing that is lowered from here on. */
  forgetCopies(): void {
    this.#copies.clear();
  }

  /**
   * A dense slice that begins where a binding may, bound from there: slices so share the pipelines of wholes.
   */
  #rows(node: Node, view: View): View {
    const whole = view.storage.elements <= this.windows.most;
    const starts = isDense(view) && view.offset > 0 && view.offset % startOf(view.storage) === 0;
    return whole &&
      starts &&
      isReadAlone(this.graph, this.#readers, (id) => this.#joins.kernelOf(id), node.id)
      ? this.windows.alone(view)
      : view;
  }

  emit(kernel: Kernel): void {
    const args = kernel.args.map((arg) => this.windows.resolve(arg));
    const { lowered } = this;
    this.kernels.push({ ...kernel, args, ...(lowered === undefined ? {} : { node: lowered }) });
  }

  allocate(
    elements: number,
    dtype: Storage['dtype'],
    label: string,
    place: Storage['place'],
    name?: string,
  ): Storage {
    return this.#storages.make({
      dtype,
      elements: Math.max(1, elements),
      label,
      place,
      ...(name === undefined ? {} : { name }),
    });
  }

  /** Begins with the scale. */
  #scaler(): Storage {
    return this.allocate(scalerElements, 'f32', 'loss scale', 'scaler', scalerName);
  }

  #resolve(node: Node): View {
    const shape = numericShape(node.type);
    switch (node.op) {
      case 'input':
      case 'param': {
        if (node.op === 'input' && node.attrs.name === lossScaleInput)
          return denseView(this.#scaler(), shape);
        const input = this.#features.has(node.attrs.name) ? 'features' : 'input';
        const place = node.op === 'input' ? input : 'weights';
        const dtype = node.type.dtype;
        return denseView(
          this.allocate(sizeOf(shape), dtype, `${node.op} ${node.attrs.name}`, place, node.attrs.name),
          shape,
        );
      }
      case 'transpose':
        return transposeView(this.view(node.inputs[0]), node.attrs.perm);
      case 'slice':
        return this.#rows(
          node,
          sliceView(this.view(node.inputs[0]), node.attrs.starts, node.attrs.ends.map(Number)),
        );
      case 'expand':
        return expandView(this.view(node.inputs[0]), shape);
      case 'all_gather':
      case 'stop_gradient':
      case 'recompute':
        return this.view(node.inputs[0]);
      case 'reshape': {
        const from = this.view(node.inputs[0]);
        return reshapeView(from, shape) ?? this.#copyReshaped(from, node, shape);
      }
      default:
        throw new Error(`%${node.id} ${(node as NodeOf<OpName>).op} was used before it was lowered`);
    }
  }
}
