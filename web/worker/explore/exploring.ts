/** What Explore shows of one plan: all that it draws at once, and the rest when it is asked for. */
import { parse } from '../../../grammar/parser.ts';
import * as zooc from '../../../zoo/api/browser.ts';
import { type DrawnGraph, drawnGraph, type GraphWish } from './graph.ts';

export interface ModelChoice {
  /** A bundled name, or a text of the language. */
  readonly source: string;
  /** Which model, where a text has several. */
  readonly name?: string | undefined;
  readonly settings: zooc.Settings;
}

export interface ExploreRequest extends ModelChoice {
  /** Another one is taken where the model has none of this name. */
  readonly entry: string | undefined;
  readonly batch: number;
  /** `gradients` are of the entry `loss`, in training. */
  readonly mode: 'eval' | 'train' | 'gradients';
  readonly precision: 'f32' | 'mixed';
  readonly profile: zooc.ProfileKind | zooc.DeviceProfile;
}

/** Step `index` of the plan, or of its setup. */
export interface StepPlace {
  readonly index: number;
  readonly setup: boolean;
}

/** What a visitor points at. */
export type Target =
  | { readonly kind: 'block'; readonly block: number }
  | ({ readonly kind: 'step' } & StepPlace)
  | { readonly kind: 'node'; readonly view: GraphWish['view']; readonly node: number }
  /** A line of a file: offsets of its text, without indentation. */
  | { readonly kind: 'line'; readonly file: string; readonly start: number; readonly end: number };

export interface Mark {
  readonly file: string;
  readonly start: number;
  readonly end: number;
  /** What is meant itself; others are parts of it. */
  readonly strong: boolean;
}

/** A target in all views. */
export interface Found {
  readonly target: Target;
  /** The outermost; the first one is shown. */
  readonly blocks: readonly number[];
  readonly steps: readonly StepPlace[];
  readonly nodes: Readonly<Record<GraphWish['view'], readonly number[]>>;
  readonly marks: readonly Mark[];
  /** The node, where that is the target. */
  readonly node?: { readonly op: string; readonly shape: readonly number[]; readonly attributes: string };
}

/** A file of the language that the model was made from. */
export interface SourceText {
  readonly path: string;
  readonly text: string;
}

export interface Explored {
  /** Counts what was explored; questions about an earlier one have no answer. */
  readonly generation: number;
  readonly name: string;
  readonly parameters: number;
  readonly entries: readonly zooc.EntryInfo[];
  readonly entry: string;
  readonly batch: number;
  readonly tree: zooc.CostedBlock;
  readonly steps: readonly zooc.StepInfo[];
  readonly setup: readonly zooc.StepInfo[];
  readonly memory: zooc.MemoryView;
  readonly kernels: number;
  /** Of the device that the plan is for. */
  readonly profile: string;
  readonly files: readonly SourceText[];
}

/** A buffer that a step has bound. */
export interface BoundBuffer {
  readonly access: 'read' | 'read_write';
  readonly role: string;
  readonly offset: number;
  readonly size: number;
  /** What lies there at this step. */
  readonly holds: readonly string[];
}

export interface StepDetail {
  readonly kernel: string;
  readonly wgsl: string;
  readonly buffers: readonly BoundBuffer[];
}

interface Current {
  readonly generation: number;
  readonly told: zooc.Explanation;
  readonly tree: zooc.CostedBlock;
  readonly blocks: readonly zooc.CostedBlock[];
}

function* below(block: zooc.CostedBlock): Generator<zooc.CostedBlock> {
  yield block;
  for (const child of block.children) yield* below(child);
}

/** The entry of that name, or the one that people look at first. */
function chosenEntry(model: zooc.ZooModel, wish: string | undefined): string {
  const names = model.entries.map(({ name }) => name);
  return [wish, 'encode_image', 'forward'].find((name) => name && names.includes(name)) ?? names[0]!;
}

const markOf = ({ file, start, end }: zooc.CostedBlock['span'], strong: boolean): Mark => ({
  file: file.path,
  start,
  end,
  strong,
});

export class Exploring {
  #current: Current | undefined;
  #generation = 0;

  /** Names of the models that a text declares, as far as it can be read. */
  models(text: string): string[] {
    const { items } = parse({ path: 'text.zoo', text }).program;
    return items.flatMap((item) => (item.kind === 'model' ? [item.name.text] : []));
  }

  /**
   * Compiles an entry of a model. What was explored before stays until that is done.
   * @throws DiagnosticError Z1xx to Z3xx for the model, Z605 for what such a device cannot hold, Z703
   */
  open({ source, name, settings, mode, ...rest }: ExploreRequest): Explored {
    const model = zooc.model(source, settings, name);
    const entry = chosenEntry(model, rest.entry);
    const gradients = mode === 'gradients' && entry === 'loss';
    const options = { ...rest, entry, mode: mode === 'eval' ? 'eval' : 'train', gradients } as const;
    const tree = model.tree(options);
    const told = model.explain(options);
    this.#generation++;
    const blocks = [...below(tree)];
    this.#current = { generation: this.#generation, told, tree, blocks };
    const spans = [...blocks, ...told.traced.nodes].flatMap(({ span }) => span ?? []);
    const files = new Map(spans.map(({ file }) => [file.path, file.text]));
    return {
      generation: this.#generation,
      name: model.name,
      parameters: model.parameters,
      entries: model.entries,
      entry,
      batch: rest.batch,
      tree,
      steps: told.steps,
      setup: told.setup,
      memory: told.memory,
      kernels: told.plan.pipelines.length,
      profile: told.plan.profile,
      files: [...files].map(([path, text]) => ({ path, text })),
    };
  }

  /** Where a target is in all views; undefined where something else is explored by now. */
  find(generation: number, target: Target): Found | undefined {
    const current = this.#of(generation);
    if (current === undefined) return undefined;
    switch (target.kind) {
      case 'block':
        return foundBlock(current, target);
      case 'step':
        return foundStep(current, target);
      case 'node':
        return foundNode(current, target);
      case 'line':
        return foundLine(current, target);
    }
  }

  graph(generation: number, wish: GraphWish): DrawnGraph | undefined {
    const current = this.#of(generation);
    return current && drawnGraph(current.told[wish.view], current.blocks, wish);
  }

  step(generation: number, { index, setup }: StepPlace): StepDetail | undefined {
    const told = this.#of(generation)?.told;
    if (told === undefined) return undefined;
    const { plan, memory } = told;
    const step = (setup ? plan.setup : plan.steps)[index]!;
    const { label, wgsl, bindings } = plan.pipelines[step.pipeline]!;
    const alive = memory.ranges.filter(
      ({ firstStep, lastStep, kind }) =>
        kind !== 'workspace' || setup || (firstStep! <= index && index <= lastStep!),
    );
    const buffers = step.bindings.map(({ buffer, offset, size }, i) => ({
      access: bindings[i]!,
      role: plan.buffers[buffer]!.role,
      offset,
      size,
      holds: alive
        .filter((range) => range.buffer === buffer)
        .filter((range) => range.offset < offset + size && offset < range.offset + range.bytes)
        .map((range) => range.name),
    }));
    return { kernel: label, wgsl, buffers };
  }

  #of(generation: number): Current | undefined {
    return this.#current?.generation === generation ? this.#current : undefined;
  }
}

const inPlan = ({ index }: zooc.StepInfo): StepPlace => ({ index, setup: false });

function foundBlock({ told, blocks }: Current, target: Target & { kind: 'block' }): Found {
  const place = { block: target.block };
  const own = told.traced.nodes.filter(({ block, span }) => block === target.block && span !== undefined);
  return {
    target,
    blocks: [target.block],
    steps: told.stepsOf(place).map(inPlan),
    nodes: { traced: told.traced.at(place), optimized: told.optimized.at(place) },
    marks: [markOf(blocks[target.block]!.span, true), ...own.map(({ span }) => markOf(span!, false))],
  };
}

function foundStep({ told }: Current, target: Target & { kind: 'step' }): Found {
  const { origins, node } = (target.setup ? told.setup : told.steps)[target.index]!;
  return {
    target,
    blocks: [...new Set(origins.map(({ block }) => block))],
    steps: [{ index: target.index, setup: target.setup }],
    nodes: { traced: origins.map((origin) => origin.node), optimized: [node] },
    marks: origins.flatMap(({ span }) => (span === undefined ? [] : [markOf(span, true)])),
  };
}

function foundNode({ told }: Current, target: Target & { kind: 'node' }): Found {
  const node = told[target.view].nodes[target.node]!;
  const { op, shape, attributes, block, span } = node;
  const sources = new Map(node.origins.map((origin) => [origin.node, origin.backward]));
  const traced = [...sources.keys()];
  const shares = ({ origins }: { readonly origins: readonly zooc.NodeOrigin[] }) =>
    origins.some((origin) => sources.get(origin.node) === origin.backward);
  const made = told.steps.filter((step) => step.node === target.node);
  const steps =
    target.view === 'optimized' && made.length > 0 ? made : told.steps.filter((step) => shares(step));
  const spans = node.origins.flatMap((origin) => origin.span ?? []);
  return {
    target,
    blocks: [block],
    steps: steps.map(inPlan),
    nodes: {
      traced,
      optimized:
        target.view === 'optimized' ? [target.node] : told.optimized.nodes.filter(shares).map(({ id }) => id),
    },
    marks: [...(span === undefined ? [] : [span]), ...spans].map((each) => markOf(each, true)),
    node: { op, shape, attributes: JSON.stringify(attributes) },
  };
}

function foundLine({ told, blocks }: Current, target: Target & { kind: 'line' }): Found {
  const { file, start, end } = target;
  // A declaration that begins here and ends on a later line is meant as a whole.
  const begun = blocks.filter(
    ({ span }) => span.file.path === file && span.start >= start && span.start < end,
  );
  const place = { file, start, end: Math.max(end, ...begun.map(({ span }) => span.end)) };
  return {
    target,
    blocks: told.blocksOf(place),
    steps: told.stepsOf(place).map(inPlan),
    nodes: { traced: told.traced.at(place), optimized: told.optimized.at(place) },
    marks: [{ ...place, strong: true }],
  };
}
