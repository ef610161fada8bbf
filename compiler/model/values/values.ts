/**
 * The values of the language's two worlds and where they came from.
 *
 * Static values (numbers, strings, lists, functions, blocks) exist while a model is elaborated; tensor values
 * stand for graph nodes while a `forward` is traced. Both carry provenance: which argument gave a number,
 * which block gave an axis, so that an error can name the place a person has to edit. `poison` marks a value
 * for which an error was reported.
 */
import type { ArrowExpr, BlockDecl, EntryMember, FnDecl, ObjectiveDecl } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import type { SymbolicDim } from '../../graph/types.ts';
import type { Initializer, Weight } from '../types.ts';
import type { Builtin } from './builtin.ts';
import type { Module } from './module.ts';
import type { Poison } from './poison.ts';

export { type Poison, poison } from './poison.ts';

/** Where a static value was written. */
export interface Provenance {
  /** The parameter it was given to: `width`. */
  readonly name: string;
  /** The value as text: `768`. */
  readonly text: string;
  /** Path of that parameter in the model (`vision.width`), where it has one. */
  readonly path?: string;
  /** The argument, default or override. */
  readonly span: Span;
}

/**
 * The block call that made a tensor: the child's name as its parent calls it, and where the child is
 * declared.
 */
interface Giver {
  readonly name: string;
  readonly span: Span;
}

/** Why one axis has its size. */
export interface AxisOrigin {
  readonly provenance?: Provenance;
  readonly giver?: Giver;
}

export interface TensorValue {
  readonly kind: 'tensor';
  /** Node id in the tracer's builder. */
  readonly node: number;
  /** One entry an axis. */
  readonly axes: readonly (AxisOrigin | undefined)[];
}

/** One argument of a block, evaluated where it was written. */
export interface BoundArgument {
  readonly value: Value;
  readonly provenance: Provenance;
}

/** What `with` changes. */
export type Change = Override | Replacement;

/** `vision.layers = 2` */
export interface Override {
  readonly kind: 'override';
  readonly path: readonly string[];
  readonly value: Value;
  readonly span: Span;
}

/** `"visual.**.c_fc" as LoRALinear(rank = 4)` */
export interface Replacement {
  readonly kind: 'replacement';
  readonly pattern: string;
  /** A block, or a function in a block's place. */
  readonly value: Value;
  /** Where the pattern stands. */
  readonly span: Span;
}

/** A block with some of its arguments; defaults and changes are applied when it is instantiated. */
export interface BlockValue {
  readonly kind: 'block';
  readonly decl: BlockDecl;
  readonly module: Module;
  readonly args: ReadonlyMap<string, BoundArgument>;
  readonly overrides: readonly Override[];
  readonly replacements: readonly Replacement[];
  /** Where the block was named or called. */
  readonly span: Span;
  /** Parameter path from the model's root, set for blocks handed to parameters (`vision`). */
  readonly path?: string;
}

export interface FnValue {
  readonly kind: 'fn';
  readonly decl: FnDecl | ObjectiveDecl;
  readonly module: Module;
}

/** What a child's block computes beside its forward: `visual.patches`. */
export interface EntryValue {
  readonly kind: 'entry';
  readonly instance: Instance;
  readonly decl: EntryMember;
}

export interface NumberValue {
  readonly kind: 'int' | 'float';
  readonly value: number;
  /** Of a float that came from ints divided with a remainder: reports that, for places that need an int. */
  readonly notWhole?: () => Poison;
}
interface DimValue {
  readonly kind: 'dim';
  readonly dim: SymbolicDim;
}
export interface BoolValue {
  readonly kind: 'bool';
  readonly value: boolean;
}
interface StringValue {
  readonly kind: 'string';
  readonly value: string;
}
interface ListValue {
  readonly kind: 'list';
  readonly items: readonly Value[];
}
export interface RecordValue {
  readonly kind: 'record';
  readonly fields: ReadonlyMap<string, Value>;
}
export interface AbsentValue {
  readonly kind: 'absent';
  readonly name: string;
  readonly condition: string;
}
export type Value =
  | NumberValue
  | DimValue
  | BoolValue
  | StringValue
  | ListValue
  | RecordValue
  | BlockValue
  | FnValue
  | { readonly kind: 'builtin'; readonly builtin: Builtin }
  | { readonly kind: 'initializer'; readonly init: Initializer }
  | { readonly kind: 'instance'; readonly instance: Instance }
  | EntryValue
  | { readonly kind: 'array'; readonly name: string; readonly items: readonly Instance[] }
  | { readonly kind: 'weight'; readonly weight: Weight; readonly axes: readonly (AxisOrigin | undefined)[] }
  | { readonly kind: 'pattern'; readonly expr: ArrowExpr }
  | AbsentValue
  | TensorValue
  | Poison;

// ── what values are bound to ───────────────────────────────────────────────────────────────────────────────

export interface Binding {
  readonly value: Value;
  /** Where a static parameter's value was written. */
  readonly provenance?: Provenance;
  /** Set for dimension variables: which tensor fixed the size. */
  readonly dimension?: {
    readonly source: string;
    readonly origin: AxisOrigin | undefined;
    readonly span: Span;
  };
}

/** Names in reach; `Scope` is where they are bound. */
export interface Names {
  /** The innermost binding of a name. */
  find(name: string): Binding | undefined;
  /** Innermost first. */
  names(): string[];
}

// ── block instances, as the elaborator makes them ──────────────────────────────────────────────────────────

export interface ChildEntry {
  readonly kind: 'child';
  readonly name: string;
  readonly inline: boolean;
  readonly array: boolean;
  readonly items: readonly Instance[];
  /** Set where `when` was false; there are no items then. */
  readonly absent?: AbsentValue;
}

export interface WeightEntry {
  readonly kind: 'weight';
  readonly weight: Weight;
  readonly value: Value;
}

export interface Instance {
  readonly kind: 'block' | 'seq' | 'fn';
  /** As its parent calls it: `mlp`, `resblocks[3]`. */
  readonly name: string;
  /** Prefix of its weights: `visual.transformer.resblocks.3`. */
  readonly path: string;
  /** The child's value in the source. */
  readonly span: Span;
  /** The block and its arguments, of kind `block`. */
  readonly block?: BlockValue;
  /** The function, of kind `fn`. */
  readonly fn?: Value;
  /** Parameters, lets, weights and children by name. */
  readonly scope: Names;
  /** Weights and children in order of declaration. */
  readonly members: readonly (ChildEntry | WeightEntry)[];
  /** The entries whose `when` holds, of kind `block`. */
  readonly entries?: readonly EntryMember[];
  /** What stood in its place before `with ... as` put it there. */
  readonly replaces?: Instance;
  /**
   * Its parameters or a `require` failed: calls give poison. What else is wrong inside is poison by itself.
   */
  readonly failed: boolean;
}

// ── making and showing ─────────────────────────────────────────────────────────────────────────────────────

export function int(value: number): NumberValue {
  return { kind: 'int', value };
}
export function float(value: number): NumberValue {
  return { kind: 'float', value };
}
export function bool(value: boolean): BoolValue {
  return { kind: 'bool', value };
}

/** What is wrong with a value where an int belongs, if it is that a division had a remainder. */
export function notWhole(value: Value): Poison | undefined {
  const culprit = value.kind === 'list' ? value.items.find((i) => i.kind === 'float' && i.notWhole) : value;
  return culprit?.kind === 'float' ? culprit.notWhole?.() : undefined;
}

export function isNumber(value: Value): value is NumberValue {
  return value.kind === 'int' || value.kind === 'float';
}

/** A static number as people write it: `768`, `0.07`, `[3, 4, 6, 3]`, `"a"`, `quick_gelu`. */
export function formatValue(value: Value): string {
  switch (value.kind) {
    case 'int':
    case 'float':
    case 'bool':
      return String(value.value);
    case 'string':
      return JSON.stringify(value.value);
    case 'dim':
      return value.dim.mul === 1 ? value.dim.symbol : `${value.dim.mul} * ${value.dim.symbol}`;
    case 'list':
      return `[${value.items.map(formatValue).join(', ')}]`;
    case 'fn':
    case 'block':
      return value.decl.name.text;
    case 'builtin':
      return value.builtin.name;
    case 'initializer':
      return value.init.kind;
    case 'instance':
      return value.instance.name;
    case 'record':
      return `{ ${[...value.fields.keys()].join(', ')} }`;
    default:
      return describe(value);
  }
}

/** What messages call a value, with the article. */
export const nouns: Readonly<Record<Value['kind'], string>> = {
  int: 'an int',
  float: 'a float',
  dim: 'an open dimension',
  bool: 'a bool',
  string: 'a string',
  list: 'a list',
  record: 'a record',
  block: 'a block',
  fn: 'a function',
  builtin: 'a function',
  initializer: 'an initialiser',
  instance: 'a child block',
  entry: 'an entry',
  array: 'an array of blocks',
  weight: 'a weight',
  pattern: 'an axis pattern',
  absent: 'an absent child',
  tensor: 'a tensor',
  poison: 'an error',
};

/** "an int", "a tensor", ... */
export function describe(value: Value): string {
  return nouns[value.kind];
}

/** The noun and, for static values, the value: `the string "12"`. */
export function describeWithValue(value: Value): string {
  const noun = describe(value);
  const shown = ['int', 'float', 'bool', 'string', 'list', 'fn', 'block'].includes(value.kind);
  return shown ? `the ${noun.replace(/^an? /, '')} ${formatValue(value)}` : noun;
}
