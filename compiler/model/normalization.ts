/**
 * How a model wants its pictures: `image_mean` and `image_std` of the red, green and blue of a pixel between 0 and 1.
 *
 * They are static parameters of a block, so `with`, `--set` and exported texts know them. The outermost blocks
 * that have them both as lists decide.
 */
import type { BlockNode, Normalization, ParameterValue } from './types.ts';
import type { Session } from './values/session.ts';

/** OpenAI's, which open_clip's training took over: that of blocks without such parameters. */
export const clipNormalization: Normalization = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

export function sameNormalization(a: Normalization, b: Normalization): boolean {
  return a.mean.every((m, c) => m === b.mean[c]) && a.std.every((s, c) => s === b.std[c]);
}

type Given = Readonly<Record<keyof Normalization, readonly ParameterValue[]>>;

function givenBy({ parameters }: BlockNode): Given | undefined {
  const [mean, std] = [parameters.get('image_mean'), parameters.get('image_std')];
  return Array.isArray(mean) && Array.isArray(std) ? { mean, std } : undefined;
}

/** The outermost blocks that have both parameters. */
function* deciding(node: BlockNode): Generator<readonly [BlockNode, Given]> {
  const given = givenBy(node);
  if (given !== undefined) yield [node, given];
  else for (const child of node.children) yield* deciding(child);
}

function isColour(values: readonly ParameterValue[]): values is readonly number[] {
  return values.length === 3 && values.every((value) => typeof value === 'number' && Number.isFinite(value));
}

/** What the blocks of a model say; CLIP's where none does, and after a report. */
export function normalizationOf(root: BlockNode, session: Session): Normalization {
  let first: Normalization | undefined;
  for (const [{ name, span }, { mean, std }] of deciding(root)) {
    if (!isColour(mean) || !isColour(std) || !std.every((s) => s > 0)) {
      const shown = (values: readonly ParameterValue[]) => `[${values.map(String).join(', ')}]`;
      session.report(
        'Z221',
        span,
        `\`image_mean\` and \`image_std\` of \`${name}\` are ${shown(mean)} and ${shown(std)}: they are three numbers each, deviations above 0`,
      );
      return clipNormalization;
    }
    first ??= { mean, std };
    if (sameNormalization(first, { mean, std })) continue;
    session.report(
      'Z221',
      span,
      `\`${name}\` wants pictures normalised in another way than a block before it: [${mean.join(', ')}], [${std.join(', ')}] and [${first.mean.join(', ')}], [${first.std.join(', ')}]`,
      {
        help: 'one way for all, in a block around them: image_mean: [float] = […], image_std: [float] = […]',
      },
    );
    break;
  }
  return first ?? clipNormalization;
}
