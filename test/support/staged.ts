/** A graph whose products read weights by transposed copies alone, and a norm in front of two of them. */
import { compileGraph } from '../../compiler/compile.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';

export const stagedShapes: Readonly<Record<string, readonly number[]>> = {
  first: [128, 8],
  gain: [128],
  shift: [128],
  left: [20, 128],
  right: [24, 128],
};

function stagedGraph(): Graph {
  const b = createBuilder();
  const param = (name: string) => b.add('param', [], { name, shape: stagedShapes[name]!, role: 'param' });
  const product = (x: number, w: string) =>
    b.add('matmul', [x, param(w)], { transposeA: false, transposeB: true });
  const x = product(b.add('input', [], { name: 'x', dtype: 'f32', shape: [2, 5, 8] }), 'first');
  const norm = b.add('layer_norm', [x, param('gain'), param('shift')], { eps: 1e-5 });
  return b.finish([
    { name: 'y_left', node: product(norm, 'left') },
    { name: 'y_right', node: product(norm, 'right') },
  ]);
}

export function stagedPlan(profile: DeviceProfile): VerifiedPlan {
  return compileGraph(stagedGraph(), { model: 'm', entry: 'e', batch: 2, mode: 'eval', profile });
}

export function stagedValues(shape: readonly number[], seed: number): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + seed));
}

export const stagedInput = stagedValues([2, 5, 8], 9);

/** What the plan has to give for weights by name. */
export function stagedReference(weights: ReadonlyMap<string, Float32Array>): Map<string, RefTensor> {
  const tensor = (shape: readonly number[], data: Float32Array) => ({ shape, data: Float64Array.from(data) });
  return executeReference(stagedGraph(), {
    inputs: new Map([['x', tensor([2, 5, 8], stagedInput)]]),
    params: new Map([...weights].map(([name, data]) => [name, tensor(stagedShapes[name]!, data)])),
  });
}
