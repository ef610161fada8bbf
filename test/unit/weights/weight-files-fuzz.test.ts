/**
 * Readers of weights take files from strangers: whatever is done to the bytes of a good file, it is read or
 * refused with a diagnostic. No other error, no hang, no memory that the file does not account for. Seeded,
 * so that a failure comes back.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { openTensors } from '../../../zoo/weights/formats/open-tensors.ts';
import { encodeSafetensors, type Tensor } from '../../../zoo/weights/formats/safetensors.ts';
import { readWholePickle } from '../../../zoo/weights/formats/torch/pickle.ts';
import { opcodes } from '../../../zoo/weights/formats/torch/pickle-opcodes.ts';
import { stateTensors, torchHost } from '../../../zoo/weights/formats/torch/torch-pickle.ts';
import { type Layout, torchFile } from '../../support/files/torch-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tensors = new Map<string, Tensor>([
  ['visual.proj', { dtype: 'F32', shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ['visual.ln_pre.weight', { dtype: 'F16', shape: [3], data: Float32Array.of(1, 2, 3) }],
  ['logit_scale', { dtype: 'F32', shape: [], data: Float32Array.of(4.6) }],
  ['bn1.num_batches_tracked', { dtype: 'I64', shape: [], data: BigInt64Array.of(7n) }],
]);

let accepted = 0;
let refused = 0;

function judge(error: unknown): void {
  if (!(error instanceof DiagnosticError)) throw error;
  expect(error.diagnostics).toHaveLength(1);
  expect(error.message.length).toBeLessThan(2000);
  refused++;
}

/** Opens a file and reads everything in it. */
async function acceptOrRefuse(path: string): Promise<void> {
  try {
    const file = await openTensors(path);
    try {
      for (const name of file.infos.keys()) await file.read(name);
    } finally {
      await file.close();
    }
    accepted++;
  } catch (error) {
    judge(error);
  }
}

/** Bytes set, runs cut out or doubled: what a damaged or forged file is made of. */
const edit = fc.record({
  at: fc.noBias(fc.nat(9999)),
  kind: fc.constantFrom('set', 'set', 'set', 'cut', 'repeat', 'insert'),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  known: fc.option(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, ...Object.values(opcodes)), { nil: undefined }),
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function apply(good: Uint8Array, edits: readonly Edit[], from = 0, to = good.length): Uint8Array {
  let bytes = Buffer.from(good);
  for (const { at, kind, bytes: new_, known } of edits) {
    const place = Math.min(from + Math.floor((at / 10_000) * (to - from)), bytes.length);
    const value = known === undefined ? Buffer.from(new_) : Buffer.of(known);
    const [head, tail] = [bytes.subarray(0, place), bytes.subarray(place)];
    if (kind === 'set') bytes = Buffer.concat([head, value, tail.subarray(value.length)]);
    else if (kind === 'cut') bytes = Buffer.concat([head, tail.subarray(new_.length * 3)]);
    else if (kind === 'repeat') bytes = Buffer.concat([head, tail.subarray(0, new_.length * 9), tail]);
    else bytes = Buffer.concat([head, value, tail]);
  }
  return bytes;
}

async function fuzzFile(
  good: Uint8Array,
  seed: number,
  place: (bytes: Uint8Array) => string,
  [from, to]: readonly [number, number] = [0, good.length],
): Promise<void> {
  accepted = 0;
  refused = 0;
  const before = process.memoryUsage().arrayBuffers;
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
      await acceptOrRefuse(place(apply(good, edits, from, to)));
    }),
    { seed, numRuns: 1500 },
  );
  // The edits reach past the first check, and into every later one.
  expect(refused).toBeGreaterThan(300);
  expect(accepted).toBeGreaterThan(0);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26);
}

function writer(name: string): (bytes: Uint8Array) => string {
  const path = join(folder, name);
  return (bytes) => {
    writeFileSync(path, bytes);
    return path;
  };
}

describe('changed files are read or refused', () => {
  it.each([
    ['state_dict', 1],
    ['checkpoint', 2],
    ['script', 3],
  ] as [Layout, number][])('PyTorch: %s', async (layout, seed) => {
    const good = torchFile(tensors, layout);
    await acceptOrRefuse(writer('good.pt')(good));
    await fuzzFile(good, seed, writer(`${layout}.pt`));
  });

  it('PyTorch: the zip directory', async () => {
    const good = torchFile(tensors);
    const directory = Buffer.from(good).indexOf('PK\x01\x02');
    await fuzzFile(good, 4, writer('directory.pt'), [directory, good.length]);
  });

  it.each([
    ['legacy', 7],
    ['foreign', 8],
    ['foreign-legacy', 9],
  ])('PyTorch as it wrote %s', async (name, seed) => {
    await fuzzFile(readFileSync(`test/fixtures/checkpoints/${name}.pt`), seed, writer('written.pt'));
  });

  it('safetensors', async () => {
    await fuzzFile(encodeSafetensors(tensors), 5, writer('x.safetensors'));
  });

  it('an index of shards', async () => {
    const at = join(folder, 'shards');
    mkdirSync(at);
    writeFileSync(join(at, 'a.safetensors'), encodeSafetensors(new Map([...tensors].slice(0, 2))));
    writeFileSync(join(at, 'b.bin'), torchFile(new Map([...tensors].slice(2))));
    const map = Object.fromEntries([...tensors.keys()].map((n, i) => [n, i < 2 ? 'a.safetensors' : 'b.bin']));
    const index = { metadata: { total_size: 44 }, weight_map: map };
    await fuzzFile(Buffer.from(JSON.stringify(index)), 6, writer('shards/model.safetensors.index.json'));
  });
});

describe('changed pickles are read or refused', () => {
  const files = (['state_dict', 'checkpoint', 'script'] as const).map((layout) => {
    const bytes = Buffer.from(torchFile(tensors, layout, layout === 'checkpoint' ? 4 : 2));
    const begin = bytes.indexOf('\x80', 0, 'latin1');
    return bytes.subarray(begin, bytes.indexOf('PK\x07\x08', begin));
  });

  function run(bytes: Uint8Array): void {
    try {
      stateTensors(readWholePickle(bytes, 'x', torchHost).value, (why) => {
        throw new DiagnosticError([{ code: 'Z422', severity: 'error', message: why }]);
      });
      accepted++;
    } catch (error) {
      judge(error);
    }
  }

  it.each([0, 1, 2])('of layout %i', (i) => {
    const good = files[i]!;
    accepted = 0;
    refused = 0;
    run(good);
    expect(accepted).toBe(1);
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => run(apply(good, edits))),
      { seed: 10 + i, numRuns: 10_000 },
    );
    expect(accepted).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(1000);
  });

  it('made of any opcodes', () => {
    const codes = Object.values(opcodes).map((code) => Buffer.of(code));
    const piece = fc.oneof(
      fc.constantFrom(...codes),
      fc.constantFrom(
        'ccollections\nOrderedDict\n',
        'ctorch\nFloatStorage\n',
        'c__torch__\nM\n',
        'K\x03',
        'U\x01a',
      ),
      fc.uint8Array({ minLength: 1, maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) =>
        run(
          Buffer.concat([
            Buffer.of(0x80, 2),
            ...pieces.map((p) => Buffer.from(p as string)),
            Buffer.from('..'),
          ]),
        ),
      ),
      { seed: 20, numRuns: 20_000 },
    );
  });
});
