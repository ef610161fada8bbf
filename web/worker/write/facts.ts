/** A program's model under settings: its size, its entries, and the values that can be set. */

import { type Diagnostic, DiagnosticError } from '../../../grammar/diagnostics.ts';
import { parse } from '../../../grammar/parser.ts';
import * as zooc from '../../../zoo/api/browser.ts';
import { type Knob, knobsOf } from './knobs.ts';
import { programPath } from './program.ts';

export interface ModelFacts {
  readonly parameters: number;
  /** Of all weights as they are stored, in bytes. */
  readonly bytes: number;
  readonly entries: readonly zooc.EntryInfo[];
  readonly knobs: readonly Knob[];
}

export interface ProgramFacts {
  readonly generation: number;
  /** Names of the text's models, as far as it can be read. */
  readonly models: readonly string[];
  /** The one that is told of. */
  readonly name: string | undefined;
  /** As the text has it; absent where it is wrong. */
  readonly plain?: ModelFacts;
  /** Under the settings; absent where they do not fit. */
  readonly set?: ModelFacts;
  /** Why one of the two is absent. */
  readonly diagnostics: readonly Diagnostic[];
}

interface Resolved {
  readonly model: zooc.ZooModel;
  readonly facts: ModelFacts;
}

function resolve(text: string, name: string, settings: zooc.Settings): Resolved {
  const model = zooc.model(text, settings, name);
  const bytes = model.weights.reduce(
    (sum, { shape, dtype }) => sum + shape.reduce((a, b) => a * b, dtype === 'i64' ? 8 : 4),
    0,
  );
  const { parameters, entries } = model;
  return { model, facts: { parameters, bytes, entries, knobs: knobsOf(model, text) } };
}

export class Facts {
  #generation = 0;
  #told: zooc.ZooModel | undefined;
  /** The model without settings, which stays while they change. */
  #plain: (Resolved & { readonly key: string }) | undefined;

  /** Settings are those of the model `wish`, of any where that is undefined. */
  of(text: string, wish: string | undefined, settings: zooc.Settings): ProgramFacts {
    this.#generation++;
    this.#told = undefined;
    const { items } = parse({ path: programPath, text }).program;
    const models = items.flatMap((item) => (item.kind === 'model' ? [item.name.text] : []));
    const name = wish !== undefined && models.includes(wish) ? wish : models[0];
    const start = { generation: this.#generation, models, name };
    if (name === undefined) return { ...start, diagnostics: [] };
    let plain: Resolved | undefined;
    try {
      plain = this.#plainOf(text, name);
      const own = wish === undefined || wish === name ? settings : {};
      const set = Object.keys(own).length === 0 ? plain : resolve(text, name, own);
      this.#told = set.model;
      return { ...start, plain: plain.facts, set: set.facts, diagnostics: [] };
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      return { ...start, ...(plain && { plain: plain.facts }), diagnostics: error.diagnostics };
    }
  }

  flops(generation: number, entry: string): number | undefined {
    return generation === this.#generation ? this.#told?.tree({ entry }).flops : undefined;
  }

  #plainOf(text: string, name: string): Resolved {
    const key = `${name}\n${text}`;
    if (this.#plain?.key !== key) this.#plain = { ...resolve(text, name, {}), key };
    return this.#plain;
  }
}
