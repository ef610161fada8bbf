/** `zooc export --quantize q8`: what it says of the accuracy that bytes cost, and what it refuses. */
import { existsSync, mkdirSync } from 'node:fs';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tinyZoo, Workspace } from '../harness.ts';

const place = new Workspace();
const quantize = ['export', 'init:1', '--model', 'tiny.zoo', '--format', 'onnx', '--quantize', 'q8'];

beforeAll(async () => {
  place.write('tiny.zoo', tinyZoo);
  for (const [c, name] of ['red', 'green', 'blue'].entries()) {
    mkdirSync(place.path(`set/${name}`), { recursive: true });
    for (let i = 0; i < 3; i++) {
      const background = { r: 40 * i, g: 30 * i, b: 20 * i, [['r', 'g', 'b'][c]!]: 250 - 60 * i };
      const picture = sharp({ create: { width: 16, height: 16, channels: 3, background } });
      place.write(`set/${name}/${i}.png`, await picture.png().toBuffer());
    }
  }
});
afterAll(() => place.remove());

test('the accuracy lost on a labelled set is printed, noted on the card, and that of f32 is what evaluate says', async () => {
  const on = ['--data', 'set', '--device', 'reference'];
  const { stdout, stderr } = await place.succeed([...quantize, ...on, '--out', 'measured', '--json']);
  const { accuracy, files } = JSON.parse(stdout);
  expect(Object.keys(files)).toContain('onnx/model_quantized.onnx');
  expect(Object.keys(accuracy)).toEqual(['dataset', 'n', 'skipped', 'f32', 'q8']);
  expect(accuracy).toMatchObject({ dataset: 'set', n: 9, skipped: 0 });
  // Shares of nine pictures.
  for (const share of [accuracy.f32, accuracy.q8]) expect(share * 9).toBeCloseTo(Math.round(share * 9), 9);
  const evaluated = [
    'evaluate',
    'tiny.zoo',
    'set',
    '--weights',
    'init:1',
    '--device',
    'reference',
    '--quiet',
  ];
  await place.succeed([...evaluated, '--out', 'results.json']);
  const [result] = JSON.parse(place.bytes('results.json').toString());
  expect(accuracy.f32).toBe(result.metrics.acc1);
  const share = (value: number) => `${(100 * value).toFixed(2)} %`;
  const line = `top-1 on set (9 pictures): ${share(accuracy.f32)} as f32, ${share(accuracy.q8)} quantised`;
  expect(stderr).toContain(`${line}\n`);
  expect(place.bytes('measured/README.md').toString()).toContain(line);
});

test('without a set it says that nothing was measured', async () => {
  const { stdout, stderr } = await place.succeed([...quantize, '--out', 'unmeasured']);
  expect(stdout).toBe('unmeasured\n');
  expect(stderr).toContain('no accuracy was measured: --data says what is lost on a labelled set');
  expect(place.bytes('unmeasured/README.md').toString()).toContain('What that costs was not measured.');
});

test('what does not belong together is refused before anything is measured', async () => {
  const refused = async (args: readonly string[]) => {
    const { code, stderr } = await place.call([...args, '--out', 'refused']);
    expect(code).toBe(1);
    expect(existsSync(place.path('refused'))).toBe(false);
    return stderr;
  };
  const plain = ['export', 'init:1', '--model', 'tiny.zoo', '--format', 'onnx'];
  expect(await refused([...plain.slice(0, -1), 'hf', '--quantize', 'q8'])).toContain(
    'error[Z703]: --quantize belongs to --format onnx, not hf',
  );
  expect(await refused([...quantize, '--dtype', 'f16'])).toContain(
    'error[Z703]: --quantize and --dtype exclude each other',
  );
  expect(await refused([...plain, '--data', 'set'])).toContain(
    'error[Z703]: --data measures what --quantize costs',
  );
  expect(await refused([...quantize, '--limit', '2'])).toContain(
    'error[Z703]: --limit is for the pictures of --data, which is missing',
  );
  expect(await refused([...quantize, '--data', 'nowhere'])).toContain('error[Z703]: there is no nowhere');
  const { stderr } = await place.call([...quantize, '--data', 'set', '--out', 'set']);
  expect(stderr).toContain('error[Z431]: set exists already');
});
