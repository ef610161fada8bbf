/**
 * The convolutions that `zooc bench` sets beside matrix products are those of RN50, and each pair does the
 * same work.
 */
import { describe, expect, it } from 'vitest';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import { discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import { benchCases, planCase } from '../../../zoo/bench/cases.ts';
import { convolutionPlan, convolutionShapes, productOf } from '../../../zoo/bench/convolutions.ts';
import { matmulPlan } from '../../../zoo/bench/measure.ts';
import { nodeHost } from '../../../zoo/host.ts';

/** `M x N x K` and the window of every 3×3 convolution. */
function windows(plan: VerifiedPlan): string[] {
  return plan.steps.flatMap(({ schedule }) => {
    const window = schedule && / taps 3x3\S+ \S+/.exec(schedule.key);
    return window ? [schedule.key.split(' ')[0] + window[0]] : [];
  });
}

describe('benchmarked convolutions', () => {
  const test = benchCases.find((c) => c.name === 'rn50-b8')!;

  it('are all 3×3 ones of RN50', () => {
    for (const profile of [lavapipeProfile, discreteProfile]) {
      const model = new Set(windows(planCase(nodeHost(), test, profile)));
      const benched = convolutionShapes.flatMap((shape) => windows(convolutionPlan(shape, profile)));
      expect(new Set(benched)).toEqual(model);
      expect(benched).toHaveLength(convolutionShapes.length);
    }
  });

  it('are one kernel each, beside a copy of one element, and do as much as the product', () => {
    for (const shape of convolutionShapes) {
      const convolution = convolutionPlan(shape, lavapipeProfile);
      const [, copy, ...others] = convolution.steps;
      expect(copy!.workgroups).toEqual([1, 1, 1]);
      expect(others).toEqual([]);
      expect(convolution.flops).toBe(matmulPlan(productOf(shape), lavapipeProfile).flops);
    }
  });
});
