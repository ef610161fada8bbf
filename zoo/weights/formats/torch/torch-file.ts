/**
 * PyTorch checkpoints since version 1.6: a zip archive with `NAME/data.pkl`, which describes the tensors,
 * and one stored entry `NAME/data/KEY` per storage. `torch.save` and TorchScript (OpenAI's published `.pt`
 * files) share this layout.
 *
 * The pickle is read by `pickle.ts`, which runs nothing. A tensor's bytes are read from the file when it is
 * asked for, and only the span that its view covers.
 */
import type { FileHandle } from 'node:fs/promises';
import { fail } from '../../../../grammar/diagnostics.ts';
import { failSystem } from '../../../../runtime/data/files/atomic.ts';
import { readFully } from '../../../../runtime/data/files/read-fully.ts';
import { elementBytes, elementCount } from '../../../../runtime/data/safetensors/header.ts';
import { decodeTensor, type Tensor } from '../safetensors.ts';
import type { TensorFile } from '../tensor-file.ts';
import { readWholePickle } from './pickle.ts';
import { type State, type StoredTensor, stateTensors, torchHost } from './torch-pickle.ts';
import { damagedArchive, quoteName, readZipDirectory, type ZipEntry } from './zip.ts';

/** Far above any checkpoint's description of its tensors, far below what would hurt. */
export const maxPickleBytes = 32 * 2 ** 20;

/** An entry that must be there, as plain bytes. */
function storedEntry(entries: ReadonlyMap<string, ZipEntry>, name: string, path: string): ZipEntry {
  const entry = entries.get(name);
  if (entry === undefined) damagedArchive(path, `the entry ${quoteName(name)} is missing`);
  if (!entry.stored)
    damagedArchive(
      path,
      `the entry ${quoteName(name)} is compressed or encrypted; PyTorch stores plain bytes`,
    );
  return entry;
}

/** The folder in the archive that holds `data.pkl`. */
function archiveRoot(entries: ReadonlyMap<string, ZipEntry>, path: string): string {
  const roots = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (roots.length !== 1) damagedArchive(path, `it holds ${roots.length} files NAME/data.pkl, not one`);
  return roots[0]!.slice(0, -'data.pkl'.length);
}

/** Elements from the first to behind the last that a view touches. */
function spanOf({ shape, strides }: StoredTensor): number {
  if (elementCount(shape) === 0) return 0;
  return shape.reduce((at, n, i) => at + (n - 1) * strides[i]!, 1);
}

/** Is the view row-major and dense? */
function isDense({ shape, strides }: StoredTensor): boolean {
  let wanted = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== wanted) return false;
    wanted *= shape[axis]!;
  }
  return true;
}

/** The elements of a strided view in row-major order. */
function gather(bytes: Uint8Array, { shape, strides, dtype }: StoredTensor): Uint8Array {
  const size = elementBytes[dtype];
  const count = elementCount(shape);
  const out = new Uint8Array(count * size);
  const index = shape.map(() => 0);
  let from = 0;
  for (let i = 0; i < count; i++) {
    for (let b = 0; b < size; b++) out[i * size + b] = bytes[from * size + b]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

interface TorchContent extends State {
  /** Names of what was not run. */
  readonly foreign: readonly string[];
  /** Where each storage's bytes begin in the file. */
  readonly begins: ReadonlyMap<string, number>;
}

/** At most this many names in a remark. */
const shown = 5;

function remarksOf(path: string, { place, foreign }: TorchContent): string[] {
  const more = foreign.length > shown ? ` and ${foreign.length - shown} more` : '';
  return [
    ...(place.length === 0 ? [] : [`${path}: the weights are those under ${place.join('.')}`]),
    ...(foreign.length === 0
      ? []
      : [`${path}: not read and not run: ${foreign.slice(0, shown).join(', ')}${more}`]),
  ];
}

/** An open checkpoint; close it when done. */
export class TorchFile implements TensorFile {
  readonly path: string;
  readonly infos: ReadonlyMap<string, StoredTensor>;
  readonly remarks: readonly string[];
  readonly #file: FileHandle;
  readonly #begins: ReadonlyMap<string, number>;

  constructor(path: string, file: FileHandle, content: TorchContent) {
    this.path = path;
    this.infos = content.tensors;
    this.remarks = remarksOf(path, content);
    this.#file = file;
    this.#begins = content.begins;
  }

  async read(name: string): Promise<Tensor> {
    const tensor = this.infos.get(name);
    if (tensor === undefined) throw new Error(`no tensor ${name} in ${this.path}`);
    const { dtype, shape, offset, storage } = tensor;
    const size = elementBytes[dtype];
    try {
      const begin = this.#begins.get(storage)! + offset * size;
      const bytes = await readFully(this.#file, begin, spanOf(tensor) * size, this.path);
      return { dtype, shape, data: decodeTensor(dtype, isDense(tensor) ? bytes : gather(bytes, tensor)) };
    } catch (error) {
      failSystem('Z410', `cannot read ${this.path}`, error);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Every storage must be an entry of just its size. */
function locateStorages(
  tensors: ReadonlyMap<string, StoredTensor>,
  entries: ReadonlyMap<string, ZipEntry>,
  root: string,
  path: string,
): Map<string, number> {
  const begins = new Map<string, number>();
  for (const { storage, storageElements, dtype } of tensors.values()) {
    const entry = storedEntry(entries, `${root}data/${storage}`, path);
    const wanted = storageElements * elementBytes[dtype];
    if (entry.size !== wanted)
      damagedArchive(
        path,
        `the entry ${quoteName(entry.name)} has ${entry.size} bytes, its tensors need ${wanted}`,
      );
    begins.set(storage, entry.begin);
  }
  return begins;
}

/**
 * Opens a checkpoint in `file`, which then belongs to the result.
 * @throws DiagnosticError Z421 for a damaged archive, Z422 for a pickle that asks for more than tensors
 */
export async function openTorch(path: string, file: FileHandle, size: number): Promise<TorchFile> {
  const entries = await readZipDirectory(file, size, path);
  const root = archiveRoot(entries, path);
  const order = entries.get(`${root}byteorder`);
  if (order !== undefined) {
    const { begin, size: length } = storedEntry(entries, order.name, path);
    const text = new TextDecoder().decode(await readFully(file, begin, Math.min(length, 16), path));
    if (text !== 'little') damagedArchive(path, `its byte order is ${quoteName(text)}, not little`);
  }
  const { begin, size: length } = storedEntry(entries, `${root}data.pkl`, path);
  if (length > maxPickleBytes)
    damagedArchive(path, `data.pkl has ${length} bytes, more than ${maxPickleBytes}`);
  const source = `${path}: data.pkl`;
  const read = readWholePickle(await readFully(file, begin, length, path), source, torchHost);
  const state = stateTensors(read.value, (why) => fail('Z422', `${source} holds ${why}`));
  const begins = locateStorages(state.tensors, entries, root, path);
  return new TorchFile(path, file, { ...state, foreign: read.foreign, begins });
}
