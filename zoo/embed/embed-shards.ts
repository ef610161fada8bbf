/**
 * Shards to features: of each a `NAME.npy` and a `NAME.parquet`, whose rows are the same pictures in the same order.
 *
 * Pictures of the next batches are decoded by threads while the device has one; batches hold pictures of one shard
 * and have always the same number of rows, so that a feature's bits depend on nothing else.
 */
import { join } from 'node:path';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { reasonOf, systemReason, writeAtomically, writeFully } from '../../runtime/data/files/atomic.ts';
import { nameOf } from '../../runtime/data/files/data-file.ts';
import { encodeNpy } from '../../runtime/data/files/npy.ts';
import { statOf } from '../../runtime/data/files/read-fully.ts';
import { inOrder } from '../../runtime/data/in-order.ts';
import { DecodePool, type DecodeResult } from '../../runtime/data/pictures/decode.ts';
import { narrowF16 } from '../../runtime/data/safetensors/half.ts';
import { ShardError } from '../../runtime/data/sources/shards/tar-headers.ts';
import type { Encoder } from '../run/encoder.ts';
import { encodeMetadata } from './metadata.ts';
import { type ShardSample, shardSamples } from './shard-samples.ts';

export interface Shard {
  readonly path: string;
  /** Of its files. */
  readonly name: string;
  /** How the folder of features finds it again. */
  readonly from: string;
}

export interface ShardsRequest {
  readonly shards: readonly Shard[];
  /** Folder to write; it is there. */
  readonly out: string;
  readonly dtype: 'f16' | 'f32';
  /** Of a batch. */
  readonly rows: number;
  readonly workers: number;
  /** Told of each shard when it is done. */
  done?(shard: Shard, pictures: number): void;
}

export interface ShardsResult {
  readonly written: number;
  /** Shards that were done before. */
  readonly skipped: number;
  readonly pictures: number;
  /** Samples without a picture that can be read, by reason. */
  readonly left: ReadonlyMap<string, number>;
  /** Shards of which nothing is written, with the reason. */
  readonly failed: readonly { readonly shard: string; readonly reason: string }[];
}

/** A few samples of a shard. */
interface Batch {
  readonly shard: Shard;
  readonly samples: readonly ShardSample[];
  readonly last: boolean;
  /** Why the shard cannot be used. */
  readonly failure?: string;
}

interface Decoded extends Batch {
  readonly results: readonly DecodeResult[];
}

interface Encoded extends Decoded {
  readonly features: Float32Array;
}

const npyPath = (out: string, { name }: Shard) => join(out, `${name}.npy`);
const parquetPath = (out: string, { name }: Shard) => join(out, `${name}.parquet`);

function isDone(out: string, shard: Shard): boolean {
  return [npyPath(out, shard), parquetPath(out, shard)].every((path) => statOf(path)?.isFile() === true);
}

/** Why a shard cannot be used; what is no fault of it is thrown on. */
function failureOf(error: unknown): string {
  if (error instanceof DiagnosticError) return error.diagnostics[0]!.message;
  if (error instanceof ShardError || systemReason(error) !== undefined) return reasonOf(error);
  throw error;
}

async function* batchesOf(shard: Shard, rows: number): AsyncGenerator<Batch, void> {
  let samples: ShardSample[] = [];
  let failure: string | undefined;
  try {
    for await (const sample of shardSamples(shard.path)) {
      samples.push(sample);
      if (samples.length < rows) continue;
      yield { shard, samples, last: false };
      samples = [];
    }
  } catch (error) {
    failure = failureOf(error);
  }
  yield { shard, samples, last: true, ...(failure === undefined ? {} : { failure }) };
}

async function decode(batch: Batch, pool: DecodePool): Promise<Decoded> {
  try {
    const results = await Promise.all(
      batch.samples.map(async ({ picture }): Promise<DecodeResult> => {
        if (picture === undefined) return { kind: 'missing', reason: 'no picture' };
        const result = await pool.decode(picture);
        return 'reason' in result
          ? { ...result, reason: result.reason.replaceAll(nameOf(picture), 'it') }
          : result;
      }),
    );
    return { ...batch, results };
  } catch (error) {
    return { ...batch, samples: [], results: [], failure: failureOf(error) };
  }
}

const isRead = (result: DecodeResult) => 'bytes' in result;

async function encode(batch: Decoded, encoder: Encoder): Promise<Encoded> {
  const { shard, samples, results } = batch;
  const readable = samples.filter((_, i) => isRead(results[i]!));
  const pictures = results.flatMap((result) => ('bytes' in result ? [result.bytes] : []));
  const features = await encoder.encodeFitted(pictures, (i) => `${shard.path}: ${readable[i]!.key}`);
  return { ...batch, samples: readable, features };
}

/** What is known of the shard that is being made. */
class Gathering {
  readonly samples: ShardSample[] = [];
  readonly left: string[] = [];
  failure: string | undefined;
  readonly #features: Float32Array[] = [];

  add({ samples, results, features, failure }: Encoded): void {
    for (const sample of samples) this.samples.push(sample);
    this.#features.push(features);
    for (const result of results) if ('reason' in result) this.left.push(result.reason);
    this.failure ??= failure;
  }

  /** Wrong shards would otherwise pass for done. */
  get reason(): string | undefined {
    if (this.failure !== undefined) return this.failure;
    const none = this.samples.length === 0 && this.left.length > 0;
    return none ? `none of its ${this.left.length} pictures can be read: ${this.left[0]}` : undefined;
  }

  /**
   * The parquet file first: a shard is done when both are there, so the second one may only come when all is.
   * @throws DiagnosticError Z413
   */
  async write(shard: Shard, width: number, { out, dtype }: ShardsRequest): Promise<void> {
    const count = this.samples.length;
    const all = new Float32Array(count * width);
    let at = 0;
    for (const features of this.#features) {
      all.set(features, at);
      at += features.length;
    }
    const metadata = encodeMetadata(this.samples, { shard: shard.from });
    const npy = encodeNpy([count, width], dtype === 'f16' ? narrowF16(all) : all);
    await writeAtomically(parquetPath(out, shard), (file) => writeFully(file, metadata));
    await writeAtomically(npyPath(out, shard), (file) => writeFully(file, npy));
  }
}

/** Batches whose pictures are decoded, or being decoded, ahead of the device; more would only take memory. */
const decodedAhead = 3;
/** One is filled while the device has the other. */
const onDevice = 2;

/**
 * What cannot be used of the shards is counted, not thrown.
 * @throws DiagnosticError Z413 for what cannot be written, Z435, Z704
 */
export async function embedShards(encoder: Encoder, request: ShardsRequest): Promise<ShardsResult> {
  const { shards, out, rows, workers } = request;
  const pool = new DecodePool(encoder.fitting(), workers);
  const left = new Map<string, number>();
  const failed: { shard: string; reason: string }[] = [];
  let [written, skipped, pictures] = [0, 0, 0];
  async function* batches(): AsyncGenerator<Batch, void> {
    for (const shard of shards) {
      if (isDone(out, shard)) skipped++;
      else yield* batchesOf(shard, rows);
    }
  }
  const decoded = inOrder(batches(), decodedAhead, (batch) => decode(batch, pool));
  try {
    let gathering = new Gathering();
    for await (const batch of inOrder(decoded, onDevice, (ready) => encode(ready, encoder))) {
      gathering.add(batch);
      if (!batch.last) continue;
      const { samples, reason, left: leftOut } = gathering;
      if (reason === undefined) {
        await gathering.write(batch.shard, encoder.embed, request);
        written++;
        pictures += samples.length;
        for (const why of leftOut) left.set(why, (left.get(why) ?? 0) + 1);
        request.done?.(batch.shard, samples.length);
      } else failed.push({ shard: batch.shard.path, reason });
      gathering = new Gathering();
    }
  } finally {
    await pool.close();
  }
  return { written, skipped, pictures, left, failed };
}
