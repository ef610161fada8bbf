/** `lengths = [16, 32, 48]`: positions of texts that a step computes. */
import type { Expr } from '../../../grammar/ast.ts';
import { cutTexts, describeTail, textsOf } from '../../graph/strips/cut-texts.ts';
import type { Graph } from '../../graph/types.ts';
import type { Env } from '../values/scope.ts';
import { readPlain, settings } from './schema.ts';

/** Undefined after a report. @param traced the loss with numeric shapes, where the model is right */
export function readLengths(expr: Expr, env: Env, model: string, traced: () => Graph | undefined) {
  const lengths = readPlain(expr, 'lengths', settings.lengths, env);
  const graph = lengths && traced();
  if (lengths === undefined || graph === undefined) return lengths;
  const { session } = env;
  const texts = textsOf(graph);
  const longest = lengths.at(-1)!;
  const context = Math.max(...texts.map((text) => text.context));
  if (texts.length > 0 && longest > context) {
    const { name } = texts.find((text) => text.context === context)!;
    session.report(
      'Z502',
      expr.span,
      `\`lengths\` go up to ${longest}, \`${name}\` has ${context} positions`,
      {
        help: `lengths up to ${context}, which is always one of them`,
      },
    );
    return undefined;
  }
  const [least] = lengths as [number];
  const cut = least === context ? graph : cutTexts(graph, least);
  if ('nodes' in cut) return lengths;
  const { message, reader } = describeTail(cut);
  const span = reader?.origin.span;
  session.report('Z509', expr.span, `\`lengths\` does not fit ${model}: ${message}`, {
    ...(span === undefined ? {} : { labels: [{ span, text: 'here' }] }),
    help: 'leave it out; it is for causal texts whose value is taken at their ends: take(x, argmax(tokens, axis = 1), axis = 1)',
  });
  return undefined;
}
