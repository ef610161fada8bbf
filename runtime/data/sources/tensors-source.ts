/**
 * `tensors("FILE")`: ready-made batches from a safetensors file, in order, for exact comparisons.
 *
 * `images` F32 [S, B, ...] and `tokens` I32 or I64 [S, B, context], as far as the model takes them: batch s is
 * used at step s, and after the last comes the first. Token ids are checked, because a GPU reads past a table
 * without telling.
 */
import { z } from 'zod';
import type { ModelInput, StaticCall } from '../../../compiler/model/types.ts';
import { type Diagnostic, DiagnosticError, fail } from '../../../grammar/diagnostics.ts';
import { parseOptions } from '../options.ts';
import { openSafetensors, type SafetensorsFile } from '../safetensors/file.ts';
import type { Batch, BatchSource } from '../types.ts';
import { type BatchMaker, PrefetchedSource } from './prefetch.ts';
import type { SourceContext } from './source-context.ts';

const schema = z.object({ file: z.string() });

/** All that is wrong with one tensor's type and shape; `shape[0]` is the number of batches. */
function checkTensor(
  file: SafetensorsFile,
  name: string,
  dtypes: readonly string[],
  row: readonly number[],
): string[] {
  const wanted = `${dtypes.join(' or ')} [S, ${row.join(', ')}]`;
  const info = file.infos.get(name);
  if (info === undefined) return [`has no tensor \`${name}\`; wanted ${wanted}`];
  const fits = info.shape.length === row.length + 1 && row.every((d, i) => info.shape[i + 1] === d);
  if (fits && dtypes.includes(info.dtype)) return [];
  return [`\`${name}\` is ${info.dtype} [${info.shape.join(', ')}]; wanted ${wanted}`];
}

const storedAs = { f32: ['F32'], i32: ['I32', 'I64'] } as const;

/** @returns the number of batches */
function checkFile(file: SafetensorsFile, { batch, inputs }: SourceContext): number {
  const problems = inputs.flatMap(({ name, dtype, sizes }) =>
    checkTensor(file, name, storedAs[dtype], [batch, ...sizes]),
  );
  const counts = inputs.map(({ name }) => ({ name, count: file.infos.get(name)?.shape[0] ?? 0 }));
  const batches = counts[0]?.count ?? 0;
  if (problems.length === 0 && counts.some(({ count }) => count !== batches))
    problems.push(
      counts
        .map(({ name, count }, i) => `\`${name}\` ${i === 0 ? `holds ${count} batches` : count}`)
        .join(' and '),
    );
  if (problems.length === 0 && batches === 0) problems.push('holds no batch');
  if (problems.length > 0)
    throw new DiagnosticError(
      problems.map((p): Diagnostic => ({ code: 'Z417', severity: 'error', message: `${file.path}: ${p}` })),
    );
  return batches;
}

class TensorBatches implements BatchMaker {
  readonly batchesPerEpoch: number;
  readonly #file: SafetensorsFile;
  readonly #context: SourceContext;

  constructor(file: SafetensorsFile, batches: number, context: SourceContext) {
    this.#file = file;
    this.batchesPerEpoch = batches;
    this.#context = context;
  }

  async make(_epoch: number, batch: number): Promise<Batch> {
    const read = async (name: ModelInput['name']) =>
      this.#context.inputs.some((input) => input.name === name)
        ? (await this.#file.readRows(name, batch, 1)).data
        : undefined;
    const images = ((await read('images')) ?? new Float32Array()) as Float32Array;
    const tokens = (await read('tokens')) ?? [];
    return { images, tokens: this.#ids(tokens as ArrayLike<number | bigint>, batch), skipped: 0 };
  }

  /** @throws DiagnosticError Z417 when an id is outside of the vocabulary */
  #ids(stored: ArrayLike<number | bigint>, batch: number): Int32Array {
    const { vocab = 0 } = this.#context;
    return Int32Array.from(stored, (value) => {
      const id = Number(value);
      if (id >= 0 && id < vocab) return id;
      return fail(
        'Z417',
        `${this.#file.path}: \`tokens\` holds the id ${id} in batch ${batch}, the model's vocabulary has ${vocab}`,
      );
    });
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Opens the source that a `tensors(...)` call names. Errors: Z410, Z411, Z417, Z521, Z522. */
export async function openTensors(call: StaticCall, context: SourceContext): Promise<BatchSource> {
  const options = parseOptions(call, schema, ['file']);
  const file = await openSafetensors(context.find(options.file));
  try {
    return new PrefetchedSource(new TensorBatches(file, checkFile(file, context), context), context.seed, 1);
  } catch (error) {
    await file.close();
    throw error;
  }
}
