/**
 * `tensors("FILE")`: ready-made batches from a safetensors file, in order, for exact comparisons.
 *
 * Every input under its own name, F32 or I32 (or I64) [S, B, ...]: batch s is used at step s, and after the last
 * comes the first; a table in its own shape. Ids are checked, because a GPU reads past a table without telling.
 */
import { z } from 'zod';
import { anyInt } from '../../../compiler/graph/index-ranges.ts';
import { outside } from '../../../compiler/graph/outside.ts';
import { storedAs, storedName } from '../../../compiler/model/inputs.ts';
import type { ModelInput, StaticCall } from '../../../compiler/model/types.ts';
import { type Diagnostic, DiagnosticError, fail } from '../../../grammar/diagnostics.ts';
import { countRepeated } from '../../dist/share.ts';
import type { HostArray } from '../../types.ts';
import { parseOptions } from '../options.ts';
import { openSafetensors, type SafetensorsFile } from '../safetensors/file.ts';
import type { TensorData } from '../safetensors/tensors.ts';
import type { Batch, BatchSource, DataIdentity } from '../types.ts';
import { type BatchMaker, PrefetchedSource } from './batches/prefetch.ts';
import { textsOf } from './batches/repeated.ts';
import { fileIdentity } from './identity.ts';
import type { SourceContext } from './source-context.ts';

const schema = z.object({ file: z.string() });

/** All that is wrong with one tensor's type and shape; `shape[0]` is the number of batches, but of tables. */
function checkTensor(file: SafetensorsFile, input: ModelInput, batch: number): string[] {
  const { name, dtype, sizes, table } = input;
  const dtypes = storedAs[dtype];
  const row = table ? sizes : [batch, ...sizes];
  const steps = table ? 0 : 1;
  const wanted = `${dtypes.join(' or ')} [${[...(table ? [] : ['S']), ...row].join(', ')}]`;
  const info = file.infos.get(storedName(input, file.infos));
  if (info === undefined) return [`has no tensor \`${name}\`; wanted ${wanted}`];
  const fits = info.shape.length === row.length + steps && row.every((d, i) => info.shape[i + steps] === d);
  if (fits && dtypes.includes(info.dtype)) return [];
  return [`\`${name}\` is ${info.dtype} [${info.shape.join(', ')}]; wanted ${wanted}`];
}

/** @returns the number of batches */
function checkFile(file: SafetensorsFile, { batch, inputs }: SourceContext): number {
  const problems = inputs.flatMap((input) => checkTensor(file, input, batch));
  const counts = inputs
    .filter((input) => !input.table)
    .map((input) => {
      const name = storedName(input, file.infos);
      return { name, count: file.infos.get(name)?.shape[0] ?? 0 };
    });
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
  readonly identity: DataIdentity;
  readonly #file: SafetensorsFile;
  readonly #context: SourceContext;

  constructor(file: SafetensorsFile, batches: number, identity: DataIdentity, context: SourceContext) {
    this.#file = file;
    this.identity = identity;
    this.batchesPerEpoch = batches;
    this.#context = context;
  }

  async make(_epoch: number, batch: number): Promise<Batch> {
    const inputs = new Map<string, HostArray>();
    for (const input of this.#context.inputs) {
      const stored = storedName(input, this.#file.infos);
      const { data } = input.table
        ? await this.#file.read(stored)
        : await this.#file.readRows(stored, batch, 1);
      inputs.set(input.name, data instanceof Float32Array ? data : this.#ids(input, data, batch));
    }
    const texts = textsOf(this.#context.inputs, inputs, this.#context.batch);
    return { inputs, skipped: 0, ...(texts && { repeatedTexts: countRepeated(texts) }) };
  }

  /** @throws DiagnosticError Z417 when an id is none that the input may hold */
  #ids({ name, ids = anyInt }: ModelInput, stored: TensorData, batch: number): Int32Array {
    const small = stored instanceof Int32Array;
    const values = small ? stored : Float64Array.from(stored as ArrayLike<number | bigint>, Number);
    const bad = outside(values, ids);
    if (bad < 0) return small ? stored : Int32Array.from(values);
    return fail(
      'Z417',
      `${this.#file.path}: \`${name}\` holds the id ${values[bad]} in batch ${batch}, it takes ${ids.min} to ${ids.max}`,
    );
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
    const batches = checkFile(file, context);
    const identity = await fileIdentity(file.path, batches);
    return new PrefetchedSource(new TensorBatches(file, batches, identity, context), context.seed, 1);
  } catch (error) {
    await file.close();
    throw error;
  }
}
