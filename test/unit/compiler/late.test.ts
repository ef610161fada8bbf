/** Sums of partial results that come in one launch, and where they must not wait. */
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { type DeviceProfile, discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';

/** Sums down columns of `count` inputs, in pieces on GPUs; `behind`: the first is read before the others are made. */
function kernels(profile: DeviceProfile, count: number, behind: boolean): string[] {
  const b = createBuilder();
  const outputs = Array.from({ length: count }, (_, i) => {
    const x = b.add('input', [], { name: `x${i}`, dtype: 'f32', shape: [4096, 64] });
    const sum = b.add('sum', [x], { axes: [0], keep: false });
    return { name: `s${i}`, node: behind && i === 0 ? b.add('softmax', [sum], {}) : sum };
  });
  const options = { model: 't', entry: 't', batch: 1, mode: 'eval', profile } as const;
  const plan = compileGraph(b.finish(outputs), options);
  return plan.steps.map(({ label }) => label.replace(/^.*: /, ''));
}

const pieces = 'column_sum_vec4';
const joined = 'column_sum_vec4_beside';

describe('kernels that add up partial results', () => {
  it('wait for one another, and come in one launch', () => {
    expect(kernels(discreteProfile, 3, false)).toEqual([pieces, pieces, pieces, joined]);
  });

  it('come in front of what reads one of them', () => {
    const alone = pieces;
    const order = [pieces, alone, 'softmax_vec4', pieces, pieces, joined];
    expect(kernels(discreteProfile, 3, true)).toEqual(order);
  });

  it('are as many as the device binds buffers for', () => {
    const limits = { ...discreteProfile.limits, maxStorageBuffersPerShaderStage: 5 };
    expect(kernels({ ...discreteProfile, limits }, 3, false)).toEqual([
      pieces,
      pieces,
      pieces,
      joined,
      pieces,
    ]);
  });

  it('do not come on software adapters', () => {
    expect(kernels(lavapipeProfile, 3, false)).toEqual([pieces, pieces, pieces]);
  });
});
