/**
 * Measured schedules on disk: one file for each adapter, driver and version of Dawn, in
 * the user's cache folder.
 *
 * Files are replaced whole, so a reader sees the old or the new one. What cannot be read or understood is told once and counts as nothing
 * measured; it is never an error, since everything runs without.
 */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { z } from 'zod';
import { scheduleKey } from '../../../compiler/kernels/schedules/schedules.ts';
import type { TunedSchedules } from '../../../compiler/profile.ts';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import {
  failSystem,
  makeFolders,
  systemReason,
  writeAtomically,
  writeFully,
} from '../../data/files/atomic.ts';
import { readText } from '../../data/files/read-fully.ts';
import { cacheFolder } from '../../node/cache-folder.ts';
import type { AdapterReport } from '../../webgpu/adapter.ts';
import type { TunedWork } from '../tuner.ts';

/** What a measurement holds for. */
export interface TuneIdentity {
  readonly adapter: string;
  readonly driver: string;
  readonly dawn: string;
}

const entrySchema = z.object({
  id: z.string().min(1),
  seconds: z.number().positive(),
  default: z.object({ id: z.string().min(1), seconds: z.number().positive() }),
});
const cacheSchema = z.object({
  version: z.literal(1),
  adapter: z.string(),
  driver: z.string(),
  dawn: z.string(),
  /** By kernel family and shape. */
  schedules: z.record(z.string(), entrySchema),
});
type Cache = z.infer<typeof cacheSchema>;

/** Of the package `webgpu`, which has Dawn in it. */
export function dawnVersion(): string {
  return z.object({ version: z.string() }).parse(createRequire(import.meta.url)('webgpu/package.json'))
    .version;
}

export function identityOf({ name, backend, driver }: AdapterReport): TuneIdentity {
  return { adapter: `${name} (${backend})`, driver, dawn: dawnVersion() };
}

/**
 * `schedules-llvmpipe-llvm-15-0-6-256-bits-vulkan-1a2b3c4d.json`: readable, and different for every identity.
 */
export function cachePath(identity: TuneIdentity, folder: string = cacheFolder()): string {
  const { adapter, driver, dawn } = identity;
  const hash = createHash('sha256')
    .update(JSON.stringify([adapter, driver, dawn]))
    .digest('hex');
  const readable = adapter
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 60);
  return join(folder, `schedules-${readable}-${hash.slice(0, 8)}.json`);
}

/** Files whose fault was told already. */
const told = new Set<string>();

async function readCache(
  path: string,
  identity: TuneIdentity,
  warn: (text: string) => void,
): Promise<Cache | undefined> {
  const ignore = (why: string): undefined => {
    if (!told.has(path))
      warn(`measured schedules are ignored: ${path}: ${why} (zooc tune measures them again)`);
    told.add(path);
    return undefined;
  };
  let text: string;
  try {
    text = await readText(path, 'Z701');
  } catch (error) {
    if (error instanceof DiagnosticError) return ignore(error.diagnostics[0]!.message);
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : ignore(reason);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return ignore('it is not valid JSON');
  }
  const parsed = cacheSchema.safeParse(json);
  if (!parsed.success) return ignore(z.prettifyError(parsed.error).replace(/\s+/g, ' '));
  const { adapter, driver, dawn } = parsed.data;
  if (adapter !== identity.adapter || driver !== identity.driver || dawn !== identity.dawn)
    return ignore(`it was measured on ${adapter}, ${driver}, Dawn ${dawn}`);
  return parsed.data;
}

/** What was measured on this adapter; empty where nothing was. */
export async function loadTuned(
  identity: TuneIdentity,
  warn: (text: string) => void,
  folder?: string,
): Promise<TunedSchedules> {
  const cache = await readCache(cachePath(identity, folder), identity, warn);
  return Object.fromEntries(Object.entries(cache?.schedules ?? {}).map(([key, { id }]) => [key, id]));
}

/**
 * Adds measurements to the file of this adapter; newer ones replace older ones.
 * @returns the file's path
 * @throws DiagnosticError Z413 when the folder or file cannot be written; then the old file stays
 */
export async function storeTuned(
  identity: TuneIdentity,
  results: readonly TunedWork[],
  warn: (text: string) => void,
  folder: string = cacheFolder(),
): Promise<string> {
  const path = cachePath(identity, folder);
  const old = await readCache(path, identity, warn);
  const added = results.map(
    ({ family, key, id, seconds, defaultId, defaultSeconds }): [string, z.infer<typeof entrySchema>] => [
      scheduleKey(family, key),
      { id, seconds, default: { id: defaultId, seconds: defaultSeconds } },
    ],
  );
  const schedules = { ...old?.schedules, ...Object.fromEntries(added) };
  const cache: Cache = { version: 1, ...identity, schedules };
  try {
    await makeFolders(folder);
  } catch (error) {
    failSystem('Z413', `cannot create ${folder}`, error);
  }
  await writeAtomically(path, (file) => writeFully(file, Buffer.from(`${JSON.stringify(cache, null, 1)}\n`)));
  return path;
}
