/**
 * Options of data sources and augmentations: a call of the recipe against a zod schema,
 * with errors at the call.
 *
 * Positional arguments are named first, so a schema sees one flat object. Unknown names get the nearest known
 * one as a suggestion; wrong values name the option, what was found and what is wanted.
 */

import { z } from 'zod';
import type { StaticCall, StaticValueData } from '../../compiler/model/types.ts';
import { didYouMean } from '../../compiler/model/values/suggest.ts';
import type { Code } from '../../grammar/codes.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';

/** Raises one diagnostic at a call of the recipe. */
export function failAt(call: StaticCall, code: Code, message: string, help?: string): never {
  throw new DiagnosticError([
    {
      code,
      severity: 'error',
      message,
      ...(call.span === undefined ? {} : { span: call.span }),
      ...(help === undefined ? {} : { help }),
    },
  ]);
}

function show(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'name' in value) return `${String(value.name)}(...)`;
  if (typeof value === 'object' && value !== null && 'fields' in value) return '{ ... }';
  return JSON.stringify(value);
}

function valueAt(object: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((v, key) => (v as Record<PropertyKey, unknown> | undefined)?.[key], object);
}

/**
 * Validates the arguments of `call`.
 * @param positional names of the arguments that may stand without one, in order
 * @throws DiagnosticError Z521, Z522
 */
export function parseOptions<S extends z.ZodObject>(
  call: StaticCall,
  schema: S,
  positional: readonly string[],
): z.infer<S> {
  const known = Object.keys(schema.shape);
  const given = new Map<string, StaticValueData>();
  if (call.args.length > positional.length)
    failAt(
      call,
      'Z522',
      `${call.name} takes ${positional.length} unnamed arguments, got ${call.args.length}`,
    );
  call.args.forEach((value, i) => {
    given.set(positional[i]!, value);
  });
  for (const [name, value] of Object.entries(call.named)) {
    if (!known.includes(name))
      failAt(
        call,
        'Z521',
        `${call.name} has no option \`${name}\`${didYouMean(name, known)}`,
        `its options are ${known.join(', ')}`,
      );
    if (given.has(name)) failAt(call, 'Z522', `\`${name}\` of ${call.name} is given twice`);
    given.set(name, value);
  }
  const values = Object.fromEntries(given);
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const path = issue.path.map(String).join('.');
  const found = valueAt(values, issue.path);
  if (issue.path.length === 1 && found === undefined)
    failAt(call, 'Z522', `${call.name} needs \`${path}\` and none was given`);
  const message = issue.message.replace(/^Invalid input: /, '');
  failAt(call, 'Z522', `\`${path}\` of ${call.name} is ${show(found)}: ${message}`);
}

/** A call given as a value, as in `augment = [shift(3), flip]`; a bare name is a call without arguments. */
export const callValue = z.union(
  [
    z.custom<StaticCall>((value) => typeof value === 'object' && value !== null && 'args' in value),
    z.string().transform((name): StaticCall => ({ name, args: [], named: {} })),
  ],
  'expected a call such as shift(3)',
);

/** One text, or a list of them. */
export const texts = z.union([z.string().transform((text) => [text]), z.array(z.string()).min(1)]);
