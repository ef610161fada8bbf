/**
 * `zooc run`: one entry on tensors from a file.
 *
 * Everything about the input file is checked before a device is opened; nothing is
 * written unless all went well.
 */

import type { Precision } from '../../../compiler/compile.ts';
import { anyId } from '../../../compiler/graph/index-ranges.ts';
import { movedPrefix } from '../../../compiler/graph/types.ts';
import type { EntryName, Model, ModelInput } from '../../../compiler/model/types.ts';
import { type Diagnostic, DiagnosticError, fail } from '../../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { unreadWarning } from '../../../runtime/train/supported.ts';
import type { HostArray } from '../../../runtime/types.ts';
import { type DeviceChoice, openExecutor } from '../../run/devices.ts';
import { type NamedTensor, openEntry } from '../../run/entry.ts';
import {
  openSafetensors,
  type SafetensorsFile,
  type TensorData,
  type TensorInfo,
  type TensorToWrite,
  writeSafetensors,
} from '../../weights/formats/safetensors.ts';
import { hashImages, hashTokens } from '../../weights/hash-weights.ts';
import { closing } from '../closing.ts';
import { parseCount, parseEntry } from '../models.ts';
import { note, printJson } from '../output.ts';
import { loadModelWithWeights } from '../packages.ts';
import { type ProfileOption, startProfiling } from '../profile-report.ts';

interface RunOptions {
  readonly entry: string;
  readonly weights?: string;
  readonly inputs: string;
  readonly out: string;
  readonly mode: 'eval' | 'train';
  readonly grad?: boolean;
  readonly batch?: string;
  readonly precision?: Precision;
  readonly device: DeviceChoice;
  readonly tune?: boolean;
  readonly profile?: ProfileOption;
  readonly set: readonly string[];
  readonly json?: boolean;
}

interface Inputs {
  readonly batch: number;
  /** Asked for once the entry is open: a batch that no device holds is refused before the host makes it. */
  values(): ReadonlyMap<string, HostArray>;
}

/** The inputs that an entry takes. */
function wantedInputs(model: Model, entry: EntryName): ModelInput[] {
  const { inputs } = model.entries.find((e) => e.name === entry)!;
  return model.inputs.filter(({ name }) => inputs.some((i) => i.name === name));
}

/** Element types that a file may hold an input in. */
const storedAs = { f32: ['F32'], i32: ['I32', 'I64'] } as const;

function hashInputs(model: Model, wanted: readonly ModelInput[], batchText: string | undefined): Inputs {
  if (batchText === undefined) fail('Z703', '--inputs hash needs --batch N', '--batch 4');
  const batch = parseCount('--batch', batchText);
  const make = ({ name, sizes }: ModelInput): HostArray =>
    name === 'images' ? hashImages([batch, ...sizes]) : hashTokens(batch, sizes[0], model.vocab!);
  return { batch, values: () => new Map(wanted.map((input) => [input.name, make(input)])) };
}

function describe(shape: readonly (number | string)[]): string {
  return `[${shape.join(', ')}]`;
}

/** What is wrong with the tensor of one input; `batch` 0 means that no sensible one is known. */
function inputProblem(
  info: TensorInfo | undefined,
  { name, sizes, dtype }: ModelInput,
  batch: number,
): string | undefined {
  const dtypes: readonly string[] = storedAs[dtype];
  const want = `${dtypes.join(' or ')} ${describe([batch === 0 ? 'B' : batch, ...sizes])}`;
  if (info === undefined) return `${name} is missing, wanted is ${want}`;
  const fits =
    dtypes.includes(info.dtype) && batch > 0 && describe(info.shape) === describe([batch, ...sizes]);
  return fits ? undefined : `${name} is ${info.dtype} ${describe(info.shape)}, wanted is ${want}`;
}

/**
 * The batch of a file that holds the inputs of the entry. Other inputs of the model may lie beside them.
 * @throws DiagnosticError one Z404 per tensor that is missing, alien, or of another type or shape
 */
function checkInputs(
  file: SafetensorsFile,
  model: Model,
  entry: EntryName,
  wanted: readonly ModelInput[],
  asked: number | undefined,
): number {
  const found = wanted.flatMap(({ name }) => file.infos.get(name)?.shape.slice(0, 1) ?? []);
  const batch = asked ?? found[0] ?? 0;
  const names = wanted.map((w) => w.name);
  const aliens = [...file.infos].filter(([name]) => !model.inputs.some((input) => input.name === name));
  const problems = [
    ...wanted.flatMap((w) => inputProblem(file.infos.get(w.name), w, batch) ?? []),
    ...aliens.map(
      ([name, { dtype, shape }]) =>
        `${name} is ${dtype} ${describe(shape)}, but ${entry} takes only ${names.join(' and ')}`,
    ),
  ];
  if (problems.length > 0) {
    throw new DiagnosticError(
      problems.map(
        (text): Diagnostic => ({ code: 'Z404', severity: 'error', message: `${file.path}: ${text}` }),
      ),
    );
  }
  return batch;
}

/** Token ids as int32, each within the vocabulary (a wrong index would be read silently on a GPU). */
function toTokens(path: string, data: TensorData, vocab: number): Int32Array {
  // As doubles first: an I64 id beyond 32 bits must not wrap around into the vocabulary.
  const ids = Float64Array.from(data as ArrayLike<number | bigint>, Number);
  const bad = ids.findIndex((id) => id < 0 || id >= vocab);
  if (bad >= 0) {
    fail(
      'Z404',
      `${path}: tokens has id ${ids[bad]} at position ${bad}, the vocabulary has 0 to ${vocab - 1}`,
    );
  }
  return Int32Array.from(ids);
}

async function readInputs(
  model: Model,
  entry: EntryName,
  wanted: readonly ModelInput[],
  path: string,
  batchText: string | undefined,
): Promise<Inputs> {
  const file = await openSafetensors(path);
  try {
    const asked = batchText === undefined ? undefined : parseCount('--batch', batchText);
    const batch = checkInputs(file, model, entry, wanted, asked);
    const values = new Map<string, HostArray>();
    for (const { name } of wanted) {
      const { data } = await file.read(name);
      values.set(
        name,
        name === 'images' ? (data as Float32Array) : toTokens(path, data, model.vocab ?? anyId.max + 1),
      );
    }
    return { batch, values: () => values };
  } finally {
    await file.close();
  }
}

/** A result as the file holds it: counters of batches are I64, all else F32. */
function toStored(model: Model, name: string, { shape, data }: NamedTensor): TensorToWrite {
  const weight = model.weights.find((w) => name === movedPrefix + w.name);
  return weight?.dtype === 'i64'
    ? { name, shape, dtype: 'I64', data: BigInt64Array.from(data, (x) => BigInt(x)) }
    : { name, shape, dtype: 'F32', data };
}

/** Refuses what the options contradict, before anything is opened. */
function checkOptions({ entry, grad, precision, device }: RunOptions): void {
  if (grad === true && entry !== 'loss')
    fail('Z704', `--grad needs the entry loss, not ${entry}`, `--entry loss --grad`);
  if (precision === 'mixed' && device === 'reference')
    fail(
      'Z703',
      '--precision mixed: the reference computes in double precision',
      '--device webgpu, or leave --precision out',
    );
}

export async function run(reference: string, options: RunOptions): Promise<void> {
  checkOptions(options);
  const profiling = startProfiling(options.profile);
  await closing(async (keep) => {
    const { model, weights } = await loadModelWithWeights(reference, options.weights, options.set);
    keep(weights);
    const entry = parseEntry(model, options.entry);
    const wanted = wantedInputs(model, entry);
    const inputs =
      options.inputs === 'hash'
        ? hashInputs(model, wanted, options.batch)
        : await readInputs(model, entry, wanted, options.inputs, options.batch);
    const executor = keep(
      await openExecutor(options.device, {
        tune: options.tune === true,
        ...(profiling === undefined ? {} : { profile: profiling.recorder }),
        notify: note,
      }),
    );
    const { mode, grad: gradients = false, precision = 'f32' } = options;
    const request = { entry, batch: inputs.batch, mode, gradients, precision };
    const ready = keep(await openEntry(executor, model, weights, request));
    for (const warning of unreadWarning(model.name, ready.unread)) note(renderDiagnostics([warning]));
    const results = await ready.run(inputs.values());
    const tensors = [...results].map(([name, t]) => toStored(model, name, t));
    await writeSafetensors(options.out, tensors);
    const profile = await profiling?.report();
    note(`${model.name} ${entry}, batch ${inputs.batch}, on ${executor.name}: wrote ${options.out}`);
    if (options.json === true) {
      printJson({
        out: options.out,
        device: executor.name,
        tensors: tensors.map(({ name, shape }) => ({ name, shape })),
        ...(profile === undefined ? {} : { profile }),
      });
    }
  });
}
