/**
 * PyTorch checkpoints from before version 1.6, which `torch.save(_use_new_zipfile_serialization=False)` still
 * writes: pickles one behind the other (a magic number, a version, facts about the machine, the checkpoint, the
 * keys of its storages), then the storages in the order of their keys, each behind the number of its elements.
 *
 * Source: torch/serialization.py, `_legacy_save`.
 */
import type { FileHandle } from 'node:fs/promises';
import { fail } from '../../../../grammar/diagnostics.ts';
import { readFully } from '../../../../runtime/data/files/read-fully.ts';
import { elementBytes } from '../../../../runtime/data/safetensors/header.ts';
import { readPickle } from './pickle.ts';
import { isKind, type PickleHost, type PickleValue } from './pickle-values.ts';
import { maxPickleBytes, TorchFile } from './torch-file.ts';
import { type Storage, stateTensors, torchHost } from './torch-pickle.ts';
import { damagedArchive, quoteName } from './zip.ts';

const magic = 0x1950a86a20f9469cfc6cn;
const version = 1001;
/** The number of elements in front of each storage. */
const countBytes = 8;

/** The host of PyTorch's pickles, which keeps what it is told about storages: only that says how long they are. */
function recording(storages: Map<string, Storage>, path: string): PickleHost {
  return {
    ...torchHost,
    persistent(id, refuse) {
      const made = torchHost.persistent(id, refuse);
      if (isKind(made, 'made')) {
        const storage = made.value as Storage;
        const { dtype, elements } = storages.get(storage.key) ?? storage;
        if (dtype !== storage.dtype || elements !== storage.elements)
          damagedArchive(path, `the storage ${quoteName(storage.key)} is described in two ways`);
        storages.set(storage.key, storage);
      }
      return made;
    },
  };
}

function keysOf(value: PickleValue, path: string): string[] {
  const items = isKind(value, 'list') ? value.items : [];
  const keys = items.filter((item) => typeof item === 'string');
  if (keys.length !== items.length || new Set(keys).size !== keys.length)
    damagedArchive(path, 'the list of its storages is malformed');
  return keys;
}

/** Where each storage's bytes begin; all of them must be told of, and fill the rest of the file. */
async function locateStorages(
  file: FileHandle,
  storages: ReadonlyMap<string, Storage>,
  keys: readonly string[],
  { path, from, size }: { readonly path: string; readonly from: number; readonly size: number },
): Promise<Map<string, number>> {
  const begins = new Map<string, number>();
  let at = from;
  for (const key of keys) {
    const storage = storages.get(key);
    if (storage === undefined) damagedArchive(path, `the storage ${quoteName(key)} belongs to no tensor`);
    const bytes = storage.elements * elementBytes[storage.dtype];
    if (at + countBytes + bytes > size) damagedArchive(path, 'it is cut short');
    const count = await readFully(file, at, countBytes, path);
    const elements = new DataView(count.buffer).getBigInt64(0, true);
    if (elements !== BigInt(storage.elements))
      damagedArchive(
        path,
        `the storage ${quoteName(key)} has ${elements} elements, its tensors need ${storage.elements}`,
      );
    begins.set(key, at + countBytes);
    at += countBytes + bytes;
  }
  if (at < size) damagedArchive(path, `${size - at} bytes stand behind its last storage`);
  const missing = [...storages.keys()].find((key) => !begins.has(key));
  if (missing !== undefined) damagedArchive(path, `the storage ${quoteName(missing)} is missing`);
  return begins;
}

/**
 * Opens a checkpoint in `file`, which then belongs to the result.
 * @throws DiagnosticError Z420 for another pickle, Z421 for a damaged file, Z422 for a pickle that asks for more
 * than tensors
 */
export async function openLegacyTorch(path: string, file: FileHandle, size: number): Promise<TorchFile> {
  const bytes = await readFully(file, 0, Math.min(size, maxPickleBytes), path);
  const storages = new Map<string, Storage>();
  const host = recording(storages, path);
  let at = 0;
  const next = (from: PickleHost) => {
    const read = readPickle(bytes, path, from, at);
    at = read.end;
    return read;
  };
  if (next(torchHost).value !== magic)
    fail(
      'Z420',
      `${path} is a pickle, but not one that PyTorch wrote`,
      'save model.state_dict(), or safetensors',
    );
  const found = next(torchHost).value;
  if (found !== version) damagedArchive(path, `its version is not ${version}`);
  const facts = next(torchHost).value;
  if (!isKind(facts, 'dict') || facts.entries.get('little_endian') !== true)
    damagedArchive(path, 'its byte order is not little');
  const { value, foreign } = next(host);
  const keys = keysOf(next(torchHost).value, path);
  const state = stateTensors(value, (why) => fail('Z422', `${path} holds ${why}`));
  const begins = await locateStorages(file, storages, keys, { path, from: at, size });
  return new TorchFile(path, file, { ...state, foreign, begins });
}
