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

/** What an expression computes with: f32 or four of them at once. */
export interface Lane {
  readonly lanes: Lanes;
  /** `f32` or `vec4<f32>`. */
  readonly type: string;
  /** A number in it. */
  of(value: string): string;
}

export const scalarLane: Lane = { lanes: 1, type: 'f32', of: (value) => value };
export const vectorLane: Lane = { lanes: 4, type: 'vec4<f32>', of: (value) => `vec4<f32>(${value})` };
