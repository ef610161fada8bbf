/** JSON that people write: read, checked, or refused with the place that is wrong. */
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';

/**
 * @param path of the file, for messages
 * @param expected what it must be, for messages
 * @throws DiagnosticError Z702
 */
export function parseAs<S extends z.ZodType>(
  text: string,
  path: string,
  schema: S,
  expected: string,
): z.infer<S> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    fail('Z702', `${path} is not valid JSON: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = z.core.toDotPath(issue!.path);
  return fail(
    'Z702',
    `${path}: ${place === '' ? '' : `${place}: `}${issue!.message}`,
    `expected ${expected}`,
  );
}
