/** What a run is asked for: one of the text's recipes, with the numbers that visitors may change. */
import type { Context } from '../app/context.ts';
import { field, fill, h } from '../ui/dom.ts';
import { diagnosticElement } from '../ui/failure.ts';
import type { FoundRecipes, RecipeFacts } from '../worker/train/recipes.ts';
import type { TrainingRequest } from '../worker/train/training.ts';

export interface RunSettings {
  readonly request: TrainingRequest;
  /** Name of the model that is trained. */
  readonly model: string;
  /** Those of its settings that are not of the text. */
  readonly settings: Readonly<Record<string, number | string | boolean>>;
}

export interface SettingsForm {
  readonly element: HTMLElement;
  /** Reads the recipes of the text again where it has changed. */
  refresh(): Promise<void>;
  /** Undefined where there is no recipe. */
  value(): RunSettings | undefined;
}

/** Length of a run whose recipe says none. */
const usualSteps = 300;
const usualShift = 3;
const usualEvery = 25;

interface NumberField {
  readonly element: HTMLElement;
  readonly input: HTMLInputElement;
}

function numberField(
  label: string,
  attributes: Readonly<Record<string, string | number>>,
  hint?: string,
): NumberField {
  const input = h('input', { type: 'number', required: true, ...attributes });
  return { element: field(label, input, hint), input };
}

/** @param learnt pictures that an epoch has */
export function makeSettings(context: Context, learnt: () => number, changed: () => void): SettingsForm {
  let shownOf: string | undefined;
  let recipes: readonly RecipeFacts[] = [];
  const told = h('div', { role: 'status' });
  const choice = h('select', { onchange: () => take() });
  const chooser = field('Recipe', choice);
  const batch = numberField('Batch', { min: 1, max: 512, step: 1 }, 'pairs of picture and caption');
  const steps = numberField('Steps', { min: 1, max: 1_000_000, step: 1 });
  const lr = numberField('Learning rate', { min: 0, step: 'any' }, 'the highest, behind the warm-up');
  const seed = numberField('Seed', { min: 0, step: 1 }, 'of weights, order and captions');
  const shift = numberField('Shift', { min: 0, max: 64, step: 1, value: usualShift }, 'pixels, at random');
  const every = numberField(
    'Look every',
    { min: 1, step: 1, value: usualEvery },
    'steps between looks at held-out pictures',
  );
  const numbers = h(
    'div',
    { class: 'numbers', hidden: true },
    [batch, steps, lr, seed, shift, every].map(({ element }) => element),
  );

  const chosen = (): RecipeFacts | undefined => recipes.find(({ name }) => name === choice.value);
  const take = (): void => {
    const recipe = chosen();
    if (recipe === undefined) return;
    batch.input.value = String(recipe.batch);
    lr.input.value = String(recipe.lr);
    seed.input.value = String(recipe.seed);
    const { value, unit } = recipe.length ?? { value: usualSteps, unit: 'steps' };
    const perEpoch = Math.max(1, Math.floor(learnt() / recipe.batch));
    steps.input.value = String(unit === 'steps' ? value : value * perEpoch);
  };

  const tell = ({ diagnostics }: FoundRecipes): void => {
    const { program } = context;
    const back =
      program.before &&
      h(
        'p',
        {},
        'Your text is kept. ',
        h('button', { type: 'button', onclick: () => again(() => program.putBack()) }, 'Put my text back'),
      );
    const recipe = chosen();
    if (recipe !== undefined) {
      const text = `The recipe “${recipe.name}” trains the model “${recipe.model}”, as the text under Write says.`;
      fill(told, h('p', { class: 'hint' }, text), diagnostics.map(diagnosticElement), back);
      return;
    }
    fill(
      told,
      h(
        'p',
        {},
        diagnostics.length > 0
          ? 'The recipes of the text cannot be used:'
          : 'The text under Write has no recipe: nothing says how a model is trained.',
      ),
      diagnostics.map(diagnosticElement),
      h(
        'button',
        { type: 'button', onclick: () => again(() => program.takeFirst()) },
        'Take the first text, and keep mine',
      ),
      back,
    );
  };

  const again = (change: () => void): void => {
    change();
    void refresh();
  };
  const refresh = async (): Promise<void> => {
    const { text, model, settings } = context.program.state;
    const key = JSON.stringify([text, model, settings]);
    if (key === shownOf) return;
    shownOf = key;
    try {
      const found = await context.language.recipes({ text, model, settings });
      const before = choice.value;
      recipes = found.recipes;
      choice.replaceChildren(...recipes.map(({ name }) => h('option', { value: name }, name)));
      if (recipes.some(({ name }) => name === before)) choice.value = before;
      chooser.hidden = recipes.length < 2;
      numbers.hidden = recipes.length === 0;
      take();
      tell(found);
    } catch (error) {
      shownOf = undefined;
      context.report(error);
    }
    changed();
  };

  return {
    element: h('div', {}, told, chooser, numbers),
    refresh,
    value() {
      const recipe = chosen();
      if (recipe === undefined) return undefined;
      const length = steps.input.valueAsNumber;
      const set = {
        ...recipe.settings,
        batch: batch.input.valueAsNumber,
        seed: seed.input.valueAsNumber,
        'optimizer.lr': lr.input.valueAsNumber,
        [recipe.lengthSetting]: recipe.lengthSetting === 'steps' ? length : `${length} steps`,
      };
      return {
        model: recipe.model,
        settings: recipe.settings,
        request: {
          text: context.program.state.text,
          recipe: recipe.name,
          set,
          batch: set.batch,
          seed: set.seed,
          steps: length,
          shift: shift.input.valueAsNumber,
          every: every.input.valueAsNumber,
        },
      };
    },
  };
}
