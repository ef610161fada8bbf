/** The golden batch of a small model through a compiled plan, on the adapter at hand or by the text of its kernels. */
import { compileGraph, type Precision } from '../../compiler/compile.ts';
import type { Graph } from '../../compiler/graph/types.ts';
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

const trainableOf = (set: string): string[] =>
  goldenSet(set, 'golden').model.weights.flatMap(({ name, kind }) => (kind === 'param' ? [name] : []));

/** The loss of a golden batch. */
export function goldenGraph(set: string, mode: GoldenRun['mode']): Graph {
  const { tensors, model } = goldenSet(set, 'golden');
  const batch = tensors.get('in.images')!.shape[0]!;
  return unwrap(traceEntry(model, 'loss', { batch, training: mode === 'train' }));
}

/** Outputs of a graph over the golden batch by its compiled plan, whole, by name. */
export async function runGraph(
  on: Runner,
  graph: Graph,
  { set, mode, gradients = false, precision = 'f32' }: Partial<GoldenRun> & Pick<GoldenRun, 'set' | 'mode'>,
): Promise<Map<string, Float64Array>> {
  const { tensors: golden, weights } = goldenSet(set, 'golden');
  const plan = compileGraph(graph, {
    model: set,
    entry: 'loss',
    batch: golden.get('in.images')!.shape[0]!,
    mode,
    profile: on.profile,
    precision,
    ...(gradients ? { gradients: trainableOf(set) } : {}),
  });
  const session = await on.open(plan);
  for (const { name } of plan.weights) session.writeWeight(name, new Float32Array(weights.get(name)!.data));
  session.writeInput('images', new Float32Array(golden.get('in.images')!.data));
  session.writeInput('tokens', new Int32Array(golden.get('in.tokens')!.data));
  session.run();
  const found = new Map<string, Float64Array>();
  for (const { name } of plan.outputs) found.set(name, Float64Array.from(await session.read(name)));
  session.close();
  return found;
}

/**
 * Values that a run of the golden batch gives, by name, as far as the set stores them; the names of the
 * trainable weights; and what PyTorch found. Where only a part of a gradient is stored, its norm is among the
 * values, as `grad_norm.<name>`.
 */
export async function runGolden(on: Runner, run: GoldenRun) {
  const { tensors: golden, sample, stride } = goldenSet(run.set, 'golden');
  const found = new Map<string, Float64Array>();
  for (const [name, whole] of await runGraph(on, goldenGraph(run.set, run.mode), run)) {
    found.set(name, sample(name, whole));
    const normName = name.replace(/^grad\./, 'grad_norm.');
    if (normName !== name && golden.has(normName)) found.set(normName, Float64Array.of(norm(whole)));
  }
  return { found, trainable: trainableOf(run.set), stride, want: (name: string) => golden.get(name)!.data };
}
