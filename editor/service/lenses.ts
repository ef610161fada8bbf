/** What is shown above the declarations of models and recipes. */
import { modelInstance, parameterCount, thousands } from './elaborated.ts';
import type { CodeLens } from './types.ts';
import type { Workspace } from './workspace.ts';

export function lensesOf(workspace: Workspace, path: string): CodeLens[] {
  const items = workspace.syntax(path)?.program.items ?? [];
  return items.flatMap(({ kind, name }) => {
    if ((kind !== 'model' && kind !== 'train') || name.text === '') return [];
    const { start, end } = name.span;
    const abouts = kind === 'model' ? (['size', 'show'] as const) : (['train'] as const);
    return abouts.map((about) => ({ start, end, name: name.text, about }));
  });
}

export function sizeText(workspace: Workspace, path: string, model: string): string | undefined {
  const declared = workspace.binding(path)?.module.models.get(model);
  const root = declared && modelInstance(declared);
  return root && `${thousands(parameterCount(root))} parameters`;
}
