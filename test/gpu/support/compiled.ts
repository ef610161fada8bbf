/**
 * Compiles a graph for a device kind, runs it on the adapter at hand and beside it on the f64 reference.
 *
 * Shared by the tests of whole graphs: matrix products, fusion, views, transformer blocks.
 */

import { differentiate } from '../../../compiler/autodiff/differentiate.ts';
import { compileGraph, type Precision } from '../../../compiler/compile.ts';
import { executeReference } from '../../../compiler/graph/reference.ts';
import { type Graph, numericShape, sizeOf } from '../../../compiler/graph/types.ts';
import { verify } from '../../../compiler/graph/verify.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import type { Plan } from '../../../compiler/plan/types.ts';
import type { DeviceKind, DeviceProfile } from '../../../compiler/profile.ts';
import { openGpu } from '../../../runtime/node/gpu.ts';
import type { Device } from '../../../runtime/types.ts';
import { skipFor } from '../../support/needs.ts';
import type { Runner } from '../../support/wgsl/text-device.ts';

let opened: Promise<Device | undefined> | undefined;

/**
 * The device of this test process; undefined where tests that need one may be skipped (said once on stderr).
 */
export function device(): Promise<Device | undefined> {
  opened ??= openGpu().then(
    (gpu) => gpu.device,
    (error: Error) => skipFor(`no WebGPU adapter (${error.message})`),
  );
  return opened;
}

/** Deterministic values in [-1, 1); i32 inputs get small non-negative integers below `below`. */
export function fill(size: number, seed: number): Float64Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float64Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround(state / 2 ** 31 - 1);
  });
}

export interface Comparison {
  readonly plan: Plan;
  /** What was lowered: the graph behind all passes. */
  readonly lowered: Graph;
  /** Largest |gpu - reference| / max|reference| of each output. */
  readonly errors: ReadonlyMap<string, number>;
  readonly values: ReadonlyMap<string, Float32Array | Int32Array>;
}

/** Profile of the device at hand with another kind's schedules. */
export function profileFor(on: Runner, kind: DeviceKind): DeviceProfile {
  return { ...on.profile, kind };
}

/**
 * What the reference makes of a graph in f32, by options: schedules in turn are compared with one evaluation.
 */
const references = new WeakMap<Graph, ReadonlyMap<string, ReadonlyMap<string, RefTensor>>>();

/**
 * @param on the device at hand, or the text of kernels (`textDevice`)
 * @param target a kind of device, or a whole profile: only its schedules differ from those of the device at
 * hand
 * @param options `least` is the scale of an output whose values are all smaller, as where they are exactly 0
 */
export async function compare(
  on: Runner,
  target: DeviceKind | DeviceProfile,
  traced: Graph,
  options: {
    gradients?: readonly string[];
    integersBelow?: number;
    least?: number;
    precision?: Precision;
    /** Values of inputs and weights by name, in place of made up ones. */
    feeds?: ReadonlyMap<string, Float64Array>;
  } = {},
): Promise<Comparison> {
  const { gradients, precision = 'f32' } = options;
  let last: Graph | undefined;
  const plan = compileGraph(traced, {
    model: 'test',
    entry: 'test',
    batch: 1,
    mode: 'eval',
    profile: typeof target === 'string' ? profileFor(on, target) : target,
    precision,
    observe: (_pass, graph) => {
      last = graph;
    },
    ...(gradients ? { gradients } : {}),
  });
  // In f32 passes are judged along; in mixed precision the reference has to round where the plan does.
  const defined = gradients ? differentiate(traced, { loss: 'loss', wrt: gradients }) : traced;
  const graph = precision === 'mixed' ? last! : defined;
  const inputs = new Map<string, RefTensor>();
  const params = new Map<string, RefTensor>();
  for (const node of graph.nodes) {
    if (node.op !== 'input' && node.op !== 'param') continue;
    const shape = numericShape(node.type);
    const given = options.feeds?.get(node.attrs.name);
    const data = fill(sizeOf(shape), node.id + 1);
    const integers = node.type.dtype === 'i32';
    const values =
      given ?? (integers ? data.map((x) => Math.floor(((x + 1) / 2) * (options.integersBelow ?? 8))) : data);
    (node.op === 'input' ? inputs : params).set(node.attrs.name, { shape, data: values });
  }
  const variant = JSON.stringify([gradients, options.integersBelow]);
  const known = references.get(traced)?.get(variant);
  const expected = precision === 'f32' && known ? known : executeReference(verify(graph), { inputs, params });
  if (precision === 'f32' && !known)
    references.set(traced, new Map([...(references.get(traced) ?? []), [variant, expected]]));
  const session = await on.open(plan);
  try {
    for (const weight of plan.weights)
      session.writeWeight(weight.name, new Float32Array(params.get(weight.name)!.data));
    for (const { name, dtype } of plan.inputs) {
      const { data } = inputs.get(name)!;
      session.writeInput(name, dtype === 'i32' ? new Int32Array(data) : new Float32Array(data));
    }
    session.run();
    const errors = new Map<string, number>();
    const values = new Map<string, Float32Array | Int32Array>();
    for (const { name } of plan.outputs) {
      const got = await session.read(name);
      const want = expected.get(name)!.data;
      const scale = want.reduce((m, x) => Math.max(m, Math.abs(x)), options.least ?? 1e-30);
      let worst = 0;
      for (let i = 0; i < want.length; i++) worst = Math.max(worst, Math.abs(got[i]! - want[i]!) / scale);
      errors.set(name, got.every((x: number) => Number.isFinite(x)) ? worst : Number.NaN);
      values.set(name, got);
    }
    return { plan, lowered: last!, errors, values };
  } finally {
    session.close();
  }
}
