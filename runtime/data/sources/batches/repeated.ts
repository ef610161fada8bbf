/** Samples of a batch with a text that another one before has, too: to a contrastive loss each is a wrong answer. */
import { isText } from '../../../../compiler/model/inputs.ts';
import type { ModelInput } from '../../../../compiler/model/types.ts';
import type { Feeds } from '../../types.ts';

/** @returns undefined where no text is fed */
export function repeatedTexts(
  inputs: readonly ModelInput[],
  feeds: Feeds,
  batch: number,
): number | undefined {
  const texts = inputs.filter(isText);
  if (texts.length === 0) return undefined;
  const counts = texts.map(({ name }) => {
    const ids = feeds.get(name)!;
    const bytes = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength);
    const row = bytes.length / batch;
    const different = new Set(
      Array.from({ length: batch }, (_, i) => bytes.toString('latin1', i * row, (i + 1) * row)),
    );
    return batch - different.size;
  });
  return Math.max(...counts);
}
