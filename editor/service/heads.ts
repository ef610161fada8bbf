/** Declarations in one line, as their heads are written, and the comments above them. */
import { builtinFormals } from '../../compiler/model/builtins/builtins.ts';
import type { Builtin } from '../../compiler/model/values/builtin.ts';
import { sourceText } from '../../compiler/model/values/session.ts';
import type { Callable, ParamDecl } from '../../grammar/ast.ts';
import type { Span } from '../../grammar/source.ts';
import type { Named } from './binding/named.ts';

/** `width: int = 64` */
export function parameterText({ name, type, ids, default: usual }: ParamDecl): string {
  const within = ids === undefined ? '' : ` in ${sourceText(ids.span)}`;
  return `${name.text}: ${sourceText(type.span)}${within}${usual === undefined ? '' : ` = ${sourceText(usual.span)}`}`;
}

export function builtinParameters(builtin: Builtin): { readonly name: string; readonly text: string }[] {
  const leading = builtin.variadic === true ? builtin.parameters.slice(0, 1) : [];
  return [
    ...leading.map(({ name }) => ({ name, text: `${name}, ...` })),
    ...builtinFormals(builtin).map((f) => ({
      name: f.name,
      text: `${f.name}${f.required ? '' : '?'}: ${f.type}`,
    })),
  ];
}

const list = (params: readonly ParamDecl[]) => `(${params.map(parameterText).join(', ')})`;

function callableHead(word: string, name: string, { params, result }: Callable): string {
  return `${word} ${name}${list(params)}${result === undefined ? '' : ` -> ${sourceText(result.span)}`}`;
}

/** The head of what declares a name, or undefined for what has none. */
export function headOf({ kind, name, node, builtin }: Named): string | undefined {
  if (builtin !== undefined && kind === 'builtin')
    return `${name}(${builtinParameters(builtin)
      .map((p) => p.text)
      .join(', ')})`;
  if (node === undefined) return undefined;
  if (!('kind' in node)) return 'type' in node ? parameterText(node) : undefined;
  switch (node.kind) {
    case 'block':
      return `block ${name}${list(node.params)}`;
    case 'fn':
    case 'objective':
      return callableHead(node.kind, name, node);
    case 'entry':
      return callableHead('entry', name, node);
    case 'forward':
      return `forward${list(node.params)}${node.result === undefined ? '' : ` -> ${sourceText(node.result.span)}`}`;
    case 'model':
      return `model ${JSON.stringify(name)}${node.params.length === 0 ? '' : list(node.params)} = ${cut(sourceText(node.value.span))}`;
    case 'train':
      return `train ${JSON.stringify(name)} of ${cut(sourceText(node.of.span))}`;
    case 'names':
      return `names ${name} for ${node.target.text}`;
    case 'let':
      return `let ${name} = ${cut(sourceText(node.value.span))}`;
    case 'weight':
    case 'child':
      return cut(sourceText(node.span));
    default:
      return undefined;
  }
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}

/** The comment lines directly above a place, without their marks. */
export function commentAbove({ file, start }: Span): string | undefined {
  const lines = file.text.slice(0, start).split('\n');
  if (lines.pop()?.trim() !== '') return undefined;
  const found: string[] = [];
  for (let line = lines.pop()?.trim(); line?.startsWith('#'); line = lines.pop()?.trim())
    found.unshift(line.replace(/^#+\s?/, ''));
  return found.length === 0 ? undefined : found.join(' ');
}
