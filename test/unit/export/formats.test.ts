/**
 * What exports of every format for other projects' loaders share: element types, refusals, the folder that is
 * made, name maps and archives.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { narrowF16 } from '../../../runtime/data/safetensors/half.ts';
import { mapTensor } from '../../../zoo/export/foreign/map-tensor.ts';
import { exportPackage } from '../../../zoo/export/index.ts';
import { readSafetensors, writeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { pickleStateDict } from '../../../zoo/weights/formats/torch/pickle-writer.ts';
import { writeTorchArchive } from '../../../zoo/weights/formats/torch/torch-archive.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { bytesOf, ExportFolder } from '../../support/files/exports.ts';
import { readTorch, unpickle } from '../../support/files/torch-reader.ts';

const fixture = new ExportFolder();
const { folder, json, load, make, model, path, text } = fixture;

describe('the element type of an export', () => {
  it('is changed where asked, in every format', async () => {
    await make('hf', 'hf16', 'init:5', model, 'F16');
    const { tensors } = readSafetensors(readFileSync(path('hf16/model.safetensors')));
    expect(new Set([...tensors.values()].map((t) => t.dtype))).toEqual(new Set(['F16']));
    expect(json('hf16/config.json').torch_dtype).toBe('float16');
    // Or transformers computes in that, which is not what `classify` prints.
    expect(text('hf16/README.md')).toContain('CLIPModel.from_pretrained(".", dtype="float32")');

    await make('openai', 'openai16', 'init:5', model, 'F16');
    const exact = await (await openWeights(model, 'init:5')).read(
      model.weights.find((w) => w.name === 'visual.proj')!,
    );
    const half = readTorch(readFileSync(path('openai16/model.pt'))).get('visual.proj')!;
    expect([half.storage, half.bytes.equals(bytesOf(narrowF16(exact)))]).toEqual(['torch.HalfStorage', true]);

    await make('open_clip', 'open_clip32', path('mixed.safetensors'), model, 'F32');
    const wide = readSafetensors(readFileSync(path('open_clip32/open_clip_model.safetensors'))).tensors;
    for (const [name, { data }] of fixture.mixed) {
      expect(wide.get(name)!.dtype).toBe('F32');
      expect(bytesOf(wide.get(name)!.data).equals(bytesOf(data))).toBe(true);
    }

    await exportPackage({ source: path('mixed.safetensors'), model, out: path('zoo16'), floats: 'F16' });
    const packed = readSafetensors(readFileSync(path('zoo16/weights.safetensors'))).tensors;
    expect(packed.get('visual.proj')!.dtype).toBe('F16');
  });

  it('comes back bit for bit: F16, then f32, then f16', async () => {
    await make('open_clip', 'again16', path('open_clip32/open_clip_model.safetensors'), model, 'F16');
    const again = readSafetensors(readFileSync(path('again16/open_clip_model.safetensors'))).tensors;
    let halves = 0;
    for (const [name, { dtype, data }] of fixture.mixed) {
      if (dtype !== 'F16') continue;
      expect(bytesOf(again.get(name)!.data).equals(bytesOf(data))).toBe(true);
      halves++;
    }
    expect(halves).toBeGreaterThan(10);
  });

  it.each([
    ['openai', 'openai'],
    ['open_clip', 'openai'],
    ['hf', 'hf'],
  ] as const)('survives the way out and in again: %s', async (format, naming) => {
    await make(format, format, path('mixed.safetensors'));
    const weights = await openWeights(model, path(format), { format });
    expect(weights.naming).toBe(naming);
    for (const weight of model.weights) {
      const { dtype, data } = fixture.mixed.get(weight.name)!;
      expect(weights.storedDtype(weight)).toBe(dtype);
      expect(bytesOf(await weights.read(weight)).equals(bytesOf(data))).toBe(true);
    }
    await weights.close();
  });

  it('is refused where f16 would make a number infinite; nothing is left behind', async () => {
    const large = new Map(fixture.mixed);
    const scale = { dtype: 'F32' as const, shape: [], data: Float32Array.of(70000) };
    await writeSafetensors(path('large.safetensors'), large.set('logit_scale', scale));
    const before = readdirSync(folder);
    for (const format of ['openai', 'open_clip', 'hf'] as const)
      await expect(make(format, 'new/large', path('large.safetensors'), model, 'F16')).rejects.toThrow(
        'Z433: logit_scale holds 70000, which f16 cannot: its largest number is 65504',
      );
    expect(readdirSync(folder)).toEqual(before);
  });
});

describe('what no format can express', () => {
  it.each(['openai', 'open_clip', 'hf'] as const)('is listed, and %s writes nothing', async (format) => {
    const before = readdirSync(folder);
    const refusal = async (name: string) => {
      const error = await make(format, 'refused', 'init:0', load(name)).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(DiagnosticError);
      const [{ code, message, notes = [] }] = (error as DiagnosticError).diagnostics as [
        DiagnosticError['diagnostics'][number],
      ];
      expect(code).toBe('Z432');
      return [message, ...notes];
    };
    const file = path('tiny.zoo');
    const noName = 'only quick_gelu and gelu have a name there';
    expect((await refusal('custom'))[0]).toBe(
      `custom cannot be exported as ${format}: the image tower is Pixels of ${file}, not clip's VisionTransformer or ModifiedResNet`,
    );
    expect(await refusal('swish')).toEqual([
      `swish cannot be exported as ${format}: vision.act is silu of package nn; ${noName}`,
      `also: text.act is the built-in relu; ${noName}`,
    ]);
    // A function of the user's own, called like the library's.
    expect((await refusal('own'))[0]).toContain(`vision.act is quick_gelu of ${file}; ${noName}`);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('names the weights that no rule maps', async () => {
    const error = await make('hf', 'refused', 'init:0', load('custom')).catch((e: unknown) => e);
    expect((error as DiagnosticError).diagnostics[0]!.notes).toEqual([
      'also: CLIPModel has no name for visual.out.weight, visual.out.bias',
    ]);
  });
});

describe('the folder of an export', () => {
  it('is never one that holds something', async () => {
    mkdirSync(path('taken'));
    writeFileSync(path('taken/mine.txt'), 'mine');
    for (const format of ['openai', 'open_clip', 'hf'] as const)
      await expect(make(format, 'taken', 'init:0')).rejects.toThrow('Z431');
    expect(readdirSync(path('taken'))).toEqual(['mine.txt']);
  });

  it('is not made when weights are missing or a parent is a file', async () => {
    const before = readdirSync(folder);
    await expect(make('openai', 'new/deep', path('none.safetensors'))).rejects.toThrow('Z410');
    await expect(make('hf', 'tiny.zoo/new', 'init:0')).rejects.toThrow('Z413');
    await expect(make('hf', 'new', path('mixed.safetensors'), load('full'))).rejects.toThrow('Z401');
    expect(readdirSync(folder)).toEqual(before);
  });

  it('is made with its parents', async () => {
    await make('openai', 'a/b/c', 'init:0');
    expect(existsSync(path('a/b/c/model.pt'))).toBe(true);
  });
});

describe('transforms of a name map', () => {
  const tensor = (shape: number[]) => ({
    name: 'w',
    dtype: 'F32' as const,
    shape,
    data: async () => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
  });
  const apply = async (
    shape: number[],
    theirs: string[],
    transforms: Parameters<typeof mapTensor>[1]['transforms'],
  ) =>
    Promise.all(
      mapTensor(tensor(shape), { ours: 'w', theirs, transforms }).map(async (t) => [
        t.shape,
        Array.from((await t.data()) as Float32Array),
      ]),
    );

  it('cut along any axis and turn matrices, in the order written', async () => {
    expect(await apply([2, 4], ['a', 'b'], [{ kind: 'split', axis: 1 }])).toEqual([
      [
        [2, 2],
        [0, 1, 4, 5],
      ],
      [
        [2, 2],
        [2, 3, 6, 7],
      ],
    ]);
    expect(await apply([4, 2], ['a', 'b'], [{ kind: 'transpose' }, { kind: 'split', axis: 0 }])).toEqual([
      [
        [1, 4],
        [0, 2, 4, 6],
      ],
      [
        [1, 4],
        [1, 3, 5, 7],
      ],
    ]);
  });

  it('read a tensor once for all of its parts', async () => {
    let reads = 0;
    const counted = { ...tensor([6]), data: async () => Float32Array.of(0, 1, 2, 3, 4, ++reads) };
    const parts = mapTensor(counted, {
      ours: 'w',
      theirs: ['a', 'b', 'c'],
      transforms: [{ kind: 'split', axis: 0 }],
    });
    for (const part of parts) await part.data();
    expect(reads).toBe(1);
  });
});

describe('PyTorch archives', () => {
  it('write sizes of every width', () => {
    const sizes = [255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 40];
    const code = pickleStateDict(sizes.map((n) => ({ name: `t${n}`, dtype: 'F32' as const, shape: [n] })));
    const elements = [...unpickle(code)].map(([, { args }]) => [args[0].persistent[4], args[2][0]]);
    expect(elements).toEqual(sizes.map((n) => [n, n]));
  });

  it('appear whole or not at all', async () => {
    const tensors = [0, 1].map((i) => ({
      name: `t${i}`,
      dtype: 'F32' as const,
      shape: [2],
      data: async () => {
        if (i === 1)
          throw new DiagnosticError([{ code: 'Z410', severity: 'error', message: 'the disk is gone' }]);
        return Float32Array.of(1, 2);
      },
    }));
    const before = readdirSync(folder);
    await expect(writeTorchArchive(path('broken.pt'), tensors)).rejects.toThrow('Z410: the disk is gone');
    expect(readdirSync(folder)).toEqual(before);
  });
});
