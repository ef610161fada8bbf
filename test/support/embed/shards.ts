/** A small model, and shards of pictures for it. */
import { writeTar } from '../files/tar.ts';
import { plainPicture } from '../training/pair-source.ts';

export const embedZoo = `import clip { CLIP, VisionTransformer, TextTransformer }
model "tiny" = CLIP(
  vision = VisionTransformer(resolution = 4, patch = 2, width = 16, heads = 1, layers = 1, embed = 8),
  text = TextTransformer(context = 8, vocab = 600, width = 16, heads = 1, layers = 1, embed = 8)
)
`;

type Member = readonly [name: string, content: string | Uint8Array];

/** A picture of one colour, with a caption and fields; different for every number. */
export async function sample(number: number): Promise<Member[]> {
  const key = String(number).padStart(4, '0');
  return [
    [`${key}.webp`, await plainPicture(13 * number + 5, 'webp')],
    [`${key}.txt`, `number ${number}`],
    [`${key}.json`, JSON.stringify({ key, url: `http://x/${key}`, width: number, odd: number % 2 === 1 })],
  ];
}

/** Shards of `each` samples, numbered through. */
export async function writeShards(pathOf: (shard: number) => string, shards: number, each: number) {
  for (let shard = 0; shard < shards; shard++) {
    const members: Member[] = [];
    for (let i = 0; i < each; i++) members.push(...(await sample(shard * each + i)));
    await writeTar(pathOf(shard), members);
  }
}
