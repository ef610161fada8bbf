/** The recipes of a text, and what their settings are before anybody changes them. */
import { type Diagnostic, DiagnosticError } from '../../../grammar/diagnostics.ts';
import { parse } from '../../../grammar/parser.ts';
import { pageHost } from '../../../zoo/api/browser/host.ts';
import type * as zooc from '../../../zoo/api/browser.ts';
import { recipeOf } from '../../../zoo/api/model.ts';
import { callersData } from '../../../zoo/api/train.ts';

export interface RecipeFacts {
  readonly name: string;
  /** Name of the model that it trains. */
  readonly model: string;
  readonly batch: number;
  readonly lr: number;
  readonly seed: number;
  /** Length of the run, where the recipe says one; in steps or epochs. */
  readonly length: { readonly value: number; readonly unit: 'steps' | 'epochs' } | undefined;
  /** The setting that holds it. */
  readonly lengthSetting: 'steps' | 'schedule.total';
  /** Those of the page's settings that are of this recipe's model. */
  readonly settings: zooc.Settings;
}

export interface FoundRecipes {
  readonly recipes: readonly RecipeFacts[];
  /** What is wrong with others, or with the text. */
  readonly diagnostics: readonly Diagnostic[];
}

export interface ProgramText {
  readonly text: string;
  /** The model that `settings` are of; any where none is chosen. */
  readonly model: string | undefined;
  readonly settings: zooc.Settings;
}

export function findRecipes({ text, model, settings }: ProgramText): FoundRecipes {
  const host = pageHost();
  const diagnostics: Diagnostic[] = [];
  const recipes: RecipeFacts[] = [];
  for (const item of parse({ path: 'text.zoo', text }).program.items) {
    if (item.kind !== 'train') continue;
    const name = item.name.text;
    const resolve = (set: zooc.Settings) => recipeOf(host, text, set, name, [callersData]).recipe;
    try {
      const plain = resolve({});
      const own = model === undefined || plain.model.name === model ? settings : {};
      const { batch, optimizer, seed, schedule } = resolve(own);
      const beside = item.settings.some((s) => s.kind === 'assign' && s.key.text === 'steps');
      recipes.push({
        name,
        model: plain.model.name,
        batch,
        lr: optimizer.lr,
        seed,
        length: schedule.total,
        lengthSetting: beside || schedule.total === undefined ? 'steps' : 'schedule.total',
        settings: own,
      });
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      diagnostics.push(...error.diagnostics);
    }
  }
  return { recipes, diagnostics };
}
