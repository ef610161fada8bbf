/** A plan with what it does not say: where each step came from, and what lies where in memory when. */
import type { Observer } from '../../../compiler/compile.ts';
import { sourcesOf, withSources } from '../../../compiler/graph/sources.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { JoinIndex } from '../../../compiler/joins/plan.ts';
import type { Lowered } from '../../../compiler/kernels/lowering/lower.ts';
import type { Kernel } from '../../../compiler/kernels/text/kernel.ts';
import type { Model } from '../../../compiler/model/types.ts';
import type { Plan, PlanStep } from '../../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../../compiler/profile.ts';
import { compileFitting, type EntryRequest } from '../../run/compiled.ts';
import { GraphView, type NodeOrigin, originsOf } from './graph-view.ts';
import { type MemoryView, memoryOf } from './memory.ts';
import { Blocks, type Place } from './places.ts';

/** One dispatch of a plan. */
export interface StepInfo {
  /** Its place in `plan.steps`, or in `plan.setup`. */
  readonly index: number;
  /** As in the plan: block path and kernel. */
  readonly label: string;
  /** Id of its pipeline (`plan.pipelines`). */
  readonly pipeline: number;
  /** The schedule, where its kernel has several. */
  readonly schedule?: PlanStep['schedule'];
  readonly workgroups: readonly [number, number, number];
  readonly flops: number;
  /** Fewest bytes that it must move. */
  readonly bytes: number;
  /** The node of the optimized graph that was lowered to it. */
  readonly node: number;
  /** All that it does of the traced graph: a fused kernel has several, zeros for a weight that the loss does not read have none. */
  readonly origins: readonly NodeOrigin[];
  /** It computes gradients (and maybe a forward value again on the way). */
  readonly backward: boolean;
}

type Joined = Pick<JoinIndex, 'kernelOf'>;

/** What compiling leaves behind beside the plan. */
interface Remains {
  readonly traced: Graph;
  readonly optimized: Graph;
  readonly joined: Joined;
  readonly lowered: Lowered;
}

/** A plan and where it came from. */
export class Explanation {
  /** What `compile` gives for the same options. */
  readonly plan: Plan;
  /** The entry as its text says it. */
  readonly traced: GraphView;
  /** Behind all passes, with gradients where they were asked for: what kernels are made of. */
  readonly optimized: GraphView;
  /** The plan's steps, in order. */
  readonly steps: readonly StepInfo[];
  /** Those that run once behind the weights. */
  readonly setup: readonly StepInfo[];
  readonly memory: MemoryView;
  readonly #blocks: Blocks;

  /** @internal */
  constructor(model: Model, plan: Plan, remains: Remains, alignment: number) {
    const { traced, optimized, lowered } = remains;
    this.plan = plan;
    this.traced = new GraphView(model, traced);
    this.optimized = new GraphView(model, optimized, traced);
    this.steps = lowered.kernels.map((kernel, i) => stepInfo(i, plan.steps[i]!, kernel, remains));
    this.setup = lowered.setup.map((kernel, i) => stepInfo(i, plan.setup[i]!, kernel, remains));
    this.memory = memoryOf(plan, lowered, alignment);
    this.#blocks = new Blocks(model.root);
  }

  /** The steps that do a part of what a place means, forward or backward. Views and what passes remove have none. */
  stepsOf(place: Place): StepInfo[] {
    const all = this.steps.flatMap(({ origins }) => origins);
    const matches = this.#blocks.matcher(place, all);
    return this.steps.filter(({ origins }) => origins.some(matches));
  }

  /**
   * Numbers of the blocks (`TreeBlock.id`) that a place means, parents first: of a range those declared in it, and those in whose bodies
   * something is written in it; where that is nothing, the innermost around it. What is below one of them is not told again.
   */
  blocksOf(place: Place): number[] {
    return this.#blocks.meant(place, this.traced.nodes);
  }
}

/** @internal */
export function explain(model: Model, request: EntryRequest, profile: DeviceProfile): Explanation {
  let optimized: Graph | undefined;
  let joined: Joined | undefined;
  let lowered: Lowered | undefined;
  const observe: Observer = (_, graph, joins) => {
    optimized = graph;
    joined = joins && new JoinIndex(graph, joins);
  };
  const inspect = (found: Lowered) => {
    lowered = found;
  };
  const numbered = { ...request, extend: withSources, gives: () => {} };
  const { graph, plan } = compileFitting(model, numbered, profile, { observe, inspect });
  const remains = { traced: graph, optimized: optimized!, joined: joined!, lowered: lowered! };
  return new Explanation(model, plan, remains, profile.limits.minStorageBufferOffsetAlignment);
}

function stepInfo(
  index: number,
  step: PlanStep,
  kernel: Kernel,
  { traced, optimized, joined }: Remains,
): StepInfo {
  const node = kernel.node!;
  const own = optimized.nodes[node]!.origin;
  // What was emitted on the way, such as a copy of an operand, does nothing of the nodes that join.
  const joins = kernel.origin === own ? joined.kernelOf(node).map((id) => optimized.nodes[id]!.origin) : [];
  const sources = sourcesOf([kernel.origin, ...joins]);
  const origins = originsOf(traced, { origin: { path: '', sources } });
  const { label, pipeline, schedule, workgroups, flops, bytes } = step;
  return {
    index,
    label,
    pipeline,
    ...(schedule === undefined ? {} : { schedule }),
    workgroups,
    flops,
    bytes,
    node,
    origins,
    backward: origins.length === 0 || origins.some(({ backward }) => backward),
  };
}
