/** The golden batch of a small model through a compiled plan, on the adapter at hand or by the text of its kernels. */
import { compileGraph, type Precision } from '../../compiler/compile.ts';
import { traceEntry } from '../../compiler/model/index.ts';
import type { Result } from '../../compiler/model/types.ts';
import { goldenSet, norm } from '../support/golden/golden.ts';
import type { Runner } from '../support/wgsl/text-device.ts';

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
  return result.value;
}

interface GoldenRun {
  /** `tiny_vit`, `hash_rn`, ... */
  readonly set: string;
  readonly mode: 'eval' | 'train';
  readonly gradients: boolean;
  readonly precision?: Precision;
}

/**
 * Values that a run of the golden batch gives, by name, as far as the set stores them; the names of the
 * trainable weights; and what PyTorch found. Where only a part of a gradient is stored, its norm is among the
 * values, as `grad_norm.<name>`.
 */
export async function runGolden(on: Runner, { set, mode, gradients, precision = 'f32' }: GoldenRun) {
  const { tensors: golden, model, weights, sample, stride } = goldenSet(set, 'golden');
  const trainable = model.weights.filter((w) => w.kind === 'param').map((w) => w.name);
  const batch = golden.get('in.images')!.shape[0]!;
  const plan = compileGraph(unwrap(traceEntry(model, 'loss', { batch, training: mode === 'train' })), {
    model: set,
    entry: 'loss',
    batch,
    mode,
    profile: on.profile,
    precision,
    ...(gradients ? { gradients: trainable } : {}),
  });
  const session = await on.open(plan);
  for (const { name } of plan.weights) session.writeWeight(name, new Float32Array(weights.get(name)!.data));
  session.writeInput('images', new Float32Array(golden.get('in.images')!.data));
  session.writeInput('tokens', new Int32Array(golden.get('in.tokens')!.data));
  session.run();
  const found = new Map<string, Float64Array>();
  for (const { name } of plan.outputs) {
    const whole = Float64Array.from(await session.read(name));
    found.set(name, sample(name, whole));
    const normName = name.replace(/^grad\./, 'grad_norm.');
    if (normName !== name && golden.has(normName)) found.set(normName, Float64Array.of(norm(whole)));
  }
  session.close();
  return { found, trainable, stride, want: (name: string) => golden.get(name)!.data };
}
