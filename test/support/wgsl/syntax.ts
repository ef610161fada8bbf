/** Syntax trees of the WGSL that kernels are written in: one entry point, helper functions, workgroup variables, storage bindings. */

/** `int` and `float` are numbers without a suffix, which take the type of what they meet. */
export type Type =
  | { readonly kind: 'scalar'; readonly name: 'f32' | 'f16' | 'i32' | 'u32' | 'bool' | 'int' | 'float' }
  | { readonly kind: 'vec'; readonly size: number; readonly of: ScalarType }
  | { readonly kind: 'array'; readonly of: Type; readonly length: number | undefined }
  | {
      readonly kind: 'matrix';
      readonly side: 'left' | 'right' | 'result';
      readonly of: ScalarType;
      readonly columns: number;
      readonly rows: number;
    };
export type ScalarType = Extract<Type, { kind: 'scalar' }>;

export type Expr =
  | { readonly kind: 'number'; readonly value: number; readonly type: ScalarType }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'unary'; readonly op: string; readonly x: Expr }
  | { readonly kind: 'binary'; readonly op: string; readonly a: Expr; readonly b: Expr }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expr[] }
  | { readonly kind: 'make'; readonly type: Type; readonly args: readonly Expr[] }
  | {
      readonly kind: 'load-matrix';
      readonly type: Type;
      readonly order: string;
      readonly args: readonly Expr[];
    }
  | { readonly kind: 'store-matrix'; readonly order: string; readonly args: readonly Expr[] }
  | { readonly kind: 'index'; readonly object: Expr; readonly index: Expr }
  | { readonly kind: 'member'; readonly object: Expr; readonly member: string };

export type Stmt =
  | {
      readonly kind: 'declare';
      readonly name: string;
      readonly mutable: boolean;
      readonly type?: Type;
      readonly value?: Expr;
    }
  | { readonly kind: 'assign'; readonly target: Expr; readonly op: string; readonly value: Expr }
  | { readonly kind: 'call'; readonly call: Expr }
  | {
      readonly kind: 'if';
      readonly condition: Expr;
      readonly then: readonly Stmt[];
      readonly else?: readonly Stmt[];
    }
  | {
      readonly kind: 'for';
      readonly init?: Stmt;
      readonly condition?: Expr;
      readonly update?: Stmt;
      readonly body: readonly Stmt[];
    }
  | { readonly kind: 'return'; readonly value?: Expr }
  | { readonly kind: 'break' }
  | { readonly kind: 'continue' }
  | { readonly kind: 'block'; readonly body: readonly Stmt[] };

export interface Param {
  readonly name: string;
  readonly type: Type;
  readonly builtin?: string;
}

export interface Fn {
  readonly name: string;
  readonly params: readonly Param[];
  readonly result?: Type;
  readonly body: readonly Stmt[];
}

export interface Module {
  readonly bindings: readonly { readonly name: string; readonly type: Type; readonly binding: number }[];
  readonly shared: readonly { readonly name: string; readonly type: Type }[];
  readonly functions: readonly Fn[];
  readonly entry: Fn;
  readonly workgroupSize: number;
}

export const scalar = (name: ScalarType['name']): ScalarType => ({ kind: 'scalar', name });
