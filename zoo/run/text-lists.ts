/**
 * Lists of texts on the command line: a file (one a line, or a JSON array of strings),
 * or words between commas.
 */
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import { decodeText } from '../../runtime/data/files/decode-text.ts';
import { readTextBytesSync, statOf } from '../../runtime/data/files/read-fully.ts';
import { linesOf } from '../../runtime/data/files/text-lines.ts';

const strings = z.array(z.string());

/**
 * A whole text file.
 * @throws DiagnosticError Z701 for what is no file, Z427; system errors as they are
 */
export function readText(path: string): string {
  return decodeText(readTextBytesSync(path, 'Z701'), path);
}

/** A line may begin with a bracket, too: only a list of strings has a quote behind it. */
function looksLikeJson(path: string, text: string): boolean {
  return /\.json$/i.test(path) || /^\s*\[\s*("|\]\s*$)/.test(text);
}

/** The texts of a file, one a line, blank ones included, or a JSON array. */
export function readTexts(path: string): string[] {
  const text = readText(path);
  if (!looksLikeJson(path, text)) return linesOf(text);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    fail('Z702', `${path} is not valid JSON: ${(error as Error).message}`);
  }
  const parsed = strings.safeParse(json);
  if (!parsed.success) fail('Z702', `${path}: expected a JSON array of strings`);
  return parsed.data;
}

const notBlank = (text: string) => text.trim() !== '';

/** A name of a file rather than a label. */
function looksLikePath(argument: string): boolean {
  const alone = !/[,\s]/.test(argument);
  return /\.(txt|json|csv|tsv)$/i.test(argument) || (alone && /[/\\]|^[@~]/.test(argument));
}

/**
 * Labels of `--labels`: a file's, or the argument itself, which may be called as a folder is, split at
 * commas. At least one.
 */
export function readLabels(argument: string): string[] {
  const found = statOf(argument);
  const isFile = found !== undefined && !found.isDirectory();
  if (found === undefined && looksLikePath(argument))
    fail(
      'Z703',
      `--labels ${argument}: there is no such file`,
      '--labels "a cat,a dog" gives labels as they stand',
    );
  const labels = isFile ? readTexts(argument) : argument.split(',').map((label) => label.trim());
  const given = labels.filter(notBlank);
  if (given.length === 0) fail('Z703', `--labels ${argument}: no labels`, '--labels "a cat,a dog"');
  return given;
}

/**
 * Texts of `--texts`, in order: `@FILE` is a file's, everything else a text as it stands.
 * @throws DiagnosticError Z703 for the name of a file that is there: its texts were meant, not its name
 */
export function readTextArguments(given: readonly string[]): string[] {
  return given.flatMap((text) => {
    if (text.startsWith('@')) return readTexts(text.slice(1));
    if (looksLikePath(text) && statOf(text) !== undefined)
      fail('Z703', `--texts ${text} names a file, and would be taken as a text`, `--texts @${text} reads it`);
    return [text];
  });
}

/** Prompts of a file, each with `{}` in it (or `{c}`, as others write) for the label. */
export function readTemplates(path: string): string[] {
  const templates = readTexts(path)
    .filter(notBlank)
    .map((template) => template.replaceAll('{c}', '{}'));
  const bad = templates.find((t) => !t.includes('{}'));
  if (bad !== undefined) fail('Z703', `${path}: template "${bad}" has no {}`, 'a photo of a {}');
  if (templates.length === 0) fail('Z703', `${path}: no templates`, 'a photo of a {}');
  return templates;
}
