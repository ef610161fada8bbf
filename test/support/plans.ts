/**
 * Small plans written by hand, so that devices and sessions can be tested without the compiler.
 */
import { alignUp } from '../../compiler/graph/dims.ts';
import { memoryTable } from '../../compiler/plan/memory.ts';
import type { Plan, VerifiedPlan } from '../../compiler/plan/types.ts';
import { defaultLimits } from '../../compiler/profile.ts';

function base(): Omit<Plan, 'buffers' | 'weights' | 'inputs' | 'outputs' | 'pipelines' | 'steps'> {
  return {
    version: 1,
    model: 'hand-made',
    entry: 'logits',
    batch: 1,
    mode: 'eval',
    precision: 'f32',
    profile: 'test',
    requires: {
      maxBufferSize: 1024,
      maxStorageBufferBindingSize: 1024,
      maxStorageBuffersPerShaderStage: defaultLimits.maxStorageBuffersPerShaderStage,
      features: [],
    },
    setup: [],
    memory: memoryTable([], 0),
    flops: 0,
  };
}

const addWgsl = `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&sum)) { sum[id.x] = a[id.x] + b[id.x]; }
}`;

/** `sum = a + w`, then `twice = sum + sum`: inputs `a`, weight `w`, outputs `sum` and `twice`, all `[n]`. */
export function addPlan(n: number): VerifiedPlan {
  const bytes = n * 4;
  const slot = { dtype: 'f32', shape: [n] } as const;
  const third = alignUp(bytes, defaultLimits.minStorageBufferOffsetAlignment);
  const plan: Plan = {
    ...base(),
    requires: { ...base().requires, maxBufferSize: 3 * third, maxStorageBufferBindingSize: bytes },
    buffers: [
      { id: 0, role: 'weights', bytes: third },
      { id: 1, role: 'io', bytes: third },
      { id: 2, role: 'io', bytes: 2 * third },
    ],
    weights: [{ name: 'w', ...slot, buffer: 0, offset: 0, kind: 'param', trainable: true }],
    inputs: [{ name: 'a', ...slot, buffer: 1, offset: 0 }],
    outputs: [
      { name: 'sum', ...slot, buffer: 2, offset: 0 },
      { name: 'twice', ...slot, buffer: 2, offset: third },
    ],
    pipelines: [
      { id: 0, label: 'add', wgsl: addWgsl, bindings: ['read', 'read', 'read_write'] },
      {
        id: 1,
        label: 'double',
        wgsl: `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&x)) { y[id.x] = x[id.x] + x[id.x]; }
}`,
        bindings: ['read_write', 'read_write'],
      },
    ],
    steps: [
      {
        pipeline: 0,
        bindings: [
          { buffer: 1, offset: 0, size: bytes },
          { buffer: 0, offset: 0, size: bytes },
          { buffer: 2, offset: 0, size: bytes },
        ],
        workgroups: [Math.ceil(n / 64), 1, 1],
        label: 'head.first: add',
        flops: n,
        bytes: 3 * bytes,
      },
      {
        pipeline: 1,
        bindings: [
          { buffer: 2, offset: 0, size: bytes },
          { buffer: 2, offset: third, size: bytes },
        ],
        workgroups: [Math.ceil(n / 64), 1, 1],
        label: 'head.second: double',
        flops: n,
        bytes: 2 * bytes,
      },
    ],
  };
  return plan as VerifiedPlan;
}

/** A hand-made plan with some fields replaced. */
export function withFields(plan: VerifiedPlan, fields: Partial<Plan>): VerifiedPlan {
  return { ...plan, ...fields } as VerifiedPlan;
}
