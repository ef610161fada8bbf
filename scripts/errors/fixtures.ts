/** Files that several examples find. */
import { resolveModel } from '../../compiler/model/index.ts';
import { nodeHost } from '../../zoo/host.ts';
import { encodeSafetensors } from '../../zoo/weights/formats/safetensors.ts';
import { openWeights } from '../../zoo/weights/weights.ts';
import type { Files } from './types.ts';

/** A CLIP that runs in no time on the reference. */
export const tiny: Files = {
  'm.zoo': `import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 16, patch = 8, width = 32, layers = 1, heads = 2, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 32, layers = 1, heads = 2, embed = 16)
)
`,
};

/** A recipe of it. */
export const recipe = (settings: string): string => `import "./m.zoo" { "m" }
train "r" of "m" {
${settings.trim().replace(/^/gm, '  ')}
}
`;

/** A grey square as BMP, which is a header and pixels. */
export function picture(grey = 128): Uint8Array {
  const side = 16;
  const file = Buffer.alloc(54 + 3 * side * side, grey);
  file.fill(0, 0, 54);
  file.write('BM', 'latin1');
  file.writeUInt32LE(file.length, 2);
  for (const [at, value] of [
    [10, 54],
    [14, 40],
    [18, side],
    [22, side],
  ] as const)
    file.writeUInt32LE(value, at);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  return file;
}

/** Safetensors of float32 zeros, by name and shape. */
export function zeros(shapes: Readonly<Record<string, readonly number[]>>): Uint8Array {
  return encodeSafetensors(
    new Map(
      Object.entries(shapes).map(([name, shape]) => [
        name,
        { dtype: 'F32', shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
      ]),
    ),
  );
}

/** All weights of the tiny model as a file; the first number of one of them is another. */
export const allWeights =
  (name = 'logit_scale', first?: number) =>
  async (): Promise<Uint8Array> => {
    const host = { ...nodeHost(), read: () => tiny['m.zoo'] as string };
    const model = resolveModel(host, 'm.zoo', []);
    if (!model.ok) throw new Error('the tiny model is wrong');
    const source = await openWeights(model.value, 'init:1');
    const tensors = await Promise.all(
      model.value.weights.map(async (weight) => {
        const data = Float32Array.from(await source.read(weight));
        if (weight.name === name && first !== undefined) data[0] = first;
        return [weight.name, { dtype: 'F32', shape: weight.shape, data }] as const;
      }),
    );
    return encodeSafetensors(new Map(tensors));
  };

/** Captions that the tiny context has room for. */
const animals = ['cat', 'dog', 'owl', 'elk'];

/** Four pictures, and a table of them with captions. */
export const pairs: Files = {
  ...tiny,
  ...Object.fromEntries(animals.map((_, i) => [`${i}.bmp`, () => picture(40 * i)])),
  'pairs.csv': `filepath,title\n${animals.map((name, i) => `${i}.bmp,${name}`).join('\n')}\n`,
};

/** A recipe that is over after a step. */
export const once = (data = 'csv("pairs.csv")', more = ''): string =>
  recipe(`data = ${data}
batch = 2
schedule = constant(warmup = 1 steps, total = 1 steps)
${more}`);
export const trainCall = 'train r.zoo --out run --device reference --quiet';
