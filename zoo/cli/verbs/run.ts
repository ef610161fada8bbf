/**
 * `zooc run`: one entry on tensors from a file.
 *
 * Everything about the input file is checked before a device is opened; nothing is
 * written unless all went well.
 */

import type { Precision } from '../../../compiler/compile.ts';
import { anyInt } from '../../../compiler/graph/index-ranges.ts';
import { movedPrefix } from '../../../compiler/graph/types.ts';
import { inputsOf, storedAs, storedName, traceEntry } from '../../../compiler/model/index.ts';
import type { EntryName, Model, ModelInput, ObjectiveChoice } from '../../../compiler/model/types.ts';
import { type Diagnostic, DiagnosticError, fail } from '../../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { unreadWarning } from '../../../runtime/train/supported.ts';
import type { HostArray } from '../../../runtime/types.ts';
import { type DeviceChoice, openExecutor } from '../../run/devices.ts';
import { checkIds, type NamedTensor, openEntry } from '../../run/entry.ts';
import {
  openSafetensors,
  type SafetensorsFile,
  type TensorInfo,
  type TensorToWrite,
  writeSafetensors,
} from '../../weights/formats/safetensors.ts';
import { hashInput } from '../../weights/hash-weights.ts';
import { closing } from '../closing.ts';
import { parseCount, parseEntry, parseObjective, unwrap } from '../models.ts';
import { note, printJson } from '../output.ts';
import { loadModelWithWeights } from '../packages.ts';
import { type ProfileOption, startProfiling } from '../profile-report.ts';

interface RunOptions {
  readonly entry: string;
  readonly objective?: string;
  readonly weights?: string;
  readonly base?: string;
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

/** What an entry is fed. */
function wantedInputs(model: Model, entry: EntryName, objective: ObjectiveChoice | undefined): ModelInput[] {
  if (objective !== undefined) return inputsOf(unwrap(traceEntry(model, entry, { objective })));
  return [...model.entries.find((e) => e.name === entry)!.inputs];
}

function hashInputs(wanted: readonly ModelInput[], batchText: string | undefined): Inputs {
  if (batchText === undefined) fail('Z703', '--inputs hash needs --batch N', '--batch 4');
  const batch = parseCount('--batch', batchText);
  return { batch, values: () => new Map(wanted.map((input) => [input.name, hashInput(input, batch)])) };
}

function describe(shape: readonly (number | string)[]): string {
  return `[${shape.join(', ')}]`;
}

/** What is wrong with the tensor of one input; `batch` 0 means that no sensible one is known. */
function inputProblem(
  info: TensorInfo | undefined,
  { name, sizes, dtype, table }: ModelInput,
  batch: number,
): string | undefined {
  const dtypes = storedAs[dtype];
  const shape = describe(table ? sizes : [batch === 0 ? 'B' : batch, ...sizes]);
  const want = `${dtypes.join(' or ')} ${shape}`;
  if (info === undefined) return `${name} is missing, wanted is ${want}`;
  const fits = dtypes.includes(info.dtype) && describe(info.shape) === shape;
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
  const rows = wanted.filter((input) => !input.table);
  const stored = (input: ModelInput) => storedName(input, file.infos);
  const found = rows.flatMap((input) => file.infos.get(stored(input))?.shape.slice(0, 1) ?? []);
  const batch = asked ?? found[0] ?? 0;
  const names = wanted.map((w) => w.name);
  const known = new Set([...model.entries.flatMap((e) => e.inputs), ...wanted].map(stored));
  const aliens = [...file.infos].filter(([name]) => !known.has(name));
  const problems = [
    ...wanted.flatMap((w) => inputProblem(file.infos.get(stored(w)), w, batch) ?? []),
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
    for (const input of wanted) {
      const { data } = await file.read(storedName(input, file.infos));
      if (data instanceof Float32Array) values.set(input.name, data);
      else {
        // As doubles first: an I64 id beyond 32 bits must not wrap around into what is allowed.
        const ids = Float64Array.from(data as ArrayLike<number | bigint>, Number);
        checkIds([{ ...input, ids: input.ids ?? anyInt }], new Map([[input.name, ids]]), path);
        values.set(input.name, Int32Array.from(ids));
      }
    }
    return { batch, values: () => values };
  } finally {
    await file.close();
  }
}

/** A result as the file holds it: counters of batches are I64, other integers I32, all else F32. */
function toStored(model: Model, name: string, { shape, data }: NamedTensor): TensorToWrite {
  const weight = model.weights.find((w) => name === movedPrefix + w.name);
  return weight?.dtype === 'i64'
    ? { name, shape, dtype: 'I64', data: BigInt64Array.from(data, (x) => BigInt(x)) }
    : { name, shape, dtype: data instanceof Int32Array ? 'I32' : 'F32', data };
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
    const { model, weights } = await loadModelWithWeights(reference, options);
    keep(weights);
    const objective = parseObjective(options.objective);
    const entry = parseEntry(model, options.entry, objective);
    const wanted = wantedInputs(model, entry, objective);
    const inputs =
      options.inputs === 'hash'
        ? hashInputs(wanted, options.batch)
        : await readInputs(model, entry, wanted, options.inputs, options.batch);
    const executor = keep(
      await openExecutor(options.device, {
        tune: options.tune === true,
        ...(profiling === undefined ? {} : { profile: profiling.recorder }),
        notify: note,
      }),
    );
    const { mode, grad: gradients = false, precision = 'f32' } = options;
    const chosen = objective === undefined ? {} : { objective };
    const request = { entry, ...chosen, batch: inputs.batch, mode, gradients, precision };
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
