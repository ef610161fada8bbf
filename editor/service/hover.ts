/** What is shown of the name or expression at a place. */
import { frozenPattern, matchesGlob } from '../../compiler/model/values/globs.ts';
import type { ModelDeclaration, Module } from '../../compiler/model/values/module.ts';
import { placeOf } from '../../compiler/model/values/session.ts';
import type { Instance } from '../../compiler/model/values/values.ts';
import type { Span } from '../../grammar/source.ts';
import { boundValues, placeKey, type Seen, type SeenValues } from './analysis.ts';
import type { Binding } from './binding/bind.ts';
import type { Named, Occurrence } from './binding/named.ts';
import {
  flopsWithin,
  instanceOf,
  instancesIn,
  modelInstance,
  modelsIn,
  parameterCount,
  thousands,
  weightsOf,
} from './elaborated.ts';
import { commentAbove, headOf } from './heads.ts';
import { occurrenceAt } from './places.ts';
import { optionsOf, settingNamed } from './settings.ts';
import type { Hover, Range } from './types.ts';
import { axisLines, provenanceText } from './values.ts';
import type { Workspace } from './workspace.ts';

export function hover(workspace: Workspace, path: string, offset: number): Hover | undefined {
  const binding = workspace.binding(path);
  const observer = workspace.observer(path);
  if (binding === undefined || observer === undefined) return undefined;
  const seen = observer.at(offset);
  const found = occurrenceAt(binding, offset);
  if (found !== undefined) {
    const { start, end } = found.name.span;
    return {
      start,
      end,
      contents: nameLines(found, binding, observer.module ?? binding.module, seen).join('\n\n'),
    };
  }
  const at = expressionAt(seen, offset);
  if (at === undefined) return undefined;
  return { start: at.start, end: at.end, contents: seenLines(at.seen).join('\n\n') };
}

const code = (text: string) => `\`\`\`zoo\n${text}\n\`\`\``;

function nameLines(at: Occurrence, binding: Binding, observed: Module, seen: SeenValues): string[] {
  const { named } = at;
  if (named.kind === 'setting') return settingLines(named.name);
  if (named.kind === 'pattern') return patternLines(named.name, at, binding);
  const head = headOf(named) ?? `${named.kind} ${named.name}`;
  const about = named.builtin === undefined || named.kind !== 'builtin' ? [] : builtinLines(named);
  const comment = named.node === undefined ? undefined : commentAbove(named.node.span);
  return [
    code(head),
    ...(comment === undefined ? [] : [comment]),
    ...about,
    ...sizeLines(named, observed),
    ...valueLines(at, seen),
    ...homeLines(named, binding),
  ];
}

function builtinLines({ builtin }: Named): string[] {
  const { about, shapes, gradient, source } = builtin!;
  return [about, `shapes: ${shapes}`, `gradient: ${gradient}`, `as: ${source}`];
}

/** Where a name of another file comes from. */
function homeLines({ module, at, kind }: Named, binding: Binding): string[] {
  if (at === undefined || module === undefined || module.file.path === binding.module.file.path) return [];
  return kind === 'field'
    ? []
    : [`${module.bundled === undefined ? '' : `package ${module.bundled}, `}${placeOf(at)}`];
}

// ── values ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The values that a name had, with where their numbers come from. */
function valueLines({ name, named }: Occurrence, seen: SeenValues): string[] {
  const node = named.node !== undefined && 'kind' in named.node ? named.node : undefined;
  const own = named.at !== undefined && placeKey(named.at) === placeKey(name.span);
  const value = node?.kind === 'let' ? node.value.span : undefined;
  if (['block', 'function', 'objective', 'builtin'].includes(named.kind)) return [];
  const direct = seen.get(placeKey(own && value !== undefined ? value : name.span));
  if (direct !== undefined) return seenLines(direct, named.name);
  return ['parameter', 'dimension', 'weight', 'variable'].includes(named.kind) && named.at !== undefined
    ? seenLines(boundValues(seen, named.at, named.name), named.name)
    : [];
}

function seenLines(seen: readonly Seen[], name?: string): string[] {
  return seen.flatMap(({ value, env, text }) => {
    const where = env.path === '' ? '' : ` in \`${env.path}\``;
    const binding = name === undefined ? undefined : env.scope.find(name);
    const given = binding?.provenance;
    const source = binding?.dimension?.source;
    const told = [
      ...(given === undefined || value.kind === 'tensor' ? [] : [provenanceText(given)]),
      ...(source === undefined ? [] : [`from ${source}`]),
    ];
    const axes = axisLines(value, env).map((line) => `- ${line}`);
    return [
      `\`${text}\`${where}${told.length === 0 ? '' : `: ${told.join(', ')}`}`,
      ...(axes.length === 0 ? [] : [axes.join('\n')]),
    ];
  });
}

interface SeenAt extends Range {
  readonly seen: readonly Seen[];
}

/** The smallest expression around a place that had a value. */
function expressionAt(seen: SeenValues, offset: number): SeenAt | undefined {
  let best: SeenAt | undefined;
  for (const [key, found] of seen) {
    const [start = 0, end = 0] = key.split(':').map(Number);
    if (offset < start || offset > end) continue;
    if (best === undefined || end - start < best.end - best.start) best = { start, end, seen: found };
  }
  return best;
}

// ── sizes ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Parameters and work of a model, or of a block in the first model that has it. */
function sizeLines({ thing, node }: Named, module: Module): string[] {
  if (thing.of === 'model') {
    const declared: ModelDeclaration = { kind: 'model', decl: thing.decl, module: thing.module };
    const root = modelInstance(declared);
    return root === undefined ? [] : [sizeOf(root, declared)];
  }
  if (node !== undefined && 'kind' in node && node.kind === 'train') {
    const root = instanceOf(node.of, module);
    return root === undefined ? [] : [sizeOf(root)];
  }
  const child = node !== undefined && 'kind' in node && node.kind === 'child' ? node.value.span : undefined;
  const block = thing.of === 'block' ? thing.decl.span : undefined;
  for (const { declared, root } of child === undefined && block === undefined ? [] : modelsIn(module))
    for (const instance of instancesIn(root)) {
      if (!samePlace(instance.span, child) && !samePlace(instance.block?.decl.span, block)) continue;
      const where = instance.path === '' ? '' : ` at \`${instance.path}\``;
      return [`${sizeOf(instance, declared)} in "${declared.decl.name.text}"${where}`];
    }
  return [];
}

/** `151,277,313 parameters, 14.78 GFLOP forward for one sample` */
function sizeOf(instance: Instance, declared?: ModelDeclaration): string {
  const parameters = `${thousands(parameterCount(instance))} parameters`;
  const flops = declared === undefined ? 0 : flopsWithin(declared, instance.path);
  return flops === 0 ? parameters : `${parameters}, ${flopsText(flops)} forward for one sample`;
}

/** `14.78 GFLOP`, by thousands. */
function flopsText(flops: number): string {
  const units = ['', 'k', 'M', 'G', 'T'];
  let [value, unit] = [flops, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${Number(value.toPrecision(4))} ${units[unit]}FLOP`;
}

/** Of files that were read twice, too. */
function samePlace(a: Span | undefined, b: Span | undefined): boolean {
  return a !== undefined && b !== undefined && a.start === b.start && a.file.path === b.file.path;
}

// ── settings and patterns ──────────────────────────────────────────────────────────────────────────────────

function settingLines(path: string): string[] {
  const [key = '', call, option] = path.split('.');
  const facts = settingNamed(key);
  if (facts === undefined) return [code(path)];
  if (call === undefined) {
    const wanted = facts.wanted === undefined ? [] : [`${facts.wanted}`];
    const calls =
      facts.calls.length === 0 ? [] : [`one of: ${facts.calls.map((name) => `\`${name}\``).join(', ')}`];
    return [code(facts.assigned ? `${key} = …` : key), facts.about, ...wanted, ...calls];
  }
  const options = optionsOf(key, call);
  const chosen = options?.find(({ name }) => name === option);
  if (option !== undefined && chosen !== undefined) {
    const usual = chosen.usual === undefined ? '' : ` = ${chosen.usual}`;
    return [code(`${option}${usual}`), `of ${call}: ${chosen.wanted}`];
  }
  const shown = options?.map(({ name, usual }) => `${name}${usual === undefined ? '' : ` = ${usual}`}`);
  return [code(`${key} = ${call}(${shown?.join(', ') ?? '…'})`), facts.about];
}

/** How many weights of the recipe's model fit. */
function patternLines(pattern: string, { name }: Occurrence, { module }: Binding): string[] {
  const { start } = name.span;
  const recipe = module.program.items.find(
    (i) => i.kind === 'train' && i.span.start <= start && start < i.span.end,
  );
  const root = recipe?.kind === 'train' ? instanceOf(recipe.of, module) : undefined;
  if (root === undefined) return [code(JSON.stringify(pattern))];
  const fits = weightsOf(root).filter((w) => matchesGlob(frozenPattern(pattern), w.name));
  const shown = fits.slice(0, 3).map((w) => `- \`${w.name}\` [${w.shape.join(', ')}]`);
  const blocks = [...instancesIn(root)].filter((i) => matchesGlob(frozenPattern(pattern), i.path)).length;
  const counts = [`${fits.length} weights`, ...(blocks === 0 ? [] : [`${blocks} blocks`])];
  return [
    code(JSON.stringify(pattern)),
    counts.join(', '),
    ...(shown.length === 0 ? [] : [shown.join('\n')]),
  ];
}
