/**
 * The passes in order. Each is a pure function from graph to graph; `runPasses` verifies after every one, and
 * a caller may look at each result (`--dump-after`).
 */
import type { Graph, VerifiedGraph } from '../graph/types.ts';
import { verify } from '../graph/verify.ts';
import type { DeviceProfile } from '../profile.ts';
import { foldLayerNorm } from './fold-layer-norm.ts';
import { fuse } from './fuse.ts';
import { lowerBatchNorm } from './lower-batch-norm.ts';
import { lowerPatches } from './lower-patches.ts';
import type { ForwardPass, Pass, PassSettings } from './pass.ts';
import { storeHalves } from './precision.ts';
import { selectEarly } from './select-early.ts';
import { simplify } from './simplify.ts';
import { sumsBehindProducts } from './sums-behind-products.ts';

/** Those in front of differentiation. */
const forwardPasses: readonly (readonly [name: string, pass: ForwardPass])[] = [
  ['select-early', selectEarly],
];

export const forwardPassNames = forwardPasses.map(([name]) => name);

const passes: readonly (readonly [name: string, pass: Pass])[] = [
  ['lower-batch-norm', lowerBatchNorm],
  ['lower-patches', lowerPatches],
  ['simplify', simplify],
  ['fuse', fuse],
  ['fold-layer-norm', foldLayerNorm],
  ['precision', storeHalves],
  ['sums-behind-products', sumsBehindProducts],
];

interface PassOptions extends Partial<PassSettings> {
  readonly observe?: (name: string, graph: VerifiedGraph) => void;
}

/** Runs the passes over what was traced, before there are gradients. */
export function runForwardPasses(
  graph: Graph,
  { precision = 'f32', observe = () => {} }: Omit<PassOptions, 'fixedWeights'> = {},
): VerifiedGraph {
  let current = verify(graph);
  for (const [name, pass] of forwardPasses) {
    current = verify(pass(current, { precision }));
    observe(name, current);
  }
  return current;
}

/** Runs the others; `observe` sees the graph behind each. */
export function runPasses(
  graph: Graph,
  profile: DeviceProfile,
  { precision = 'f32', fixedWeights = false, observe = () => {} }: PassOptions = {},
): VerifiedGraph {
  let current = verify(graph);
  for (const [name, pass] of passes) {
    current = verify(pass(current, profile, { precision, fixedWeights }));
    observe(name, current);
  }
  return current;
}
