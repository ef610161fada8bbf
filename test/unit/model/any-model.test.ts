/** Inputs, tables, entries and outputs by name, and objectives over them. */
import { describe, expect, it } from 'vitest';
import { cutAtGather } from '../../../compiler/autodiff/chunk.ts';
import { inputsOf, resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { chunkByChunk, wholeBatch } from '../../../runtime/reference/computation.ts';
import { ReferenceTrainSession } from '../../../runtime/reference/session.ts';
import { memoryHost } from '../../errors/report.ts';
import { anyCases, batchOf, libraryCases, lossOf, trainableOf } from '../../support/models/any-models.ts';
import { fixtureModel, weightValues } from '../../support/models/training-models.ts';
import { adamw } from '../../support/training/optimizers.ts';

const entriesOf = (name: string) =>
  fixtureModel(`any.zoo#${name}`).entries.map(({ name: entry, inputs, outputs }) => ({
    entry,
    inputs: inputs.map((i) => `${i.name} ${i.shape}${i.table ? ' table' : ''}`),
    outputs: outputs.map((o) => `${o.name} ${o.shape}`),
  }));

function resolved(source: string) {
  const model = resolveModel(memoryHost({ 'main.zoo': source }), 'main.zoo#m');
  return model.ok ? model.value : model.diagnostics.map((d) => `${d.code}: ${d.message}`).join('; ');
}

describe('entries', () => {
  it('are those that the root declares, forward, and the loss of an objective that fits', () => {
    expect(entriesOf('prompted')).toEqual([
      {
        entry: 'class_features',
        inputs: ['prompts [3, 5] table'],
        outputs: ['out [3, 8]'],
      },
      {
        entry: 'forward',
        inputs: ['image [B, 3, 4, 4]', 'prompts [3, 5] table'],
        outputs: ['scores [B, 3]'],
      },
      {
        entry: 'loss',
        inputs: ['image [B, 3, 4, 4]', 'prompts [3, 5] table', 'label [B]'],
        outputs: ['loss []', 'accuracy []'],
      },
    ]);
  });

  it('name the fields of records within records by their path', () => {
    const [hear, forward] = entriesOf('towers');
    expect(hear).toEqual({ entry: 'hear', inputs: ['sound [B, 1, 3, 6]'], outputs: ['out [B, 8]'] });
    expect(forward!.outputs.slice(3)).toEqual(['views.first [B, 8]', 'views.second [B, 8]', 'scale []']);
  });

  it('compute a child once that they call again on the same tensors', () => {
    const model = fixtureModel('tiny_vit');
    const count = (entry: string) => {
      const graph = traceEntry(model, entry, { batch: 2 });
      if (!graph.ok) throw new Error();
      return graph.value.nodes.filter((n) => n.op === 'attention').length;
    };
    expect(count('logits')).toBe(count('encode_image') + count('encode_text'));
    expect(count('loss')).toBe(count('logits'));
  });

  it('may be called by the parent of a block that declares them', () => {
    const model = resolved(`
block Tower { param w: [4] = ones  forward(x: [B, 4]) = x * w  entry twice(x: [B, 4]) -> [B, 4] = 2 * forward(x) }
block Root { tower: Tower()  forward(x: [B, 4]) = tower(x)  entry four(x: [B, 4]) -> [B, 4] = 2 * tower.twice(x) }
model "m" = Root()`);
    expect(model).toMatchObject({ entries: [{ name: 'four' }, { name: 'forward' }] });
  });

  const tower = (condition: string) => `
block Tower(deep: bool = false) { forward(x: [B, 4]) = x  entry twice(x: [B, 4]) -> [B, 4] = 2 * forward(x) when deep }
block Root(tower: block) {
  inner: tower
  forward(x: [B, 4]) = inner(x)
  entry four(x: [B, 4]) -> [B, 4] = 2 * inner.twice(x)${condition}
}
block Flat { forward(x: [B, 4]) = x }`;

  it('exist only when their condition holds, such as that a child has one', () => {
    const source = tower(' when has_entry(inner, "twice")');
    const names = (model: string) =>
      (resolved(`${source}\nmodel "m" = ${model}`) as Model).entries.map((e) => e.name);
    expect(names('Tower(deep = true)')).toEqual(['twice', 'forward']);
    expect(names('Tower()')).toEqual(['encode_image', 'forward']);
    expect(names('Root(Tower(deep = true))')).toEqual(['four', 'forward']);
    expect(names('Root(Tower())')).toEqual(['encode_image', 'forward']);
    expect(names('Root(Flat())')).toEqual(['encode_image', 'forward']);
  });

  it('that do not exist cannot be called, and the message says why', () => {
    expect(resolved(`${tower('')}\nmodel "m" = Root(Tower())`)).toBe('Z211: `twice` exists only when deep');
    expect(resolved(`${tower(' when 1')}\nmodel "m" = Root(Tower())`)).toMatch(/^Z209: `when` needs a bool/);
    expect(resolved(`${tower(' when has_entry(2, "twice")')}\nmodel "m" = Root(Tower())`)).toMatch(
      /^Z209: `child` of has_entry must be a child block/,
    );
  });

  it('of a tower without any are encode_image or encode_text as well', () => {
    const model = resolved('block T { forward(pixels: [B, 7]) = pixels }\nmodel "m" = T()');
    expect(model).toMatchObject({
      entries: [
        { name: 'encode_image', inputs: [{ name: 'pixels' }], outputs: [{ name: 'image_features' }] },
        { name: 'forward', outputs: [{ name: 'out' }] },
      ],
    });
  });
});

describe('models', () => {
  const source = `
block Tower(width: int) { param w: [width, 7] = ones  forward(x: [B, 7]) -> [B, width] = x @ w.T }
model "base" = Tower(3)
model "wide"(width: int = 5) = Tower(width)
block Pair(first: block) {
  first: first
  second: "wide"
  third: base
  forward(x: [B, 7]) = { first = first(x), second = second(x), third = third(x) }
}`;
  const weights = (value: string) => {
    const model = resolved(`${source}\nmodel "m" = ${value}`);
    return typeof model === 'string' ? model : model.weights.map((w) => `${w.name} ${w.shape[0]}`);
  };

  it('stand where blocks do: as arguments and as children, by name or in quotes, varied or not', () => {
    const rest = ['second.w 5', 'third.w 3'];
    expect(weights('Pair(base)')).toEqual(['first.w 3', ...rest]);
    expect(weights('Pair("wide")')).toEqual(['first.w 5', ...rest]);
    expect(weights('Pair(("wide" with width = 9))')).toEqual(['first.w 9', ...rest]);
    expect(weights('Pair(base) with first.width = 4')).toEqual(['first.w 4', ...rest]);
  });

  it('are refused where there is none of the name, or where they would hold themselves', () => {
    expect(weights('Pair("bass")')).toBe('Z213: there is no model "bass"; did you mean `base`?');
    expect(weights('Pair("m")')).toBe('Z203: model cycle: m -> m');
  });
});

describe('integers', () => {
  const block = (type: string) => `
block T(vocab: int) { param t: [vocab, 2] = ones  forward(ids: ${type}) -> [B, 2] = mean(embedding(t, ids), axis = 1) }
model "m" = T(9)`;

  it('may be what the tables hold that they index, or what the declaration says', () => {
    expect(resolved(block('i32[B, 3]'))).toMatchObject({ inputs: [{ ids: { min: 0, max: 8 } }] });
    expect(resolved(block('i32[B, 3] in 0..vocab - 2'))).toMatchObject({
      inputs: [{ ids: { min: 0, max: 6 } }],
    });
  });

  it('that may leave a table, as declared, are refused', () => {
    expect(resolved(block('i32[B, 3] in 0..12'))).toBe(
      'Z313: the ids of embedding can be 0 to 11, the table has rows 0 to 8',
    );
    expect(resolved(block('i32[B, 3] in 4..4'))).toBe(
      'Z313: the ids of an input run from a number up to a larger one: 0..vocab',
    );
  });
});

describe('objectives', () => {
  const inputs = (name: string, objective: string) =>
    inputsOf(lossOf(anyCases.find((c) => c.name === `${name}, ${objective}`)!, 4)).map((i) => i.name);

  it('have inputs of their own beside those of the model', () => {
    expect(inputs('classifier', 'labelled')).toEqual(['image', 'label']);
    expect(inputs('regressor', 'squared')).toEqual(['image', 'target']);
    expect(inputs('prompted', 'labelled')).toEqual(['image', 'prompts', 'label']);
  });

  it('report the terms of their record', () => {
    const { outputs } = lossOf(anyCases[3]!, 4);
    expect(outputs.map((o) => o.name)).toEqual(['loss', 'captions', 'views', 'sounds']);
  });

  const refused = (name: string, objective: string) => {
    const graph = traceEntry(fixtureModel(`any.zoo#${name}`), 'loss', { objective: { name: objective } });
    return graph.ok ? 'no error' : graph.diagnostics[0]!.message;
  };

  it('say which output a model lacks', () => {
    expect(refused('towers', 'labelled')).toBe('argument `out` of labelled lacks the field `scores`');
    expect(refused('student', 'contrastive')).toBe('argument `out` of contrastive lacks the field `image`');
  });

  it('without a name are the one of the library that fits', () => {
    const fitting = (forward: string) =>
      (
        resolved(
          `block T { forward(x: [B, 4, 7], tokens: i32[B, 4]) = ${forward} }\nmodel "m" = T()`,
        ) as Model
      ).objective;
    expect(fitting('{ words = x }')).toBe('caption');
    expect(fitting('{ words = x[:, 0] }')).toBe('bag_of_words');
    expect(fitting('{ scores = x[:, 0] }')).toBe('classify');
    expect(fitting('{ values = x[:, 0] }')).toBe('regress');
    expect(fitting('x[:, 0]')).toBeUndefined();
    const clip = 'image = x[:, 0], text = x[:, 1], scale = mean(x)';
    expect(fitting(`{ ${clip}, words = x }`)).toBe('contrastive');
    expect(fitting(`{ ${clip}, words = x, bias = mean(x) }`)).toBe('sigmoid_loss');
    // Convirt and triplet.
    expect(fitting('{ image = x[:, 0], text = x[:, 1] }')).toBeUndefined();
  });

  it('do not fit where nothing says the size of what they are fed', () => {
    const model = resolved('block T { forward(x: [B, 7]) = { words = x } }\nmodel "m" = T()');
    expect(model).toMatchObject({ entries: [{ name: 'forward' }] });
    expect(model).not.toHaveProperty('objective');
  });

  it('read an input of the model by its name, whatever that gives, and no second one of another type', () => {
    const source = `
block T { forward(tokens: [B, 4]) -> [B, 4] = 2 * tokens }
objective same(y: [B, D], tokens: [B, D]) -> [] = mean(gather((y - tokens) ^ 2))
objective other(y: [B, D], tokens: i32[B, D]) -> [] = mean(gather((y - float(tokens)) ^ 2))
model "m" = T()`;
    const model = resolved(source);
    if (typeof model === 'string') throw new Error(model);
    const loss = (name: string) => traceEntry(model, 'loss', { batch: 2, objective: { name } });
    const same = loss('same');
    expect(same.ok && inputsOf(same.value)).toEqual([{ name: 'tokens', dtype: 'f32', sizes: [4] }]);
    expect(loss('other')).toMatchObject({
      ok: false,
      diagnostics: [{ message: 'argument `tokens` of other must be i32 i32[B, D], got f32' }],
    });
  });

  it('without a name need one that fits', () => {
    const graph = traceEntry(fixtureModel('any.zoo#student'), 'loss');
    expect(graph).toMatchObject({
      ok: false,
      diagnostics: [{ message: expect.stringContaining('(student, teacher)') }],
    });
  });
});

describe('training of any model', () => {
  it.each([...anyCases, ...libraryCases])('$name: in chunks the steps of the whole batch', async (test) => {
    const trainable = trainableOf(test);
    const weights = test.model.weights.filter((w) => w.dtype !== 'i64');
    const trained = weights.filter((w) => trainable.includes(w.name));
    const update = { rule: adamw, weightDecay: 0.2, decayMinDims: 2, clamps: [] };
    const train = async (chunk: number) => {
      const whole = lossOf(test, 4);
      const computation =
        chunk === 4
          ? wholeBatch(whole, trained)
          : chunkByChunk(
              cutAtGather(whole, lossOf(test, chunk), { trainable }),
              { batch: 4, chunk },
              trained,
            );
      const session = new ReferenceTrainSession(computation, weights, { ...update, trainable });
      for (const [name, values] of weightValues(test.model)) session.writeState(name, values);
      const seen: number[] = [];
      for (let step = 0; step < 3; step++) {
        const hyper = { lr: 1e-2, biasCorrection1: 0.1, biasCorrection2: 0.02, clipNorm: 0 };
        const result = await session.step(batchOf(test, 4, step), { ...hyper, random: { seed: 0, step } });
        seen.push(result.loss, result.gradNorm, ...Object.values(result.terms));
      }
      return seen;
    };
    const whole = await train(4);
    expect(whole.every((x) => Number.isFinite(x) && x !== 0)).toBe(true);
    for (const chunk of [2, 1])
      for (const [i, x] of (await train(chunk)).entries())
        expect(Math.abs(x / whole[i]! - 1), `chunk ${chunk}, ${i}: ${x}, ${whole[i]}`).toBeLessThan(1e-10);
  });

  it('refuses chunks where a label is used before it is gathered, and names it', () => {
    const source = `
block T { param w: [4, 3] = normal(1.0)  forward(x: [B, 4]) -> { scores: [B, 3] } = { scores = x @ w } }
objective o(out: { scores: [B, C] }, label: i32[B]) -> [] = -mean(take(log_softmax(gather(out.scores), axis = -1), label, axis = 1))
model "m" = T()`;
    const model = resolved(source);
    if (typeof model === 'string') throw new Error(model);
    const loss = (batch: number) => {
      const graph = traceEntry(model, 'loss', { batch, training: true, objective: { name: 'o' } });
      if (!graph.ok) throw new Error(graph.diagnostics[0]!.message);
      return graph.value;
    };
    expect(() => cutAtGather(loss(4), loss(2), { trainable: ['w'] })).toThrow(/Z614.*depends on `label`/);
  });
});
