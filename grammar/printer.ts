/**
 * The formatter: prints a program in the canonical form.
 *
 * 110 columns, two spaces, one member per line, at most one blank line between two, declarations with bodies
 * apart from their neighbours. Comments stay where they were (`print/comments.ts` says how). Formatting what
 * was formatted changes nothing, and the formatted text parses to the same tree up to spans.
 */
import type { Program } from './ast.ts';
import { Comments } from './print/comments.ts';
import { DeclarationPrinter } from './print/declarations.ts';
import { layout } from './print/doc.ts';

/** Longest line, where a break can make it so. */
const columns = 110;

/** The canonical text of a program without syntax errors; ends in one newline, or is empty. */
export function format(program: Program): string {
  const printer = new DeclarationPrinter(new Comments(program.file, program.comments));
  const text = layout(printer.file(program), columns);
  return text === '' ? '' : `${text}\n`;
}
