import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { fmix32 } from '../../runtime/data/random.ts';
import { hash, hashImages, hashTokens, hashUnit, hashWeight } from '../../zoo/weights/hash-weights.ts';

/** Name, shape and CRC-32 of the float32 bytes, from the run that made the reference numbers. */
const reference = JSON.parse(
  readFileSync(new URL('../fixtures/hash_weights_crc32.json', import.meta.url), 'utf8'),
) as Record<string, [string, number[], number][]>;

const crcOf = (a: Float32Array | Int32Array) => crc32(new Uint8Array(a.buffer)).toString(16).padStart(8, '0');
const hex = (n: number) => n.toString(16).padStart(8, '0');

describe('the hash rule (test vectors of its definition)', () => {
  it('mixes as murmur3 does', () => {
    const vectors = [
      [0, '00000000'],
      [1, '514e28b7'],
      [2, '30f4c306'],
      [0xdeadbeef, '0de5c6a9'],
      [0xffffffff, '81f16f39'],
    ] as const;
    for (const [input, output] of vectors) expect(hex(fmix32(input))).toBe(output);
  });

  it.each([
    [
      'logit_scale',
      '29982190',
      '8a841c5d 3f427321 07d30f02 3762193f bc88cdad',
      [0.08215665817260742, -0.5057846307754517, -0.9388715028762817, -0.5673187971115112],
    ],
    [
      'visual.conv1.weight',
      '162b381f',
      '7e898d47 026ef3ee 381df5fb 77b1ca2c e195d5c0',
      [-0.01142728328704834, -0.9809890985488892, -0.5615857839584351, -0.06488680839538574],
    ],
    [
      'token_embedding.weight',
      '087fcab3',
      '201e3e95 a6023245 fec4a6ba 379aea3b 554791f4',
      [-0.7490770816802979, 0.29694199562072754, 0.9903762340545654, -0.5655848979949951],
    ],
  ] as const)('hashes %s', (name, crc, hashes, units) => {
    expect(hex(crc32(name))).toBe(crc);
    expect([0, 1, 2, 3, 1000000].map((i) => hex(hash(name, i))).join(' ')).toBe(hashes);
    expect([0, 1, 2, 3].map((i) => hashUnit(name, i))).toEqual(units);
  });

  it.each([
    ['logit_scale', [], [2.667475700378418], 2.667475700378418, '644b44b1'],
    [
      'visual.conv1.weight',
      [768, 3, 32, 32],
      [-0.0003571026027202606, -0.030655909329652786, -0.017549555748701096],
      0.012518368661403656,
      '4da9a44f',
    ],
    [
      'visual.class_embedding',
      [768],
      [0.6293545961380005, -0.6296991109848022, 0.6236375570297241],
      0.3862360715866089,
      '9c63498b',
    ],
    [
      'visual.transformer.resblocks.0.attn.in_proj_bias',
      [2304],
      [0.04833408445119858, -0.02322227880358696, -0.01853499375283718],
      0.043813250958919525,
      'c3cace2b',
    ],
    [
      'visual.transformer.resblocks.0.mlp.c_proj.weight',
      [768, 3072],
      [0.00241226889193058, 8.977949619293213e-6, 0.0048379916697740555],
      -0.006520042195916176,
      '79de2609',
    ],
    [
      'text_projection',
      [512, 512],
      [0.06624528020620346, 0.0037066268268972635, 0.05242033302783966],
      -0.0698961466550827,
      '0736c343',
    ],
    [
      'visual.layer1.0.bn3.weight',
      [256],
      [0.20801927149295807, 0.24260224401950836, 0.24989484250545502],
      0.2936609983444214,
      '80658493',
    ],
    [
      'visual.layer1.0.bn1.running_var',
      [64],
      [1.0459898710250854, 1.241950273513794, 1.1975187063217163],
      1.0732007026672363,
      '90edc50e',
    ],
    [
      'visual.layer1.0.conv2.weight',
      [64, 64, 3, 3],
      [0.08740918338298798, -0.09785263240337372, -0.0981362983584404],
      -0.024570515379309654,
      '84840f19',
    ],
    [
      'visual.attnpool.c_proj.weight',
      [1024, 2048],
      [-0.022431688383221626, -0.014286126010119915, -0.024302266538143158],
      -0.016591664403676987,
      '80538614',
    ],
  ] as const)('fills %s', (name, shape, first, last, crc) => {
    const values = hashWeight(name, shape);
    expect([...values.slice(0, 3)]).toEqual(first);
    expect(values.at(-1)).toBe(last);
    expect(crcOf(values)).toBe(crc);
  });

  it('leaves counters at zero', () => {
    expect([...hashWeight('visual.bn1.num_batches_tracked', [])]).toEqual([0]);
  });

  it('makes images and tokens', () => {
    const images = hashImages([4, 3, 224, 224]);
    expect([...images.slice(0, 3)]).toEqual([0.5513322949409485, 0.5841876864433289, 0.7084922790527344]);
    expect(images.at(-1)).toBe(-0.1455492377281189);
    expect(crcOf(images)).toBe('0e476867');
    const tokens = hashTokens(4);
    const lengths = [0, 1, 2, 3].map((b) => tokens.subarray(b * 77, b * 77 + 77).indexOf(49407));
    expect(lengths).toEqual([76, 53, 34, 39]);
    const row1 =
      '49406 10424 13720 26336 13588 2070 18352 12493 15764 24284 42210 26856 23091 44351 1503 29462 6081 34961 41987 27914 8554 16806 6043 40857 24868 9266 19546 1306 31249 38761 15338 46371 23105 28504 4616';
    expect(tokens.subarray(77, 77 + 35).join(' ')).toBe(row1);
    expect(crcOf(tokens)).toBe('67d3885c');
  });
});

describe.each(Object.entries(reference))('the hash rule against the reference run of %s', (_, weights) => {
  it('gives every weight, bit for bit', () => {
    const wrong = weights.filter(([name, shape, crc]) => crcOf(hashWeight(name, shape)) !== hex(crc));
    expect(wrong).toEqual([]);
  });
});
