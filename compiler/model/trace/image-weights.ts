/**
 * The weights that a model's picture features depend on. Positions of patches form a square, positions of a
 * text a line: only what belongs to pictures can be a grid, whatever its shape.
 */
import { rootOf } from '../build/tree.ts';
import type { Model } from '../types.ts';
import { Session } from '../values/session.ts';
import { traceRoot } from './trace.ts';

export function imageWeights(model: Model): ReadonlySet<string> {
  if (!model.entries.some((entry) => entry.name === 'encode_image')) return new Set();
  const session = new Session();
  const graph = session.guard(() => traceRoot(rootOf(model), 'encode_image', session, {}));
  return new Set(graph?.nodes.flatMap((n) => (n.op === 'param' ? [n.attrs.name] : [])));
}
