/** MODEL as a folder that `export` wrote: the same for every verb that takes a model. */
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, locateModel } from '../../../zoo/cli/packages.ts';
import { compile } from '../../../zoo/cli/verbs/compile.ts';
import { exportVerb } from '../../../zoo/cli/verbs/exporting/export.ts';
import { importWeights } from '../../../zoo/cli/verbs/import.ts';
import { run } from '../../../zoo/cli/verbs/run.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-folders-'));
const path = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = 'test/fixtures/programs/any-shape.zoo#pair';
const exported = path('exported');
beforeAll(() => exportVerb('init:3', { model: program, format: 'zoo', out: exported, set: [] }));

describe('an exported folder as MODEL', () => {
  it('is its model', async () => {
    const [model, original] = [await loadModel(exported, []), await loadModel(program, [])];
    expect(model.name).toBe('pair');
    expect(model.weights.map((w) => w.name)).toEqual(original.weights.map((w) => w.name));
    expect((await locateModel(program)).reference).toBe(program);
  });

  it('runs with its own weights, or with others', async () => {
    const fixed = {
      entry: 'encode_text',
      inputs: 'hash',
      batch: '2',
      mode: 'eval',
      device: 'reference',
      set: [],
    } as const;
    const outputs: Buffer[] = [];
    for (const [model, weights] of [[exported], [program, 'init:3'], [exported, 'init:4']] as const) {
      await run(model, { ...fixed, out: path('out'), ...(weights === undefined ? {} : { weights }) });
      outputs.push(readFileSync(path('out')));
    }
    expect(outputs[0]).toEqual(outputs[1]);
    expect(outputs[0]).not.toEqual(outputs[2]);
    await expect(run(program, { ...fixed, out: path('none') })).rejects.toThrow(/Z703.*needs weights/);
  });

  it('is compiled, imported for and exported again, to the same files', async () => {
    const fixed = { entry: 'loss', batch: '2', mode: 'eval', profile: 'cpu', set: [] } as const;
    await compile(exported, { ...fixed, out: path('plan') });
    expect(JSON.parse(readFileSync(path('plan/plan.json'), 'utf8')).model).toBe('pair');
    await importWeights(exported, { model: exported, format: 'openai', out: path('imported'), set: [] });
    await exportVerb(exported, { model: exported, format: 'zoo', out: path('again'), set: [] });
    expect(readdirSync(path('again'))).toEqual(readdirSync(exported));
    for (const name of readdirSync(exported))
      expect(readFileSync(join(path('again'), name)), name).toEqual(readFileSync(join(exported, name)));
  });

  it('is not what a bundled name means, nor a folder without a model', async () => {
    const here = process.cwd();
    mkdirSync(path('RN50'));
    process.chdir(folder);
    try {
      expect((await locateModel('RN50')).reference).toBe('RN50');
      await expect(locateModel('./RN50')).rejects.toThrow(/Z704.*is a folder without model.zoo/);
    } finally {
      process.chdir(here);
    }
  });

  it('is refused once it was changed', async () => {
    appendFileSync(join(path('again'), 'model.zoo'), '# changed');
    await expect(loadModel(path('again'), [])).rejects.toThrow(/Z430.*model.zoo has \d+ bytes/);
  });
});
