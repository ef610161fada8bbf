/**
 * Rates of single weights in the one kernel that updates all: which run of the arena an element lies in is
 * found by a tree of comparisons with constants. Weights with the same rates lie side by side (layout.ts), so
 * that neighbouring invocations take the same way through it.
 */
import { literal } from '../text/wgsl.ts';
import type { Window } from '../text/windows.ts';
import type { RateRun } from './update-spec.ts';

/** WGSL of the rates of vec4 number `index` in a window. */
export interface PrintedRates {
  /** A function that looks them up, or nothing. */
  readonly declaration: string;
  /** The statement that calls it. */
  readonly lookup: string;
  /** Expressions; undefined where the learning rate stays as it is, and where nothing decays. */
  readonly scale: string | undefined;
  readonly decay: string | undefined;
}

export function printRates(rates: readonly RateRun[], window: Window): PrintedRates {
  const runs = within(rates, window);
  const scaled = runs.some((run) => run.scale !== 1);
  const decays = runs.some((run) => run.decay !== 0);
  if (runs.length === 1 || (!scaled && !decays)) {
    const { scale, decay } = runs[0]!;
    return {
      declaration: '',
      lookup: '',
      scale: scaled ? literal(scale) : undefined,
      decay: decays ? literal(decay) : undefined,
    };
  }
  return {
    declaration: `fn rates_at(index: u32) -> vec2<f32> {\n${tree(runs, '  ')}}\n`,
    lookup: '  let rates = rates_at(index);\n',
    scale: scaled ? 'rates.x' : undefined,
    decay: decays ? 'rates.y' : undefined,
  };
}

/** The runs of a window, ends in vec4s from its start. */
function within(rates: readonly RateRun[], { start, elements }: Window): RateRun[] {
  let begin = 0;
  return rates.flatMap((run) => {
    const from = Math.max(begin, start);
    begin = run.end;
    const end = Math.min(run.end, start + elements);
    return from < end ? [{ ...run, end: (end - start) / 4 }] : [];
  });
}

function tree(runs: readonly RateRun[], indent: string): string {
  const [first, ...others] = runs;
  if (others.length === 0)
    return `${indent}return vec2<f32>(${literal(first!.scale)}, ${literal(first!.decay)});\n`;
  const half = runs.length >> 1;
  const { end } = runs[half - 1]!;
  const before = tree(runs.slice(0, half), `${indent}  `);
  return `${indent}if (index < ${end}u) {\n${before}${indent}}\n${tree(runs.slice(half), indent)}`;
}
