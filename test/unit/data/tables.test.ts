import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clipNormalization } from '../../../compiler/model/index.ts';
import type { ModelInput, StaticCall, StaticValueData, TableValue } from '../../../compiler/model/types.ts';
import { encodeNpy } from '../../../runtime/data/files/npy.ts';
import { openBatchSource } from '../../../runtime/data/sources/open.ts';
import { createTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import type { Batch } from '../../../runtime/data/types.ts';
import { writeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';

const vocab = 600;
const prompts: ModelInput = {
  name: 'prompts',
  dtype: 'i32',
  sizes: [3, 8],
  table: true,
  ids: { min: 0, max: vocab - 1 },
};
const anchors: ModelInput = { name: 'anchors', dtype: 'f32', sizes: [2, 2], table: true };
const dose: ModelInput = { name: 'dose', dtype: 'f32', sizes: [] };
const animals = ['cat', 'a very big dog indeed, and more of it', 'fox'];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-tables-'));
  writeFileSync(join(folder, 't.csv'), 'dose,id\n1,0\n2,1\n3,2\n4,0\n');
  writeFileSync(join(folder, 'animals.txt'), `${animals.join('\r\n')}\r\n`);
  writeFileSync(join(folder, 'two.npy'), encodeNpy([2, 2], new Float32Array([1, 2, 3, 4])));
});
afterAll(() => rmSync(folder, { recursive: true }));

function call(name: string, arg: StaticValueData, named: Record<string, StaticValueData> = {}): StaticCall {
  return { name, args: [arg], named };
}
const csv = call('csv', 't.csv', { shuffle: false, inputs: { fields: { dose: call('number', 'dose') } } });
const table = (input: string, value: StaticCall): TableValue => ({ input, value });

async function batches(data: StaticCall, inputs: readonly ModelInput[], tables: readonly TableValue[]) {
  const source = await openBatchSource(data, {
    batch: 2,
    seed: 1,
    normalization: clipNormalization,
    folder,
    inputs,
    tables,
  });
  try {
    const copy = ({ inputs: found }: Batch) => new Map([...found].map(([name, v]) => [name, [...v]]));
    return [copy(await source.next()), copy(await source.next())];
  } finally {
    await source.close();
  }
}

describe('tables of a recipe', () => {
  it('are tokenised lines of a file, put into a template, the same in every batch', async () => {
    const value = call('tokens', 'animals.txt', { template: 'a {}.' });
    const [first, second] = await batches(csv, [dose, prompts], [table('prompts', value)]);
    const { encodeInto } = await createTokenizer({ vocab, context: 8 });
    const wanted = animals.flatMap((animal) => {
      const row = new Int32Array(8);
      encodeInto(row, `a ${animal}.`);
      return [...row];
    });
    expect(first!.get('prompts')).toEqual(wanted);
    expect(second!.get('prompts')).toEqual(wanted);
    expect([first!.get('dose'), second!.get('dose')]).toEqual([
      [1, 2],
      [3, 4],
    ]);
    const list = table('prompts', call('tokens', animals, { template: 'a {}.' }));
    expect((await batches(csv, [dose, prompts], [list]))[0]!.get('prompts')).toEqual(wanted);
  });

  it('are .npy files as they stand, beside batches of tensors too', async () => {
    const values = new Float32Array([5, 6, 7, 8]);
    await writeSafetensors(
      join(folder, 'b.safetensors'),
      new Map([['dose', { dtype: 'F32', shape: [2, 2], data: values }]]),
    );
    const tables = [table('anchors', call('tensor', 'two.npy'))];
    const found = await batches(call('tensors', 'b.safetensors'), [dose, anchors], tables);
    expect(found.map((b) => b.get('anchors'))).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
    expect(found.map((b) => b.get('dose'))).toEqual([
      [5, 6],
      [7, 8],
    ]);
  });

  it.each([
    [
      'of too few texts',
      prompts,
      call('tokens', ['cat', 'dog']),
      '2 texts, and the table prompts has 3 rows: i32[3, 8]',
    ],
    ['of a file that is not there', prompts, call('tokens', 'no.txt'), 'Z412'],
    [
      'with a template without a place',
      prompts,
      call('tokens', 'animals.txt', { template: 'a' }),
      'it needs {}',
    ],
    ['without a vocabulary', { ...prompts, ids: undefined }, call('tokens', animals), 'no tokenizer fits it'],
    [
      'of another shape',
      { ...anchors, sizes: [4] },
      call('tensor', 'two.npy'),
      'holds <f4 [2, 2]; anchors takes floats [4]',
    ],
  ] as [string, ModelInput, StaticCall, string][])('refuse one %s', async (_, input, value, message) => {
    await expect(batches(csv, [dose, input], [table(input.name, value)])).rejects.toThrow(message);
  });

  it('must have a value', async () => {
    await expect(batches(csv, [dose, prompts], [])).rejects.toThrow(
      'prompts i32[3, 8] of the loss is a table',
    );
  });
});
