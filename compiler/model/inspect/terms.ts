/**
 * Terms of objectives and their columns in `metrics.jsonl`: a name stands for one number alone.
 *
 * What training calls so itself is found from the text of an objective; a model's own weights of one number are known
 * where a recipe trains it. Both report at the same place, so that the session shows a mistake once.
 */
import type { Callable, Identifier } from '../../../grammar/ast.ts';
import type { Label } from '../../../grammar/diagnostics.ts';
import { gradientPrefix } from '../../graph/types.ts';
import { isOwnColumn } from '../../metrics.ts';
import type { Session } from '../values/session.ts';

/** Names of the terms where the text says them: in the type of the result, or in the record that is one. */
export function termNames({ result, body }: Callable): readonly Identifier[] {
  const named = result?.kind === 'record-type' ? result : body.result;
  return named.kind === 'record-type' || named.kind === 'record'
    ? named.fields.map((field) => field.name)
    : [];
}

/** Why a term cannot have its name, which training itself or one of a model's `weights` has; undefined where it is free. */
export function takenBy(term: string, weights: readonly string[] = []): string | undefined {
  if (term === 'loss') return undefined;
  if (term.startsWith(gradientPrefix)) return `names behind \`${gradientPrefix}\` are those of gradients`;
  if (isOwnColumn(term)) return 'training fills that column of metrics.jsonl itself';
  return weights.includes(term) ? 'the weight of that name has that column of metrics.jsonl' : undefined;
}

export function columnTaken(
  session: Session,
  { text, span }: Pick<Identifier, 'text' | 'span'>,
  why: string,
  labels: readonly Label[] = [],
): void {
  const message = `\`${text}\` cannot be a term of an objective: ${why}`;
  const help = `another name for the term: ${text.replaceAll('.', '_')}_term`;
  session.report('Z506', span, message, { labels, help });
}

/** Terms as the text of an objective names them. */
export function checkTerms(objective: Callable, session: Session): void {
  for (const term of termNames(objective)) {
    const why = takenBy(term.text);
    if (why !== undefined) columnTaken(session, term, why);
  }
}
