/**
 * `zooc run`: one entry on tensors from a file.
 *
 * Everything about the input file is checked before a device is opened; nothing is
 * written unless all went well.
 */

import type { Precision } from '../../../compiler/compile.ts';
import { anyId } from '../../../compiler/graph/index-ranges.ts';
import { movedPrefix } from '../../../compiler/graph/types.ts';
import type { EntryName, Model } from '../../../compiler/model/types.ts';
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
import { openWeights } from '../../weights/weights.ts';
import { closing } from '../closing.ts';
import { loadModel, parseCount, parseEntry } from '../models.ts';
import { note, printJson } from '../output.ts';
import { type ProfileOption, startProfiling } from '../profile-report.ts';

interface RunOptions {
  readonly entry: string;
  readonly weights: string;
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
  readonly values: ReadonlyMap<string, HostArray>;
}

/** An input of an entry: sizes behind the batch, and the element types that a file may have. */
interface Wanted {
  readonly name: 'images' | 'tokens';
  readonly rest: readonly number[];
  readonly dtypes: readonly string[];
}

function wantedInputs(model: Model, entry: EntryName): Wanted[] {
  const names = model.entries.find((e) => e.name === entry)!.inputs.map((i) => i.name);
  return names.map((name) =>
    name === 'images'
      ? { name, rest: [3, model.resolution!, model.resolution!], dtypes: ['F32'] }
      : { name, rest: [model.context!], dtypes: ['I32', 'I64'] },
  );
}

function hashInputs(model: Model, wanted: readonly Wanted[], batchText: string | undefined): Inputs {
  if (batchText === undefined) fail('Z703', '--inputs hash needs --batch N', '--batch 4');
  const batch = parseCount('--batch', batchText);
  const make = (name: Wanted['name']): HostArray =>
    name === 'images'
      ? hashImages(batch, model.resolution!)
      : hashTokens(batch, model.context!, model.vocab!);
  return { batch, values: new Map(wanted.map(({ name }) => [name, make(name)])) };
}

function describe(shape: readonly (number | string)[]): string {
  return `[${shape.join(', ')}]`;
}

/** What is wrong with the tensor of one input; `batch` 0 means that no sensible one is known. */
function inputProblem(
  info: TensorInfo | undefined,
  { name, rest, dtypes }: Wanted,
  batch: number,
): string | undefined {
  const want = `${dtypes.join(' or ')} ${describe([batch === 0 ? 'B' : batch, ...rest])}`;
  if (info === undefined) return `${name} is missing, wanted is ${want}`;
  const fits =
    dtypes.includes(info.dtype) && batch > 0 && describe(info.shape) === describe([batch, ...rest]);
  return fits ? undefined : `${name} is ${info.dtype} ${describe(info.shape)}, wanted is ${want}`;
}

/**
 * The batch of a file whose tensors are exactly the inputs of the entry.
 * @throws DiagnosticError one Z404 per tensor that is missing, alien, or of another type or shape
 */
function checkInputs(
  file: SafetensorsFile,
  entry: EntryName,
  wanted: readonly Wanted[],
  asked: number | undefined,
): number {
  const found = wanted.flatMap(({ name }) => file.infos.get(name)?.shape.slice(0, 1) ?? []);
  const batch = asked ?? found[0] ?? 0;
  const names = wanted.map((w) => w.name);
  const aliens = [...file.infos].filter(([name]) => !names.some((n) => n === name));
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
  wanted: readonly Wanted[],
  path: string,
  batchText: string | undefined,
): Promise<Inputs> {
  const file = await openSafetensors(path);
  try {
    const asked = batchText === undefined ? undefined : parseCount('--batch', batchText);
    const batch = checkInputs(file, entry, wanted, asked);
    const values = new Map<string, HostArray>();
    for (const { name } of wanted) {
      const { data } = await file.read(name);
      values.set(
        name,
        name === 'images' ? (data as Float32Array) : toTokens(path, data, model.vocab ?? anyId.max + 1),
      );
    }
    return { batch, values };
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

export async function run(reference: string, options: RunOptions): Promise<void> {
  const model = loadModel(reference, options.set);
  const entry = parseEntry(model, options.entry);
  const gradients = options.grad === true;
  if (gradients && entry !== 'loss') {
    fail('Z704', `--grad needs the entry loss, not ${entry}`, `--entry loss --grad`);
  }
  if (options.precision === 'mixed' && options.device === 'reference')
    fail(
      'Z703',
      '--precision mixed: the reference computes in double precision',
      '--device webgpu, or leave --precision out',
    );
  const wanted = wantedInputs(model, entry);
  const profiling = startProfiling(options.profile);
  await closing(async (keep) => {
    const weights = keep(await openWeights(model, options.weights));
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
    const { mode, precision = 'f32' } = options;
    const request = { entry, batch: inputs.batch, mode, gradients, precision };
    const ready = keep(await openEntry(executor, model, weights, request));
    for (const warning of unreadWarning(model.name, ready.unread)) note(renderDiagnostics([warning]));
    const results = await ready.run(inputs.values);
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
