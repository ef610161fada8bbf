/** What stands beside the text: shapes of `let`s, and the parameters of a call that is being written. */
import { boundValues, type Observer, placeKey } from './analysis.ts';
import type { Binding } from './binding/bind.ts';
import type { Thing } from './binding/named.ts';
import { parametersOf } from './binding/things.ts';
import { TextReader } from './completion/complete.ts';
import { placeAt } from './completion/context.ts';
import { builtinParameters, parameterText } from './heads.ts';
import { optionsOf } from './settings.ts';
import type { InlayHint, Range, SignatureHelp } from './types.ts';
import type { Workspace } from './workspace.ts';

/** Longest hint; a value that is longer is cut. */
const longest = 60;

/** `: [B, 50, 768]` behind the names of `let`s, `= 50` behind dimension variables, in the first model that has them. */
export function hintsOf(observer: Observer, { occurrences }: Binding, range: Range): InlayHint[] {
  return occurrences.flatMap(({ role, name, named: { kind, node } }) => {
    const { start, end } = name.span;
    if (role !== 'declaration' || start > range.end || end < range.start) return [];
    if (kind === 'dimension') {
      const texts = boundValues(observer.at(start), name.span, name.text).map(({ text }) => text);
      // What stays open, as the batch, is its own name.
      const told = texts.filter((text) => text !== name.text);
      return told.length === 0 ? [] : [{ offset: end, label: ` = ${cut(told.join(' | '))}` }];
    }
    if (node === undefined || !('kind' in node) || node.kind !== 'let') return [];
    const values = isPlain(node.value.kind) ? undefined : observer.at(start).get(placeKey(node.value.span));
    if (values === undefined) return [];
    const text = values.map((value) => value.text).join(' | ');
    const tensor = values.some(({ value }) => value.kind === 'tensor' || value.kind === 'record');
    return [{ offset: end, label: `${tensor ? ': ' : ' = '}${cut(text)}` }];
  });
}

const cut = (text: string) => (text.length > longest ? `${text.slice(0, longest - 1)}…` : text);

/** A number that stands there already needs no hint. */
function isPlain(kind: string): boolean {
  return ['int', 'float', 'bool', 'string', 'list'].includes(kind);
}

// ── signatures ─────────────────────────────────────────────────────────────────────────────────────────────

interface Shown {
  readonly name: string;
  readonly text: string;
}

export function signatureOf(workspace: Workspace, path: string, offset: number): SignatureHelp | undefined {
  const syntax = workspace.syntax(path);
  const binding = workspace.binding(path);
  const place = syntax && placeAt(syntax.lexed, syntax.file.text, offset);
  if (syntax === undefined || binding === undefined || place === undefined) return undefined;
  const call = new TextReader(syntax, binding, place).call();
  if (call === undefined) return undefined;
  const name = place.before[call.opener - 1]!.image;
  const shown = parameters(call.callee) ?? settingParameters(binding, offset, name);
  if (shown === undefined) return undefined;
  const index = call.positional + (call.piped ? 1 : 0);
  const active =
    call.writing === undefined ? index : shown.findIndex((parameter) => parameter.name === call.writing);
  let label = `${name}(`;
  const ranges = shown.map(({ name, text }, i) => {
    if (i > 0) label += ', ';
    const start = label.length;
    label += text;
    return { name, start, end: label.length };
  });
  const about = call.callee.of === 'builtin' ? { documentation: call.callee.builtin.about } : {};
  const within = active >= 0 && active < shown.length ? { active } : {};
  return { label: `${label})`, ...about, parameters: ranges, ...within };
}

function parameters(thing: Thing): Shown[] | undefined {
  if (thing.of === 'builtin') return builtinParameters(thing.builtin);
  return parametersOf(thing)?.map((param) => ({ name: param.name.text, text: parameterText(param) }));
}

/** Options of a recipe's call: `adamw(lr = 0.0005, …)`. */
function settingParameters({ module }: Binding, offset: number, call: string): Shown[] | undefined {
  for (const item of module.program.items)
    if (item.kind === 'train' && item.span.start <= offset && offset <= item.span.end)
      for (const setting of item.settings)
        if (setting.kind === 'assign' && setting.span.start <= offset && offset <= setting.span.end)
          return optionsOf(setting.key.text, call)?.map(({ name, usual, wanted }) => ({
            name,
            text: `${name}${usual === undefined ? `: ${wanted}` : ` = ${usual}`}`,
          }));
  return undefined;
}
