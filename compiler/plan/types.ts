/**
 * The plan: everything the runtime needs but the weights, as plain data (JSON and WGSL). The only thing that
 * crosses from the compiler to the runtime.
 *
 * Memory is a few large buffers; a tensor is a byte range of one. Steps run in order, in one submit. All
 * offsets are multiples of the device's storage offset alignment. The runtime creates buffers and pipelines,
 * makes one bind group a step, and replays the steps at every run.
 */
import type { DType, Range } from '../graph/types.ts';
import type { ExchangeKind, ScheduleChoice } from '../kernels/text/choices.ts';
import type { Share } from '../shards.ts';

/** What a buffer is for. */
export type BufferRole =
  /** Parameters and model buffers (batch-norm statistics), in place across runs. */
  | 'weights'
  | 'gradients'
  /** What the optimizer keeps of each weight (Adam's first and second moments), laid out as the gradients. */
  | 'moment1'
  | 'moment2'
  /** Moving averages of the weights, laid out as the gradients. */
  | 'average'
  /** Activations and scratch, shared by liveness. Nothing in it survives a run. */
  | 'workspace'
  /** Chunked training: the features of the whole batch and their gradients. */
  | 'features'
  /** Inputs the host writes before a run and outputs it reads after. */
  | 'io'
  /**
   * Values that depend on weights alone (transposed weights, exp(logit_scale)): computed by `setup`, kept
   * across runs.
   */
  | 'derived'
  /** Weights that are kept only as what is derived from them, in turns: see `StagedGroup`. */
  | 'staging'
  /** Small f32 scalars that change every run (`hyper`), see `HyperSlot`. */
  | 'hyper'
  /** Mixed precision: weights as f16, laid out as they are; the optimizer keeps both. */
  | 'halves'
  /** Mixed precision: the state of the loss scale, see `ScalerSlot`. */
  | 'scaler';

/** A buffer on the device. */
export interface PlanBuffer {
  readonly id: number;
  readonly role: BufferRole;
  readonly bytes: number;
}

/** A place in a buffer; the length follows from what lies there. */
export interface BufferRange {
  readonly buffer: number;
  /** In bytes. */
  readonly offset: number;
}

/** A named tensor in a buffer, row-major and dense. */
export interface Slot extends BufferRange {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** What the host writes before a run. */
export interface InputSlot extends Slot {
  /** The same for every sample and chunk: its first axis is not the batch. */
  readonly table?: boolean;
  /** What integers may be: a wrong index would read something else without a word. */
  readonly ids?: Range;
}

export interface WeightSlot extends Slot {
  readonly kind: 'param' | 'buffer';
  /** Has a gradient and is updated by the optimizer. */
  readonly trainable: boolean;
}

export type BindingAccess = 'read' | 'read_write';

/** A kernel: its WGSL, and how its buffers are bound. */
export interface PlanPipeline {
  readonly id: number;
  /** A readable name, unique in the plan: the .wgsl file's name. */
  readonly label: string;
  readonly wgsl: string;
  /** Access of bindings 0, 1, ... of group 0. */
  readonly bindings: readonly BindingAccess[];
}

/** A range of a buffer that a step reads or writes. */
export interface PlanBinding {
  readonly buffer: number;
  readonly offset: number;
  readonly size: number;
}

/** One dispatch of a kernel. */
export interface PlanStep {
  readonly pipeline: number;
  readonly bindings: readonly PlanBinding[];
  readonly workgroups: readonly [number, number, number];
  /** Block path and op, for profiles and errors: `visual.transformer.resblocks.3.attn: attention`. */
  readonly label: string;
  readonly flops: number;
  readonly bytes: number;
  /** The schedule chosen for it, where its kernel family has several. */
  readonly schedule?: ScheduleChoice;
}

/**
 * Weights that lie in the staging buffer together until steps of `setup` have read them; the next group lies there
 * from then on.
 */
export interface StagedGroup {
  readonly weights: readonly string[];
  /** Weights in a place of their own that these steps read as well. */
  readonly also: readonly string[];
  /** Steps `[first, end)` of `setup`. */
  readonly first: number;
  readonly end: number;
}

/** Numbers of 4 bytes (f32 for a mean) that become those of all ranks. */
export interface RankExchange extends BufferRange {
  readonly kind: ExchangeKind;
  readonly bytes: number;
}

/** Gradients (f32) that ranks add up at once. */
export interface GradientPiece extends BufferRange {
  readonly bytes: number;
}

/** f32 in parts that belong to the ranks in turn. */
export interface RankParts extends BufferRange {
  readonly bytes: number;
  /** Bytes of a part; the last one may be shorter. */
  readonly part: number;
}

/** How ranks divide what the optimizer keeps, see `ownParts`. */
export interface Shard {
  /** Elements of a part of the arena. */
  readonly part: number;
  /**
   * What all ranks together keep, as `Plan.optimizer` has it: offsets are those of the whole arena, of which the
   * buffer holds this rank's parts one behind the other.
   */
  readonly kept: readonly Slot[];
}

/** Bytes copied between two buffers; one side moves on by as many at every repetition of its section. */
export interface ChunkCopy {
  readonly from: BufferRange;
  readonly to: BufferRange;
  readonly bytes: number;
  readonly advances: 'from' | 'to';
}

/**
 * Consecutive steps of a training step: of one in chunks, or in one `step` and an `update`. Neighbours with the same name
 * (and `length`) are parts of one, which run one behind the other for each chunk.
 */
export interface PlanSection {
  readonly name: 'step' | 'encode' | 'loss' | 'backward' | 'update';
  /** Runs where the longest text of what is fed has this length, one of `Plan.texts`; without it always. */
  readonly length?: number;
  /** Steps `[first, end)`. */
  readonly first: number;
  readonly end: number;
  /** Runs so often; sections that run for every chunk read the inputs, which the host writes before each. */
  readonly repeat: number;
  /** Buffers that are zeroed before. */
  readonly clears: readonly number[];
  readonly before: readonly ChunkCopy[];
  readonly after: readonly ChunkCopy[];
  /** What ranks exchange behind it, at once. */
  readonly exchanges?: readonly RankExchange[];
  /** Behind it, a rank has its own parts of these and receives those of the others. */
  readonly parts?: RankParts;
  /** Gradients that are complete behind its last repetition of a rank, which adds them up from then on. */
  readonly ready?: readonly GradientPiece[];
}

/** A training step by the length of its texts: some of its sections are there for each. */
export interface PlanTexts {
  /** The inputs whose rows end with their largest id, and positions of a row. */
  readonly inputs: readonly { readonly name: string; readonly context: number }[];
  /** Positions that are computed, ascending; the last are all. */
  readonly lengths: readonly number[];
}

/** The state of the loss scale: kept across steps, saved in checkpoints. */
export interface ScalerInfo extends Slot {
  /** The scale to begin with. */
  readonly initial: number;
}

/** Bytes of a plan's memory by use. */
export interface MemoryTable {
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** Workspace arena as planned. */
  readonly workspace: number;
  /** Features of the whole batch and their gradients (chunked training). */
  readonly features: number;
  readonly io: number;
  readonly derived: number;
  /** Through which weights pass that are kept only as what is derived from them. */
  readonly staging: number;
  readonly total: number;
  /** Largest live set of workspace tensors: no plan for this step order can need less. */
  readonly workspaceLowerBound: number;
}

/** What runs an entry: kernels in WGSL, buffers, and steps, as plain JSON. */
export interface Plan {
  readonly version: 1;
  readonly model: string;
  readonly entry: string;
  readonly batch: number;
  /** Chunked training: rows of the inputs, a divisor of `batch`. */
  readonly chunk?: number;
  /** The rank that it is for, of several, and whether that computes its `rows` of the loss or the `whole`. */
  readonly share?: Share & { readonly loss: 'rows' | 'whole' };
  readonly mode: 'eval' | 'train';
  /** `mixed`: activations are stored as f16; weights, sums and results are f32. */
  readonly precision: 'f32' | 'mixed';
  /** Name of the device profile it was made for, and the limits it needs. */
  readonly profile: string;
  readonly requires: {
    readonly maxBufferSize: number;
    readonly maxStorageBufferBindingSize: number;
    readonly maxStorageBuffersPerShaderStage: number;
    readonly features: readonly string[];
  };
  readonly buffers: readonly PlanBuffer[];
  /** Those of `staged` groups lie in one another's place, and come last. */
  readonly weights: readonly WeightSlot[];
  /**
   * Training plans: what the optimizer keeps of trainable weights, in their shapes: `adam.m.<weight>`, ... and
   * `ema.<weight>`, which begins as the weight.
   */
  readonly optimizer?: readonly Slot[];
  /** In place of `optimizer`, where the ranks of `share` divide it. */
  readonly shard?: Shard;
  /** Training in mixed precision. */
  readonly scaler?: ScalerInfo;
  readonly inputs: readonly InputSlot[];
  /**
   * Entry results (`image_features`, `loss`, ...), with gradients `grad.<weight>`; training also `grad_norm`.
   */
  readonly outputs: readonly Slot[];
  readonly pipelines: readonly PlanPipeline[];
  /**
   * Run once after weights were written (and again whenever they are), before the next run, but for those of
   * `staged` groups, which run as soon as the weights of theirs are written. Empty in training plans.
   */
  readonly setup: readonly PlanStep[];
  readonly staged?: readonly StagedGroup[];
  readonly steps: readonly PlanStep[];
  /**
   * Training in chunks or by the length of texts: the steps of one optimizer step in parts, in order; without them all
   * steps are one run.
   */
  readonly sections?: readonly PlanSection[];
  readonly texts?: PlanTexts;
  readonly memory: MemoryTable;
  readonly flops: number;
}

/** The sections that run for texts of a length, by default the longest. */
export function sectionsAt(
  { sections = [], texts }: Pick<Plan, 'sections'> & { readonly texts?: PlanTexts | undefined },
  length = texts?.lengths.at(-1),
): PlanSection[] {
  return sections.filter((s) => s.length === undefined || s.length === length);
}

/** The plan as it is for the longest texts. */
export function forLongest<P extends Pick<Plan, 'sections' | 'texts'>>(plan: P): P {
  return plan.texts === undefined ? plan : { ...plan, sections: sectionsAt(plan) };
}

/**
 * What persists between runs, which the host may write before the first and read at any time: weights, what
 * the optimizer keeps, the state of the loss scale.
 */
export function stateSlots({ weights, optimizer = [], scaler }: Plan): Slot[] {
  return [...weights, ...optimizer, ...(scaler === undefined ? [] : [scaler])];
}

declare const verified: unique symbol;
/** A plan that `verifyPlan` accepted (bindings in range, aligned, within limits, no clash of access). */
export type VerifiedPlan = Plan & { readonly [verified]: true };
