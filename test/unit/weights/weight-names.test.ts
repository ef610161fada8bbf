/**
 * Names of weights: told from the file or insisted on, reported in the file's own names where they do not
 * fit, and ours in what is written.
 */
import { describe, expect, it } from 'vitest';
import { encodeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { namingNames } from '../../../zoo/weights/naming.ts';
import { openWeights, weightsToWrite } from '../../../zoo/weights/weights.ts';
import { torchFile } from '../../support/files/torch-writer.ts';
import {
  diagnosticsOf,
  expectValues,
  number,
  openai,
  published,
  renamed,
  resnet,
  transposed,
  vit,
  weightFolder,
} from '../../support/golden/published-weights.ts';

const { folder, write } = weightFolder();

describe('weights that do not fit', () => {
  it('are listed in the names of the file', async () => {
    const tensors = published.hf(openai(vit));
    tensors.delete('text_model.encoder.layers.0.self_attn.k_proj.weight');
    tensors.set('visual_projection.weight', transposed(tensors.get('visual_projection.weight')!));
    tensors.set('vision_model.head.weight', number);
    tensors.set('logit_scale', number);
    const said = await diagnosticsOf(openWeights(vit, write(torchFile(tensors), 'misfit.bin')));
    expect(said.replaceAll(folder, '...')).toMatchInlineSnapshot(`
      "error[Z401]: weights do not fit: visual_projection.weight is [64, 32] in the file, [32, 64] in the model
         = note: not in the file: text_model.encoder.layers.0.self_attn.k_proj.weight [64, 64]
         = note: not in the model: vision_model.head.weight []
         = note: of another element type: logit_scale is I64 in the file, f32 in the model
         = note: in .../misfit.bin
         = note: names tried: openai (1 of 62), open_clip (1 of 62), hf (77 of 78)"
    `);
  });

  it('are listed with the namings that were tried where none fits', async () => {
    const path = write(
      encodeSafetensors(new Map([['conv1.weight', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]])),
      'alien',
    );
    const said = await diagnosticsOf(openWeights(vit, path));
    expect(said).toContain('not in the model: conv1.weight [1]');
    expect(said).toContain('not in the file: visual.proj [64, 32]');
    expect(said).toContain('names tried: openai (0 of 62), open_clip (0 of 62), hf (0 of 78)');
  });

  it('are those of eight bits, which are not computed with', async () => {
    const tensors = openai(vit);
    const { shape, data } = tensors.get('visual.proj')!;
    tensors.set('visual.proj', { dtype: 'F8_E4M3', shape, data: new Uint8Array(data.length) });
    const said = await diagnosticsOf(openWeights(vit, write(encodeSafetensors(tensors))));
    expect(said).toContain('of another element type: visual.proj is F8_E4M3 in the file, f32 in the model');
  });
});

describe('a naming insisted on', () => {
  const paths = new Map(
    namingNames.map((naming) => [naming, write(torchFile(published[naming](openai(vit))))]),
  );

  it.each([
    ['openai', 'openai'],
    ['open_clip', 'open_clip'],
    ['open_clip', 'openai'],
    ['hf', 'hf'],
  ] as const)('%s takes a file of %s', async (wanted, naming) => {
    await expectValues(vit, await openWeights(vit, paths.get(naming)!, { format: wanted }));
  });

  it.each([
    ['openai', 'open_clip'],
    ['openai', 'hf'],
    ['open_clip', 'hf'],
    ['hf', 'openai'],
    ['hf', 'open_clip'],
  ] as const)('%s refuses a file of %s', async (wanted, naming) => {
    const said = await diagnosticsOf(openWeights(vit, paths.get(naming)!, { format: wanted }));
    expect(said).toContain(`does not hold tiny_vit under the names of ${wanted}`);
    expect(said).toContain(`--format ${naming}`);
  });

  it('says that Hugging Face has no ResNets', async () => {
    const path = write(torchFile(openai(resnet)));
    const said = await diagnosticsOf(openWeights(resnet, path, { format: 'hf' }));
    expect(said).toContain('error[Z424]: hf has no names for the weights of tiny_rn');
  });
});

describe('a prefix that not all names have', () => {
  it.each([
    ['openai', 62],
    ['open_clip', 62],
    ['hf', 78],
  ] as const)('is told as the likely cause of missing names: %s', async (naming, count) => {
    const tensors = renamed(published[naming](openai(vit)), (n) => `model.net.${n}`);
    tensors.set('loss.weight', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    const said = await diagnosticsOf(openWeights(vit, write(encodeSafetensors(tensors))));
    expect(said).toContain('error[Z401]');
    expect(said).toContain(
      `note: ${count} names are there behind \`model.net.\`, which is taken off only where all ${tensors.size} tensors of a file have it`,
    );
  });

  it('is not told where a file fits as well without one', async () => {
    const tensors = openai(vit);
    const [first, tensor] = [...tensors][0]!;
    tensors.delete(first);
    tensors.set(`ema.${first}`, tensor);
    const said = await diagnosticsOf(openWeights(vit, write(encodeSafetensors(tensors))));
    expect(said).toContain('error[Z401]');
    expect(said).not.toContain('taken off');
  });
});

describe('weights written under our names', () => {
  it('keep their halves and are doubles no more', async () => {
    const tensors = openai(vit, 'F16');
    const { shape, data } = tensors.get('visual.proj')!;
    tensors.set('visual.proj', { dtype: 'F64', shape, data: Float64Array.from(data as Float32Array) });
    const weights = await openWeights(vit, write(torchFile(tensors)));
    const types = weightsToWrite(vit, weights).map((t) => t.dtype);
    expect(types.filter((dtype) => dtype === 'F32')).toHaveLength(1);
    expect(types.filter((dtype) => dtype === 'F16')).toHaveLength(61);
    expect(new Set(weightsToWrite(vit, weights, 'F32').map((t) => t.dtype))).toEqual(new Set(['F32']));
    await weights.close();
  });

  it('may be copied as they are only from a safetensors file of ours', async () => {
    const open = async (bytes: Uint8Array) => {
      const weights = await openWeights(vit, write(bytes));
      await weights.close();
      return weights.copyable !== undefined;
    };
    expect(await open(encodeSafetensors(openai(vit)))).toBe(true);
    expect(await open(encodeSafetensors(renamed(openai(vit), (n) => `module.${n}`)))).toBe(false);
    expect(await open(encodeSafetensors(published.hf(openai(vit))))).toBe(false);
    expect(await open(torchFile(openai(vit)))).toBe(false);
  });
});
