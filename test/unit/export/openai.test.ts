/**
 * Exports for OpenAI's CLIP: the checkpoint's names, integers, bytes and archive against what its loader
 * expects.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ExportFolder, openaiNames } from '../../support/files/exports.ts';
import { readTorch, readZip } from '../../support/files/torch-reader.ts';

const { load, make, path, text } = new ExportFolder();

describe('the openai format', () => {
  it('is a checkpoint with the state_dict of OpenAI, its three integers and a card', async () => {
    const made = await make('openai', 'openai', path('mixed.safetensors'));
    expect(readdirSync(path('openai')).sort()).toEqual(['README.md', 'model.pt']);
    const file = readFileSync(path('openai/model.pt'));
    expect(made).toMatchObject({ format: 'openai', name: 'tiny', files: { 'model.pt': file.length } });
    const tensors = readTorch(file);
    expect([...tensors].map(([name, { shape }]) => [name, shape])).toEqual(openaiNames);
    const integer = (name: string) => [
      tensors.get(name)!.storage,
      tensors.get(name)!.bytes.readBigInt64LE().toString(),
    ];
    expect(integer('input_resolution')).toEqual(['torch.LongStorage', '8']);
    expect(integer('context_length')).toEqual(['torch.LongStorage', '6']);
    expect(integer('vocab_size')).toEqual(['torch.LongStorage', '600']);
    expect(tensors.get('visual.conv1.weight')!.stride).toEqual([48, 16, 4, 1]);
    expect(tensors.get('logit_scale')!.stride).toEqual([]);
  });

  it('keeps every stored bit, of F16 and BF16 too', () => {
    const tensors = readTorch(readFileSync(path('openai/model.pt')));
    const raw = readFileSync(path('mixed.safetensors'));
    const start = 8 + Number(raw.readBigUInt64LE());
    const header = JSON.parse(raw.toString('utf8', 8, start));
    const storages = { F32: 'torch.FloatStorage', F16: 'torch.HalfStorage', BF16: 'torch.BFloat16Storage' };
    let compared = 0;
    for (const [name, { dtype, data_offsets: at }] of Object.entries(header) as [
      string,
      { dtype: keyof typeof storages; data_offsets: [number, number] },
    ][]) {
      const { storage, bytes } = tensors.get(name)!;
      expect(storage).toBe(storages[dtype]);
      expect(bytes.equals(raw.subarray(start + at[0], start + at[1]))).toBe(true);
      compared++;
    }
    expect(compared).toBe(openaiNames.length - 3);
  });

  it('stores its entries uncompressed, with right checksums, in the order of torch.save', () => {
    const entries = readZip(readFileSync(path('openai/model.pt')));
    expect(entries.map((e) => e.name)).toEqual([
      'archive/data.pkl',
      'archive/byteorder',
      ...openaiNames.map((_, i) => `archive/data/${i}`),
      'archive/version',
    ]);
    for (const { method, crc, bytes } of entries) expect([method, crc]).toEqual([0, crc32(bytes)]);
    expect(entries[1]!.bytes.toString()).toBe('little');
    expect(entries.at(-1)!.bytes.toString()).toBe('3\n');
  });

  it('writes the same bytes again', async () => {
    await make('openai', 'openai-again', path('mixed.safetensors'));
    expect(readFileSync(path('openai-again/model.pt')).equals(readFileSync(path('openai/model.pt')))).toBe(
      true,
    );
  });

  it('tells in its card how the checkpoint is loaded and which tokens it takes', () => {
    // `build_model` makes halves of what it loads: the numbers are loaded again into the model in f32.
    expect(text('openai/README.md')).toMatch(
      /state = torch\.load\("model\.pt", map_location="cpu"\)\nmodel = build_model\(state\)\.float\(\)\nmodel\.load_state_dict\(state\)/,
    );
    expect(text('openai/README.md')).toContain('does not fit this vocabulary of 600');
    expect(text('openai/README.md')).toContain('tokens = AutoTokenizer.from_pretrained("HF")(labels');
  });

  it('shows the tokenizer of the package for its own vocabulary', async () => {
    await make('openai', 'openai-full', 'init:1', load('full'));
    expect(text('openai-full/README.md')).toContain('tokens = clip.tokenize(labels, truncate=True)\n');
    expect(text('openai-full/README.md')).not.toContain('does not fit');
  });

  it('writes ResNets with the counters of their batch norms', async () => {
    await make('openai', 'openai-resnet', 'init:1', load('resnet'));
    const tensors = readTorch(readFileSync(path('openai-resnet/model.pt')));
    expect(tensors.get('visual.layer1.0.downsample.1.num_batches_tracked')).toMatchObject({
      storage: 'torch.LongStorage',
      shape: [],
    });
    expect(tensors.get('input_resolution')!.bytes.readBigInt64LE()).toBe(32n);
  });

  it.each([
    ['thin', 'vision.heads is 4 for 64 channels; its loader takes one head for every 64'],
    ['erf', 'vision.act is gelu; its code has quick_gelu only'],
    ['deep', 'vision.hidden is 150 for 64 channels; its loader takes 4 times the width'],
    ['wide', 'vision.heads is 8 for 256 channels; its loader takes one head for every 64'],
  ])('refuses %s, which its loader would rebuild as another model', async (name, message) => {
    await expect(make('openai', 'refused', 'init:0', load(name))).rejects.toThrow(
      `Z432: ${name} cannot be exported as openai: ${message}`,
    );
  });
});
