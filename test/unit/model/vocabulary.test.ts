/**
 * Ids stay inside their tables: what a model takes follows from the tables, everything else is refused before
 * anything runs.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Builder } from '../../../compiler/graph/builder.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { idRange, indexFaults } from '../../../compiler/graph/index-ranges.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { resolveRecipe, vocabularyOf } from '../../../compiler/model/index.ts';
import { writeSafetensors } from '../../../runtime/data/safetensors/file.ts';
import { Progress } from '../../../runtime/train/node/progress.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { openEntry } from '../../../zoo/run/entry.ts';
import { trainFile } from '../../../zoo/run/train.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { batchValues, fixtureModel } from '../../support/models/training-models.ts';

type Operand = number | 'tokens' | 'other' | 'iota' | 'argmax';

/** A table of `rows` that `op(left, right)` indexes, or the first operand alone. */
function indexed(
  rows: number,
  left: Operand,
  op?: 'add' | 'sub' | 'mul' | 'div' | 'mod' | 'maximum' | 'minimum',
  right?: Operand,
): Graph {
  const b = createBuilder();
  const operand = (value: Operand): number => {
    if (value === 'iota') return b.add('iota', [], { length: 4 });
    if (typeof value === 'number') return b.add('constant', [], { value, dtype: 'i32', shape: [] });
    if (value !== 'argmax') return b.add('input', [], { name: value, dtype: 'i32', shape: [4] });
    const scores = b.add('param', [], { name: 'scores', shape: [4, 9], role: 'param' });
    return b.add('argmax', [scores], { axis: 1 });
  };
  const ids = op === undefined ? operand(left) : b.add(op, [operand(left), operand(right!)], {});
  const table = b.add('param', [], { name: 'table', shape: [rows, 2], role: 'param' });
  return b.finish([{ name: 'rows', node: b.add('embedding', [table, ids], {}) }]);
}

describe('the ids of an input', () => {
  it.each([
    [indexed(514, 'tokens'), 513],
    [indexed(514, 'tokens', 'add', 'tokens'), 256],
    [indexed(514, 'tokens', 'add', 14), 499],
    [indexed(514, 'tokens', 'div', 2), 1027],
    [indexed(514, 'tokens', 'mul', 3), 171],
    [indexed(514, 500, 'sub', 'tokens'), 500],
    [indexed(514, 'tokens', 'maximum', 5), 513],
    [indexed(514, 'tokens', 'add', 'argmax'), 505],
    [indexed(514, 'tokens', 'mul', 'iota'), 171],
    [indexed(1, 'tokens'), 0],
  ])('end where a table does: %#', (graph, max) => {
    expect(idRange(graph, 'tokens')).toEqual({ min: 0, max });
    expect(indexFaults(graph, new Map([['tokens', { min: 0, max }]]))).toEqual([]);
    expect(indexFaults(graph, new Map([['tokens', { min: 0, max: max + 1 }]]))).toHaveLength(1);
  });

  it.each([indexed(16, 'tokens', 'mod', 16), indexed(16, 'iota'), indexed(16, 'argmax')])(
    'are any where no table bounds them: %#',
    (graph) => {
      expect(idRange(graph, 'tokens')).toBeUndefined();
      expect(indexFaults(graph, new Map([['tokens', { min: -(2 ** 31), max: 2 ** 31 - 1 }]]))).toEqual([]);
    },
  );

  it('have no end where the program keeps an index below the table, and begin at 0 all the same', () => {
    const graph = indexed(16, 'tokens', 'minimum', 15);
    const ids = { min: 0, max: 2 ** 31 - 1 };
    expect(idRange(graph, 'tokens')).toEqual(ids);
    expect(indexFaults(graph, new Map([['tokens', ids]]))).toEqual([]);
    expect(vocabularyOf({ ids })).toBeUndefined();
  });

  it.each([
    [indexed(16, 'tokens', 'sub', 1), -1, 15],
    [indexed(16, 'tokens', 'sub', 'tokens'), -16, 16],
    [indexed(16, 'tokens', 'mod', -3), -2, 0],
    [indexed(3, 'iota'), 0, 3],
    [indexed(16, 'argmax', 'add', 8), 8, 16],
    // Wraps around: 2^31 - 1 + 1.
    [indexed(16, 2 ** 31 - 1, 'add', 'tokens'), -(2 ** 31), 2 ** 31 - 1],
  ])('do not excuse an index that leaves its table: %#', (graph, min, max) => {
    const faults = indexFaults(graph, new Map([['tokens', { min: 0, max: 16 }]]));
    expect(faults.map((f) => f.range)).toEqual([{ min, max }]);
    expect(idRange(graph, 'tokens')).toBeUndefined();
  });

  describe('made of floats', () => {
    type Floats = (b: Builder, scores: number, number: (value: number) => number) => number;
    const chosenBy = (rows: number, floats: Floats) => {
      const b = createBuilder();
      const scores = b.add('param', [], { name: 'scores', shape: [4], role: 'param' });
      const number = (value: number) => b.add('constant', [], { value, dtype: 'f32', shape: [] });
      const table = b.add('param', [], { name: 'table', shape: [rows, 2], role: 'param' });
      const ids = b.add('cast', [floats(b, scores, number)], { to: 'i32' });
      return b.finish([{ name: 'rows', node: b.add('embedding', [table, ids], {}) }]);
    };
    const positive: Floats = (b, scores, number) => b.add('greater', [scores, number(0)], {});
    const times = (value: number): Floats => {
      return (b, scores, number) => b.add('mul', [positive(b, scores, number), number(value)], {});
    };
    const between = (b: Builder, x: number, low: number, high: number) =>
      b.add('minimum', [b.add('maximum', [x, low], {}), high], {});

    it.each<[number, Floats]>([
      [2, positive],
      [7, times(6)],
      [6, (b, scores, number) => between(b, scores, number(0), number(5))],
      [3, (b, scores, number) => b.add('where', [scores, number(2), number(1)], {})],
    ])('stay inside a table of %i', (rows, floats) => {
      expect(indexFaults(chosenBy(rows, floats), new Map())).toEqual([]);
      expect(indexFaults(chosenBy(rows - 1, floats), new Map())).toHaveLength(1);
    });

    it('may be anything where they are not bounded, or rounded where f16 has no such number', () => {
      const any = { min: -(2 ** 31), max: 2 ** 31 - 1 };
      const rangeOf = (floats: Floats) => indexFaults(chosenBy(9, floats), new Map()).map((f) => f.range);
      expect(rangeOf((_b, scores) => scores)).toEqual([any]);
      expect(rangeOf(times(2051))).toEqual([{ min: 0, max: any.max }]);
      expect(rangeOf(times(-2))).toEqual([{ min: -2, max: 0 }]);
    });
  });

  it('are known of models that slice, join and compute with them', () => {
    expect(fixtureModel('vocabulary.zoo#words').vocab).toBe(514);
    // pairs: tokens + 2 < 16; halves: tokens / 2 + 1 < 20.
    expect(fixtureModel('vocabulary.zoo#halves').vocab).toBe(14);
  });
});

describe('ids outside', () => {
  it('are refused by the reference before anything runs', async () => {
    const model = fixtureModel('vocabulary.zoo#words');
    const weights = await openWeights(model, 'init:1');
    const executor = { kind: 'reference', name: 'reference', close: () => {} } as const;
    const request = { entry: 'encode_text', batch: 1, mode: 'eval', gradients: false } as const;
    const entry = await openEntry(executor, model, weights, request);
    const tokens = new Int32Array(12).fill(513);
    expect((await entry.run(new Map([['tokens', tokens]]))).size).toBe(1);
    for (const wrong of [514, 600, -1]) {
      tokens[7] = wrong;
      await expect(entry.run(new Map([['tokens', tokens]]))).rejects.toThrow(
        `Z404: tokens has id ${wrong} at position 7, it takes 0 to 513`,
      );
    }
  });

  it('do not keep a model from training whose table the raw input does not index', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'zooc-vocabulary-'));
    const recipe = resolveRecipe(nodeHost(), 'test/fixtures/models/vocabulary.zoo', []);
    if (!recipe.ok) throw new Error(recipe.diagnostics[0]!.message);
    const { model } = recipe.value;
    const { inputs } = batchValues(model, 4);
    const images = inputs.get('images') as Float32Array;
    const tokens = inputs.get('tokens') as Int32Array;
    const train = async (name: string) => {
      const data = join(folder, `${name}.safetensors`);
      await writeSafetensors(data, [
        { name: 'images', shape: [1, 4, 3, 8, 8], dtype: 'F32', data: images },
        { name: 'tokens', shape: [1, 4, 12], dtype: 'I32', data: tokens },
      ]);
      return trainFile({
        recipe: { ...recipe.value, data: { name: 'tensors', args: [data], named: {} } },
        out: join(folder, name),
        device: 'reference',
        weights: 'init:3',
        steps: 1,
        resume: false,
        progress: new Progress({ quiet: true }),
      });
    };
    try {
      expect((await train('right')).last!.loss).toBeGreaterThan(0);
      tokens[5] = 600;
      await expect(train('wrong')).rejects.toThrow(/Z417.*the id 600 .* takes 0 to 513/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
