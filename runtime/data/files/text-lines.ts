/** Lists of texts in files: class names, prompts. */
import { fail } from '../../../grammar/diagnostics.ts';
import { failSystem } from './atomic.ts';
import { decodeText } from './decode-text.ts';
import { readTextBytes } from './read-fully.ts';

/** The lines of a text in order; blank ones count, so that a line is a row. */
export function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.trim());
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/**
 * The lines of a file in order; blank ones count, since the place of a line is the number of its class or row.
 * @throws DiagnosticError Z412 when it cannot be read, or has no text; Z427
 */
export async function readLines(path: string): Promise<string[]> {
  let bytes: Uint8Array = new Uint8Array();
  try {
    bytes = await readTextBytes(path, 'Z412');
  } catch (error) {
    failSystem('Z412', `cannot read ${path}`, error);
  }
  const lines = linesOf(decodeText(bytes, path));
  return lines.some((line) => line !== '') ? lines : fail('Z412', `${path} has no line with a text`);
}
