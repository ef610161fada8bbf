/**
 * Weights in every format that CLIP's come in, each written by the tests' own writers from the published
 * layouts, load to the same values; what is no file of weights is told from its content.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTensors } from '../../../zoo/weights/formats/open-tensors.ts';
import {
  encodeSafetensors,
  type Tensor,
  writeSafetensors,
} from '../../../zoo/weights/formats/safetensors.ts';
import { namingNames } from '../../../zoo/weights/naming.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { PickleWriter, type Py } from '../../support/files/pickle-writer.ts';
import { archive, denseStrides, tensorOn, torchFile } from '../../support/files/torch-writer.ts';
import {
  customText,
  diagnosticsOf,
  expectValues,
  openai,
  published,
  renamed,
  resnet,
  type Tensors,
  vit,
  weightFolder,
} from '../../support/golden/published-weights.ts';

const { folder, write } = weightFolder();

const containers: Readonly<Record<string, (tensors: Tensors) => Uint8Array>> = {
  safetensors: (tensors) => encodeSafetensors(tensors),
  'torch.save': (tensors) => torchFile(tensors),
  'torch.save, protocol 4': (tensors) => torchFile(tensors, 'state_dict', 4),
  'a training checkpoint': (tensors) => torchFile(tensors, 'checkpoint'),
  TorchScript: (tensors) => torchFile(tensors, 'script'),
};

describe('weights of a vision transformer', () => {
  const cases = Object.keys(containers).flatMap((container) =>
    namingNames.map((naming) => [container, naming] as const),
  );

  it.each(cases)('load from %s under the names of %s', async (container, naming) => {
    const path = write(containers[container]!(published[naming](openai(vit))));
    const weights = await openWeights(vit, path);
    expect(weights.naming).toBe(naming);
    expect(vit.weights.map((w) => weights.storedDtype(w))).toEqual(vit.weights.map(() => 'F32'));
    await expectValues(vit, weights);
  });

  it.each(cases)('keep their halves: %s, %s', async (container, naming) => {
    const weights = await openWeights(
      vit,
      write(containers[container]!(published[naming](openai(vit, 'F16')))),
    );
    expect(new Set(vit.weights.map((w) => weights.storedDtype(w)))).toEqual(new Set(['F16']));
    await expectValues(vit, weights, true);
  });

  it.each(['BF16', 'F64'] as const)('load from a checkpoint in %s', async (dtype) => {
    const tensors = new Map(
      [...openai(vit)].map(([name, { shape, data }]): [string, Tensor] => {
        const values = data as Float32Array;
        // Halves of bfloat16 keep eight bits: small whole numbers are exact.
        return [
          name,
          { dtype, shape, data: dtype === 'F64' ? Float64Array.from(values) : values.map(() => 3) },
        ];
      }),
    );
    const weights = await openWeights(vit, write(torchFile(tensors)));
    const [weight] = vit.weights;
    expect(weights.storedDtype(weight!)).toBe(dtype);
    if (dtype === 'F64') await expectValues(vit, weights);
    else expect(new Set(await weights.read(weight!))).toEqual(new Set([3]));
    await weights.close();
  });

  it.each(namingNames)('load with what is common to all names taken off, and say so: %s', async (naming) => {
    for (const prefix of ['module.', '_orig_mod.', 'module._orig_mod.', 'model.', 'clip.net.']) {
      const tensors = renamed(published[naming](openai(vit)), (name) => prefix + name);
      const weights = await openWeights(vit, write(torchFile(tensors, 'checkpoint'), 'prefixed'));
      const path = join(folder, 'prefixed');
      expect(weights.remarks).toEqual([
        `${path}: the weights are those under state_dict`,
        `${path}: all names begin with ${prefix}, which is taken off`,
      ]);
      await expectValues(vit, weights);
    }
  });

  it('load from the keys that training tools keep them under', async () => {
    const state: Py = { dict: [['visual.proj', tensorOn('F32', '0', 4, [4])]] };
    const other: Py = { dict: [['visual.proj', tensorOn('F32', '1', 4, [4])]] };
    const storages = new Map([
      ['0', new Uint8Array(16)],
      ['1', new Uint8Array(16).fill(1)],
    ]);
    const first = async (value: Py) => {
      const file = await openTensors(write(archive(PickleWriter.write(value), storages)));
      const { data } = await file.read('visual.proj');
      await file.close();
      return `${data[0] === 0 ? 'state' : 'other'}: ${file.remarks}`.replace(/\S*\/file-\d+/, 'FILE');
    };
    for (const key of ['state_dict', 'model_state_dict', 'model', 'module', 'weights', 'anything'])
      expect(
        await first({
          dict: [
            ['epoch', 3],
            ['optimizer', { dict: [] }],
            [key, state],
          ],
        }),
      ).toBe(`state: FILE: the weights are those under ${key}`);
    const nested: Py = {
      dict: [
        ['ema', other],
        ['model', { dict: [['state_dict', state]] }],
      ],
    };
    expect(await first(nested)).toBe('state: FILE: the weights are those under model.state_dict');
    expect(
      await first({
        dict: [
          ['visual.proj', tensorOn('F32', '0', 4, [4])],
          ['ema', other],
        ],
      }),
    ).toBe('state: ');
  });

  it('load with a logit_scale that is a list of one', async () => {
    const tensors = openai(vit);
    tensors.set('logit_scale', { ...tensors.get('logit_scale')!, shape: [1] });
    await expectValues(vit, await openWeights(vit, write(torchFile(tensors))));
  });
});

describe('weights of a ResNet', () => {
  it.each(['openai', 'open_clip'] as const)(
    'load under the names of %s, counters and all',
    async (naming) => {
      const weights = await openWeights(
        resnet,
        write(torchFile(published[naming](openai(resnet)), 'script')),
      );
      expect(weights.naming).toBe(naming);
      await expectValues(resnet, weights);
    },
  );

  it('load without their counters, which start at zero', async () => {
    const tensors = customText(openai(resnet));
    for (const name of tensors.keys()) if (name.endsWith('num_batches_tracked')) tensors.delete(name);
    await expectValues(resnet, await openWeights(resnet, write(torchFile(tensors))));
  });
});

describe('views of storages', () => {
  const values = Float32Array.from({ length: 24 }, (_, i) => i);
  const bytes = new Uint8Array(values.buffer);

  async function readView(shape: number[], strides: number[], offset = 0): Promise<number[]> {
    const pickle = PickleWriter.write({ dict: [['x', tensorOn('F32', '0', 24, shape, strides, offset)]] });
    const file = await openTensors(write(archive(pickle, new Map([['0', bytes]]))));
    try {
      const { data } = await file.read('x');
      return Array.from(data as Float32Array);
    } finally {
      await file.close();
    }
  }

  it.each([
    ['dense', [2, 3], [3, 1], 0],
    ['dense from the middle', [2, 3], [3, 1], 18],
    ['transposed', [3, 2], [1, 3], 0],
    ['every other column', [4, 3], [6, 2], 1],
    ['permuted axes', [4, 2, 3], [1, 12, 4], 0],
    ['an axis of one with any stride', [1, 4], [99, 1], 4],
    ['a scalar', [], [], 23],
    ['nothing', [0, 3], [3, 1], 24],
  ])('reads %s', async (_, shape, strides, offset) => {
    const wanted: number[] = [];
    const walk = (axis: number, at: number): void => {
      if (axis === shape.length) wanted.push(at);
      else for (let i = 0; i < shape[axis]!; i++) walk(axis + 1, at + i * strides[axis]!);
    };
    walk(0, offset);
    expect(await readView(shape, strides, offset)).toEqual(wanted);
  });

  it.each([
    ['behind the end', [2, 3], [3, 1], 19, 'reaches element 24 of a storage with 24'],
    ['with far strides', [2, 3], [100, 1], 0, 'reaches element 102'],
    ['with endless strides', [2, 2], [2 ** 52, 2 ** 52], 0, 'reaches element'],
    ['of more elements than there are', [1000, 1000], [0, 0], 0, 'on a storage of 24 elements'],
    ['with a negative stride', [2], [-1], 5, 'whole numbers from 0 up'],
    ['with too few strides', [2, 3], [1], 0, '2 axes and 1 strides'],
    ['of 40 axes', Array(40).fill(1), Array(40).fill(1), 0, '40 axes'],
  ])('refuses one %s', async (_, shape, strides, offset, message) => {
    const said = await diagnosticsOf(readView(shape, strides, offset));
    expect(said).toContain('error[Z422]');
    expect(said).toContain(message);
  });

  it('shares one storage among several tensors, as tied weights are saved', async () => {
    const pickle = PickleWriter.write({
      dict: [
        ['a', tensorOn('F32', '0', 24, [12])],
        ['b', tensorOn('F32', '0', 24, [3, 4], denseStrides([3, 4]), 12)],
      ],
    });
    const file = await openTensors(write(archive(pickle, new Map([['0', bytes]]))));
    expect((await file.read('a')).data).toEqual(values.slice(0, 12));
    expect((await file.read('b')).data).toEqual(values.slice(12));
    await file.close();
  });
});

describe('what PyTorch itself wrote', () => {
  const at = (name: string) => join('test/fixtures/checkpoints', `${name}.pt`);

  it.each(['legacy', 'foreign', 'foreign-legacy', 'foreign-protocol-4', 'foreign-protocol-5', 'parameters'])(
    'is read: %s',
    async (name) => {
      const file = await openTensors(at(name));
      const values = async (tensor: string) => [...((await file.read(tensor)).data as Float32Array)];
      expect([...file.infos.keys()]).toEqual(['a.weight', 'a.turned', 'b']);
      expect(await values('a.weight')).toEqual([0, 1, 2, 3, 4, 5]);
      expect(await values('a.turned')).toEqual([0, 3, 1, 4, 2, 5]);
      expect(await values('b')).toEqual([0, 1, 2, 3]);
      expect(file.infos.get('b')?.dtype).toBe('F16');
      expect(String(file.remarks).includes('argparse.Namespace')).toBe(name !== 'legacy');
      await file.close();
    },
  );

  it('is refused where it is a module with its class', async () => {
    expect(await diagnosticsOf(openWeights(vit, at('whole-module')))).toMatch(
      /holds torch\.nn\.modules\.linear\.Linear where a state_dict belongs/,
    );
  });
});

describe('folders and shards', () => {
  const tensors = published.hf(openai(vit));
  const names = [...tensors.keys()];
  const part = (from: number, to: number): Tensors => new Map([...tensors].slice(from, to));

  function sharded(name: string, change: (map: Record<string, string>) => void = () => {}): string {
    const at = join(folder, name);
    mkdirSync(at);
    writeFileSync(join(at, 'model-00001-of-00002.safetensors'), encodeSafetensors(part(0, 30)));
    writeFileSync(join(at, 'model-00002-of-00002.safetensors'), encodeSafetensors(part(30, names.length)));
    const map = Object.fromEntries(
      names.map((n, i) => [n, `model-0000${i < 30 ? 1 : 2}-of-00002.safetensors`]),
    );
    change(map);
    const index = { metadata: { total_size: 1 }, weight_map: map };
    writeFileSync(join(at, 'model.safetensors.index.json'), JSON.stringify(index, null, 2));
    return at;
  }

  it('load from an index of shards, given as a folder or as a file', async () => {
    const at = sharded('shards');
    await expectValues(vit, await openWeights(vit, at));
    await expectValues(vit, await openWeights(vit, join(at, 'model.safetensors.index.json')));
  });

  it.each([
    'weights.safetensors',
    'model.safetensors',
    'open_clip_model.safetensors',
    'pytorch_model.bin',
    'open_clip_pytorch_model.bin',
  ])('finds %s in a folder, whatever its content', async (file) => {
    const at = join(folder, `with-${file}`);
    mkdirSync(at);
    writeFileSync(join(at, file), torchFile(tensors));
    await expectValues(vit, await openWeights(vit, at));
  });

  it('says what it looked for in a folder without weights', async () => {
    const at = join(folder, 'bare');
    mkdirSync(at);
    expect(await diagnosticsOf(openWeights(vit, at))).toMatch(
      /Z410.*bare holds no weights\n.*looked for .*pytorch_model\.bin/,
    );
  });

  it.each([
    [
      'a file elsewhere',
      (map) => {
        map[names[0]!] = '../shards/x';
      },
      'is not the name of a file beside it',
    ],
    [
      'an absolute path',
      (map) => {
        map[names[0]!] = '/etc/passwd';
      },
      'is not the name of a file beside it',
    ],
    [
      'a missing file',
      (map) => {
        map[names[0]!] = 'gone.safetensors';
      },
      'gone.safetensors: no such file',
    ],
    [
      'another file than holds it',
      (map) => {
        map[names[0]!] = map[names[40]!]!;
      },
      'has no tensor',
    ],
    [
      'a tensor too few',
      (map) => {
        delete map[names[0]!];
      },
      'it does not list the tensor',
    ],
    [
      'itself',
      (map) => {
        map[names[0]!] = 'model.safetensors.index.json';
      },
      'is an index inside an index',
    ],
    [
      'nothing',
      (map) => {
        for (const name of names) delete map[name];
      },
      'it names no file',
    ],
  ] as [string, (map: Record<string, string>) => void, string][])(
    'refuses an index with %s',
    async (what, change, message) => {
      expect(await diagnosticsOf(openWeights(vit, sharded(`bad-${what}`, change)))).toContain(message);
    },
  );

  it.each([
    ['{"weight_map": 3}', 'it has no weight_map'],
    ['{"weight_map": {"a": 3}}', 'it has no weight_map'],
    ['{"weight_map": ', 'it is not JSON'],
    ['{}', 'it has no weight_map'],
  ])('refuses the index %s', async (text, message) => {
    expect(await diagnosticsOf(openWeights(vit, write(Buffer.from(text))))).toContain(
      `index of weights: ${message}`,
    );
  });
});

describe('weights with a checksum', () => {
  it.each([
    ['the last number', (bytes: Buffer) => bytes.length - 2],
    ['the checksum', (bytes: Buffer) => bytes.indexOf('zooc.sha256":"') + 20],
  ])('are refused where a bit of %s is another', async (_, place) => {
    const path = join(folder, 'damaged.safetensors');
    await writeSafetensors(path, openai(vit), {}, { checksum: true });
    await (await openTensors(path)).close();
    const bytes = readFileSync(path);
    bytes[place(bytes)]! ^= 1;
    writeFileSync(path, bytes);
    await expect(openTensors(path)).rejects.toThrow(`Z411: ${path} is damaged: its checksum differs`);
  });
});

describe('what a file is', () => {
  it.each([
    [
      'another pickle',
      Buffer.from('80025d71002e', 'hex'),
      'a pickle, but not one that PyTorch wrote',
      'model.state_dict()',
    ],
    [
      'a pointer',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0'),
      'pointer of Git LFS',
      'git lfs pull',
    ],
    ['text', Buffer.from('these are no weights'), 'has no format that weights come in', 'safetensors'],
    ['nothing', Buffer.alloc(0), 'has no format that weights come in', 'safetensors'],
  ])('says so for %s', async (_, bytes, message, help) => {
    const said = await diagnosticsOf(openWeights(vit, write(bytes)));
    expect(said).toContain('error[Z420]');
    expect(said).toContain(message);
    expect(said).toContain(help);
  });

  it.each([
    ['an empty dict', { dict: [] }, 'its keys: none'],
    ['a list', { list: [1] }, 'a list where a state_dict belongs'],
    ['a dict of numbers', { dict: [['epoch', 3]] }, 'its keys: epoch'],
  ] as const)('says so for a checkpoint that is %s', async (_, value, message) => {
    const path = write(archive(PickleWriter.write(value), new Map()));
    expect(await diagnosticsOf(openWeights(vit, path))).toContain(message);
  });
});
