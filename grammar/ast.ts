/**
 * The abstract syntax tree: what the parser makes and the printer, the checker and the elaborator read.
 *
 * Plain immutable data. Every node has a span; a node that error recovery had to invent is an `ErrorExpr`,
 * for which a diagnostic exists already, so later stages stay silent about it. Comments live beside the tree
 * (`Program.comments`) and are re-attached by position when printing.
 */
import type { Expr, Identifier, PathExpr, RangeExpr, StringExpr } from './ast-expressions.ts';
import type { SourceFile, Span } from './source.ts';

export type * from './ast-expressions.ts';

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
  /** `tokens: i32[B, T] in 0..vocab`: what an input of integers may hold. */
  readonly ids?: RangeExpr;
  readonly default?: Expr;
  readonly span: Span;
}

export type Member = RequireMember | LetMember | WeightMember | ChildMember | ForwardMember | EntryMember;

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

/** `entry patch_features(image: [B, 3, R, R]) -> [B, T, width] { ... }`: what a model computes beside `forward`. */
export interface EntryMember extends Callable {
  readonly kind: 'entry';
  readonly name: Identifier;
  readonly when?: Expr;
}

/** What `forward`, `entry`, `fn` and `objective` share. */
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

/** Words that set a rate of weights by pattern: `lr "visual.**" = 1e-5`. */
export const rateWords = ['lr', 'weight_decay', 'layer_decay'] as const;
export type RateWord = (typeof rateWords)[number];

export type Setting =
  | { readonly kind: 'assign'; readonly key: Identifier; readonly value: Expr; readonly span: Span }
  | { readonly kind: 'clamp'; readonly path: PathExpr; readonly range: RangeExpr; readonly span: Span }
  | { readonly kind: 'remat'; readonly patterns: readonly StringExpr[]; readonly span: Span }
  | { readonly kind: 'freeze'; readonly patterns: readonly StringExpr[]; readonly span: Span }
  | {
      readonly kind: 'rate';
      readonly rate: RateWord;
      readonly patterns: readonly StringExpr[];
      readonly value: Expr;
      readonly span: Span;
    }
  | { readonly kind: 'init'; readonly path: PathExpr; readonly value: Expr; readonly span: Span }
  | { readonly kind: 'table'; readonly name: Identifier; readonly value: Expr; readonly span: Span }
  | { readonly kind: 'from'; readonly files: readonly StartFile[]; readonly span: Span }
  | { readonly kind: 'checkpoint'; readonly every: Expr; readonly keep?: Expr; readonly span: Span }
  | { readonly kind: 'evaluate'; readonly what: Expr; readonly every?: Expr; readonly span: Span };

/** `"teacher.**" = "l14.safetensors"` */
export interface StartFile {
  readonly pattern: StringExpr;
  readonly weights: StringExpr;
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
