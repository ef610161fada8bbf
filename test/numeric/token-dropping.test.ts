/** FLIP's token dropping: in training a random part of each sample's tokens, in evaluation all. */
import { describe, expect, it } from 'vitest';
import { executeReference } from '../../compiler/graph/reference.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { resolveModel, traceEntry } from '../../compiler/model/index.ts';
import { keyWords, randomInput, randomKeys } from '../../compiler/ops/philox.ts';
import { nodeHost } from '../../zoo/host.ts';
import { unwrap } from '../support/models/families.ts';

const [batch, length, channels, front] = [40, 10, 3, 2];
const model = unwrap(resolveModel(nodeHost(), 'test/fixtures/models/families.zoo#dropping'));
const identity = Float64Array.from([1, 0, 0, 0, 1, 0, 0, 0, 1]);
const params = new Map([
  ['fc.weight', { shape: [3, 3], data: identity }],
  ['fc.bias', { shape: [3], data: new Float64Array(3) }],
]);
const images = Float64Array.from({ length: batch * length * channels }, (_, i) => i);

/** The tokens that came through, by their places, sample by sample; each has to be whole. */
function places(step: number, training = true): number[][] {
  const keys = Float64Array.from(randomKeys(1, step, 0, batch));
  const inputs = new Map([
    ['x', { shape: [batch, length, channels], data: images }],
    [randomInput, { shape: [batch, keyWords], data: keys }],
  ]);
  const graph = unwrap(traceEntry(model, model.entries[0]!.name, { batch, training }));
  const { data, shape } = executeReference(verify(graph), { inputs, params }).get(graph.outputs[0]!.name)!;
  return Array.from({ length: batch }, (_, sample) =>
    Array.from({ length: shape[1]! }, (_, t) => {
      const at = (sample * shape[1]! + t) * channels;
      const first = data[at]!;
      expect([...data.subarray(at, at + channels)]).toEqual([first, first + 1, first + 2]);
      expect(first % channels).toBe(0);
      return first / channels - sample * length;
    }),
  );
}

describe('drop_tokens', () => {
  it('keeps those in front and different halves of the others', () => {
    const kept = places(0);
    for (const row of kept) {
      expect(row.slice(0, front)).toEqual([0, 1]);
      expect(row.length).toBe(front + 4);
      expect(new Set(row).size).toBe(row.length);
      for (const place of row) expect(place >= 0 && place < length).toBe(true);
    }
    expect(new Set(kept.map((row) => row.join())).size).toBeGreaterThan(batch / 2);
    expect(places(0)).toEqual(kept);
    expect(places(1)).not.toEqual(kept);
  });

  it('chooses all alike', () => {
    const counts = new Array<number>(length).fill(0);
    for (let step = 0; step < 10; step++) for (const row of places(step)) for (const p of row) counts[p]!++;
    // 400 draws of half the patches: 200 with a deviation of 10; five deviations either way.
    for (const n of counts.slice(front)) expect(Math.abs(n - 200)).toBeLessThan(50);
  });

  it('is not there in evaluation', () => {
    expect(places(0, false)[7]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});
