/** A few emoji as pictures to begin with. */
import { fetchEmoji } from '../app/emoji.ts';
import titles from './examples.json' with { type: 'json' };

export interface Example {
  readonly title: string;
  readonly picture: Blob;
  readonly address: string;
}

export async function fetchExamples(): Promise<Example[]> {
  const { emoji, blobOf } = await fetchEmoji();
  const found = titles.flatMap((title) => emoji.find((e) => e.title === title) ?? []);
  return Promise.all(
    found.map(async (one) => {
      const picture = await blobOf(one);
      return { title: one.title, picture, address: URL.createObjectURL(picture) };
    }),
  );
}
