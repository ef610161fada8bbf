/**
 * Where what was pulled lies: `hub/HOST/OWNER--REPO` in the cache folder, with a folder for each commit. It is not the folder
 * of Python's huggingface_hub, whose layout is that project's own.
 *
 * A commit's folder counts once its list of files lies beside it. That list is written last.
 */
import { readFileSync, statSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeText } from '../../runtime/data/files/atomic.ts';
import { parseJson } from '../../runtime/data/files/json.ts';
import { statOf } from '../../runtime/data/files/read-fully.ts';
import { cacheFolder } from '../../runtime/node/cache-folder.ts';
import { endpointOf } from './endpoint.ts';
import { isCommit, type PublishedFile, type RepositoryName } from './names.ts';

const listSchema = z.object({
  files: z.record(
    z.string().regex(/^(?!\.)[^/\\]+$/),
    z.object({ bytes: z.int().nonnegative(), sha256: z.string() }),
  ),
});

export type PulledFiles = z.infer<typeof listSchema>['files'];

function hubFolder(): string {
  return join(cacheFolder(), 'hub');
}

/** The folder of a host; other endpoints may hold other things under the same name. */
function hostOf(env: NodeJS.ProcessEnv): string {
  const { host, pathname } = endpointOf(env);
  return `${host}${pathname}`.replace(/\/+$/, '').replace(/[^A-Za-z0-9.-]/g, '_');
}

export class RepositoryCache {
  readonly folder: string;

  constructor({ owner, repo }: RepositoryName, env: NodeJS.ProcessEnv = process.env) {
    this.folder = join(hubFolder(), hostOf(env), `${owner}--${repo}`);
  }

  /** The folder of a commit's files. */
  filesOf(commit: string): string {
    return join(this.folder, 'commits', commit);
  }

  /** Where a file is while it is downloaded, by its digest. */
  partial(hex: string): string {
    return join(this.folder, 'partial', hex);
  }

  async make(): Promise<void> {
    for (const name of ['commits', 'partial', 'revisions'])
      await mkdir(join(this.folder, name), { recursive: true });
  }

  #revision(revision: string): string {
    return join(this.folder, 'revisions', encodeURIComponent(revision));
  }

  /** The commit that a revision was when it was pulled last; undefined where it never was. */
  commitOf(revision: string): string | undefined {
    if (isCommit(revision)) return revision;
    const path = this.#revision(revision);
    const text = statOf(path)?.isFile() === true ? readFileSync(path, 'utf8').trim() : '';
    return isCommit(text) ? text : undefined;
  }

  /** The files of a commit; undefined where they are not all there, in their sizes. */
  listOf(commit: string): PulledFiles | undefined {
    const path = `${this.filesOf(commit)}.json`;
    if (statOf(path)?.isFile() !== true) return undefined;
    const parsed = listSchema.safeParse(parseJson(readFileSync(path, 'utf8')));
    if (!parsed.success) return undefined;
    const { files } = parsed.data;
    const there = Object.entries(files).every(
      ([name, { bytes }]) => statOf(join(this.filesOf(commit), name))?.size === bytes,
    );
    return there ? files : undefined;
  }

  async keep(revision: string, commit: string, files: PulledFiles): Promise<void> {
    await writeText(`${this.filesOf(commit)}.json`, `${JSON.stringify({ files }, null, 2)}\n`);
    if (!isCommit(revision)) await writeText(this.#revision(revision), `${commit}\n`);
  }

  async textOf(commit: string, name: string): Promise<string> {
    return readFile(join(this.filesOf(commit), name), 'utf8');
  }
}

/** Where a published file lies. */
export function publishedPath({ sha256, url }: PublishedFile): string {
  return join(hubFolder(), 'openai', sha256, new URL(url).pathname.split('/').at(-1)!);
}

export function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
