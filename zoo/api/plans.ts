/**
 * An encoder whose plans were made before, as one JSON: what a page needs to classify without the compiler. Made by
 * `ZooModel.plans`, run by `zooc/plan`.
 */
import type { Plan } from '../../compiler/plan/types.ts';
import { verifyPlan } from '../../compiler/plan/verify.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { readSafetensors, type Tensor } from '../../runtime/data/safetensors/tensors.ts';
import { makeTokenizer } from '../../runtime/data/texts/bpe.ts';
import type { Device } from '../../runtime/types.ts';
import { openPlan } from '../run/plan-entry.ts';
import { type Logits, Tower } from '../run/towers/tower.ts';
import { isNamed, ownBytes } from './bytes.ts';
import { Encoder, type Towers } from './features.ts';
import type { OpenedDevice, Platform } from './platform.ts';
import type { BytesInput, OpenOptions } from './types.ts';

/** Plain JSON. */
export interface PlanSet {
  readonly format: 1;
  /** The model's name. */
  readonly model: string;
  /** Width of a feature. */
  readonly embed: number;
  readonly picture?: {
    /** Side in pixels. */
    readonly size: number;
    readonly mean: readonly number[];
    readonly std: readonly number[];
    readonly plan: Plan;
  };
  readonly text?: {
    /** Length of a row of ids. */
    readonly context: number;
    readonly vocab: number;
    /** Those of the vocabulary. */
    readonly merges: readonly string[];
    readonly plan: Plan;
  };
}

type PlanPlatform = Pick<Platform, 'fit' | 'readBytes' | 'openDevice'>;

async function bytesOf(platform: PlanPlatform, source: BytesInput): Promise<Uint8Array> {
  return isNamed(source) ? platform.readBytes(source) : ownBytes(source);
}

/** @throws DiagnosticError Z702 */
async function readSet(platform: PlanPlatform, source: PlanSet | BytesInput): Promise<PlanSet> {
  if (typeof source === 'object' && 'format' in source) return source;
  const text = new TextDecoder().decode(await bytesOf(platform, source));
  let set: Partial<PlanSet> | undefined;
  try {
    set = JSON.parse(text);
  } catch (error) {
    fail('Z702', `the plans are not JSON: ${(error as Error).message}`);
  }
  if (set?.format !== 1) fail('Z702', 'these are no plans of zooc, or those of another version');
  return set as PlanSet;
}

function valuesOf(tensors: ReadonlyMap<string, Tensor>, name: string): Float32Array | undefined {
  const data = tensors.get(name)?.data;
  if (data === undefined || data instanceof Float32Array) return data;
  return Float32Array.from(data as ArrayLike<number | bigint>, Number);
}

/** @throws DiagnosticError Z603 where the device cannot run it, Z401 where a weight is missing or has another size */
function openTower(device: Device, plan: Plan, embed: number, tensors: ReadonlyMap<string, Tensor>): Tower {
  const lacking = plan.requires.features.filter((name) => !device.profile.features.includes(name));
  if (lacking.length > 0) fail('Z603', `the plan needs ${lacking.join(', ')}, which the device has not`);
  for (const { name, shape } of plan.weights) {
    const found = tensors.get(name)?.shape;
    if (found === undefined) fail('Z401', `${name} is missing in the weights`);
    if (found.join() !== shape.join())
      fail('Z401', `${name} is [${found.join(', ')}] in the weights, the plan has [${shape.join(', ')}]`);
  }
  const input = plan.inputs[0]!.name;
  return new Tower(input, embed, plan.batch, () => {
    let verified: ReturnType<typeof verifyPlan>;
    try {
      verified = verifyPlan(plan, device.profile);
    } catch (error) {
      fail('Z603', `the device cannot run the plan: ${(error as Error).message}`);
    }
    return openPlan(device, verified, async (name) => valuesOf(tensors, name)!);
  });
}

function lacks(set: PlanSet, what: string): never {
  return fail('Z704', `the plans of ${set.model} have no tower of ${what}`);
}

function planTowers(set: PlanSet, { device }: OpenedDevice, tensors: ReadonlyMap<string, Tensor>): Towers {
  const { embed, picture, text } = set;
  const pictures = picture && {
    tower: openTower(device, picture.plan, embed, tensors),
    size: picture.size,
    normalization: picture,
  };
  const texts = text && {
    tower: openTower(device, text.plan, embed, tensors),
    tokenizer: makeTokenizer(text.merges, text),
  };
  const logits: Logits = {
    scale: Math.exp(valuesOf(tensors, 'logit_scale')?.[0] ?? 0),
    bias: valuesOf(tensors, 'logit_bias')?.[0],
  };
  return {
    embed: () => embed,
    logits: async () => logits,
    pictures: () => pictures ?? lacks(set, 'pictures'),
    texts: async () => texts ?? lacks(set, 'texts'),
    close() {
      pictures?.tower.close();
      texts?.tower.close();
      device.close();
    },
  };
}

/** @internal */
export async function loadPlans(
  platform: PlanPlatform,
  plans: PlanSet | BytesInput,
  weights: BytesInput,
  options: OpenOptions,
): Promise<Encoder> {
  const set = await readSet(platform, plans);
  const { tensors } = readSafetensors(await bytesOf(platform, weights), 'the weights');
  const opened = await platform.openDevice(options);
  try {
    return new Encoder(platform, planTowers(set, opened, tensors));
  } catch (error) {
    opened.device.close();
    if (error instanceof TypeError) fail('Z702', 'the plans are damaged');
    throw error;
  }
}
