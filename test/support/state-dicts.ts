/**
 * The state dicts of the nine published models, as `test/fixtures/state_dicts.json` holds them: lines like
 * `visual.proj [768, 512]` (element type and role follow where they are not the usual ones), in order, where blocks that
 * repeat are written once.
 */
import { readFileSync } from 'node:fs';
import { formatShape } from '../../compiler/graph/types.ts';

/** The lines of `of`, for each number from `from` to `to`, under `<under>.<number>.` */
interface Repeated {
  readonly under: string;
  readonly from: number;
  readonly to: number;
  readonly of: readonly string[];
}

export interface StateDict {
  readonly parameters: number;
  readonly weights: readonly string[];
}

function expand(line: string | Repeated): readonly string[] {
  if (typeof line === 'string') return [line];
  const { under, from, to, of } = line;
  const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  return numbers.flatMap((n) => of.map((rest) => `${under}.${n}.${rest}`));
}

/** By name of the model. */
export function publishedStateDicts(): ReadonlyMap<string, StateDict> {
  const path = new URL('../fixtures/state_dicts.json', import.meta.url);
  const stored = JSON.parse(readFileSync(path, 'utf8')) as Record<
    string,
    { readonly parameters: number; readonly weights: readonly (string | Repeated)[] }
  >;
  return new Map(
    Object.entries(stored).map(([model, { parameters, weights }]) => [
      model,
      { parameters, weights: weights.flatMap(expand) },
    ]),
  );
}

/** One weight as a line. */
export function stateLine(weight: {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly kind: string;
}): string {
  const { name, shape, dtype, kind } = weight;
  return `${name} ${formatShape(shape)}${/64$/.test(dtype) ? ' i64' : ''}${kind === 'buffer' ? ' buffer' : ''}`;
}
