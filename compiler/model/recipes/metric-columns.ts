/** The columns of `metrics.jsonl` that a recipe's run would fill: each number has one to itself. */
import type { Callable } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { type Graph, isNumber } from '../../graph/types.ts';
import { isOwnColumn, isOwnScalar } from '../../metrics.ts';
import { columnTaken, takenBy, termNames } from '../inspect/terms.ts';
import type { Model } from '../types.ts';
import type { Session } from '../values/session.ts';

/**
 * Reports what is called like another column (Z506).
 * @param graph the loss of `model` by `objective`, which a recipe names at `place`
 */
export function checkMetricColumns(
  graph: Graph,
  { model, objective, place }: { readonly model: Model; readonly objective?: Callable; readonly place: Span },
  session: Session,
): void {
  const labels = [{ span: place, text: `trains "${model.name}"` }];
  const weights = model.weights.filter(isOwnScalar);
  for (const { name, span } of weights) {
    if (!isOwnColumn(name)) continue;
    const message = `the weight \`${name}\` would have a column of metrics.jsonl that training fills itself`;
    session.report('Z506', span, message, { labels, help: `another name for the weight: ${name}_weight` });
  }
  const named = objective === undefined ? [] : termNames(objective);
  const scalars = weights.map(({ name }) => name);
  for (const { name: text } of graph.outputs.filter((output) => isNumber(graph, output))) {
    const why = takenBy(text, scalars);
    const span = named.find((term) => term.text === text)?.span;
    if (why !== undefined)
      columnTaken(session, { text, span: span ?? place }, why, span === undefined ? [] : labels);
  }
}
