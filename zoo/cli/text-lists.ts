/**
 * Lists of texts on the command line: a file (one a line, or a JSON array of strings),
 * or words between commas.
 */
import { statSync } from 'node:fs';
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import { readTextSync } from '../../runtime/data/files/read-fully.ts';
import { linesOf } from '../../runtime/data/files/text-lines.ts';

const strings = z.array(z.string());

/** The texts of a file; blank lines do not count. */
export function readTexts(path: string): string[] {
  const text = readTextSync(path, 'Z701');
  if (!text.trimStart().startsWith('[')) return linesOf(text);
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

/**
 * Labels of `--labels`: a file's, or the argument itself, which may be called as a folder is, split at
 * commas. At least one.
 */
export function readLabels(argument: string): string[] {
  const found = statSync(argument, { throwIfNoEntry: false });
  const labels =
    found !== undefined && !found.isDirectory()
      ? readTexts(argument)
      : argument
          .split(',')
          .map((label) => label.trim())
          .filter((label) => label !== '');
  if (labels.length === 0) fail('Z703', `--labels ${argument}: no labels`, '--labels "a cat,a dog"');
  return labels;
}

/** Prompts of `--templates`, each with `{}` in it; without a file the label alone. */
export function readTemplates(path: string | undefined): string[] {
  if (path === undefined) return ['{}'];
  const templates = readTexts(path);
  const bad = templates.find((t) => !t.includes('{}'));
  if (bad !== undefined) fail('Z703', `${path}: template "${bad}" has no {}`, 'a photo of a {}');
  if (templates.length === 0) fail('Z703', `${path}: no templates`, 'a photo of a {}');
  return templates;
}
