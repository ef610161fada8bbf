/**
 * A check of a file, and, where somebody asks, the values of its expressions.
 *
 * Both are done by parts, since models are large: a model or recipe without mistakes is not checked again while the
 * texts that it depends on stay the same; and values are computed for the declaration that was asked about, in the
 * first model that uses it.
 */
import { type Witness, watch } from '../../compiler/model/build/evaluator.ts';
import { type Checked, type CheckMemory, checkItem, checkSteps } from '../../compiler/model/check.ts';
import { checkUnused } from '../../compiler/model/generic.ts';
import { checkTexts } from '../../compiler/model/inspect/declarations.ts';
import { ModuleLoader } from '../../compiler/model/modules/imports.ts';
import type { ModuleHost } from '../../compiler/model/types.ts';
import type { Module } from '../../compiler/model/values/module.ts';
import { namesIn } from '../../compiler/model/values/names-in.ts';
import type { Env } from '../../compiler/model/values/scope.ts';
import { Session } from '../../compiler/model/values/session.ts';
import type { Value } from '../../compiler/model/values/values.ts';
import type { Expr, Item } from '../../grammar/ast.ts';
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import type { Span } from '../../grammar/source.ts';
import { instancesIn, modelInstance } from './elaborated.ts';
import type { Range } from './types.ts';
import { valueText } from './values.ts';

// ── diagnostics ────────────────────────────────────────────────────────────────────────────────────────────

interface Right {
  /** Keys of what it uses. */
  readonly used: readonly string[];
  /** Found in a file with syntax errors, where less is said. */
  readonly broken: boolean;
}

/** Models and recipes without mistakes, by the texts that they depend on. */
export type Remembered = Map<string, Right>;

export interface Check {
  readonly module: Module | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** What is remembered of one file. */
const maxRemembered = 64;

/** In steps. What one that is left half way has found right is in `remembered` all the same. */
export function* check(host: ModuleHost, path: string, remembered: Remembered): Generator<undefined, Check> {
  for (const oldest of [...remembered.keys()].slice(0, -maxRemembered)) remembered.delete(oldest);
  const session = new Session();
  const steps = checkSteps(new ModuleLoader(host, session), path, (m) => memory(m, remembered));
  for (;;) {
    const step = session.guard(() => steps.next());
    if (step === undefined || step.done === true)
      return { module: step?.value, diagnostics: session.diagnostics };
    yield;
  }
}

function memory(module: Module, remembered: Remembered): CheckMemory {
  const { program, broken } = module;
  // Bundled packages stay as they are; which of them are read changes with mistakes.
  const others = module.loader.modules().filter((m) => m !== module && m.bundled === undefined);
  const around = [
    ...others.map(({ file }) => file.path + file.text),
    program.package?.text ?? '',
    ...program.imports.map(textOf),
  ].join('\0');
  const keyOf = (item: Checked) => `${around}\0${behind(item, module).map(textOf).join('\0')}`;
  const put = (key: string, right: Right) => {
    remembered.delete(key);
    remembered.set(key, right);
  };
  return {
    recall(item) {
      const key = keyOf(item);
      const known = remembered.get(key);
      if (known === undefined || (known.broken && !broken)) return undefined;
      put(key, known);
      return known.used;
    },
    remember: (item, used) => put(keyOf(item), { used, broken }),
  };
}

const textOf = ({ span }: { readonly span: Span }) => span.file.text.slice(span.start, span.end);

/** A declaration with those of its file that it names, directly or through others. */
function behind(item: Item, { models, declarations }: Module): Item[] {
  const found = new Set<Item>([item]);
  for (const one of found)
    for (const word of wordsIn(one))
      for (const named of [models.get(word), declarations.get(word)])
        if (named !== undefined) found.add(named.decl);
  return [...found];
}

/** Names and strings: what may stand for a declaration. */
function* wordsIn(syntax: unknown): Generator<string> {
  if (typeof syntax !== 'object' || syntax === null) return;
  const { kind, text, value } = syntax as { kind?: string; text?: string; value?: string };
  if (kind === 'name') yield text!;
  if (kind === 'string') yield value!;
  for (const [key, child] of Object.entries(syntax))
    if (key !== 'span' && key !== 'opSpan') yield* wordsIn(child);
}

// ── values ─────────────────────────────────────────────────────────────────────────────────────────────────

export interface Seen {
  readonly value: Value;
  readonly env: Env;
  /** As people read it: `[B, 50, 768]`, `12`. */
  readonly text: string;
}

/** Values by the place of the expression, `start:end`. */
export type SeenValues = ReadonlyMap<string, readonly Seen[]>;

/** Different values of one expression that are kept. */
const maxSeen = 4;
/** Evaluations of one expression that are looked at: an array of children has hundreds of the same. */
const maxLooks = 48;

const nothing: SeenValues = new Map();

export const placeKey = ({ start, end }: Range) => `${start}:${end}`;

/** Values of the expressions of a file, computed where they are asked for. */
export class Observer {
  readonly module: Module | undefined;
  readonly #session = new Session();
  readonly #known = new Map<Item, SeenValues>();
  #seen = new Map<string, Seen[]>();
  #looks = new Map<Expr, number>();

  constructor(host: ModuleHost, path: string) {
    const loader = new ModuleLoader(host, this.#session);
    watch(this.#session, path, this.#witness);
    this.module = this.#session.guard(() => {
      const module = loader.loadFile(path);
      // Marks cycles of blocks, which must not be built.
      if (module !== undefined) checkTexts(loader);
      return module;
    });
  }

  /** Of the declaration at an offset. */
  at(offset: number): SeenValues {
    const item = this.module?.program.items.find(({ span }) => span.start <= offset && offset <= span.end);
    return item === undefined ? nothing : this.of(item);
  }

  of(item: Item): SeenValues {
    const { module } = this;
    if (module === undefined || module.damaged.has(item) || item.kind === 'names') return nothing;
    if (item.kind === 'model' || item.kind === 'train') return this.#run(item);
    for (const user of usersOf(item, module)) {
      const seen = this.#run(user);
      if (within(seen, item.span)) return seen;
    }
    return this.#run(item);
  }

  #run(item: Item): SeenValues {
    const { module } = this;
    const known = this.#known.get(item);
    if (known !== undefined || module === undefined) return known ?? nothing;
    this.#seen = new Map();
    this.#looks = new Map();
    this.#session.guard(() => {
      if (item.kind === 'model' || item.kind === 'train') checkItem(item, module);
      else checkUnused(module, this.#session, [item]);
    });
    this.#known.set(item, this.#seen);
    return this.#seen;
  }

  readonly #witness: Witness = (expr, value, env) => {
    if (expr.span.file !== this.module?.file || value.kind === 'poison') return;
    const count = (this.#looks.get(expr) ?? 0) + 1;
    this.#looks.set(expr, count);
    if (count > maxLooks) return;
    const key = placeKey(expr.span);
    const known = this.#seen.get(key);
    if (known !== undefined && known.length >= maxSeen) return;
    const text = valueText(value, env);
    if (text === undefined || known?.some((s) => s.text === text)) return;
    if (known === undefined) this.#seen.set(key, [{ value, env, text }]);
    else known.push({ value, env, text });
  };
}

function within(seen: SeenValues, { start, end }: Range): boolean {
  return [...seen.keys()].some((key) => {
    const at = Number(key.split(':')[0]);
    return start <= at && at < end;
  });
}

/** Models and recipes that are looked at for the values of a function. */
const maxUsers = 4;

/** The models that hold a block, or the recipes and models in which a function may be called, in order. */
function* usersOf(item: Item, module: Module): Generator<Item> {
  const models = [...module.models.values()];
  if (item.kind === 'block') {
    for (const declared of models) {
      const root = modelInstance(declared);
      const holds = root !== undefined && [...instancesIn(root)].some(({ block }) => block?.decl === item);
      if (holds) yield declared.decl;
    }
    return;
  }
  const recipes = [...module.recipes.values()];
  const callers = recipes.filter((recipe) =>
    [...namesIn(recipe)].some(({ text }) => text === item.name.text),
  );
  yield* [...callers, ...models.map(({ decl }) => decl)].slice(0, maxUsers);
}

/** Values of a name declared at a place, by the first expression behind it that was evaluated with the name in reach. */
export function boundValues(seen: SeenValues, at: Range, name: string): Seen[] {
  const behind = [...seen]
    .map(([key, values]) => ({ start: Number(key.split(':')[0]), values }))
    .filter(({ start }) => start >= at.end)
    .sort((a, b) => a.start - b.start);
  const first = behind.find(({ values }) => values.some(({ env }) => env.scope.find(name) !== undefined));
  const found = new Map<string, Seen>();
  for (const { env } of first?.values ?? []) {
    const value = env.scope.find(name)?.value;
    const text = value && valueText(value, env);
    if (value !== undefined && text !== undefined && !found.has(text)) found.set(text, { value, env, text });
  }
  return [...found.values()];
}
