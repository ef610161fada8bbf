/** Which samples of a batch have equal texts: to a contrastive loss each but the first is a wrong answer. */
import { hash } from 'node:crypto';
import { isText } from '../../../../compiler/model/inputs.ts';
import type { ModelInput } from '../../../../compiler/model/types.ts';
import type { HostArray } from '../../../types.ts';
import type { Feeds } from '../../types.ts';

/** A number of 48 bits for each row of bytes. */
function digestsOf({ buffer, byteOffset, byteLength }: HostArray, rows: number): Float64Array {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const row = bytes.length / rows;
  return Float64Array.from({ length: rows }, (_, i) =>
    hash('sha1', bytes.subarray(i * row, (i + 1) * row), 'buffer').readUIntBE(0, 6),
  );
}

/** The texts of a batch's rows as numbers, by input; undefined where no text is fed. */
export function textsOf(
  inputs: readonly ModelInput[],
  feeds: Feeds,
  rows: number,
): Float64Array[] | undefined {
  const texts = inputs.filter(isText);
  return texts.length === 0 ? undefined : texts.map(({ name }) => digestsOf(feeds.get(name)!, rows));
}
