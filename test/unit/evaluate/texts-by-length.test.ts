/** Texts that are encoded at the length of their batch: the features of all positions, one tower at a time. */
import { describe, expect, it } from 'vitest';
import { resolveModel } from '../../../compiler/model/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { openEncoder } from '../../../zoo/run/encoder.ts';
import { encodeTexts, Tower } from '../../../zoo/run/towers/tower.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { unwrap } from '../../support/models/families.ts';

const reference = { kind: 'reference', name: 'reference', close() {} } as const;
const words = (count: number) => Array.from({ length: count }, (_, i) => 'abcdefgh'[i % 8]!).join(' ');

describe('texts by length', () => {
  it('have the features of all positions', async () => {
    const overrides = Object.entries({
      'text.context': '40',
      'text.vocab': '520',
    }).map(([path, value]) => ({ path, value }));
    const model = unwrap(resolveModel(nodeHost(), 'test/fixtures/models/lengths.zoo#short', overrides));
    const weights = await openWeights(model, 'init:3');
    const texts = [words(3), words(30), words(12), words(60), words(5), words(14)];
    const features = async (byLength: boolean) => {
      const encoder = await openEncoder(reference, model, weights, { rows: 2, byLength });
      const found = await encoder.encodeTexts(texts);
      encoder.close();
      return found;
    };
    const [cut, whole] = [await features(true), await features(false)];
    // Rounded to f32 behind f64.
    for (const [i, x] of cut.entries()) expect(Math.abs(x - whole[i]!)).toBeLessThan(1e-7);
  });

  it('open one tower at a time, and each once for a call', async () => {
    const told: string[] = [];
    const open = async (batch: number, length?: number) => {
      told.push(`open ${length ?? 'all'}`);
      const run = async (inputs: ReadonlyMap<string, Float32Array | Int32Array>) => {
        told.push(`run ${inputs.get('tokens')!.length / 8}`);
        return new Map([['out', { shape: [batch, 1], data: new Float32Array(batch).fill(1) }]]);
      };
      return { run, close: () => told.push(`close ${length ?? 'all'}`) };
    };
    const tower = new Tower('tokens', 1, 2, open, [3, 5]);
    const encodeInto = (row: Int32Array, text: string) => {
      row[text.length] = 9;
      return false;
    };
    // Batches of 4, 8, 5 and 3 positions.
    const texts = ['ab', 'abc', 'abcdefg', 'a', 'abcd', 'b', 'ab', 'a'];
    expect(await encodeTexts(tower, { context: 8, encodeInto }, texts)).toEqual(new Float32Array(8).fill(1));
    tower.close();
    expect(told).toEqual([
      'open 3',
      'run 2',
      'close 3',
      'open 5',
      'run 2',
      'run 2',
      'close 5',
      'open all',
      'run 2',
      'close all',
    ]);
  });
});
