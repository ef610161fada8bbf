/**
 * Weights in several files, as Hugging Face cuts large models: an index (`model.safetensors.index.json`) says
 * which file beside it holds which tensor.
 *
 * Every tensor of the index must be in its file, and every tensor of a file in the index.
 */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { fail } from '../../../grammar/diagnostics.ts';
import { failSystem } from '../../../runtime/data/files/atomic.ts';
import { readText } from '../../../runtime/data/files/read-fully.ts';
import type { Tensor } from './safetensors.ts';
import type { StoredInfo, TensorFile } from './tensor-file.ts';

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });
const maxIndexBytes = 4 * 2 ** 20;
const maxShards = 256;

function broken(path: string, why: string): never {
  fail('Z423', `${path} is no index of weights: ${why}`, 'model.safetensors.index.json with a weight_map');
}

/** Several files as one. */
class ShardedFile implements TensorFile {
  readonly path: string;
  readonly infos: ReadonlyMap<string, StoredInfo>;
  readonly remarks: readonly string[];
  readonly shards: readonly string[];
  readonly #shards: readonly TensorFile[];
  readonly #places: ReadonlyMap<string, TensorFile>;

  constructor(path: string, shards: readonly TensorFile[], places: ReadonlyMap<string, TensorFile>) {
    this.path = path;
    this.#shards = shards;
    this.shards = shards.map((shard) => shard.path);
    this.remarks = shards.flatMap((shard) => shard.remarks ?? []);
    this.#places = places;
    this.infos = new Map([...places].map(([name, shard]) => [name, shard.infos.get(name)!]));
  }

  async read(name: string): Promise<Tensor> {
    const shard = this.#places.get(name);
    if (shard === undefined) throw new Error(`no tensor ${name} in ${this.path}`);
    return shard.read(name);
  }

  async close(): Promise<void> {
    for (const shard of this.#shards) await shard.close();
  }
}

async function readIndex(path: string): Promise<ReadonlyMap<string, string>> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > maxIndexBytes) broken(path, `it has ${size} bytes, more than ${maxIndexBytes}`);
    text = await readText(path, 'Z410');
  } catch (error) {
    failSystem('Z410', `cannot read ${path}`, error);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    broken(path, 'it is not JSON');
  }
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success) broken(path, 'it has no weight_map from names of tensors to names of files');
  return new Map(Object.entries(parsed.data.weight_map));
}

/** Files lie beside the index: a name that leads elsewhere is refused. */
function checkShardName(path: string, name: string): void {
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name))
    broken(path, `${JSON.stringify(name.slice(0, 100))} is not the name of a file beside it`);
}

function checkContents(
  path: string,
  map: ReadonlyMap<string, string>,
  shards: ReadonlyMap<string, TensorFile>,
): void {
  for (const [name, file] of map)
    if (!shards.get(file)!.infos.has(name))
      broken(path, `${file} has no tensor ${JSON.stringify(name.slice(0, 100))}`);
  for (const [file, shard] of shards)
    for (const name of shard.infos.keys())
      if (map.get(name) !== file)
        broken(path, `it does not list the tensor ${JSON.stringify(name.slice(0, 100))} of ${file}`);
}

/**
 * Opens the files that an index names.
 * @param openShard opens one file that is no index itself
 * @throws DiagnosticError Z423 when the index is malformed or does not tell the truth
 */
export async function openSharded(
  path: string,
  openShard: (path: string) => Promise<TensorFile>,
): Promise<ShardedFile> {
  const map = await readIndex(path);
  const files = [...new Set(map.values())];
  if (files.length === 0) broken(path, 'it names no file');
  if (files.length > maxShards) broken(path, `it names ${files.length} files, more than ${maxShards}`);
  const shards = new Map<string, TensorFile>();
  try {
    for (const file of files) {
      checkShardName(path, file);
      shards.set(file, await openShard(join(dirname(path), file)));
    }
    checkContents(path, map, shards);
  } catch (error) {
    for (const shard of shards.values()) await shard.close();
    throw error;
  }
  const places = new Map([...map].map(([name, file]) => [name, shards.get(file)!]));
  return new ShardedFile(path, [...shards.values()], places);
}
