/** Lists of texts in files: class names, prompts. */
import { fail } from '../../../grammar/diagnostics.ts';
import { failSystem } from './atomic.ts';
import { readText } from './read-fully.ts';

/** The lines of a text in order; blank ones do not count. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/**
 * The lines of a file in order; blank ones do not count.
 * @throws DiagnosticError Z412 when it cannot be read, or has none
 */
export async function readLines(path: string): Promise<string[]> {
  let text = '';
  try {
    text = await readText(path, 'Z412');
  } catch (error) {
    failSystem('Z412', `cannot read ${path}`, error);
  }
  const lines = linesOf(text.replace(/^\ufeff/, ''));
  return lines.length > 0 ? lines : fail('Z412', `${path} has no line with a text`);
}
