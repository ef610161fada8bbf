/**
 * Which kernel is to blame for a wrong result: of those that it comes from, the ones that stand behind few right ones.
 *
 * A plan says which ranges of memory a step binds, and the kernel's text to which of them it stores; so the steps behind a
 * result are found from its place in memory, backwards.
 */
import type { Plan, PlanBinding, PlanPipeline, PlanStep } from '../../compiler/plan/types.ts';
import { slotBytes } from '../submits.ts';
import type { SuspectKernel } from './types.ts';

interface Uses {
  readonly stores: boolean;
  readonly loads: boolean;
}

/** Whether text goes on with an assignment behind `name[`, whose bracket ends somewhere. */
function isAssigned(text: string, from: number): boolean {
  let depth = 1;
  let at = from;
  for (; depth > 0 && at < text.length; at++) depth += text[at] === '[' ? 1 : text[at] === ']' ? -1 : 0;
  return /^(?:\.\w+)?\s*[-+*/]?=(?!=)/.test(text.slice(at, at + 8));
}

/** What a kernel does with each of its bindings; one that is read only is only read, the others by the text. */
function usesOf({ wgsl, bindings }: PlanPipeline): Uses[] {
  const names = Array.from(wgsl.matchAll(/@binding\(\d+\) var<storage, \w+> (\w+):/g), ([, name]) => name!);
  return names.map((name, i) => {
    if (bindings[i] === 'read') return { stores: false, loads: true };
    const places = Array.from(wgsl.matchAll(new RegExp(`\\b${name}\\[`, 'g')), (m) => m.index + m[0].length);
    const stores = places.filter((at) => isAssigned(wgsl, at)).length;
    // Where it is handed on by address, the text does not tell: it may do both.
    const byAddress = places.length === 0 || new RegExp(`&${name}\\b`).test(wgsl);
    return { stores: byAddress || stores > 0, loads: byAddress || places.length > stores };
  });
}

interface Range {
  readonly buffer: number;
  readonly start: number;
  readonly end: number;
}

const rangeOf = ({ buffer, offset, size }: PlanBinding): Range => ({
  buffer,
  start: offset,
  end: offset + size,
});
const overlap = (a: Range, b: Range) => a.buffer === b.buffer && a.start < b.end && b.start < a.end;
const covers = (a: Range, b: Range) => a.buffer === b.buffer && a.start <= b.start && b.end <= a.end;

/** Finds the steps behind results of one plan. */
export class Ancestry {
  readonly #plan: Plan;
  readonly #uses: readonly (readonly Uses[])[];

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#uses = plan.pipelines.map(usesOf);
  }

  /**
   * The steps from which an output comes, in their order.
   * @param inPlace whether what a kernel stores to and loads is taken for something that it goes on with, not for a place of its
   * own: with it a step too many may be found, without it one too few
   */
  of(output: string, inPlace: boolean): PlanStep[] {
    const slot = this.#plan.outputs.find(({ name }) => name === output)!;
    let wanted: Range[] = [rangeOf({ ...slot, size: slotBytes(slot) })];
    const found: PlanStep[] = [];
    for (const step of [...this.#plan.setup, ...this.#plan.steps].reverse()) {
      const bound = step.bindings.map((binding, i) => ({
        range: rangeOf(binding),
        ...this.#uses[step.pipeline]![i]!,
      }));
      const stored = bound.filter(({ stores }) => stores).map(({ range }) => range);
      if (!stored.some((range) => wanted.some((other) => overlap(range, other)))) continue;
      found.push(step);
      const loaded = bound.filter(({ loads, stores }) => loads && (inPlace || !stores));
      const left = wanted.filter((other) => !stored.some((range) => covers(range, other)));
      wanted = [...left, ...loaded.map(({ range }) => range)];
    }
    return found.reverse();
  }

  kernel({ label, schedule, workgroups, pipeline }: PlanStep): SuspectKernel {
    const chosen = schedule && { family: schedule.family, schedule: schedule.id, key: schedule.key };
    return { label, ...chosen, workgroups, wgsl: this.#plan.pipelines[pipeline]!.wgsl };
  }
}

/**
 * How often each kernel, by its text, stood behind a wrong result and behind a right one. One that is wrong may still be seen in
 * right results, where its error fades; so shares are compared, not facts.
 */
export class Suspects {
  readonly #seen = new Map<string, { wrong: number; right: number }>();

  /** @param kernels what a result surely comes from */
  record(kernels: readonly SuspectKernel[], isRight: boolean): void {
    for (const { wgsl } of distinct(kernels)) {
      const seen = this.#seen.get(wgsl) ?? { wrong: 0, right: 0 };
      seen[isRight ? 'right' : 'wrong']++;
      this.#seen.set(wgsl, seen);
    }
  }

  /**
   * Of what a wrong result comes from, the kernels that most of their results are wrong of.
   * @param surely the kernels that it comes from for certain
   * @param perhaps these, and those that come into question where most results of each of these are right
   */
  of(surely: readonly SuspectKernel[], perhaps: readonly SuspectKernel[]): SuspectKernel[] {
    const [first, second] = [this.#worst(surely), this.#worst(perhaps)];
    return first.share < 0.5 && second.share > first.share ? second.kernels : first.kernels;
  }

  #worst(kernels: readonly SuspectKernel[]): { readonly share: number; readonly kernels: SuspectKernel[] } {
    const shareOf = ({ wgsl }: SuspectKernel) => {
      const { wrong, right } = this.#seen.get(wgsl) ?? { wrong: 0, right: 1 };
      return wrong / (wrong + right);
    };
    const share = kernels.reduce((most, kernel) => Math.max(most, shareOf(kernel)), 0);
    return { share, kernels: distinct(kernels).filter((kernel) => shareOf(kernel) === share) };
  }
}

function distinct(kernels: readonly SuspectKernel[]): SuspectKernel[] {
  return kernels.filter(({ wgsl }, i) => kernels.findIndex((other) => other.wgsl === wgsl) === i);
}

/**
 * Few kernels that explain every wrong result: those of results with few suspects, of which others only take on the error.
 * @param results the suspects of each wrong result
 */
export function blame(results: readonly (readonly SuspectKernel[])[]): Set<string> {
  const blamed = new Set<string>();
  for (const suspects of [...results].sort((a, b) => a.length - b.length))
    if (!suspects.some(({ wgsl }) => blamed.has(wgsl))) for (const { wgsl } of suspects) blamed.add(wgsl);
  return blamed;
}

/** The blamed ones of several results' suspects, each once. */
export function blamedAmong(
  results: readonly (readonly SuspectKernel[])[],
  blamed: ReadonlySet<string>,
): SuspectKernel[] {
  return distinct(results.flat()).filter(({ wgsl }) => blamed.has(wgsl));
}
