/** The expressions of the syntax tree, which hold nothing but each other and names; the rest is in ast.ts. */
import type { Span } from './source.ts';

export interface Identifier {
  readonly text: string;
  readonly span: Span;
  /** Written in quotes: `"0": Conv2d(...)`, `model "ViT-B/32"`. */
  readonly quoted: boolean;
}

/** `visual.positional_embedding`, `vision.layers`: dotted, segments may be quoted or numeric. */
export interface PathExpr {
  readonly kind: 'path';
  readonly segments: readonly Identifier[];
  readonly span: Span;
}

export type Expr =
  | IntExpr
  | FloatExpr
  | StringExpr
  | BoolExpr
  | NameExpr
  | ListExpr
  | ComprehensionExpr
  | RecordExpr
  | CallExpr
  | MemberExpr
  | IndexExpr
  | UnaryExpr
  | BinaryExpr
  | IfExpr
  | PipeExpr
  | ElvisExpr
  | WithExpr
  | RangeExpr
  | ArrowExpr
  | QuantityExpr
  | GroupExpr
  | ErrorExpr;

interface Node<K extends string> {
  readonly kind: K;
  readonly span: Span;
}

export interface IntExpr extends Node<'int'> {
  readonly value: number;
}
export interface FloatExpr extends Node<'float'> {
  readonly value: number;
  /** As written (`5e-4`), for the printer. */
  readonly text: string;
}
export interface StringExpr extends Node<'string'> {
  /** Unescaped. */
  readonly value: string;
}
export interface BoolExpr extends Node<'bool'> {
  readonly value: boolean;
}
export interface NameExpr extends Node<'name'> {
  readonly text: string;
}
export interface ListExpr extends Node<'list'> {
  readonly items: readonly Expr[];
}
/** `[f(x, i) for i in 0..n]` */
export interface ComprehensionExpr extends Node<'comprehension'> {
  readonly item: Expr;
  readonly index: Identifier;
  readonly range: RangeExpr;
}
/** `{ image = x, text = y }` */
export interface RecordExpr extends Node<'record'> {
  readonly fields: readonly { readonly name: Identifier; readonly value: Expr }[];
}
export interface Argument {
  readonly name?: Identifier;
  readonly value: Expr;
  readonly span: Span;
}
export interface CallExpr extends Node<'call'> {
  readonly callee: Expr;
  readonly args: readonly Argument[];
}
/** `out.image`, `logits.T` */
export interface MemberExpr extends Node<'member'> {
  readonly object: Expr;
  readonly member: Identifier;
}
/** `qkv[0]`, `x[:, 0]`, `t[:, 0:1]`, `layers[i]`, `layers[2..5]`; inside `einsum` also `q[b, h, i, d]`. */
export interface IndexExpr extends Node<'index'> {
  readonly object: Expr;
  readonly subscripts: readonly (Expr | SliceSubscript)[];
}
/** `0:2` cuts a tensor's axis, `0..2` a list or an array of children. */
export interface SliceSubscript extends Node<'slice'> {
  readonly mark: ':' | '..';
  readonly start?: Expr;
  readonly end?: Expr;
}
export interface UnaryExpr extends Node<'unary'> {
  readonly op: '-' | 'not';
  readonly operand: Expr;
}
export type BinaryOp =
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '^'
  | '@'
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'and'
  | 'or';
export interface BinaryExpr extends Node<'binary'> {
  readonly op: BinaryOp;
  readonly left: Expr;
  readonly right: Expr;
  readonly opSpan: Span;
}
export interface IfExpr extends Node<'if'> {
  readonly condition: Expr;
  readonly then: Expr;
  readonly else: Expr;
}
/** `x |> f`, `x |> rearrange(...)`: the left side becomes the first argument of the right. */
export interface PipeExpr extends Node<'pipe'> {
  readonly left: Expr;
  readonly right: Expr;
}
/** `downsample ?: identity`: the left if it exists, else the right. */
export interface ElvisExpr extends Node<'elvis'> {
  readonly left: Expr;
  readonly right: Expr;
}
/** `"ViT-L/14" with resolution = 336, "visual.**.c_fc" as LoRALinear(rank = 4)` */
export interface WithExpr extends Node<'with'> {
  readonly base: Expr;
  readonly changes: readonly (OverrideClause | ReplaceClause)[];
}
/** `vision.layers = 2` */
export interface OverrideClause extends Node<'override'> {
  readonly path: PathExpr;
  readonly value: Expr;
}
/** `"visual.**.c_fc" as LoRALinear(rank = 4)`: other blocks where the pattern fits. */
export interface ReplaceClause extends Node<'replace'> {
  readonly pattern: StringExpr;
  readonly value: Expr;
}
/** `0..layers` (half open as an index range; closed bounds in `clamp`). */
export interface RangeExpr extends Node<'range'> {
  readonly start: Expr;
  readonly end: Expr;
}
/** One axis pattern `[b, t, (n h d)]`; a group is more than one name or a literal 1. */
export interface AxisPattern extends Node<'axes'> {
  readonly axes: readonly AxisItem[];
}
export type AxisItem =
  | { readonly kind: 'axis'; readonly name: Identifier }
  | { readonly kind: 'group'; readonly names: readonly Identifier[]; readonly span: Span }
  | { readonly kind: 'one'; readonly span: Span };
/**
 * `[b, c, h, w] -> [b, (h w), c]` (operands empty, `from` set) in `rearrange`;
 * `q[b, h, i, d], k[b, h, j, d] -> [b, h, i, j]` (operands set, `from` absent) in `einsum`.
 * The only place where axis names appear; an argument of a call.
 */
export interface ArrowExpr extends Node<'arrow'> {
  readonly from?: AxisPattern;
  readonly operands: readonly { readonly value: Expr; readonly axes: AxisPattern }[];
  readonly to: AxisPattern;
}
/** `2000 steps`, `32 epochs` */
export interface QuantityExpr extends Node<'quantity'> {
  readonly value: Expr;
  readonly unit: Identifier;
}
/** Parentheses the user wrote, kept for the printer. */
export interface GroupExpr extends Node<'group'> {
  readonly inner: Expr;
}
export interface ErrorExpr extends Node<'error'> {}
