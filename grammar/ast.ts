/**
 * The abstract syntax tree: what the parser makes and the printer, the checker and the elaborator read.
 *
 * Plain immutable data. Every node has a span; a node that error recovery had to invent is an `ErrorExpr`,
 * for which a diagnostic exists already, so later stages stay silent about it. Comments live beside the tree
 * (`Program.comments`) and are re-attached by position when printing.
 */
import type { SourceFile, Span } from './source.ts';

export interface Identifier {
  readonly text: string;
  readonly span: Span;
  /** Written in quotes: `"0": Conv2d(...)`, `model "ViT-B/32"`. */
  readonly quoted: boolean;
}

export interface Comment {
  /** With its leading `#`. */
  readonly text: string;
  readonly span: Span;
}

export interface Program {
  readonly kind: 'program';
  readonly file: SourceFile;
  readonly package?: Identifier;
  readonly imports: readonly ImportDecl[];
  /** In source order. */
  readonly items: readonly Item[];
  readonly comments: readonly Comment[];
}

/** `import nn { Linear, LayerNorm }` (bundled, unquoted) or `import "./file.zoo" { A, "ViT-B/32" }`. */
export interface ImportDecl {
  readonly kind: 'import';
  readonly from: Identifier;
  readonly names: readonly Identifier[];
  readonly span: Span;
}

export type Item = BlockDecl | FnDecl | ModelDecl | ObjectiveDecl | NamesDecl | TrainDecl;

// ── declarations ───────────────────────────────────────────────────────────────────────────────────────────

export interface BlockDecl {
  readonly kind: 'block';
  readonly name: Identifier;
  readonly params: readonly ParamDecl[];
  readonly members: readonly Member[];
  readonly span: Span;
}

/** A static or tensor parameter of a block, fn, model, objective or forward. */
export interface ParamDecl {
  readonly name: Identifier;
  readonly type: TypeExpr;
  readonly default?: Expr;
  readonly span: Span;
}

export type Member = RequireMember | LetMember | WeightMember | ChildMember | ForwardMember;

/** `require COND else "text with {holes}"` */
export interface RequireMember {
  readonly kind: 'require';
  readonly condition: Expr;
  readonly message?: StringExpr;
  readonly span: Span;
}

export interface LetMember {
  readonly kind: 'let';
  readonly name: Identifier;
  readonly value: Expr;
  readonly span: Span;
}

/** `param weight: [width] = ones`, `buffer running_mean: [width] = zeros` */
export interface WeightMember {
  readonly kind: 'weight';
  readonly role: 'param' | 'buffer';
  readonly name: Identifier;
  readonly type: TensorTypeExpr;
  readonly init?: Expr;
  readonly span: Span;
}

/**
 * `conv1: Conv2d(...)`, `inline text: text`, `resblocks[i in 0..layers]: Block(...)`,
 * `mlp: seq { ... } when COND`
 */
export interface ChildMember {
  readonly kind: 'child';
  readonly name: Identifier;
  readonly inline: boolean;
  readonly array?: { readonly index: Identifier; readonly range: RangeExpr };
  readonly value: Expr | SeqExpr;
  readonly when?: Expr;
  readonly span: Span;
}

/** Children in a chain; each is a block instance or a function. Only as the value of a child. */
export interface SeqExpr {
  readonly kind: 'seq';
  readonly children: readonly ChildMember[];
  readonly span: Span;
}

export interface ForwardMember extends Callable {
  readonly kind: 'forward';
}

/** What `forward`, `fn` and `objective` share. */
export interface Callable {
  readonly params: readonly ParamDecl[];
  readonly result?: TypeExpr;
  readonly fuses?: Identifier;
  readonly body: Body;
  readonly span: Span;
}

/** `= EXPR` has no lets and prints in that form; `{ let ... return EXPR }` prints as braces. */
export interface Body {
  readonly form: 'equals' | 'braces';
  readonly lets: readonly LetMember[];
  readonly result: Expr;
  readonly span: Span;
}

export interface FnDecl extends Callable {
  readonly kind: 'fn';
  readonly name: Identifier;
}

export interface ObjectiveDecl extends Callable {
  readonly kind: 'objective';
  readonly name: Identifier;
}

/** `model "ViT-L/14"(resolution: int = 224) = EXPR` */
export interface ModelDecl {
  readonly kind: 'model';
  readonly name: Identifier;
  readonly params: readonly ParamDecl[];
  readonly value: Expr;
  readonly span: Span;
}

/** `names hf for CLIP { "ours" -> transpose "theirs" }` */
export interface NamesDecl {
  readonly kind: 'names';
  readonly name: Identifier;
  readonly target: Identifier;
  readonly rules: readonly NameRule[];
  readonly span: Span;
}

export interface NameRule {
  readonly from: StringExpr;
  /** `transpose`, `split(0)`: applied on export, undone on import. */
  readonly transforms: readonly Expr[];
  readonly to: StringExpr;
  readonly span: Span;
}

/** `train "name" of MODEL from MODEL { ... }` */
export interface TrainDecl {
  readonly kind: 'train';
  readonly name: Identifier;
  readonly of: Expr;
  readonly from?: Expr;
  readonly settings: readonly Setting[];
  readonly span: Span;
}

export type Setting =
  | { readonly kind: 'assign'; readonly key: Identifier; readonly value: Expr; readonly span: Span }
  | { readonly kind: 'clamp'; readonly path: PathExpr; readonly range: RangeExpr; readonly span: Span }
  | { readonly kind: 'remat'; readonly patterns: readonly StringExpr[]; readonly span: Span }
  | { readonly kind: 'freeze'; readonly patterns: readonly StringExpr[]; readonly span: Span }
  | { readonly kind: 'init'; readonly path: PathExpr; readonly value: Expr; readonly span: Span }
  | { readonly kind: 'checkpoint'; readonly every: Expr; readonly keep?: Expr; readonly span: Span }
  | { readonly kind: 'evaluate'; readonly what: Expr; readonly every?: Expr; readonly span: Span };

/** `visual.positional_embedding`, `vision.layers`: dotted, segments may be quoted or numeric. */
export interface PathExpr {
  readonly kind: 'path';
  readonly segments: readonly Identifier[];
  readonly span: Span;
}

// ── types ──────────────────────────────────────────────────────────────────────────────────────────────────

export type TypeExpr = StaticTypeExpr | TensorTypeExpr | RecordTypeExpr | MemberTypeExpr | ErrorTypeExpr;

/** `int`, `float`, `bool`, `string`, `fn`, `block`, and `[int]` and the like with `list: true`. */
export interface StaticTypeExpr {
  readonly kind: 'static-type';
  readonly name: 'int' | 'float' | 'bool' | 'string' | 'fn' | 'block';
  readonly list: boolean;
  readonly span: Span;
}

/** `[B, T, width]`, `i32[B, 77]`, `[..., width]`, `[]`. Capitalised unbound names are dimension variables. */
export interface TensorTypeExpr {
  readonly kind: 'tensor-type';
  /** `i32`, `f32`, ...; absent = compute precision. */
  readonly element?: Identifier;
  readonly dims: readonly (Expr | EllipsisDim)[];
  readonly span: Span;
}

export interface EllipsisDim {
  readonly kind: 'ellipsis';
  readonly span: Span;
}

export interface RecordTypeExpr {
  readonly kind: 'record-type';
  readonly fields: readonly { readonly name: Identifier; readonly type: TypeExpr }[];
  readonly span: Span;
}

/** `vision.input`: the type of what a block parameter takes. */
export interface MemberTypeExpr {
  readonly kind: 'member-type';
  readonly object: Identifier;
  readonly member: Identifier;
  readonly span: Span;
}

export interface ErrorTypeExpr {
  readonly kind: 'error-type';
  readonly span: Span;
}

// ── expressions ────────────────────────────────────────────────────────────────────────────────────────────

export type Expr =
  | IntExpr
  | FloatExpr
  | StringExpr
  | BoolExpr
  | NameExpr
  | ListExpr
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
/** `qkv[0]`, `x[:, 0]`, `t[:, 0:1]`, `layers[i]`; inside `einsum` also `q[b, h, i, d]`. */
export interface IndexExpr extends Node<'index'> {
  readonly object: Expr;
  readonly subscripts: readonly (Expr | SliceSubscript)[];
}
export interface SliceSubscript extends Node<'slice'> {
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
/** `"ViT-L/14" with resolution = 336, vision.layers = 2` */
export interface WithExpr extends Node<'with'> {
  readonly base: Expr;
  readonly overrides: readonly { readonly path: PathExpr; readonly value: Expr; readonly span: Span }[];
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
