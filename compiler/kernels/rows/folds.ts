/** How many values become one: what a reduction starts from and joins by, as WGSL. */
import { LOWEST } from '../text/access.ts';

interface FoldText {
  /** Changes nothing. */
  readonly neutral: string;
  /** A statement that joins a value to a variable. */
  into(target: string, value: string): string;
  pair(a: string, b: string): string;
}

export const folds = {
  sum: { neutral: '0.0', into: (t, v) => `${t} += ${v};`, pair: (a, b) => `(${a} + ${b})` },
  max: { neutral: LOWEST, into: (t, v) => `${t} = max(${t}, ${v});`, pair: (a, b) => `max(${a}, ${b})` },
  min: { neutral: '3.0e38', into: (t, v) => `${t} = min(${t}, ${v});`, pair: (a, b) => `min(${a}, ${b})` },
} satisfies Readonly<Record<string, FoldText>>;

export type Fold = keyof typeof folds;

/** The four components of a vec4 joined. */
export function horizontal(fold: Fold, v: string): string {
  const { pair } = folds[fold];
  return pair(pair(`${v}.x`, `${v}.y`), pair(`${v}.z`, `${v}.w`));
}

/** A workgroup-wide reduction in a fixed tree; `shares` is free again when it returns. */
export function treeReduction(fold: Fold, threads: number): string {
  return `fn tree_${fold}(lane: u32, own: f32) -> f32 {
  shares[lane] = own;
  workgroupBarrier();
  for (var step = ${threads / 2}u; step > 0u; step >>= 1u) {
    if (lane < step) { ${folds[fold].into('shares[lane]', 'shares[lane + step]')} }
    workgroupBarrier();
  }
  let total = shares[0];
  workgroupBarrier();
  return total;
}
`;
}
