/**
 * Prompts of classes: templates for all, or prompts for each; in the forms in which people have them.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import { decodeText } from '../../runtime/data/files/decode-text.ts';
import { readTextBytesSync } from '../../runtime/data/files/read-fully.ts';
import { readTemplates } from '../run/text-lists.ts';
import { parseAs } from './json.ts';

/** A class: its name, or several names for the same thing. */
export type ClassName = string | readonly string[];

/** Templates with `{}` for a class's name, or prompts by that name. */
export type Prompts =
  | { readonly templates: readonly string[] }
  | { readonly byClass: Readonly<Record<string, readonly string[]>> };

/** What is tried where nobody says anything: of CLIP's prompts the plainest. */
export const usualPrompts: Prompts = { templates: ['a photo of a {}.'] };

const byClass = z.record(z.string(), z.array(z.string()).min(1));

/**
 * A file of templates (one a line, or a JSON array), or a JSON object of prompts by class. CLIP_benchmark's `{c}` is
 * `{}`.
 * @throws DiagnosticError Z701 to Z703
 */
export function readPrompts(path: string): Prompts {
  if (/\.json$/i.test(path)) {
    const text = decodeText(readTextBytesSync(path, 'Z701'), path);
    if (/^\s*\{/.test(text)) {
      return { byClass: parseAs(text, path, byClass, 'a list of prompts for each class') };
    }
  }
  return { templates: readTemplates(path) };
}

/** Those that lie in a data set's folder. */
export function promptsIn(dir: string): Prompts | undefined {
  const path = join(dir, 'zeroshot_classification_templates.txt');
  return existsSync(path) ? readPrompts(path) : undefined;
}

/**
 * All prompts of each class: every name in every template, or its own.
 * @throws DiagnosticError Z460 for a class without prompts
 */
export function promptsOf(classes: readonly ClassName[], prompts: Prompts): string[][] {
  return classes.map((names) =>
    [names].flat().flatMap((name) => {
      if ('templates' in prompts) return prompts.templates.map((t) => t.replaceAll('{}', () => name));
      const own = Object.hasOwn(prompts.byClass, name) ? prompts.byClass[name]! : undefined;
      return own ?? fail('Z460', `there are no prompts of the class ${JSON.stringify(name)}`);
    }),
  );
}

/**
 * All prompts of labels that have one name each.
 * @param templates a file of them; without one a label is its own prompt
 */
export function promptsOfLabels(labels: readonly string[], templates: string | undefined): string[][] {
  return promptsOf(labels, templates === undefined ? { templates: ['{}'] } : readPrompts(templates));
}

/** What a class is called where one name has room. */
export function nameOfClass(names: ClassName): string {
  return [names].flat()[0]!;
}
