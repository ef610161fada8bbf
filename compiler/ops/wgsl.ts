/**
 * Pieces of WGSL that ops print their functions with: literals, and the type that an expression is printed for.
 */

export type Lanes = 1 | 4;

/** An f32 literal that reads back to the same number. */
export function literal(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`no WGSL literal for ${value}`);
  const text = String(Math.fround(value));
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

/** What an expression computes with: f32 or i32, one or four of them at once. */
export interface Lane {
  readonly lanes: Lanes;
  /** `f32`, `vec4<i32>` ... */
  readonly type: string;
  /** A number in it. */
  of(value: string): string;
}

/** One element, or four. */
export function laneOf(lanes: Lanes, element: 'f32' | 'i32' = 'f32'): Lane {
  if (lanes === 1) return { lanes, type: element, of: (value) => value };
  return { lanes, type: `vec4<${element}>`, of: (value) => `vec4<${element}>(${value})` };
}
