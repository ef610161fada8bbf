/**
 * What is said of a recipe's settings. Their names, calls and options are the compiler's (`recipes/schema.ts`); here
 * is a line on each, as docs/how-to/training.md says it at length.
 */
import * as z from 'zod/mini';
import { assignable, type Key, statements } from '../../compiler/model/recipes/assignments.ts';
import { rates, settingCalls, settingForms, settings } from '../../compiler/model/recipes/schema.ts';

/** Each key is a setting of the compiler's lists, which `tsc` and a test compare. */
const about: Readonly<Record<Key | (typeof statements)[number], string>> = {
  data: 'where pictures, texts and other inputs come from',
  mix: 'several sources with weights, in place of `data`',
  objective: 'the loss: an objective of `losses` or of your own, with its static parameters',
  batch: 'samples per step',
  chunk: 'samples that are on the device at once, a divisor of `batch`',
  lengths: 'positions of texts that a step computes: the least that hold its longest one, or all',
  optimizer: 'how weights are updated',
  schedule: 'how the learning rate goes',
  ema: 'keeps a moving average of the weights, of which each step leaves this part',
  precision: 'what activations are stored as',
  grad_clip: 'bounds the global gradient norm',
  batch_norm: 'on several ranks, whose values the statistics are of',
  wire: 'what gradients cross between ranks as',
  shard: 'what ranks divide among them',
  seed: 'of initial weights, the order of the data, and augmentations',
  steps: 'length of the run',
  clamp: 'bounds a scalar weight after each step: `clamp logit_scale in 0 .. ln(100)`',
  freeze: 'weights that are not trained, by pattern; one behind `!` takes back what those before it hold',
  lr: 'the base rate of weights and blocks, by pattern; later lines win',
  weight_decay: 'the decay of weights and blocks, by pattern; later lines win',
  layer_decay: 'what the rate of a block is multiplied by for each one behind it',
  remat: 'blocks whose activations are computed again in the backward pass, by pattern',
  init: 'what a weight starts from instead: `init visual.proj = normal(0.02)`',
  table: 'what an input is fed that is the same for every sample',
  from: 'files of weights to start from, by pattern',
  checkpoint: 'how often the state is saved: `checkpoint every 100 steps keep 2`',
  evaluate: 'what is measured on the way: `evaluate zeroshot("DIR") every 1 epochs`',
};

export interface Option {
  readonly name: string;
  /** What it must be, in words. */
  readonly wanted: string;
  /** The value without it; absent where it has to be given or nothing stands for it. */
  readonly usual?: string;
  /** Words that it can be. */
  readonly words: readonly string[];
}

export interface SettingFacts {
  readonly name: string;
  readonly about: string;
  /** `KEY = …`, rather than a statement. */
  readonly assigned: boolean;
  /** What a plain value must be, in words. */
  readonly wanted?: string;
  /** Names of the calls that it can be. */
  readonly calls: readonly string[];
}

const plain: Readonly<Record<string, { readonly wanted: string }>> = { ...settings, ...rates };

export const settingNames: readonly string[] = [...assignable, ...statements];

export function settingNamed(name: string): SettingFacts | undefined {
  if (!Object.hasOwn(about, name)) return undefined;
  const wanted = Object.hasOwn(plain, name) ? plain[name]!.wanted : undefined;
  return {
    name,
    about: about[name as keyof typeof about],
    assigned: (assignable as readonly string[]).includes(name),
    ...(wanted === undefined ? {} : { wanted }),
    calls: callsOf(name),
  };
}

function callsOf(name: string): readonly string[] {
  if (Object.hasOwn(settingForms, name)) return Object.keys(settingForms[name as keyof typeof settingForms]);
  return Object.hasOwn(settingCalls, name) ? settingCalls[name as keyof typeof settingCalls] : [];
}

/** The options of one of a setting's calls; undefined where the compiler does not know them. */
export function optionsOf(setting: string, call: string): readonly Option[] | undefined {
  const forms: Readonly<Record<string, Readonly<Record<string, { fields: Fields }>>>> = settingForms;
  if (!Object.hasOwn(forms, setting) || !Object.hasOwn(forms[setting]!, call)) return undefined;
  return Object.entries(forms[setting]![call]!.fields).map(([name, { wanted, schema }]) => ({
    name,
    wanted,
    ...usualOf(schema),
    words: wordsOf(schema),
  }));
}

type Fields = Readonly<Record<string, { readonly wanted: string; readonly schema: z.ZodMiniType }>>;

function usualOf(schema: z.ZodMiniType): { usual?: string } {
  if (!(schema instanceof z.ZodMiniDefault)) return {};
  const usual: unknown = schema.def.defaultValue;
  const quantity = usual as { value?: number; unit?: string };
  return { usual: quantity.unit === undefined ? String(usual) : `${quantity.value} ${quantity.unit}` };
}

/** The words among the values that a schema takes. */
function wordsOf(schema: unknown): string[] {
  if (schema instanceof z.ZodMiniDefault || schema instanceof z.ZodMiniOptional)
    return wordsOf(schema.def.innerType);
  if (schema instanceof z.ZodMiniUnion) return schema.def.options.flatMap(wordsOf);
  if (schema instanceof z.ZodMiniBoolean) return ['true', 'false'];
  return schema instanceof z.ZodMiniLiteral ? schema.def.values.filter((v) => typeof v === 'string') : [];
}
