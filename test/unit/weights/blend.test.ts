/** Weights between two checkpoints. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blend } from '../../../zoo/cli/verbs/blend.ts';
import { openSafetensors, type Tensor, writeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-blend-'));
const path = (name: string) => join(folder, `${name}.safetensors`);
afterAll(() => rmSync(folder, { recursive: true }));

const checkpoint = (w: number[], count: bigint): Map<string, Tensor> =>
  new Map<string, Tensor>([
    ['w', { dtype: 'F32', shape: [2, 1], data: Float32Array.from(w) }],
    ['bn.num_batches_tracked', { dtype: 'I64', shape: [], data: BigInt64Array.of(count) }],
  ]);

describe('blend', () => {
  beforeAll(async () => {
    await writeSafetensors(path('a'), checkpoint([1, -4], 3n));
    await writeSafetensors(path('b'), checkpoint([3, 8], 9n));
    const other = checkpoint([1, 2], 1n).set('extra', {
      dtype: 'F32',
      shape: [1],
      data: new Float32Array(1),
    });
    other.set('w', { dtype: 'F32', shape: [1, 2], data: new Float32Array(2) });
    await writeSafetensors(path('other'), other);
  });

  it.each([
    ['0', [1, -4]],
    ['0.25', [1.5, -1]],
    ['1', [3, 8]],
  ])('with alpha %s lies between, counters are those of the second', async (alpha, wanted) => {
    await blend(path('a'), path('b'), { alpha, out: path('out') });
    const file = await openSafetensors(path('out'));
    expect([...(await file.read('w')).data]).toEqual(wanted);
    expect((await file.read('bn.num_batches_tracked')).data).toEqual(BigInt64Array.of(9n));
    await file.close();
  });

  it('refuses checkpoints of different models, and says how they differ', async () => {
    const wrong = blend(path('a'), path('other'), { alpha: '0.5', out: path('none') });
    await expect(wrong).rejects.toMatchObject({
      diagnostics: [
        {
          code: 'Z401',
          notes: [`only in ${path('other')}: extra`, 'w is [2, 1] in one, [1, 2] in the other'],
        },
      ],
    });
  });

  it.each(['', '-0.1', '1.5', 'half'])('refuses alpha %j', async (alpha) => {
    await expect(blend(path('a'), path('b'), { alpha, out: path('none') })).rejects.toThrow(/Z703.*--alpha/);
  });
});
