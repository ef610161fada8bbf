/**
 * Which format a file of weights has, told from its first bytes (its name may say anything), and which
 * file of a folder is meant.
 */
import { existsSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../../grammar/diagnostics.ts';
import { failSystem } from '../../../runtime/data/files/atomic.ts';
import { openRegular, readFully, statOf } from '../../../runtime/data/files/read-fully.ts';
import { maxHeaderBytes, prefixBytes } from '../../../runtime/data/safetensors/header.ts';
import { beginsOnnx, readOnnx } from './onnx-file.ts';
import { openSafetensors, type SafetensorsFile } from './safetensors.ts';
import { openSharded } from './sharded-file.ts';
import type { TensorFile } from './tensor-file.ts';
import { openLegacyTorch } from './torch/legacy-file.ts';
import { openTorch } from './torch/torch-file.ts';

/** What a run that keeps a moving average holds beside its weights: the better ones. */
export const averagedWeights = 'weights_ema.safetensors';

/** What the export of an adapter holds; its base may lie beside it. */
export const adapterWeights = 'adapter.safetensors';

/**
 * Files that a folder may hold, the first that is there is meant: ours, then those of
 * other projects and exports.
 */
export const weightFiles = [
  adapterWeights,
  'weights.safetensors',
  'model.safetensors',
  'model.safetensors.index.json',
  'open_clip_model.safetensors',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'open_clip_pytorch_model.bin',
  'model.pt',
  'onnx/model.onnx',
  'model.onnx',
] as const;

/** The file that a path means: itself, or the one in the folder. */
export function tensorsPath(path: string): string {
  if (statOf(path)?.isDirectory() !== true) return path;
  const there = (name: string) => existsSync(join(path, name));
  if (there('run.json') && there(averagedWeights)) return join(path, averagedWeights);
  const found = weightFiles.find(there);
  if (found !== undefined) return join(path, found);
  fail('Z410', `${path} holds no weights`, `looked for ${weightFiles.join(', ')}`);
}

type Kind = 'safetensors' | 'onnx' | 'torch' | 'index' | 'legacy' | 'pointer' | 'unknown';

const enough = 64;

function startsWith(bytes: Uint8Array, text: string): boolean {
  return text.length <= bytes.length && [...text].every((c, i) => bytes[i] === c.charCodeAt(0));
}

/** The format by the first bytes of a file. */
function kindOf(bytes: Uint8Array): Kind {
  // A safetensors file begins with the length of its header, which begins with a brace.
  const braced = bytes.length > prefixBytes && bytes[prefixBytes] === 0x7b;
  if (braced) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    if (length <= BigInt(maxHeaderBytes)) return 'safetensors';
  }
  if (startsWith(bytes, 'PK\x03\x04') || startsWith(bytes, 'PK\x05\x06')) return 'torch';
  if (beginsOnnx(bytes)) return 'onnx';
  if (/^\s*\{/.test(String.fromCharCode(...bytes))) return 'index';
  // A pickle of protocol 2 or later: what torch.save wrote before version 1.6.
  if (bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5) return 'legacy';
  if (startsWith(bytes, 'version https://git-lfs')) return 'pointer';
  return braced ? 'safetensors' : 'unknown';
}

function refuse(path: string, kind: 'pointer' | 'unknown'): never {
  if (kind === 'pointer')
    fail('Z420', `${path} is a pointer of Git LFS, not the weights themselves`, 'git lfs pull');
  fail(
    'Z420',
    `${path} has no format that weights come in`,
    'safetensors, a PyTorch checkpoint (.pt, .bin), ONNX, or model.safetensors.index.json',
  );
}

/** Opens a file, and reads it whole where it has a checksum, as the weights that are written here have. */
export async function openIntact(path: string): Promise<SafetensorsFile> {
  const opened = await openSafetensors(path);
  try {
    if ((await opened.isIntact()) === false)
      fail(
        'Z411',
        `${path} is damaged: its checksum differs`,
        'where it was changed on purpose, take zooc.sha256 out of its metadata',
      );
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Whether a path leads to an ONNX file. @throws DiagnosticError Z410 when it cannot be read */
export async function isOnnx(path: string): Promise<boolean> {
  try {
    const file = await openRegular(tensorsPath(path));
    try {
      const { size } = await file.stat();
      return beginsOnnx(await readFully(file, 0, Math.min(size, enough), path));
    } finally {
      await file.close();
    }
  } catch (error) {
    failSystem('Z410', `cannot read ${path}`, error);
  }
}

/** Opens a file that is no index. */
async function openPlain(path: string): Promise<TensorFile> {
  const opened = await openAny(path);
  if (opened !== undefined) return opened;
  fail('Z423', `${path} is an index inside an index`);
}

/** Opens a file by its content; undefined for an index. */
async function openAny(path: string): Promise<TensorFile | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await openRegular(path);
    const stat = await file.stat();
    const kind = kindOf(await readFully(file, 0, Math.min(stat.size, enough), path));
    if (kind === 'torch' || kind === 'legacy') {
      const opened = await (kind === 'torch' ? openTorch : openLegacyTorch)(path, file, stat.size);
      file = undefined;
      return opened;
    }
    if (kind === 'onnx') return await readOnnx(path, file, stat.size);
    if (kind === 'safetensors') return await openIntact(path);
    if (kind !== 'index') refuse(path, kind);
    return undefined;
  } catch (error) {
    failSystem('Z410', `cannot read ${path}`, error);
  } finally {
    await file?.close();
  }
}

/**
 * Opens a file of weights.
 * @throws DiagnosticError Z410 when it cannot be read, Z411 and Z421 to Z423 when it is
 * malformed or damaged, Z420 for other formats
 */
export async function openTensors(path: string): Promise<TensorFile> {
  return (await openAny(path)) ?? (await openSharded(path, openPlain));
}
