/**
 * What each setting of a recipe accepts, as zod schemas with the words of the error beside them.
 *
 * A call such as `adamw(lr = 5e-4)` is one of a setting's forms: its arguments are validated as one object,
 * defaults (those of open_clip for CLIP) filled in, and every issue becomes a diagnostic at the argument that
 * caused it.
 */
// Without the methods of its schemas, of which bundles would have all: 70 kB.
import * as z from 'zod/mini';
import type { CallExpr, Expr, RateWord } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import type { Quantity, StaticCall, StaticValueData } from '../types.ts';
import { type Env, evaluate } from '../values/scope.ts';
import { corrected, didYouMean } from '../values/suggest.ts';
import { callData, formatData, toData } from './data.ts';

/** A schema and what it wants in words: "a number above 0". */
interface Wanted<S extends z.ZodMiniType = z.ZodMiniType> {
  readonly schema: S;
  readonly wanted: string;
}

function wanted<S extends z.ZodMiniType>(schema: S, text: string): Wanted<S> {
  return { schema, wanted: text };
}

const positive = z.number().check(z.positive());
const count = z.int().check(z.minimum(1));
/** A bare number counts steps. */
const duration = z
  .pipe(
    z.union([z.number(), z.object({ value: z.number(), unit: z.enum(['steps', 'epochs']) })]),
    z.transform((q): Quantity => (typeof q === 'number' ? { value: q, unit: 'steps' } : q)),
  )
  .check(
    z.refine(
      (q) => Number.isFinite(q.value) && q.value >= 0 && (q.unit === 'epochs' || Number.isInteger(q.value)),
    ),
  );
const longDuration = duration.check(z.refine((q) => q.value > 0));

export const settings = {
  batch: wanted(count, 'a whole number above 0'),
  chunk: wanted(count, 'a whole number above 0'),
  lengths: wanted(
    z.array(count).check(
      z.minLength(1),
      z.refine((all) => all.every((n, i) => i === 0 || n > all[i - 1]!)),
    ),
    'ascending whole numbers above 0, as in [16, 32, 48]',
  ),
  seed: wanted(z.int().check(z.nonnegative()), 'a whole number from 0 to 2^53 - 1'),
  steps: wanted(count, 'a whole number above 0'),
  ema: wanted(z.number().check(z.gt(0), z.lt(1)), 'a number above 0 and below 1, as in 0.9998'),
  duration: wanted(longDuration, 'a number of steps or epochs, as in 1000 steps'),
  keep: wanted(count, 'a whole number above 0'),
} as const;

/** A call that a setting accepts: names of arguments in order, and what each must be. */
interface Form<T> {
  readonly positional: readonly string[];
  readonly fields: Readonly<Record<string, Wanted>>;
  readonly schema: z.ZodMiniType<T>;
}

function form<F extends Record<string, Wanted>>(positional: readonly string[], fields: F) {
  const shape = Object.fromEntries(Object.entries(fields).map(([k, f]) => [k, f.schema])) as {
    [K in keyof F]: F[K]['schema'];
  };
  return { positional, fields, schema: z.object(shape) };
}

const rate = positive.check(z.maximum(1e3));
const fraction = (usual: number) =>
  wanted(z._default(z.number().check(z.minimum(0), z.lt(1)), usual), 'a number from 0 to below 1');
/** How much decays, and from how many dimensions on. */
const decay = (usual: number, dims: number) => ({
  weight_decay: wanted(z._default(z.number().check(z.minimum(0)), usual), 'a number of at least 0'),
  decay_when: wanted(z._default(z.int().check(z.minimum(0)), dims), '`ndim >= N`'),
});
/** Defaults of AdamW are those of open_clip for CLIP; the others decay every weight, as PyTorch's do. */
export const optimizers = {
  adamw: form(['lr'], {
    lr: wanted(z._default(rate, 5e-4), 'a number above 0'),
    beta1: fraction(0.9),
    beta2: fraction(0.98),
    eps: wanted(z._default(positive, 1e-6), 'a number above 0'),
    ...decay(0.2, 2),
  }),
  sgd: form(['lr'], {
    lr: wanted(rate, 'a number above 0'),
    momentum: fraction(0),
    nesterov: wanted(z._default(z.boolean(), false), '`true` or `false`'),
    ...decay(0, 0),
  }),
  lion: form(['lr'], {
    lr: wanted(rate, 'a number above 0'),
    beta1: fraction(0.9),
    beta2: fraction(0.99),
    ...decay(0, 0),
  }),
};

const long = 'a number of steps or epochs above 0';
const lasting = {
  warmup: wanted(z._default(duration, { value: 0, unit: 'steps' }), 'a number of steps or epochs'),
  total: wanted(z.optional(longDuration), long),
};
/** Of the base rate. */
const floor = wanted(
  z._default(z.number().check(z.minimum(0), z.maximum(1)), 0),
  'a fraction of the base rate, from 0 to 1',
);
export const schedules = {
  cosine: form(['warmup', 'total'], { ...lasting, floor }),
  linear: form(['warmup', 'total'], { ...lasting, floor }),
  constant: form(['warmup', 'total'], lasting),
  inverse_sqrt: form(['warmup', 'total'], { ...lasting, timescale: wanted(z.optional(longDuration), long) }),
  cooldown: form(['steps', 'warmup', 'total'], {
    steps: wanted(longDuration, long),
    ...lasting,
    power: wanted(z._default(positive, 1), 'a number above 0'),
    floor,
  }),
};

/** Rates by pattern. */
export const rates = {
  lr: wanted(z.number().check(z.minimum(0), z.maximum(1e3)), 'a number of at least 0'),
  weight_decay: wanted(z.number().check(z.minimum(0)), 'a number of at least 0'),
  layer_decay: wanted(positive.check(z.maximum(1)), 'a number above 0, at most 1'),
} as const satisfies Record<RateWord, Wanted>;

export const precisions = {
  f32: form([], {}),
  mixed: form([], {
    compute: wanted(z._default(z.literal('f16'), 'f16'), 'f16'),
    master: wanted(z._default(z.literal('f32'), 'f32'), 'f32'),
    loss_scale: wanted(
      z._default(z.union([z.literal('dynamic'), positive]), 'dynamic'),
      '`dynamic` or a number above 0',
    ),
  }),
};

/** Whose values batch norm's statistics are of, on several ranks: a rank's own, or those of all. */
const normalisations = { local: form([], {}), sync: form([], {}) };

/** What gradients cross between ranks as. */
const wires = { f32: form([], {}), f16: form([], {}) };

/** What ranks divide among them. */
const shardings = { none: form([], {}), optimizer: form([], {}) };

export const clippings = {
  norm: form(['max'], { max: wanted(positive, 'a number above 0') }),
};

/** Names of data sources; their options are checked where the data is opened. */
export const dataSources = ['csv', 'tensors', 'webdataset', 'image_folder', 'parquet'] as const;
/** Those of samples, which can be mixed; without words on columns, pictures with captions. */
export const sampleSources = ['csv', 'webdataset', 'image_folder', 'parquet'] as const;
export const tableSources: ReadonlySet<string> = new Set(sampleSources);
/** What a table can be fed. */
export const tableValues = ['tokens', 'tensor'] as const;
const finite = wanted(z.number(), 'a number');
const notNegative = wanted(z.number().check(z.minimum(0)), 'a number of at least 0');
/** How a weight may be changed before training. */
export const initialisations = {
  resize_grid: form(['method'], { method: wanted(z._default(z.literal('bicubic'), 'bicubic'), 'bicubic') }),
  zeros: form([], {}),
  ones: form([], {}),
  const: form(['value'], { value: finite }),
  normal: form(['std'], { std: notNegative }),
  trunc_normal: form(['std'], { std: notNegative }),
  uniform: form(['bound'], { bound: notNegative }),
  xavier_uniform: form([], {}),
  kaiming_normal: form([], {}),
  orthogonal: form(['gain'], { gain: wanted(z._default(z.number(), 1), 'a number') }),
};

/** The calls that a setting can be, by its name. */
export const settingForms = {
  optimizer: optimizers,
  schedule: schedules,
  precision: precisions,
  grad_clip: clippings,
  batch_norm: normalisations,
  wire: wires,
  shard: shardings,
  init: initialisations,
};

/** Settings that are calls whose options others read: the names of the calls. */
export const settingCalls = {
  data: dataSources,
  mix: sampleSources,
  table: tableValues,
  /** What an `evaluate` line may ask for. */
  evaluate: ['zeroshot', 'retrieval', 'probe', 'knn', 'loss'],
} as const;

// ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

function wrong(env: Env, span: Span, what: string, want: string, data: StaticValueData): undefined {
  env.session.report('Z502', span, `${what} must be ${want}, got ${formatData(data)}`);
  return undefined;
}

/** A plain setting (`batch = 256`); undefined after a report. */
export function readPlain<S extends z.ZodMiniType>(
  expr: Expr,
  key: string,
  want: Wanted<S>,
  env: Env,
): z.output<S> | undefined {
  const data = toData(expr, env);
  if (data === undefined) return undefined;
  const parsed = want.schema.safeParse(data);
  return parsed.success ? parsed.data : wrong(env, expr.span, `\`${key}\``, want.wanted, data);
}

type Forms = Readonly<Record<string, Form<unknown>>>;
export type Reading<F extends Forms> = {
  [K in keyof F]: { kind: K; value: z.output<F[K]['schema']> };
}[keyof F];

/**
 * A setting that is one of some calls (`adamw(...)`); a bare word is a call without arguments. Undefined
 * after a report.
 */
function readForm<F extends Forms>(expr: Expr, key: string, forms: F, env: Env): Reading<F> | undefined {
  let inner = expr;
  while (inner.kind === 'group') inner = inner.inner;
  const callee = inner.kind === 'call' ? inner.callee : inner;
  const names = Object.keys(forms);
  if (callee.kind !== 'name') {
    if (callee.kind !== 'error') {
      env.session.report(
        'Z502',
        expr.span,
        `\`${key}\` must be one of: ${names.map((n) => `${n}(...)`).join(', ')}`,
      );
    }
    return undefined;
  }
  const chosen = Object.hasOwn(forms, callee.text) ? forms[callee.text] : undefined;
  if (chosen === undefined) {
    const hint = didYouMean(callee.text, names);
    env.session.report('Z502', callee.span, `\`${key}\` cannot be \`${callee.text}\`${hint}`, {
      help: `${key} can be: ${names.map((n) => `${n}(...)`).join(', ')}`,
      ...corrected(callee.text, names, callee.span),
    });
    return undefined;
  }
  const value = readArguments(
    inner.kind === 'call' ? inner : undefined,
    callee.text,
    chosen,
    callee.span,
    env,
  );
  return value === undefined ? undefined : ({ kind: callee.text, value } as Reading<F>);
}

/** A setting that is one of the calls of its name. */
export function readSetting<K extends keyof typeof settingForms>(
  expr: Expr,
  key: K,
  env: Env,
): Reading<(typeof settingForms)[K]> | undefined {
  return readForm(expr, key, settingForms[key], env);
}

function readArguments(
  call: CallExpr | undefined,
  name: string,
  form: Form<unknown>,
  span: Span,
  env: Env,
): unknown {
  const known = Object.keys(form.fields);
  const given = new Map<string, { data: StaticValueData; span: Span }>();
  let ok = true;
  let position = 0;
  for (const argument of call?.args ?? []) {
    const field = argument.name?.text ?? form.positional[position++];
    if (field === undefined || !known.includes(field)) {
      unknownArgument(name, argument.name?.text, known, argument.name?.span ?? argument.span, env);
      ok = false;
      continue;
    }
    const data = field === 'decay_when' ? decayWhen(argument.value, env) : toData(argument.value, env);
    if (data === undefined) ok = false;
    else if (given.has(field))
      env.session.report('Z505', argument.span, `\`${field}\` of ${name} is given twice`);
    else given.set(field, { data, span: argument.span });
  }
  const object = Object.fromEntries([...given].map(([field, { data }]) => [field, data]));
  const parsed = form.schema.safeParse(object);
  if (parsed.success) return ok ? parsed.data : undefined;
  for (const field of new Set(parsed.error.issues.map((issue) => String(issue.path[0])))) {
    const found = given.get(field);
    const want = form.fields[field]!.wanted;
    if (found !== undefined) wrong(env, found.span, `\`${field}\` of ${name}`, want, found.data);
    else if (ok) env.session.report('Z503', call?.span ?? span, `${name} needs \`${field}\`: ${want}`);
  }
  return undefined;
}

function unknownArgument(
  name: string,
  given: string | undefined,
  known: readonly string[],
  span: Span,
  env: Env,
): void {
  if (given === undefined) {
    env.session.report('Z502', span, `${name} has too many arguments without a name`, {
      help: `name them: ${known.join(', ')}`,
    });
    return;
  }
  const hint = didYouMean(given, known);
  const help =
    hint === ''
      ? { help: `it takes: ${known.length === 0 ? 'nothing' : known.join(', ')}` }
      : corrected(given, known, span);
  env.session.report('Z501', span, `${name} has no option \`${given}\`${hint}`, help);
}

/** `ndim >= 2` as 2. */
function decayWhen(expr: Expr, env: Env): StaticValueData | undefined {
  let inner = expr;
  while (inner.kind === 'group') inner = inner.inner;
  if (inner.kind === 'binary' && inner.left.kind === 'name' && inner.left.text === 'ndim') {
    const bound = evaluate(inner.right, env);
    if (bound.kind === 'poison') return undefined;
    if (bound.kind === 'int' && inner.op === '>=') return bound.value;
    if (bound.kind === 'int' && inner.op === '>') return bound.value + 1;
  }
  env.session.report('Z502', expr.span, '`decay_when` must be `ndim >= N`', {
    help: 'decay_when = ndim >= 2',
  });
  return undefined;
}

/** `1000 steps`, or a bare number of steps. */
export function readDuration(expr: Expr, key: string, env: Env): Quantity | undefined {
  return readPlain(expr, key, settings.duration, env);
}

/** A setting that is a list of such calls; undefined after a report. */
export function readCalls(
  expr: Expr,
  key: string,
  known: readonly string[],
  env: Env,
): StaticCall[] | undefined {
  if (expr.kind === 'list' && expr.items.length > 0) {
    const calls = expr.items.map((item) => readCall(item, key, known, env));
    return calls.every((call) => call !== undefined) ? calls : undefined;
  }
  const examples = known.slice(0, 2).map((n) => `${n}(...)`);
  env.session.report('Z502', expr.span, `\`${key}\` must be a list of calls: [${examples.join(', ')}]`);
  return undefined;
}

/** A setting that is a call of one of these names, with its arguments as data; undefined after a report. */
export function readCall(
  expr: Expr,
  key: string,
  known: readonly string[],
  env: Env,
): StaticCall | undefined {
  const call = expr.kind === 'call' ? callData(expr, env) : undefined;
  if (expr.kind !== 'call') {
    const examples = known.slice(0, 3).map((n) => `${n}(...)`);
    env.session.report('Z502', expr.span, `\`${key}\` must be a call: ${examples.join(', ')}`);
  } else if (call !== undefined && !known.includes(call.name)) {
    const hint = didYouMean(call.name, known);
    env.session.report('Z502', expr.callee.span, `\`${key}\` cannot be \`${call.name}\`${hint}`, {
      help: `${key} can be: ${known.map((n) => `${n}(...)`).join(', ')}`,
      ...corrected(call.name, known, expr.callee.span),
    });
    return undefined;
  }
  return call;
}
