/** What the library refuses, and what programs may rely on beside the numbers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isPalette, withoutExif } from '../../../zoo/api/browser/pictures.ts';
import * as zooc from '../../../zoo/api/node.ts';
import { load } from '../../../zoo/api/plan-node.ts';
import { root, tinyZoo, Workspace } from '../harness.ts';

const recipe = (settings: string) => `${tinyZoo}
train "own" of "tiny" {
  objective = contrastive
  batch = 4
  optimizer = adamw(lr = 1e-2)
  schedule = constant(warmup = 1 steps)
  ${settings}
}
`;

/** Code and message of the one diagnostic that something is refused with. */
async function refusal(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof zooc.DiagnosticError)) throw error;
    return error.diagnostics.map(({ code, message }) => `${code}: ${message}`).join('\n');
  }
  return 'it was not refused';
}

const pixels = { width: 16, height: 16, data: new Uint8Array(16 * 16 * 3).fill(90) };

describe('files of a text', () => {
  it('are found by models and by their imports, by path', () => {
    zooc.useFiles({
      'own/lib/tiny.zoo': tinyZoo,
      'own/model.zoo': 'import "./lib/../lib/tiny.zoo" { "tiny" }\n',
    });
    expect(zooc.model('own/model.zoo', {}, 'tiny').parameters).toBe(zooc.model(tinyZoo).parameters);
  });
});

describe('models', () => {
  it('have their blocks as a tree that adds up to their parameters', () => {
    const model = zooc.model(tinyZoo);
    const { parameters, children } = model.tree();
    expect(parameters).toBe(model.parameters);
    expect(children.map(({ path, block }) => [path, block?.name])).toEqual([
      ['visual', 'VisionTransformer'],
      ['', 'TextTransformer'],
    ]);
    const names = (block: zooc.TreeBlock): string[] => [
      ...block.weights.map(({ name }) => name),
      ...block.children.flatMap(names),
    ];
    expect(names(model.tree()).sort()).toEqual(model.weights.map(({ name }) => name).sort());
  });

  it('are read from files by path and name', () => {
    expect(zooc.model(`${root}/examples/emoji/emoji.zoo`, {}, 'emoji').parameters).toBe(435_649);
  });

  it('refuse entries and batches that they have not', async () => {
    const model = zooc.model(tinyZoo);
    expect(await refusal(() => model.compile({ entry: 'nothing', batch: 1 }))).toBe(
      'Z704: tiny has no entry nothing',
    );
    expect(await refusal(() => model.compile({ entry: 'forward', batch: 0 }))).toBe(
      'Z703: batch 0: expected a whole number above 0',
    );
  });

  it('are made into plans of the towers that they have', async () => {
    const vision =
      'VisionTransformer(resolution = 16, patch = 8, width = 32, layers = 1, heads = 2, embed = 16)';
    const model = zooc.model(`import clip { VisionTransformer }\nmodel "alone" = ${vision}`);
    const plans = await model.plans({ batch: 2 });
    expect(Object.keys(plans)).toEqual(['format', 'model', 'embed', 'picture']);
    expect(plans).toMatchObject({ embed: 16, picture: { size: 16, plan: { batch: 2 } } });
    expect(Object.keys(await zooc.model(tinyZoo).plans())).toContain('text');
  });

  it('refuse what is no picture', async () => {
    const model = zooc.model(tinyZoo);
    const refused = (picture: zooc.PictureInput) => refusal(() => model.pixels([picture]));
    expect(await refused(new Uint8Array([1, 2, 3]))).toMatch(
      /^Z405: the picture cannot be read as an image: /,
    );
    expect(await refused({ ...pixels, width: 7 })).toMatch(
      /^Z405: 7 x 16 pixels of RGB or RGBA have 3 or 4 bytes/,
    );
    expect(await refused('/nowhere.png')).toMatch(/^Z405: \/nowhere\.png cannot be read as an image: /);
    expect(await refused('http://127.0.0.1:9/a.png')).toMatch(
      /^Z701: http:\/\/127\.0\.0\.1:9\/a\.png cannot be fetched/,
    );
  });

  it('give merges for a vocabulary, and refuse others', async () => {
    const text = await zooc.merges(520);
    expect(text.split('\n').slice(0, 2)).toEqual(['i n', 't h']);
    expect(text.trimEnd().split('\n')).toHaveLength(520 - 514);
    expect(await refusal(() => zooc.merges(100))).toBe(
      'Z414: there is no tokenizer with a vocabulary of 100',
    );
  });
});

describe('pictures in pages', () => {
  it('lose their EXIF and nothing else', () => {
    const segment = (kind: number, ...data: number[]) => [0xff, kind, 0, data.length + 2, ...data];
    const head = [0xff, 0xd8];
    const jfif = segment(0xe0, 1, 2);
    const exif = segment(0xe1, 0x45, 0x78, 0x69, 0x66, 0, 0, 9);
    const xmp = segment(0xe1, 0x68, 0x74, 0x74, 0x70, 0x3a);
    const scan = [...segment(0xda, 1), 5, 0xff, 0xe1, 6];
    const of = (...parts: number[][]) => new Uint8Array(parts.flat());
    expect(withoutExif(of(head, jfif, exif, xmp, scan))).toEqual(of(head, jfif, xmp, scan));
    expect(withoutExif(of(exif))).toEqual(of(exif));
    // A segment that reaches past the end.
    const cut = of(head, [0xff, 0xe0, 0xff, 0xff, 1]);
    expect(withoutExif(cut)).toEqual(cut);
  });

  it('are resized by the nearest pixel where Pillow does', () => {
    const png = (bits: number, kind: number) => {
      const bytes = new Uint8Array(33);
      bytes.set([0x89, 0x50, 0x4e, 0x47]);
      bytes.set([bits, kind], 24);
      return bytes;
    };
    expect([png(8, 3), png(1, 0), png(8, 0), png(8, 2), new Uint8Array(40)].map(isPalette)).toEqual([
      ...[true, true, false, false, false],
    ]);
  });
});

describe('a device', () => {
  let gpu: zooc.Gpu;
  beforeAll(async () => {
    gpu = await zooc.open();
  });
  afterAll(() => gpu.close());

  it('keeps calls of one entry apart that run at once', async () => {
    const loaded = await gpu.load(tinyZoo, { seed: 1 });
    // Its outputs are read one after the other.
    const run = (value: number) => {
      const images = new Float32Array(3 * 16 * 16).fill(value);
      const tokens = Int32Array.from([518, value, 519, 0, 0, 0, 0, 0]);
      return loaded.run('forward', { images, tokens }, { batch: 1 });
    };
    const valuesOf = (results: Awaited<ReturnType<typeof run>>) =>
      Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]]));
    const together = (await Promise.all([run(0), run(1)])).map(valuesOf);
    const alone = [valuesOf(await run(0)), valuesOf(await run(1))];
    expect(Object.keys(alone[0]!).length).toBeGreaterThan(1);
    expect(alone[0]).not.toEqual(alone[1]);
    expect(together).toEqual(alone);
    loaded.close();
  });

  it('measures the steps of the plan that is explained, and leaves results alone', async () => {
    const model = zooc.model(tinyZoo);
    const loaded = await gpu.load(model, { seed: 1 });
    const inputs = { images: Float32Array.from({ length: 2 * 3 * 16 * 16 }, (_, i) => Math.sin(i)) };
    const before = await loaded.run('encode_image', inputs, { batch: 2 });
    const times = await loaded.time('encode_image', inputs, { batch: 2, runs: 2 });
    const { steps } = model.explain({ entry: 'encode_image', batch: 2, profile: gpu.profile });
    const shown = ({ index, label, flops, bytes }: zooc.StepTime | zooc.StepInfo) => ({
      index,
      label,
      flops,
      bytes,
    });
    expect(times.map(shown)).toEqual(steps.map(shown));
    expect(times.every(({ seconds }) => seconds >= 0)).toBe(true);
    expect(times.some(({ seconds }) => seconds > 0)).toBe(true);
    expect(await loaded.run('encode_image', inputs, { batch: 2 })).toEqual(before);
    expect(await refusal(() => loaded.time('encode_image', inputs, { batch: 2, runs: 0 }))).toBe(
      'Z703: runs 0: expected a whole number above 0',
    );
    expect(await refusal(() => loaded.time('encode_image', {}, { batch: 2 }))).toBe(
      'Z404: images f32[2, 3, 16, 16] is missing',
    );
    loaded.close();
  });

  it('refuses inputs and weights that do not fit', async () => {
    const loaded = await gpu.load(tinyZoo, { seed: 1 });
    const images = new Float32Array(3 * 16 * 16);
    const run = (inputs: zooc.NamedArrays) => refusal(() => loaded.run('encode_image', inputs, { batch: 1 }));
    expect(await run({})).toBe('Z404: images f32[1, 3, 16, 16] is missing');
    expect(await run({ images: new Int32Array(3 * 16 * 16) })).toBe(
      'Z404: images f32[1, 3, 16, 16] takes a Float32Array',
    );
    expect(await run({ images: images.subarray(1) })).toBe(
      'Z404: images f32[1, 3, 16, 16] has 768 numbers, 767 were given',
    );
    const ids = new Int32Array(8).fill(520);
    expect(await refusal(() => loaded.run('encode_text', { tokens: ids }, { batch: 1 }))).toMatch(
      /^Z404: tokens has id 520 at position 0/,
    );
    const weights = await loaded.weights();
    loaded.close();
    const wider = zooc.model(tinyZoo, { 'vision.width': 64 });
    expect(await refusal(() => gpu.load(wider, weights))).toMatch(/^Z401: /);
    expect(await refusal(() => gpu.load(tinyZoo, new Uint8Array(3)))).toMatch(
      /^Z411: the weights is not a valid/,
    );
  });

  it('takes weights as path, URL, Blob and bytes alike', async () => {
    const loaded = await gpu.load(tinyZoo, { seed: 7 });
    const bytes = await loaded.weights();
    loaded.close();
    const place = new Workspace();
    const path = place.write('tiny.safetensors', bytes);
    const blob = new Blob([bytes as Uint8Array<ArrayBuffer>]);
    const all: zooc.WeightsInput[] = [path, new URL(`file://${path}`), blob, bytes, { seed: 7 }];
    const read = await Promise.all(
      all.map(async (weights) => {
        const loaded = await gpu.load(tinyZoo, weights);
        const found = await loaded.weights();
        loaded.close();
        return Buffer.from(found).toString('base64');
      }),
    );
    place.remove();
    expect(new Set(read)).toEqual(new Set([Buffer.from(bytes).toString('base64')]));
  });

  it('trains a recipe whatever it says of data, and refuses batches that do not fit', async () => {
    const mixed = 'mix = [csv("a.csv"), csv("b.csv")]';
    for (const settings of ['', 'data = csv("not-there.csv")', mixed]) {
      const run = await gpu.train(recipe(settings), { steps: 2 });
      expect(run.inputs.map(({ name, shape }) => [name, shape])).toEqual([
        ['images', [4, 3, 16, 16]],
        ['tokens', [4, 8]],
      ]);
      expect(await refusal(() => run.step({}))).toBe('Z404: images f32[4, 3, 16, 16] is missing');
      expect(await refusal(() => run.weights({ average: true }))).toBe(
        'Z703: recipe own keeps no moving average',
      );
      run.close();
    }
  });

  it('goes on from the state of a run with the numbers of one that was never left', async () => {
    const text = recipe('ema = 0.9\nprecision = mixed(loss_scale = dynamic)');
    const batch = {
      images: Float32Array.from({ length: 4 * 3 * 16 * 16 }, (_, i) => Math.sin(i * i)),
      tokens: await zooc.model(tinyZoo).tokens(['a', 'b', 'c', 'd']),
    };
    const whole = await gpu.train(text, { steps: 4 });
    const first = await whole.step(batch);
    const second = await whole.step(batch);
    const state = await whole.state();
    const wanted = [first, second, await whole.step(batch), await whole.step(batch)];
    const after = await whole.weights({ average: true });
    whole.close();

    const run = await gpu.train(text, { steps: 4, state });
    expect(await run.state()).toEqual(state);
    const found: zooc.TrainStep[] = [];
    for await (const step of run.steps([batch, batch, batch])) found.push(step);
    expect(found).toEqual(wanted.slice(2));
    expect(await run.weights({ average: true })).toEqual(after);
    run.close();

    const other = { steps: 4, set: { 'vision.width': 64 } };
    expect(await refusal(() => gpu.train(text, { ...other, state }))).toMatch(
      /^Z401: visual\.\S+ is \[.*\], not \[.*\], in the state$/,
    );
    const averaging = text.replace('ema = 0.9', '');
    const without = await gpu.train(averaging, { steps: 4 });
    const less = await without.state();
    without.close();
    expect(await refusal(() => gpu.train(text, { steps: 4, state: less }))).toMatch(
      /^Z401: ema\.\S+ is missing in the state$/,
    );
  });

  it('refuses plans of another form, and weights that are not theirs', async () => {
    const model = zooc.model(tinyZoo);
    const plans = await model.plans();
    const loaded = await gpu.load(model, { seed: 1 });
    const weights = await loaded.weights();
    loaded.close();
    const bytes = (text: string) => new TextEncoder().encode(text);
    expect(await refusal(() => load(bytes('{'), weights))).toMatch(/^Z702: the plans are not JSON/);
    expect(await refusal(() => load(bytes('{"format":2}'), weights))).toMatch(
      /^Z702: these are no plans of zooc/,
    );
    const other = await gpu.load(zooc.model(tinyZoo, { 'vision.width': 64 }), { seed: 1 });
    const wide = await other.weights();
    other.close();
    expect(await refusal(() => load(plans, wide))).toMatch(/^Z401: visual\.conv1\.weight is \[64, 3, 8, 8\]/);
  });
});
