/**
 * The elaborated model: a tree of blocks with named weights, and recipes with every value evaluated.
 *
 * Static evaluation is over (all parameters are numbers, strings, blocks, functions); tensor shapes of
 * weights are numbers. `forward` bodies are evaluated later by the tracer, once per entry and batch.
 */
import type { RateWord } from '../../grammar/ast.ts';
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import type { SourceFile, Span } from '../../grammar/source.ts';
import type { DType, Range } from '../graph/types.ts';
import type { DecayDefault, UpdateRule } from '../optimizers.ts';

/** How a weight starts. Random ones draw from a counter-based generator keyed by (seed, name, index). */
export type Initializer =
  | { readonly kind: 'const'; readonly value: number }
  /** Zero-mean normal with this standard deviation. */
  | { readonly kind: 'normal'; readonly std: number }
  /** The same, drawn again beyond ±2, as timm's: that is in units of 1, not of the deviation. */
  | { readonly kind: 'trunc_normal'; readonly std: number }
  /** Uniform in [-bound, bound). */
  | { readonly kind: 'uniform'; readonly bound: number }
  /** Uniform with the variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010), as PyTorch's. */
  | { readonly kind: 'xavier_uniform' }
  /** Normal with the variance 2 / fan-in (He et al. 2015), as PyTorch's. */
  | { readonly kind: 'kaiming_normal' }
  /** Orthonormal rows or columns, whichever are fewer, times `gain` (Saxe et al. 2013), as PyTorch's. */
  | { readonly kind: 'orthogonal'; readonly gain: number };

export interface Weight {
  /** Full path = state_dict name. */
  readonly name: string;
  readonly kind: 'param' | 'buffer';
  readonly shape: readonly number[];
  readonly dtype: DType | 'i64';
  readonly init: Initializer;
  readonly span: Span;
}

/** A value that is known before anything runs. */
export type StaticScalar = number | string | boolean;
/** A static value of a model; lists are those of settings such as `layers = [3, 4, 6, 3]`. */
export type ConfigValue = StaticScalar | readonly StaticScalar[];

/** `forward`, `loss`, or what the root block declares as an entry. */
export type EntryName = string;

/** A tensor that a model is fed. */
export interface ModelInput {
  readonly name: string;
  readonly dtype: 'f32' | 'i32';
  /** Behind the batch, as declared: [3, R, R], [context]; all sizes of a table. */
  readonly sizes: readonly number[];
  /** The same for every sample, fed once for a run: its first axis is not the batch. */
  readonly table?: boolean;
  /** Of integers: what they may be, as declared or from the tables that they index; absent where nothing bounds them. */
  readonly ids?: Range;
}

/** An objective by name, with values for its static parameters. */
export interface ObjectiveChoice {
  readonly name: string;
  readonly arguments?: Readonly<Record<string, StaticScalar>>;
}

/** A named function of a model, with what it takes and gives. */
export interface EntryInfo {
  readonly name: EntryName;
  readonly inputs: readonly (ModelInput & { readonly shape: string })[];
  readonly outputs: readonly { readonly name: string; readonly shape: string }[];
}

/** Of the red, green and blue of a pixel between 0 and 1: (pixel - mean) / std. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** A model after elaboration. `trace.ts` turns one entry of it into a graph. */
export interface Model {
  readonly name: string;
  /** In state_dict order: a block's own weights first, then its children in order of declaration. */
  readonly weights: readonly Weight[];
  /** Elements of all params (buffers not counted). */
  readonly parameters: number;
  /** Static values by path: `vision.width`, `text.layers`, ... */
  readonly config: ReadonlyMap<string, ConfigValue>;
  readonly entries: readonly EntryInfo[];
  /** What the entry `loss` computes unless a recipe names another objective; absent without that entry. */
  readonly objective?: string;
  /** What its forward takes, in order. */
  readonly inputs: readonly ModelInput[];
  /** Image side in pixels, where the images are pictures [B, 3, R, R]. */
  readonly resolution?: number;
  /** Of those pictures. */
  readonly normalization: Normalization;
  /** Length of a row of tokens, where the model has such an input. */
  readonly context?: number;
  /** Ids of the table that the tokens index, where it is known. */
  readonly vocab?: number;
  /** Width of the shared embedding. */
  readonly embed?: number;
  /** Sources the model was made from (user files, not bundled ones), for self-contained exports. */
  readonly sources: readonly SourceFile[];
  /** The model as a tree: its block, the block's children, and so on down to functions. */
  readonly root: BlockNode;
}

/** A block or function by name, and where it is defined. */
export interface Definition {
  readonly kind: 'block' | 'fn' | 'builtin';
  readonly name: string;
  /** The bundled package that holds it (`clip`), `builtin`, or the path of the user's file. */
  readonly origin: string;
  /** Its name where it is declared; absent for built-ins. */
  readonly span?: Span;
}

/** What a parameter of a block was given. */
export type ParameterValue = StaticScalar | Definition | Initializer | readonly ParameterValue[];

/** One block of a model, as its parent declares it. */
export interface BlockNode {
  /** `seq`: children that run one after another; `fn`: a function in a block's place. */
  readonly kind: 'block' | 'seq' | 'fn';
  /** As its parent calls it: `mlp`, `resblocks[3]`; the model's name at the root. */
  readonly name: string;
  /**
   * Prefix of its weights' names: `visual.transformer.resblocks.3`; that of its parent where it is inline.
   */
  readonly path: string;
  /** Where its parent declares it, the model's declaration at the root. */
  readonly span: Span;
  /** What it is an instance of; a `seq` is of nothing. */
  readonly definition?: Definition;
  /** Path of the parameter that it was handed to, as `config` spells it (`vision`); empty at the root. */
  readonly parameter?: string;
  /** Values of its parameters, in order of declaration. */
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  /** Its own params and buffers with their shapes, in order of declaration. */
  readonly weights: readonly Weight[];
  /** What stood there before `with "..." as` put this block in its place; a `seq` has no definition. */
  readonly replaces?: { readonly definition?: Definition; readonly weights: readonly Weight[] };
  /** In order of declaration, arrays item by item; a child that is absent under its `when` has no node. */
  readonly children: readonly BlockNode[];
}

// ── recipes ────────────────────────────────────────────────────────────────────────────────────────────────

export interface Quantity {
  readonly value: number;
  readonly unit: 'steps' | 'epochs';
}

/** A call evaluated to data: `csv("x.csv", text = "title")` → source, positional and named values. */
export interface StaticCall {
  readonly name: string;
  readonly args: readonly StaticValueData[];
  readonly named: Readonly<Record<string, StaticValueData>>;
  readonly span?: Span;
}
/** `{ image = picture("file"), label = class("cls") }` */
export interface StaticRecord {
  readonly fields: Readonly<Record<string, StaticValueData>>;
  readonly span?: Span;
}
export type StaticValueData =
  | StaticScalar
  | Quantity
  | StaticCall
  | StaticRecord
  | readonly StaticValueData[];

/** What a weight starts from instead of the value it was given. */
export type StartValue = Initializer | { readonly kind: 'resize_grid'; readonly method: 'bicubic' };

/** A file for the weights that fit the pattern, and none before it. */
export interface StartFile {
  readonly pattern: string;
  readonly path: string;
}

/** What a table is fed: `tokens(...)` or `tensor(...)`. */
export interface TableValue {
  readonly input: string;
  readonly value: StaticCall;
}

/**
 * A rate of the weights that fit a pattern or lie in blocks that do; of `layer_decay`, what a block's base rate
 * is multiplied by for each one behind it.
 */
export interface RateLine {
  readonly rate: RateWord;
  readonly pattern: string;
  readonly value: number;
}

/** How the learning rate goes: up during `warmup`, then as its kind says until `total`. */
export type RecipeSchedule = { readonly warmup: Quantity; readonly total?: Quantity } & (
  | { readonly kind: 'constant' }
  /** Down to `floor`, a fraction of the base rate, at `total`. */
  | { readonly kind: 'cosine' | 'linear'; readonly floor: number }
  /** By the root of the steps done, counted in `timescale`; that of the warm-up without one. */
  | { readonly kind: 'inverse_sqrt'; readonly timescale?: Quantity }
  /** Constant, but for the last `steps`. */
  | { readonly kind: 'cooldown'; readonly steps: Quantity; readonly power: number; readonly floor: number }
);

export interface Recipe {
  readonly name: string;
  readonly model: Model;
  /** What stands after `from`: the start are weights of that model, that file of weights, or files by
   * pattern. */
  readonly from?:
    | { readonly kind: 'model'; readonly model: Model }
    | { readonly kind: 'file'; readonly path: string }
    | { readonly kind: 'files'; readonly files: readonly StartFile[] };
  /** `csv(...)`, `tensors(...)`; validated against each source's schema by the data layer. */
  readonly data: StaticCall;
  /**
   * As the recipe's file sees the name; absent where the recipe names none: the model's own, from the
   * library.
   */
  readonly objective?: ObjectiveChoice;
  /** What its loss is fed: inputs of the model and of the objective. */
  readonly inputs: readonly ModelInput[];
  /** `table prompts = tokens("classes.txt")`: the values of inputs that are the same for every sample. */
  readonly tables: readonly TableValue[];
  readonly batch: number;
  readonly chunk?: number;
  /** Positions of texts that a step computes: the least that hold its longest one, or all. */
  readonly lengths?: readonly number[];
  readonly optimizer: UpdateRule & DecayDefault & { readonly lr: number };
  /** Rates by pattern, in order: later ones win. */
  readonly rates: readonly RateLine[];
  readonly schedule: RecipeSchedule;
  /** A moving average of the weights is kept, of which each step leaves this part. */
  readonly ema?: number;
  readonly precision:
    | { readonly kind: 'f32' }
    | { readonly kind: 'mixed'; readonly lossScale: 'dynamic' | number };
  /** Largest global gradient norm. */
  readonly gradClip?: number;
  /** On several ranks, batch norm has the statistics of all of them. */
  readonly batchNorm?: 'sync';
  /** What gradients cross between ranks as; f32 by default. */
  readonly wire?: 'f16';
  /** On several ranks, each keeps its parts of what the optimizer keeps, and updates those weights alone. */
  readonly shard?: 'optimizer';
  /** Bounds applied to scalar weights after each step. */
  readonly clamps: readonly { readonly weight: string; readonly min: number; readonly max: number }[];
  readonly remat: readonly string[];
  readonly freeze: readonly string[];
  readonly init: readonly { readonly weight: string; readonly how: StartValue }[];
  readonly checkpoint?: { readonly every: Quantity; readonly keep: number };
  readonly evaluate: readonly { readonly what: StaticCall; readonly every?: Quantity }[];
  readonly seed: number;
  /** The program text the recipe came from. */
  readonly source: SourceFile;
}

/** How the model stage reads files; Node and browsers bring their own. */
export interface ModuleHost {
  /** Text of a file, or undefined if there is none. */
  read(path: string): string | undefined;
  /**
   * Absolute path of `spec` as imported from file `from` (relative files and npm packages with a `zoo`
   * entry).
   */
  resolve(spec: string, from: string): string | undefined;
  /** Text of a bundled package (`nn`, `losses`, `clip`). */
  bundled(name: string): SourceFile | undefined;
  bundledNames(): readonly string[];
}

export type Result<T> =
  | { readonly ok: true; readonly value: T; readonly diagnostics: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };
