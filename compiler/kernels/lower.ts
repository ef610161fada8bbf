/**
 * Graph to kernels: walks the nodes in order, follows views for free, and asks each op's family for its kernels.
 *
 * A value that no view can express is copied just before its consumer. Results that leave the graph (outputs, gradients)
 * are produced in place where the producer can, else copied at the end. Kernels whose operands are weights alone are set
 * apart (`setup`), since an inference plan needs them once.
 */
import { fail } from '../../grammar/diagnostics.ts';
import type { Node, NodeOf, VerifiedGraph } from '../graph/types.ts';
import { numericShape, sizeOf } from '../graph/types.ts';
import type { OpName } from '../ops/attributes.ts';
import { binaryMapOps, unaryMapOps } from '../ops/map-program.ts';
import type { DeviceProfile } from '../profile.ts';
import { attentionLowerings } from './attention.ts';
import { contractLowerings } from './contract.ts';
import { convolutionLowerings, tapStrides } from './convolution.ts';
import { embeddingLowerings } from './embedding.ts';
import type { Kernel, KernelArg, LowerContext } from './kernel.ts';
import { emitCopy, mapLowerings } from './map.ts';
import { momentLowerings } from './moments.ts';
import { moveLowerings } from './move.ts';
import { normalizeLowerings } from './normalize.ts';
import { poolLowerings } from './pool.ts';
import { reduceLowerings } from './reduce.ts';
import { softmaxLowerings } from './softmax.ts';
import { emitTransposedCopy } from './transpose.ts';
import { denseStrides, denseView, isDense, type Storage, type View } from './view.ts';
import { expandView, reshapeView, sliceView, transposeView } from './view-algebra.ts';

export interface Lowered {
  /** Kernels that depend on weights alone; empty unless `hoist`. */
  readonly setup: readonly Kernel[];
  readonly kernels: readonly Kernel[];
}

/** Where a named graph output goes: the host reads it, it is a gradient kept beside its weight, or the new value of a weight. */
export interface OutputPlace {
  readonly name: string;
  readonly place: 'output' | 'gradients' | 'weights';
}

type AnyLower = (ctx: LowerContext, node: Node) => void;

const viewOps = new Set<OpName>(['reshape', 'transpose', 'slice', 'expand', 'all_gather']);

/** Ops whose kernels write any layout. */
const mapped = new Set<OpName>([...unaryMapOps, ...binaryMapOps, 'map']);

const lowerings: Partial<Record<OpName, unknown>> = {
  ...mapLowerings,
  ...contractLowerings,
  ...convolutionLowerings,
  ...poolLowerings,
  ...momentLowerings,
  ...reduceLowerings,
  ...softmaxLowerings,
  ...normalizeLowerings,
  ...attentionLowerings,
  ...moveLowerings,
  ...embeddingLowerings,
};

class Lowering implements LowerContext {
  readonly kernels: Kernel[] = [];
  readonly graph: VerifiedGraph;
  readonly profile: DeviceProfile;
  readonly #values = new Map<number, View>();
  readonly #copies = new Map<string, View>();
  readonly #placed: ReadonlyMap<number, OutputPlace>;
  /** Nodes that only serve as filters, which products want in the order of taps. */
  readonly #filters: ReadonlySet<number>;
  #storages = 0;

  constructor(graph: VerifiedGraph, profile: DeviceProfile, placed: ReadonlyMap<number, OutputPlace>) {
    this.graph = graph;
    this.profile = profile;
    this.#placed = placed;
    this.#filters = filtersOnly(graph);
  }

  node(id: number): Node {
    return this.graph.nodes[id]!;
  }

  view(id: number): View {
    const known = this.#values.get(id);
    if (known) return known;
    const node = this.node(id);
    const view = this.#viewOf(node);
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
      if (view.storage.dtype === 'f32') emitTransposedCopy(this, view, copy, node.origin);
      else emitCopy(this, view, copy, node.origin);
      return copy;
    });
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
    const shape = numericShape(node.type);
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

  /** The storage of a weight that the graph reads: a map that makes its new value writes over the old one. */
  #weight(name: string): Storage {
    const node = this.graph.nodes.find((n) => n.op === 'param' && n.attrs.name === name)!;
    return this.view(node.id).storage;
  }

  scratch(elements: number, dtype: 'f32' | 'i32', label: string): Storage {
    return this.#allocate(elements, dtype, label, 'workspace');
  }

  emit(kernel: Kernel): void {
    this.kernels.push(kernel);
  }

  /** Lowers one node, unless it is a leaf or a view (those are resolved when used). */
  lowerNode(node: Node): void {
    if (node.op === 'input' || node.op === 'param' || viewOps.has(node.op)) return;
    const lower = lowerings[node.op] as AnyLower | undefined;
    if (!lower) {
      fail(
        'Z603',
        `${node.op} at ${node.origin.path || 'the top level'} has no kernel in this version`,
        'use --device reference to evaluate it on the CPU',
      );
    }
    lower(this, node);
  }

  /** Brings an output where it belongs, if its producer did not put it there. */
  deliver(id: number, { name, place }: OutputPlace): void {
    const view = this.view(id);
    if (view.storage.place === place && view.storage.name === name && isDense(view) && view.offset === 0)
      return;
    const node = this.node(id);
    const storage = this.#allocate(sizeOf(view.shape), view.storage.dtype, name, place, name);
    emitCopy(this, view, denseView(storage, view.shape), node.origin);
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
        const place = node.op === 'input' ? 'input' : 'weights';
        const dtype = node.type.dtype;
        return denseView(
          this.#allocate(sizeOf(shape), dtype, `${node.op} ${node.attrs.name}`, place, node.attrs.name),
          shape,
        );
      }
      case 'transpose':
        return transposeView(this.view(node.inputs[0]!), node.attrs.perm);
      case 'slice':
        return sliceView(this.view(node.inputs[0]!), node.attrs.starts, node.attrs.ends.map(Number));
      case 'expand':
        return expandView(this.view(node.inputs[0]!), shape);
      case 'all_gather':
        return this.view(node.inputs[0]!);
      case 'reshape': {
        const from = this.view(node.inputs[0]!);
        return reshapeView(from, shape) ?? denseView(this.copy(from, node).storage, shape);
      }
      default:
        throw new Error(`%${node.id} ${(node as NodeOf<OpName>).op} was used before it was lowered`);
    }
  }
}

/** Maps (filters scaled by a batch norm) that feed nothing but convolutions, as their filters. */
function filtersOnly(graph: VerifiedGraph): Set<number> {
  const filters = new Set<number>();
  const others = new Set(graph.outputs.map((o) => o.node));
  for (const node of graph.nodes)
    for (const [i, id] of node.inputs.entries()) {
      const asFilter = i === 1 && node.op === 'conv2d' && node.attrs.groups === 1;
      (asFilter && mapped.has(graph.nodes[id]!.op) ? filters : others).add(id);
    }
  return new Set([...filters].filter((id) => !others.has(id)));
}

/** Sets kernels apart that read nothing but weights and what such kernels made; the storages they fill become `derived`. */
function separateSetup(kernels: readonly Kernel[]): Lowered {
  const dynamic = new Set<number>();
  const moves = ({ storage }: KernelArg) =>
    storage.place !== 'weights' && (storage.place !== 'workspace' || dynamic.has(storage.id));
  for (const kernel of kernels) {
    if (!kernel.args.some(moves)) continue;
    for (const { storage, access } of kernel.args) if (access === 'read_write') dynamic.add(storage.id);
  }
  const derive = (kernel: Kernel): Kernel => ({
    ...kernel,
    args: kernel.args.map(
      (arg): KernelArg =>
        arg.storage.place === 'workspace' && !dynamic.has(arg.storage.id)
          ? { ...arg, storage: { ...arg.storage, place: 'derived' } }
          : arg,
    ),
  });
  return {
    setup: kernels.filter((kernel) => !kernel.args.some(moves)).map(derive),
    kernels: kernels.filter((kernel) => kernel.args.some(moves)).map(derive),
  };
}

/**
 * Kernels of a graph for a device. `places` says where outputs go (others are dropped); with `hoist`, kernels of weights
 * alone become `setup` (right only where weights stay the same from run to run).
 */
export function lowerGraph(
  graph: VerifiedGraph,
  profile: DeviceProfile,
  places: ReadonlyMap<string, OutputPlace>,
  hoist: boolean,
): Lowered {
  const placed = new Map<number, OutputPlace>();
  const leaves = new Set<OpName>(['input', 'param']);
  for (const { name, node } of graph.outputs) {
    const place = places.get(name);
    const { op } = graph.nodes[node]!;
    // Only a map may overwrite what it reads.
    const possible = place?.place === 'weights' ? op === 'map' : !viewOps.has(op) && !leaves.has(op);
    if (place && possible && !placed.has(node)) placed.set(node, place);
  }
  const lowering = new Lowering(graph, profile, placed);
  for (const node of graph.nodes) lowering.lowerNode(node);
  for (const { name, node } of graph.outputs) {
    const place = places.get(name);
    if (place) lowering.deliver(node, place);
  }
  return hoist ? separateSetup(lowering.kernels) : { setup: [], kernels: lowering.kernels };
}
