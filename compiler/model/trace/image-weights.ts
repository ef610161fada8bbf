/**
 * The weights behind what a model makes of pictures alone. Positions of patches form a square, positions of a
 * text a line: only what belongs to pictures can be a grid, whatever its shape.
 */
import type { Graph } from '../../graph/types.ts';
import { rootOf } from '../build/tree.ts';
import { isPicture } from '../inputs.ts';
import type { Model } from '../types.ts';
import { Session } from '../values/session.ts';
import { traceRoot } from './trace.ts';

export function imageWeights(model: Model): ReadonlySet<string> {
  const session = new Session();
  const graph = session.guard(() => traceRoot(rootOf(model), 'forward', session, {}));
  const pictures = new Set(model.inputs.filter(isPicture).map(({ name }) => name));
  const behind = (graph?.outputs ?? []).map(({ node }) => leavesBehind(graph!, node));
  const ofPictures = behind.filter(
    ({ inputs }) => inputs.length > 0 && inputs.every((name) => pictures.has(name)),
  );
  return new Set(ofPictures.flatMap(({ weights }) => weights));
}

interface Leaves {
  readonly inputs: string[];
  readonly weights: string[];
}

/** The inputs and weights that a node depends on. */
function leavesBehind({ nodes }: Graph, output: number): Leaves {
  const reached = new Set([output]);
  // Nodes stand behind what they read.
  for (const { id, inputs } of nodes.toReversed())
    if (reached.has(id)) for (const i of inputs) reached.add(i);
  const found = nodes.filter(({ id }) => reached.has(id));
  return {
    inputs: found.flatMap(({ op, attrs }) => (op === 'input' ? [attrs.name] : [])),
    weights: found.flatMap(({ op, attrs }) => (op === 'param' ? [attrs.name] : [])),
  };
}
