/**
 * A model as the family of architectures that other projects' loaders know: CLIP with a vision transformer or
 * a modified ResNet and a text transformer.
 *
 * Those loaders rebuild a model from a few numbers. So it must be made of the very blocks of the bundled
 * package `clip`; whatever differs is an obstacle, and obstacles are reported together.
 */
import { z } from 'zod';
import { blocksOf, type Part, partsOf, zooPackage } from '../../../compiler/model/index.ts';
import type { Definition, Model } from '../../../compiler/model/types.ts';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';

const positive = z.int().positive();
const transformer = z.object({ width: positive, layers: z.int().nonnegative(), heads: positive });
const visionTransformer = transformer.extend({ resolution: positive, patch: positive, hidden: positive });
const resnet = z.object({
  layers: z.array(positive).length(4),
  width: positive,
  heads: positive,
  resolution: positive,
});
const textTransformer = transformer.extend({ context: positive, vocab: positive });

export type Activation = 'quick_gelu' | 'gelu';

export interface ClipArchitecture {
  /** Width of the shared embedding. */
  readonly embed: number;
  readonly vision:
    | ({ readonly kind: 'vit'; readonly act: Activation } & z.infer<typeof visionTransformer>)
    | ({ readonly kind: 'resnet' } & z.infer<typeof resnet>);
  readonly text: { readonly act: Activation } & z.infer<typeof textTransformer>;
}

function isBundled(definition: Definition | undefined, name: string, origin: string): boolean {
  return definition?.name === name && definition.origin === origin;
}

function described({ name, origin }: Definition): string {
  if (origin === 'builtin') return `the built-in ${name}`;
  return origin.endsWith('.zoo') ? `${name} of ${origin}` : `${name} of package ${origin}`;
}

/** Channels inside a block's MLP, for each channel of the tower; the text tower's are fixed. */
export const mlpRatio = 4;

/** The static values below a parameter: `vision.width` as `width`. */
function valuesBelow(model: Model, path: string): Record<string, unknown> {
  const below = [...model.config].filter(([key]) => key.startsWith(`${path}.`));
  return Object.fromEntries(below.map(([key, value]) => [key.slice(path.length + 1), value]));
}

/** The activation of a tower; an obstacle where no format has a name for it. */
function activationOf(part: Part, obstacles: string[]): Activation {
  const act = part.functions.get('act');
  for (const known of ['quick_gelu', 'gelu'] as const) if (isBundled(act, known, 'nn')) return known;
  obstacles.push(
    `${part.path}.act is ${act === undefined ? 'unknown' : described(act)}; only quick_gelu and gelu have a name there`,
  );
  return 'quick_gelu';
}

function visionOf(model: Model, part: Part, obstacles: string[]): ClipArchitecture['vision'] | undefined {
  const values = valuesBelow(model, part.path);
  if (isBundled(part.block, 'VisionTransformer', zooPackage))
    return { kind: 'vit', act: activationOf(part, obstacles), ...visionTransformer.parse(values) };
  if (isBundled(part.block, 'ModifiedResNet', zooPackage)) return { kind: 'resnet', ...resnet.parse(values) };
  obstacles.push(
    `the image tower is ${described(part.block)}, not clip's VisionTransformer or ModifiedResNet`,
  );
  return undefined;
}

function textOf(model: Model, part: Part, obstacles: string[]): ClipArchitecture['text'] | undefined {
  if (isBundled(part.block, 'TextTransformer', zooPackage))
    return { act: activationOf(part, obstacles), ...textTransformer.parse(valuesBelow(model, part.path)) };
  obstacles.push(`the text tower is ${described(part.block)}, not clip's TextTransformer`);
  return undefined;
}

function refuse(model: Model, { format, help }: FormatLimits, obstacles: readonly string[]): never {
  throw new DiagnosticError([
    {
      code: 'Z432',
      severity: 'error',
      message: `${model.name} cannot be exported as ${format}: ${obstacles[0]}`,
      ...(obstacles.length > 1 ? { notes: obstacles.slice(1).map((o) => `also: ${o}`) } : {}),
      help,
    },
  ]);
}

/** Layers that `with ... as` replaced: a loader would build clip's own in their places. */
function replacedLayers(model: Model): string[] {
  const paths = new Map<string, string[]>();
  for (const { path, definition, replaces } of blocksOf(model.root)) {
    if (replaces === undefined) continue;
    const what = definition === undefined ? 'a seq' : described(definition);
    paths.set(what, [...(paths.get(what) ?? []), path]);
  }
  return [...paths].map(([what, [first, ...more]]) => {
    const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
    return `${first}${others} is ${what}, which \`with ... as\` put there`;
  });
}

/** What a format adds to the question whether it can express a model. */
export interface FormatLimits {
  /** For messages: `open_clip`. */
  readonly format: string;
  /** What to do instead: `--format ...`. */
  readonly help: string;
  /** Obstacles in an architecture of the family. */
  check(architecture: ClipArchitecture): string[];
  /** Obstacles in the model itself, of whatever architecture. */
  checkModel?(model: Model): string[];
}

/**
 * The numbers that describe a model to other loaders.
 * @throws DiagnosticError Z432 that lists every obstacle
 */
export function clipArchitecture(model: Model, limits: FormatLimits): ClipArchitecture {
  const obstacles: string[] = [];
  const parts = new Map(partsOf(model).map((part) => [part.path, part]));
  const root = parts.get('')!;
  let architecture: ClipArchitecture | undefined;
  if (isBundled(root.block, 'CLIP', zooPackage)) {
    const vision = visionOf(model, parts.get('vision')!, obstacles);
    const text = textOf(model, parts.get('text')!, obstacles);
    if (vision !== undefined && text !== undefined) architecture = { embed: model.embed!, vision, text };
  } else obstacles.push(`it is ${described(root.block)}, not clip's CLIP`);
  const replaced = replacedLayers(model);
  obstacles.push(...replaced);
  if (architecture !== undefined) obstacles.push(...limits.check(architecture));
  obstacles.push(...(limits.checkModel?.(model) ?? []));
  // What one of these formats cannot say of replaced layers, the others cannot either.
  const help = replaced.length > 0 ? '--format zoo takes every model' : limits.help;
  if (architecture === undefined || obstacles.length > 0) refuse(model, { ...limits, help }, obstacles);
  return architecture;
}
