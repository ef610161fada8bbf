/** Which of several models weights are those of, and that their configuration tells apart what their shapes do not. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fittingModels } from '../../../zoo/cli/fitting.ts';
import { locatePulled } from '../../../zoo/cli/packages.ts';
import { ExportFolder } from '../../support/files/exports.ts';

const exports = new ExportFolder();
const candidates = ['tiny', 'erf', 'deep', 'resnet'].map((name) => `${exports.path('tiny.zoo')}#${name}`);
const alone = mkdtempSync(join(tmpdir(), 'zooc-fitting-'));
const named = (found: readonly string[]) => found.map((reference) => reference.split('#')[1]);

beforeAll(async () => {
  await exports.make('hf', 'hf', exports.path('mixed.safetensors'));
  await exports.make('hf', 'erf', exports.path('mixed.safetensors'), exports.load('erf'));
});
afterAll(() => rmSync(alone, { recursive: true }));

describe('models that weights fit', () => {
  it('are told by names, shapes and the configuration beside', async () => {
    expect(named(await fittingModels(exports.path('hf'), candidates))).toEqual(['tiny']);
    expect(named(await fittingModels(exports.path('erf'), candidates))).toEqual(['erf']);
  });

  it('are several where nothing tells them apart, and none where no shape fits', async () => {
    expect(named(await fittingModels(exports.path('mixed.safetensors'), candidates))).toEqual([
      'tiny',
      'erf',
    ]);
    expect(await fittingModels(exports.path('mixed.safetensors'), candidates.slice(2))).toEqual([]);
  });

  it('stand for the name that was pulled, if it is one alone', async () => {
    const name = 'hf:a/b';
    const weights = exports.path('mixed.safetensors');
    const locate = (path: string) => locatePulled(name, { name, path }, candidates);
    expect(await locate(exports.path('erf'))).toMatchObject({ reference: candidates[1], weights: name });
    await expect(locate(weights)).rejects.toThrow(
      /the weights of hf:a\/b fit several bundled models: .*#tiny, .*#erf/,
    );
    const told = { name, path: weights, model: 'RN50' };
    expect(await locatePulled(name, told, candidates)).toMatchObject({ reference: 'RN50', weights: name });
  });

  it('are not asked for where there are no weights', async () => {
    mkdirSync(join(alone, 'empty'));
    writeFileSync(join(alone, 'empty/config.json'), '{}');
    await expect(fittingModels(join(alone, 'empty'), candidates)).rejects.toThrow('holds no weights');
  });
});
