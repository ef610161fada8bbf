/** Checks program texts held in memory and renders what the checker says, as a person would read it. */
import { checkFile, resolveModel, resolveRecipe, type TextOverride } from '../../compiler/model/index.ts';
import type { ModuleHost } from '../../compiler/model/types.ts';
import { renderDiagnostics } from '../../grammar/render.ts';
import { nodeHost } from '../../zoo/host.ts';

const node = nodeHost();

/**
 * A host over texts by file name; imports of `"./x.zoo"` find `x.zoo`, npm packages are
 * `node_modules/NAME.zoo`.
 */
export function memoryHost(files: Readonly<Record<string, string>>): ModuleHost {
  const known = new Map(Object.entries(files));
  return {
    ...node,
    read: (path) => known.get(path),
    resolve: (spec) => {
      const path = spec.startsWith('./') ? spec.slice(2) : `node_modules/${spec}.zoo`;
      return known.has(path) ? path : undefined;
    },
  };
}

/** The rendered diagnostics of `main.zoo`, a line break first so that snapshots start at the margin. */
export function check(main: string, others: Readonly<Record<string, string>> = {}): string {
  const { diagnostics } = checkFile(memoryHost({ ...others, 'main.zoo': main.trim() }), 'main.zoo');
  return `\n${renderDiagnostics(diagnostics)}\n`;
}

/** The same for a model or recipe named on the command line, with `--set` overrides. */
export function resolve(
  kind: 'model' | 'recipe',
  main: string,
  reference: string,
  settings: readonly TextOverride[] = [],
): string {
  const host = memoryHost({ 'main.zoo': main.trim() });
  const resolver = kind === 'model' ? resolveModel : resolveRecipe;
  return `\n${renderDiagnostics(resolver(host, reference, settings).diagnostics)}\n`;
}
