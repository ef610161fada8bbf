/**
 * `zooc run`: one entry on tensors from a file.
 *
 * Everything about the input file is checked before a device is opened; nothing is written unless all went well.
 */

import type { EntryName, Model } from '../../../compiler/model/types.ts';
import { type Diagnostic, DiagnosticError, fail } from '../../../grammar/diagnostics.ts';
import type { HostArray } from '../../../runtime/types.ts';
import { type DeviceChoice, openExecutor } from '../../devices.ts';
import { openEntry } from '../../entry.ts';
import { hashImages, hashTokens } from '../../formats/hash-weights.ts';
import {
  openSafetensors,
  type SafetensorsFile,
  type TensorData,
  writeSafetensors,
} from '../../formats/safetensors.ts';
import { openWeights } from '../../weights.ts';
import { closing } from '../closing.ts';
import { loadModel, parseCount, parseEntry } from '../models.ts';
import { note, printJson } from '../output.ts';

interface RunOptions {
  readonly entry: string;
  readonly weights: string;
  readonly inputs: string;
  readonly out: string;
  readonly mode: 'eval' | 'train';
  readonly grad?: boolean;
  readonly batch?: string;
  readonly device: DeviceChoice;
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

/** One diagnostic per tensor that is missing, alien, or of another type or shape than the entry takes. */
function checkInputs(
  file: SafetensorsFile,
  entry: EntryName,
  wanted: readonly Wanted[],
  batch?: number,
): number {
  const problems: string[] = [];
  const batches = wanted.map(({ name }) => file.infos.get(name)?.shape[0]).filter((b) => b !== undefined);
  const found = batch ?? batches[0];
  for (const { name, rest, dtypes } of wanted) {
    const info = file.infos.get(name);
    const want = `${dtypes.join(' or ')} ${describe([found === undefined || found === 0 ? 'B' : found, ...rest])}`;
    if (info === undefined) problems.push(`${name} is missing, ${entry} wants ${want}`);
    else if (
      !dtypes.includes(info.dtype) ||
      info.shape.length !== rest.length + 1 ||
      info.shape[0] !== found ||
      found < 1 ||
      rest.some((n, i) => n !== info.shape[i + 1])
    ) {
      problems.push(`${name} is ${info.dtype} ${describe(info.shape)}, ${entry} wants ${want}`);
    }
  }
  for (const [name, info] of file.infos) {
    if (!wanted.some((w) => w.name === name)) {
      const names = wanted.map((w) => w.name).join(' and ');
      problems.push(
        `${name} ${info.dtype} ${describe(info.shape)} is not an input of ${entry}, which takes ${names}`,
      );
    }
  }
  if (problems.length > 0 || found === undefined) {
    const diagnostics = problems.map(
      (text): Diagnostic => ({ code: 'Z404', severity: 'error', message: `${file.path}: ${text}` }),
    );
    throw new DiagnosticError(diagnostics);
  }
  return found;
}

/** Token ids as int32, each within the vocabulary (a wrong index would be read silently on a GPU). */
function toTokens(path: string, data: TensorData, vocab: number): Int32Array {
  const tokens = Int32Array.from(data as ArrayLike<number | bigint>, Number);
  const bad = tokens.findIndex((id) => id < 0 || id >= vocab);
  if (bad >= 0) {
    fail(
      'Z404',
      `${path}: tokens has id ${tokens[bad]} at position ${bad}, the vocabulary has 0 to ${vocab - 1}`,
    );
  }
  return tokens;
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
      values.set(name, name === 'images' ? (data as Float32Array) : toTokens(path, data, model.vocab!));
    }
    return { batch, values };
  } finally {
    await file.close();
  }
}

export async function run(reference: string, options: RunOptions): Promise<void> {
  const model = loadModel(reference, options.set);
  const entry = parseEntry(model, options.entry);
  const gradients = options.grad === true;
  if (gradients && entry !== 'loss') {
    fail('Z704', `--grad needs the entry loss, not ${entry}`, `--entry loss --grad`);
  }
  const wanted = wantedInputs(model, entry);
  await closing(async (keep) => {
    const weights = keep(await openWeights(model, options.weights));
    const inputs =
      options.inputs === 'hash'
        ? hashInputs(model, wanted, options.batch)
        : await readInputs(model, entry, wanted, options.inputs, options.batch);
    const executor = keep(await openExecutor(options.device));
    const request = { entry, batch: inputs.batch, mode: options.mode, gradients };
    const ready = keep(await openEntry(executor, model, weights, request));
    const results = await ready.run(inputs.values);
    const tensors = [...results].map(([name, t]) => ({ name, dtype: 'F32' as const, ...t }));
    await writeSafetensors(options.out, tensors);
    note(`${model.name} ${entry}, batch ${inputs.batch}, on ${executor.name}: wrote ${options.out}`);
    if (options.json === true) {
      printJson({
        out: options.out,
        device: executor.name,
        tensors: tensors.map(({ name, shape }) => ({ name, shape })),
      });
    }
  });
}
