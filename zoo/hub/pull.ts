/**
 * Getting models: what a name of a hub means, fetched into the cache, verified, and named by the commit that it was.
 *
 * What is there is taken without asking anybody, so that a run tomorrow uses what today's did; only `zooc pull` asks whether a branch
 * has moved on. Nothing is fetched because a downloaded file says so: names come from the command line and from recipes of the user's.
 */
import { statSync } from 'node:fs';
import { copyFile, link, mkdir, readdir, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fail } from '../../grammar/diagnostics.ts';
import { failSystem, syncDirectory } from '../../runtime/data/files/atomic.ts';
import { statOf } from '../../runtime/data/files/read-fully.ts';
import { formatBytes } from '../../runtime/webgpu/device.ts';
import { digestFile } from '../weights/package.ts';
import { isThere, type PulledFiles, publishedPath, RepositoryCache } from './cache.ts';
import { chooseFiles } from './choose.ts';
import { HubConnection, type HubTiming } from './connection.ts';
import { download, type Wanted } from './download.ts';
import { holding } from './held.ts';
import { type ListedFile, type Listing, listRepository, refuseAnswer } from './listing.ts';
import { type HubName, type PublishedFile, parseHubName, pinnedName, type RepositoryName } from './names.ts';

export interface PullOptions {
  /** Nothing is asked of anybody. */
  readonly offline?: boolean;
  /** Asks whether a branch has moved on, and verifies again what is there. */
  readonly refresh?: boolean;
  readonly note?: (text: string) => void;
  readonly timing?: HubTiming;
}

export interface Pulled {
  /** The same for ever: `hf:OWNER/REPO@COMMIT`. */
  readonly name: string;
  /** A folder, or a file. */
  readonly path: string;
  /** The bundled model whose weights these are, where the name says so. */
  readonly model?: string;
  readonly files: PulledFiles;
  /** Bytes that were not there before. */
  readonly fetched: number;
}

const mostPublished = 4 * 2 ** 30;
/** Of files that are read whole, configuration and texts. */
const mostText = 64 * 2 ** 20;

function isOffline({ offline }: PullOptions): boolean {
  const { ZOOC_OFFLINE, HF_HUB_OFFLINE } = process.env;
  return (
    offline === true || [ZOOC_OFFLINE, HF_HUB_OFFLINE].some((value) => /^(1|true|yes|on)$/i.test(value ?? ''))
  );
}

function refuseOffline(spec: string): never {
  fail('Z483', `${spec} was not pulled, and nothing is fetched offline`, `zooc pull ${spec}`);
}

/** Told about a file while it comes. */
function announce(name: string, bytes: number | undefined, note: PullOptions['note']) {
  const size = bytes === undefined ? '' : ` of ${formatBytes(bytes)}`;
  let last = performance.now();
  return (have: number) => {
    if (performance.now() - last < 10_000) return;
    last = performance.now();
    note?.(`${name}: ${formatBytes(have)}${size}`);
  };
}

/** @throws DiagnosticError Z701 where the disk has not so much room */
async function refuseFull(folder: string, bytes: number, name: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes)
    fail(
      'Z701',
      `${name} takes ${formatBytes(bytes)}, and there are ${formatBytes(bavail * bsize)} left where ${folder} lies`,
      'ZOOC_CACHE=DIR names another folder',
    );
}

/** The repository at work: one commit, its list, and where its files go. */
class RepositoryPull {
  readonly #files: Record<string, { bytes: number; sha256: string }> = {};
  readonly #name: RepositoryName;
  readonly #cache: RepositoryCache;
  readonly #connection: HubConnection;
  readonly #listing: Listing;
  readonly #options: PullOptions;
  readonly #before: PulledFiles | undefined;
  fetched = 0;

  constructor(
    name: RepositoryName,
    cache: RepositoryCache,
    connection: HubConnection,
    listing: Listing,
    options: PullOptions,
  ) {
    this.#name = name;
    this.#cache = cache;
    this.#connection = connection;
    this.#listing = listing;
    this.#options = options;
    this.#before = cache.listOf(listing.commit);
  }

  async all(): Promise<PulledFiles> {
    const { commit, files } = this.#listing;
    const choice = chooseFiles(`${this.#name.owner}/${this.#name.repo}`, (name) => files.has(name));
    await mkdir(this.#cache.filesOf(commit), { recursive: true });
    await this.#get(choice.first);
    await this.#get(await choice.rest((name) => this.#cache.textOf(commit, name)));
    await syncDirectory(this.#cache.filesOf(commit));
    return this.#files;
  }

  async #get(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#file(name);
  }

  async #file(name: string): Promise<void> {
    const { owner, repo } = this.#name;
    const listed = this.#listing.files.get(name);
    if (listed === undefined)
      fail('Z481', `${owner}/${repo} holds no ${name} with a digest, which it says that it has`);
    const { bytes, digest } = listed;
    const path = join(this.#cache.filesOf(this.#listing.commit), name);
    if (digest.kind === 'git' && bytes > mostText)
      fail(
        'Z482',
        `${name} of ${owner}/${repo} has ${bytes} bytes, more than ${mostText}, which a text may have`,
      );
    // Git's name of a file says nothing that could be compared with a SHA-256, what was listed when it came does.
    const known = digest.kind === 'sha256' ? digest.hex : this.#before?.[name]?.sha256;
    const same = digest.kind === 'sha256' ? await this.#elsewhere(name, digest.hex) : undefined;
    if (known !== undefined && !isThere(path) && same !== undefined)
      await link(same, path).catch(() => copyFile(same, path));
    const found = known !== undefined && isThere(path) ? await digestFile(path) : undefined;
    if (found !== undefined && found.sha256 === known) {
      this.#files[name] = found;
      return;
    }
    this.#files[name] = await this.#download(name, path, listed);
  }

  /** The same content under this name in another commit. */
  async #elsewhere(name: string, sha256: string): Promise<string | undefined> {
    const commits = (await readdir(join(this.#cache.folder, 'commits'))).flatMap((entry) =>
      entry.endsWith('.json') ? [entry.slice(0, -'.json'.length)] : [],
    );
    const found = commits.find((commit) => {
      const files = commit === this.#listing.commit ? undefined : this.#cache.listOf(commit);
      return files !== undefined && Object.hasOwn(files, name) && files[name]!.sha256 === sha256;
    });
    return found === undefined ? undefined : join(this.#cache.filesOf(found), name);
  }

  async #download(name: string, path: string, { bytes, digest }: ListedFile) {
    const { note } = this.#options;
    const { owner, repo } = this.#name;
    const { commit } = this.#listing;
    await refuseFull(this.#cache.folder, bytes, `${name} of ${owner}/${repo}`);
    if (bytes > 2 ** 20) note?.(`${name}: ${formatBytes(bytes)}`);
    const wanted: Wanted = {
      name: `${owner}/${repo}: ${name}`,
      url: this.#connection.address(`/${owner}/${repo}/resolve/${commit}/${name}`),
      digest,
      bytes: bytes,
      most: bytes,
      check: ({ first }) => {
        const linked = /^"?([0-9a-f]{64})"?$/.exec(first['x-linked-etag'] ?? '')?.[1];
        if (digest.kind === 'sha256' && linked !== undefined && linked !== digest.hex)
          fail('Z482', `${owner}/${repo}: the hub lists ${name} with one digest and sends it with another`);
      },
      refuse: (answer) => refuseAnswer(answer, this.#name, this.#connection, name),
    };
    const partial = this.#cache.partial(digest.hex);
    const had = statOf(partial)?.size ?? 0;
    const got = await download(this.#connection, wanted, partial, announce(name, bytes, note));
    this.fetched += got.bytes - Math.min(had, got.bytes);
    await rename(partial, path);
    return got;
  }
}

async function pullRepository(name: RepositoryName, spec: string, options: PullOptions): Promise<Pulled> {
  const cache = new RepositoryCache(name);
  const result = (commit: string, files: PulledFiles, fetched: number): Pulled => ({
    name: pinnedName(name, commit),
    path: cache.filesOf(commit),
    ...(name.model === undefined ? {} : { model: name.model }),
    files,
    fetched,
  });
  const offline = isOffline(options);
  if (offline || options.refresh !== true) {
    const commit = cache.commitOf(name.revision);
    const files = commit === undefined ? undefined : cache.listOf(commit);
    if (commit !== undefined && files !== undefined) return result(commit, files, 0);
  }
  if (offline) refuseOffline(spec);
  const connection = new HubConnection(process.env, options.timing);
  try {
    await cache.make();
    const listing = await listRepository(connection, name);
    const { note } = options;
    return await holding(
      join(cache.folder, 'partial', 'lock'),
      async () => {
        const pull = new RepositoryPull(name, cache, connection, listing, options);
        const files = await pull.all();
        await cache.keep(name.revision, listing.commit, files);
        return result(listing.commit, files, pull.fetched);
      },
      () => note?.(`another process pulls ${spec}: waiting for it`),
    );
  } catch (error) {
    failSystem('Z413', `cannot write ${cache.folder}`, error);
  } finally {
    await connection.close();
  }
}

/** One file, whose digest is known beforehand. */
export async function pullPublished(
  name: PublishedFile,
  spec: string,
  options: PullOptions,
): Promise<Pulled> {
  const path = publishedPath(name);
  const file = path.slice(dirname(path).length + 1);
  const result = (bytes: number, fetched: number): Pulled => {
    const { model, sha256 } = name;
    return { name: spec, path, model, files: { [file]: { bytes, sha256 } }, fetched };
  };
  if (isThere(path)) {
    if (options.refresh !== true) return result(statSync(path).size, 0);
    const found = await digestFile(path);
    if (found.sha256 === name.sha256) return result(found.bytes, 0);
    await rm(path, { force: true });
  }
  if (isOffline(options)) refuseOffline(spec);
  const connection = new HubConnection(process.env, options.timing);
  const url = new URL(name.url);
  const { note } = options;
  try {
    await mkdir(dirname(path), { recursive: true });
    return await holding(
      `${path}.lock`,
      async () => {
        if (isThere(path)) return result(statSync(path).size, 0);
        note?.(`${file} from ${url.host}`);
        const wanted: Wanted = {
          name: spec,
          url,
          digest: { kind: 'sha256', hex: name.sha256 },
          most: mostPublished,
          refuse: ({ status }) => fail('Z481', `${url.host} answers ${status} for ${spec}`),
        };
        const { bytes } = await download(connection, wanted, `${path}.part`, announce(file, undefined, note));
        await rename(`${path}.part`, path);
        await syncDirectory(dirname(path));
        return result(bytes, bytes);
      },
      () => note?.(`another process pulls ${spec}: waiting for it`),
    );
  } catch (error) {
    failSystem('Z413', `cannot write ${path}`, error);
  } finally {
    await connection.close();
  }
}

/**
 * @throws DiagnosticError Z480 for no such name, Z481 when it cannot be had, Z482 when it is not what was announced, Z483
 * offline
 */
export async function pull(spec: string, options: PullOptions = {}): Promise<Pulled> {
  const name: HubName = parseHubName(spec);
  return name.kind === 'file' ? pullPublished(name, spec, options) : pullRepository(name, spec, options);
}
