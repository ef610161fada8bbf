/**
 * `tensors("FILE")`: ready-made batches from a safetensors file, in order, for exact comparisons.
 *
 * `images` F32 [S, B, 3, R, R] and `tokens` I32 or I64 [S, B, context]: batch s is used at step s, and after
 * the last comes the first. Token ids are checked, because a GPU reads past a table without telling.
 */
import { z } from 'zod';
import type { StaticCall } from '../../../compiler/model/types.ts';
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

/** @returns the number of batches */
function checkFile(file: SafetensorsFile, context: SourceContext): number {
  const { batch, resolution, context: length } = context;
  const problems = [
    ...checkTensor(file, 'images', ['F32'], [batch, 3, resolution, resolution]),
    ...checkTensor(file, 'tokens', ['I32', 'I64'], [batch, length]),
  ];
  const images = file.infos.get('images')?.shape[0];
  const tokens = file.infos.get('tokens')?.shape[0];
  if (problems.length === 0 && images !== tokens)
    problems.push(`\`images\` holds ${images} batches and \`tokens\` ${tokens}`);
  if (problems.length === 0 && images === 0) problems.push('holds no batch');
  if (problems.length > 0)
    throw new DiagnosticError(
      problems.map((p): Diagnostic => ({ code: 'Z417', severity: 'error', message: `${file.path}: ${p}` })),
    );
  return images!;
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
    const images = (await this.#file.readRows('images', batch, 1)).data as Float32Array;
    const stored = (await this.#file.readRows('tokens', batch, 1)).data as Int32Array | BigInt64Array;
    const { vocab } = this.#context;
    const tokens = new Int32Array(stored.length);
    for (let i = 0; i < stored.length; i++) {
      const id = Number(stored[i]);
      if (!(id >= 0 && id < vocab))
        fail(
          'Z417',
          `${this.#file.path}: \`tokens\` holds the id ${id} in batch ${batch}, the model's vocabulary has ${vocab}`,
        );
      tokens[i] = id;
    }
    return { images, tokens, skipped: 0 };
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
