/** Batches of CLIP's two inputs. */
import type { Batch } from '../../../runtime/data/types.ts';
import type { HostArray } from '../../../runtime/types.ts';

export function pairs(images: Float32Array, tokens: Int32Array): Batch {
  const inputs = new Map<string, HostArray>([
    ['images', images],
    ['tokens', tokens],
  ]);
  return { inputs, skipped: 0 };
}

export const imagesOf = ({ inputs }: Batch) => inputs.get('images') as Float32Array;
export const tokensOf = ({ inputs }: Batch) => inputs.get('tokens') as Int32Array;
