/** Makes a failing input small: ever smaller runs are cut out of it for as long as it fails in the same way. */

/**
 * @param fails whether an input fails as the first one does
 * @param budget inputs to try at most
 */
export async function shrink(
  bytes: Uint8Array,
  fails: (bytes: Uint8Array) => Promise<boolean>,
  budget = 400,
): Promise<Uint8Array> {
  let best = bytes;
  let left = budget;
  for (let size = Math.ceil(best.length / 2); size >= 1 && left > 0; ) {
    let progress = false;
    for (let at = 0; at < best.length && left > 0; ) {
      const smaller = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      left--;
      if (await fails(smaller)) {
        best = smaller;
        progress = true;
      } else at += size;
    }
    if (!progress || size > best.length) size = size === 1 ? 0 : Math.ceil(Math.min(size, best.length) / 2);
  }
  return best;
}
