/**
 * The configuration beside weights, compared with the model that they are opened for: a wrong activation or
 * number of heads fits every shape, and gives wrong numbers.
 */
import { clipNormalization, type Part, partsOf, sameNormalization } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { type Diagnostic, DiagnosticError } from '../../../grammar/diagnostics.ts';
import { type Claim, claimsBeside, silentRun } from './claims.ts';

/** How the towers of the library make one feature of their tokens, in open_clip's words. */
const pools: Readonly<Record<string, string>> = {
  VisionTransformer: 'tok',
  MeanPooledTransformer: 'avg',
  TextTransformer: 'argmax',
  SigLIPTextTransformer: 'last',
};
const causal: Readonly<Record<string, boolean>> = { TextTransformer: true, SigLIPTextTransformer: false };

/** How pictures of every model are brought to its size, in open_clip's words. */
const resizing = { resize_mode: 'shortest', interpolation: 'bicubic' } as const;

/** Activations that the language has a word for. */
const activations = ['quick_gelu', 'gelu', 'gelu_tanh', 'silu', 'relu', 'tanh', 'sigmoid'];

/** What the model has where a configuration says something; undefined where it has nothing to compare. */
function ownValue(model: Model, part: Part | undefined, { tower, what }: Claim): Claim['value'] | undefined {
  if (what === 'mean' || what === 'std')
    return model.resolution === undefined ? undefined : model.normalization[what];
  if (what === 'resize_mode' || what === 'interpolation')
    return model.resolution === undefined ? undefined : resizing[what];
  if (what === 'resolution') return model.resolution;
  const bundled = part !== undefined && !part.block.origin.endsWith('.zoo');
  if (what === 'pool') return bundled ? pools[part.block.name] : undefined;
  if (what === 'causal') return bundled ? causal[part.block.name] : undefined;
  const value = model.config.get(`${tower}.${what}`);
  return typeof value === 'string' || typeof value === 'number' ? value : undefined;
}

/** Published means are rounded to four places and more. */
const nearly = 1e-4;

function isSame(a: Claim['value'], b: Claim['value']): boolean {
  if (typeof a === 'object' && typeof b === 'object')
    return a.length === b.length && a.every((x, i) => Math.abs(x - b[i]!) < nearly);
  return a === b;
}

function shown(value: Claim['value']): string {
  if (typeof value === 'object') return `[${value.join(', ')}]`;
  return typeof value === 'string' && value.length > 60 ? `${value.slice(0, 60)}...` : String(value);
}

/** What the model has, in words: `vision.act is quick_gelu`. */
function inModel({ tower, what }: Claim, value: Claim['value']): string {
  if (what === 'mean' || what === 'std') return `pictures are normalised by ${shown(value)} here`;
  if (what === 'resize_mode' || what === 'interpolation')
    return `pictures are resized by ${shown(value)} here`;
  if (what === 'pool') return `the ${tower} tower's is ${shown(value)}`;
  if (what === 'causal')
    return `the ${tower} tower ${value === true ? 'masks' : 'does not mask'} what follows`;
  return `${tower}.${what} is ${shown(value)}`;
}

function setting(model: Model, { tower, what, value }: Claim): string | undefined {
  if (typeof value === 'object') {
    const path = [...model.config.keys()].find((key) => key.split('.').at(-1) === `image_${what}`);
    return path === undefined ? undefined : `--set "${path}=[${value.join(',')}]"`;
  }
  const settable =
    what === 'heads' || what === 'resolution' || (what === 'act' && activations.includes(String(value)));
  return settable ? `--set ${tower}.${what}=${value}` : undefined;
}

/** What of the model is taken from the weights. */
interface Taken {
  /** The towers; by default both. */
  readonly towers?: ReadonlySet<Claim['tower']>;
  /** Whether the weights may be of pictures of another size. */
  readonly resized: boolean;
}

/**
 * A run that does not say how its pictures were normalised is from before models said it, when all were by CLIP's
 * numbers, or from shortly after.
 */
export function silenceRemarks(model: Model, weights: string): string[] {
  if (model.resolution === undefined || sameNormalization(model.normalization, clipNormalization)) return [];
  const run = silentRun(weights);
  if (run === undefined) return [];
  const mending = (['mean', 'std'] as const).map((what) =>
    setting(model, { where: run, tower: 'vision', what, value: clipNormalization[what] }),
  );
  return [
    `${run} does not say how pictures were normalised: runs of earlier versions are of CLIP's mean and deviation, ${model.name} has others now; for such a run ${mending.join(' ')}`,
  ];
}

/** @throws DiagnosticError Z434 with every difference, and the settings that mend them */
export function checkBeside(model: Model, weights: string, { towers, resized }: Taken): void {
  const parts = new Map(partsOf(model).map((part) => [part.path, part]));
  const differing = claimsBeside(weights).flatMap((claim) => {
    if (towers?.has(claim.tower) === false || (resized && claim.what === 'resolution')) return [];
    const value = ownValue(model, parts.get(claim.tower), claim);
    return value === undefined || isSame(claim.value, value) ? [] : [{ claim, value }];
  });
  if (differing.length === 0) return;
  const mending = [...new Set(differing.map(({ claim }) => setting(model, claim)))].filter(
    (s) => s !== undefined,
  );
  const rest = differing.some(({ claim }) => setting(model, claim) === undefined);
  const diagnostic: Diagnostic = {
    code: 'Z434',
    severity: 'error',
    message: `the configuration beside ${weights} is not that of ${model.name}`,
    notes: differing.map(
      ({ claim, value }) => `${claim.where} is ${claim.said ?? shown(claim.value)}, ${inModel(claim, value)}`,
    ),
    help: [
      ...mending,
      ...(rest
        ? ['no setting mends the rest; a copy of the weights alone, elsewhere, is taken as it is']
        : []),
    ].join(mending.length > 0 && rest ? ' ; ' : ' '),
  };
  throw new DiagnosticError([diagnostic]);
}
