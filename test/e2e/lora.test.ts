/**
 * LoRA from the command line: new weights are trained beside a base model's, exported, loaded and trained on.
 *
 * Trained on the device; run on the reference, which needs no kernels.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixedBatches, loraSettings, tinyZoo, Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const zooc = (...args: string[]) => workspace.succeed(args);

const train = (weights: string, out: string, ...more: string[]) =>
  zooc('train', 'lora.zoo#t', '--weights', weights, '--out', out, ...more);

const bytesOf = (folder: string) => readFileSync(workspace.path(`${folder}/weights.safetensors`));
const changed = (folder: string, other: string) => workspace.changed(folder, other);

const layer = 'visual.transformer.resblocks.0.mlp.c_fc';
const added = [`${layer}.lora_A`, `${layer}.lora_B`];

beforeAll(async () => {
  const sizes = { resolution: 16, context: 8, vocab: 520 };
  workspace.writeTensors('batches.safetensors', fixedBatches(2, 4, sizes));
  workspace.write(
    'lora.zoo',
    `import adapters { LoRALinear }
${tinyZoo}
model "lora" = "tiny" with "visual.**.mlp.c_fc" as LoRALinear(rank = 4)
train "t" of "lora" {${loraSettings}}
`,
  );
  await zooc('export', 'init:3', '--model', 'lora.zoo#tiny', '--format', 'zoo', '--out', 'base');
  await zooc('export', 'init:3', '--model', 'lora.zoo#tiny', '--format', 'hf', '--out', 'published');
});

describe('a model with replaced layers', () => {
  beforeAll(async () => {
    const { stderr } = await train('base', 'whole', '--steps', '4');
    expect(stderr).toContain(
      `base/weights.safetensors has no weights for what is new in replaced layers; they start fresh: ${added.join(', ')}\n`,
    );
    await zooc('export', 'whole', '--model', 'lora.zoo#lora', '--format', 'zoo', '--out', 'package');
  });

  it('trains the new weights alone, in two parts with the same bits', async () => {
    expect(changed('whole', 'base')).toEqual(added);
    await train('base', 'parts', '--steps', '2');
    expect(changed('parts', 'whole')).toEqual(added);
    await train('base', 'parts', '--steps', '4', '--resume');
    expect(bytesOf('parts')).toEqual(bytesOf('whole'));
  });

  it('starts from published names as from its own', async () => {
    await train('published', 'from-published', '--steps', '4');
    expect(bytesOf('from-published')).toEqual(bytesOf('whole'));
  });

  it('is exported as it is, and gives the same bits where it is loaded', async () => {
    expect((await zooc('check', 'package/model.zoo')).stdout).toBe('package/model.zoo: no errors\n');
    expect((await zooc('show', 'package')).stdout).toMatch(RegExp(`^${layer} +LoRALinear +Linear$`, 'm'));
    const run = ['--entry', 'logits', '--inputs', 'hash', '--batch', '2', '--device', 'reference', '--out'];
    await zooc('run', 'lora.zoo#lora', '--weights', 'whole', ...run, 'direct.safetensors');
    await zooc('run', 'package', ...run, 'packed.safetensors');
    await zooc('run', 'lora.zoo#tiny', '--weights', 'base', ...run, 'base.safetensors');
    const [direct, packed, base] = ['direct', 'packed', 'base'].map((name) =>
      readFileSync(workspace.path(`${name}.safetensors`)),
    );
    expect(packed).toEqual(direct);
    expect(base).not.toEqual(direct);
  });

  it('trains on from its export', async () => {
    workspace.write(
      'further.zoo',
      `import "./package/model.zoo" { "lora" }
train "further" of "lora" from "package/weights.safetensors" {${loraSettings}}
`,
    );
    const { stderr } = await zooc('train', 'further.zoo', '--out', 'further', '--steps', '2');
    expect(stderr).not.toContain('fresh');
    expect(changed('further', 'package')).toEqual(added);
    expect((await zooc('show', 'further')).stdout).toContain('LoRALinear');
  });

  it.each(['openai', 'open_clip', 'hf'])(
    'is not for %s, which is said, and nothing is written',
    async (format) => {
      const args = ['export', 'package', '--model', 'package', '--format', format, '--out', format];
      const { code, stdout, stderr } = await workspace.call(args);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toContain(
        `error[Z432]: lora cannot be exported as ${format}: ${layer} is LoRALinear of package adapters, which \`with ... as\` put there`,
      );
      expect(stderr).toContain('help: --format zoo takes every model');
      expect(existsSync(workspace.path(format))).toBe(false);
    },
  );
});
