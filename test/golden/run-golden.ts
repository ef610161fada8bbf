/** The golden batch of a small model through a compiled plan on the adapter at hand. */
import { compileGraph, type Precision } from '../../compiler/compile.ts';
import { resolveModel, traceEntry } from '../../compiler/model/index.ts';
import type { Result } from '../../compiler/model/types.ts';
import type { DeviceKind } from '../../compiler/profile.ts';
import type { Device } from '../../runtime/types.ts';
import { nodeHost } from '../../zoo/host.ts';
import { profileFor } from '../gpu/compiled.ts';
import { readGolden } from '../support/golden.ts';

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
  return result.value;
}

interface GoldenRun {
  /** `tiny_vit`, `tiny_vit2`, `tiny_rn` */
  readonly set: string;
  readonly kind: DeviceKind;
  readonly mode: 'eval' | 'train';
  readonly gradients: boolean;
  readonly precision?: Precision;
}

/** Values that a run of the golden batch gives, by name; the names of the trainable weights; and what PyTorch found. */
export async function runGolden(on: Device, { set, kind, mode, gradients, precision = 'f32' }: GoldenRun) {
  const golden = readGolden(`${set}.golden.safetensors`).tensors;
  const weights = readGolden(`${set}.weights.safetensors`).tensors;
  const model = unwrap(resolveModel(nodeHost(), `test/fixtures/models/tiny.zoo#${set}`));
  const trainable = model.weights.filter((w) => w.kind === 'param').map((w) => w.name);
  const batch = golden.get('in.images')!.shape[0]!;
  const plan = compileGraph(unwrap(traceEntry(model, 'loss', { batch, training: mode === 'train' })), {
    model: set,
    entry: 'loss',
    batch,
    mode,
    profile: profileFor(on, kind),
    precision,
    ...(gradients ? { gradients: trainable } : {}),
  });
  const session = await on.open(plan);
  for (const { name } of plan.weights) session.writeWeight(name, new Float32Array(weights.get(name)!.data));
  session.writeInput('images', new Float32Array(golden.get('in.images')!.data));
  session.writeInput('tokens', new Int32Array(golden.get('in.tokens')!.data));
  session.run();
  const found = new Map<string, Float64Array>();
  for (const { name } of plan.outputs) found.set(name, Float64Array.from(await session.read(name)));
  session.close();
  return { found, trainable, want: (name: string) => golden.get(name)!.data };
}
