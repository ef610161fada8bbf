/**
 * How a run is cut into submits, and what a run may be asked of a plan. Shared by devices that execute and
 * the one that only checks.
 */
import { type Plan, type PlanSection, sectionsAt } from '../compiler/plan/types.ts';

/**
 * Work in one submit, so that it stays below about a second (drivers kill longer ones): 2e11 FLOPs
 * take 1 s on a slow integrated GPU and 10 ms on a fast card. Software adapters have no watchdog, and
 * a submit costs them more.
 */
export const flopsPerSubmit = { gpu: 2e11, cpu: 1e13 } as const;

/** Steps `[start, end)` of one submit. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Throws where a run does not fit a plan: a plan with sections runs by them, and none
 * runs past its repetitions.
 */
export function checkRun(plan: Plan, section: PlanSection | undefined, repetition: number): void {
  if ((plan.sections === undefined) !== (section === undefined))
    throw new Error(plan.sections ? 'the plan runs by sections' : 'the plan has no sections');
  if (section !== undefined && !plan.sections!.includes(section))
    throw new Error(`section ${section.name} is not of this plan`);
  if (repetition < 0 || repetition >= (section?.repeat ?? 1))
    throw new Error(`there is no repetition ${repetition} of ${section?.name ?? 'a run'}`);
}

/** Submits of one run, or of one training step by sections, with the longest texts. */
export function countSubmits(plan: Plan, budget: number): number {
  if (plan.sections === undefined) return submitSpans(plan.steps, budget).length;
  return sectionsAt(plan).reduce(
    (n, { first, end, repeat }) => n + repeat * submitSpans(plan.steps.slice(first, end), budget).length,
    0,
  );
}

export function slotBytes(slot: { readonly shape: readonly number[] }): number {
  return slot.shape.reduce((a, b) => a * b, 1) * 4;
}

/**
 * The same spans, cut before every step whose kernel was not used before.
 * @param used kernels that were; those of the steps are added
 * @returns with each span how many kernels are used up to its end
 */
export function cutAtFirstUses(
  steps: readonly { readonly pipeline: number }[],
  spans: readonly Span[],
  used: Set<number>,
): (Span & { readonly kernels: number })[] {
  return spans.flatMap(({ start, end }) => {
    const cuts = [{ start, kernels: 0 }];
    for (let i = start; i < end; i++) {
      const { pipeline } = steps[i]!;
      if (!used.has(pipeline) && i > start) cuts.push({ start: i, kernels: 0 });
      used.add(pipeline);
      cuts.at(-1)!.kernels = used.size;
    }
    return cuts.map((cut, n) => ({ ...cut, end: cuts[n + 1]?.start ?? end }));
  });
}

/** Consecutive steps whose FLOPs stay within the budget; a single larger step stands alone. */
export function submitSpans(steps: readonly { readonly flops: number }[], budget: number): Span[] {
  const spans: Span[] = [];
  let start = 0;
  let flops = 0;
  for (const [i, step] of steps.entries()) {
    if (i > start && flops + step.flops > budget) {
      spans.push({ start, end: i });
      start = i;
      flops = 0;
    }
    flops += step.flops;
  }
  if (steps.length > start) spans.push({ start, end: steps.length });
  return spans;
}
