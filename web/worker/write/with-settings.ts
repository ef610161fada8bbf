/** Settings written into the text that they are settings of. */
import type { Expr, ModelDecl } from '../../../grammar/ast.ts';
import { parse } from '../../../grammar/parser.ts';
import { format } from '../../../grammar/printer.ts';
import type { Span } from '../../../grammar/source.ts';
import { programPath } from './program.ts';

/** Values that an edit may take the place of: nothing else depends on how they are written. */
const plain = ['int', 'float', 'bool', 'name'];

/** Where the value of a path stands by itself: `VisionTransformer(layers = 12)` for `vision.layers`. */
function placeOf(expr: Expr, path: readonly string[]): Span | undefined {
  if (expr.kind === 'group') return placeOf(expr.inner, path);
  const value =
    expr.kind === 'with'
      ? expr.changes.find(
          (change) =>
            change.kind === 'override' &&
            change.path.segments.map(({ text }) => text).join('.') === path.join('.'),
        )?.value
      : undefined;
  if (value !== undefined) return plain.includes(value.kind) ? value.span : undefined;
  if (expr.kind === 'with') return placeOf(expr.base, path);
  if (expr.kind !== 'call') return undefined;
  const [head, ...rest] = path;
  const given = expr.args.find(({ name }) => name?.text === head)?.value;
  if (given === undefined) return undefined;
  if (rest.length > 0) return placeOf(given, rest);
  return plain.includes(given.kind) ? given.span : undefined;
}

/** In place of the values that stand in the model's declaration, the others behind `with`. */
export function withSettings(
  text: string,
  model: string,
  settings: Readonly<Record<string, string>>,
): string {
  const { program } = parse({ path: programPath, text });
  const declared = program.items.find(
    (item): item is ModelDecl => item.kind === 'model' && item.name.text === model,
  );
  if (declared === undefined) return text;
  const edits: { readonly start: number; readonly end: number; readonly text: string }[] = [];
  const others: string[] = [];
  const parameters = declared.params.map(({ name }) => name.text);
  for (const [path, value] of Object.entries(settings)) {
    const place = placeOf(declared.value, path.split('.'));
    const named = place && parameters.includes(text.slice(place.start, place.end));
    if (place === undefined || named) others.push(`${path} = ${value}`);
    else edits.push({ start: place.start, end: place.end, text: value });
  }
  const { end } = declared.value.span;
  const joint = declared.value.kind === 'with' ? ', ' : ' with ';
  if (others.length > 0) edits.push({ start: end, end, text: `${joint}${others.join(', ')}` });
  edits.sort((a, b) => b.start - a.start);
  const changed = edits.reduce((now, e) => now.slice(0, e.start) + e.text + now.slice(e.end), text);
  const tidy = format(program) === text;
  return tidy ? format(parse({ path: programPath, text: changed }).program) : changed;
}
