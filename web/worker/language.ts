/** The worker that knows the language: it needs no device, and answers while the other one works. */
import * as Comlink from 'comlink';
import * as zooc from '../../zoo/api/browser.ts';
import { Editing } from './editing.ts';
import { Exploring } from './explore/exploring.ts';
import { findRecipes } from './train/recipes.ts';

export const languageWorker = {
  /** Names of the bundled models. */
  bundled(): readonly string[] {
    return zooc.models();
  },
  /** Everything that is wrong with a text. */
  check(text: string): readonly zooc.Diagnostic[] {
    return zooc.check(text);
  },
  editing: Comlink.proxy(new Editing()),
  exploring: Comlink.proxy(new Exploring()),
  recipes: findRecipes,
};

export type LanguageWorker = typeof languageWorker;
