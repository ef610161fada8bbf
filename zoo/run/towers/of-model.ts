/** The towers of a model: which entries make features of pictures and texts, and how logits are made of those. */
import { anyId } from '../../../compiler/graph/index-ranges.ts';
import { isPicture, isText, vocabularyOf } from '../../../compiler/model/index.ts';
import type { EntryName, Model, ModelInput } from '../../../compiler/model/types.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import type { TokenizerSize } from '../../../runtime/data/texts/bpe.ts';
import type { WeightSource } from '../../weights/source.ts';
import type { Logits } from './tower.ts';

/** An entry that makes features of one kind of input. */
export interface TowerInfo {
  readonly entry: EntryName;
  readonly input: ModelInput;
}

/** The entry of this name, or the forward of a model that is nothing but such a tower. */
export function towerOf(
  model: Model,
  name: EntryName,
  fits: (input: ModelInput) => boolean,
): TowerInfo | undefined {
  const entry =
    model.entries.find((e) => e.name === name) ?? model.entries.find((e) => e.name === 'forward')!;
  const [input, ...more] = entry.inputs;
  const sole = more.length === 0 && entry.outputs.length === 1;
  return input !== undefined && sole && fits(input) ? { entry: entry.name, input } : undefined;
}

/** `encode_image(images [B, 3, 224, 224]), ...` */
export function entriesText({ entries }: Model): string {
  return entries
    .map((e) => `${e.name}(${e.inputs.map((i) => `${i.name} ${i.shape}`).join(', ')})`)
    .join(', ');
}

/** @throws DiagnosticError Z704 */
function lacking(model: Model, name: EntryName, kind: string): never {
  fail(
    'Z704',
    `${model.name} makes no features of ${kind} alone; its entries are ${entriesText(model)}`,
    `declare in its block: entry ${name}(...) -> [B, E] = ...`,
  );
}

/** The towers that a model has. */
export function towersOf(model: Model): { readonly picture?: TowerInfo; readonly text?: TowerInfo } {
  const picture = towerOf(model, 'encode_image', isPicture);
  const text = towerOf(model, 'encode_text', isText);
  return { ...(picture && { picture }), ...(text && { text }) };
}

/** The tower of pictures. @throws DiagnosticError Z704 */
export function pictureTower(model: Model): TowerInfo {
  return towerOf(model, 'encode_image', isPicture) ?? lacking(model, 'encode_image', 'pictures [B, 3, R, R]');
}

/** The tower of texts. @throws DiagnosticError Z704 */
export function textTower(model: Model): TowerInfo {
  return towerOf(model, 'encode_text', isText) ?? lacking(model, 'encode_text', 'texts i32[B, T]');
}

/** What the tokenizer of a tower has to fit. */
export function tokenizerSize({ input }: TowerInfo): TokenizerSize {
  return { vocab: vocabularyOf(input) ?? anyId.max + 1, context: input.sizes[0]! };
}

/** @throws DiagnosticError Z704 for a model that gives no features */
export function featureWidth({ embed, name }: Pick<Model, 'embed' | 'name'>): number {
  return embed ?? fail('Z704', `${name} gives no features [B, E]: its forward has no output of that shape`);
}

/** How a model makes logits of cosines. @throws DiagnosticError Z435 */
export async function logitsOf(model: Model, weights: WeightSource): Promise<Logits> {
  const numberOf = async (name: string) => {
    const weight = model.weights.find((w) => w.name === name);
    return weight === undefined ? undefined : (await weights.read(weight))[0]!;
  };
  const logitScale = await numberOf('logit_scale');
  const scale = Math.exp(logitScale ?? 0);
  if (!Number.isFinite(scale))
    fail('Z435', `exp(logit_scale) is not finite: logit_scale in ${weights.description} is ${logitScale}`);
  return { scale, bias: await numberOf('logit_bias') };
}
