/** An exported folder into a repository of a hub, as one commit: all of its files are there then, or none. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import { openRegular, readFully, statOf } from '../../runtime/data/files/read-fully.ts';
import { onnxFiles } from '../export/foreign/onnx.ts';
import { weightFiles } from '../weights/formats/open-tensors.ts';
import { digestFile, isOwnPackage, loadPackage, manifestName } from '../weights/package.ts';
import { companions } from './choose.ts';
import { HubConnection, type HubTiming } from './connection.ts';
import { type LargeFile, sendLarge } from './lfs.ts';
import { refuseAnswer } from './listing.ts';
import type { RepositoryName } from './names.ts';

export interface PushOptions {
  /** Of a repository that is made. */
  readonly private: boolean;
  readonly message: string;
  readonly note: (text: string) => void;
  readonly timing?: HubTiming;
}

interface Sent {
  readonly commit: string;
  readonly files: readonly string[];
}

const sampleBytes = 512;
/** Files that travel inside of a commit's text. */
const mostRegular = 10 * 2 ** 20;

const uploadsSchema = z.object({
  files: z.array(z.object({ path: z.string(), uploadMode: z.enum(['lfs', 'regular']) })),
});
const commitSchema = z.object({ commitOid: z.string().regex(/^[0-9a-f]{40}$/) });

/**
 * The files of an export: of a package those that its manifest lists, once they are verified.
 * @throws DiagnosticError Z430, Z410 for a folder without weights, Z485 for one without a card
 */
async function filesOf(folder: string): Promise<string[]> {
  if (isOwnPackage(folder)) {
    const { manifest } = await loadPackage(folder);
    return [manifestName, ...Object.keys(manifest.files)];
  }
  const weights: readonly string[] = [...weightFiles, ...onnxFiles];
  const known = new Set([...weights, ...companions]);
  const there = [...known].filter((name) => statOf(join(folder, name))?.isFile() === true).sort();
  if (!there.some((name) => weights.includes(name)))
    fail('Z410', `${folder} holds no weights`, 'zooc export RUN --format zoo --model MODEL --out DIR');
  if (there.some((name) => name.endsWith('.index.json')))
    fail('Z485', `${folder} holds weights in shards, which no export writes`, 'zooc export');
  if (!there.includes('README.md'))
    fail('Z485', `${folder} holds no model card, README.md`, 'zooc export writes one');
  return there;
}

class Push {
  readonly #connection: HubConnection;
  readonly #name: RepositoryName;

  constructor(connection: HubConnection, name: RepositoryName) {
    this.#connection = connection;
    this.#name = name;
  }

  get repository(): string {
    return `${this.#name.owner}/${this.#name.repo}`;
  }

  /** An answer to what is sent; others than those are refused in words. */
  async #post<T>(path: string, type: string, body: string, schema: z.ZodType<T>, also?: number) {
    const url = this.#connection.address(path);
    const answer = await this.#connection.patiently(url, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    });
    if (answer.status < 300) return this.#connection.json(url, schema, answer);
    await answer.body.dump();
    if (answer.status === also) return undefined;
    const { endpoint } = this.#connection;
    if (answer.status === 401 || answer.status === 403)
      fail('Z481', `${endpoint.host} does not let this token write to ${this.repository} (${answer.status})`);
    refuseAnswer(answer, this.#name, this.#connection);
  }

  async make(isPrivate: boolean): Promise<void> {
    const { owner, repo } = this.#name;
    const about = { type: 'model', name: repo, organization: owner, private: isPrivate };
    // It may be there.
    await this.#post('/api/repos/create', 'application/json', JSON.stringify(about), z.unknown(), 409);
  }

  get #branch(): string {
    return encodeURIComponent(this.#name.revision);
  }

  /** Which files are large, says the hub. */
  async largeOf(files: ReadonlyMap<string, LargeFile>): Promise<Set<string>> {
    const asked = await Promise.all(
      [...files].map(async ([path, { bytes, path: place }]) => ({
        path,
        size: bytes,
        sample: (await readBeginning(place)).toString('base64'),
      })),
    );
    const path = `/api/models/${this.repository}/preupload/${this.#branch}`;
    const found = await this.#post(path, 'application/json', JSON.stringify({ files: asked }), uploadsSchema);
    return new Set(found!.files.flatMap((file) => (file.uploadMode === 'lfs' ? [file.path] : [])));
  }

  async commit(files: ReadonlyMap<string, LargeFile>, large: ReadonlySet<string>, message: string) {
    const lines: unknown[] = [{ key: 'header', value: { summary: message, description: '' } }];
    for (const [path, { bytes, sha256, path: place }] of files) {
      if (large.has(path))
        lines.push({ key: 'lfsFile', value: { path, algo: 'sha256', oid: sha256, size: bytes } });
      else {
        if (bytes > mostRegular)
          fail(
            'Z481',
            `${this.#connection.endpoint.host} does not take ${path} of ${bytes} bytes as a large file`,
          );
        const content = (await readFile(place)).toString('base64');
        lines.push({ key: 'file', value: { path, content, encoding: 'base64' } });
      }
    }
    const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const path = `/api/models/${this.repository}/commit/${this.#branch}`;
    const made = await this.#post(path, 'application/x-ndjson', body, commitSchema);
    return made!.commitOid;
  }
}

async function readBeginning(path: string): Promise<Buffer> {
  const file = await openRegular(path, 'Z410');
  try {
    const { size } = await file.stat();
    return Buffer.from(await readFully(file, 0, Math.min(size, sampleBytes), path));
  } finally {
    await file.close();
  }
}

/**
 * Sends a folder to a repository, which is made where it is not there.
 * @throws DiagnosticError Z430 and Z485 for a folder that is not sent, Z481 when the hub does not take it
 */
export async function push(folder: string, name: RepositoryName, options: PushOptions): Promise<Sent> {
  const names = await filesOf(folder);
  const files = new Map<string, LargeFile>();
  for (const file of names) {
    const path = join(folder, file);
    files.set(file, { path, ...(await digestFile(path)) });
  }
  const connection = new HubConnection(process.env, options.timing);
  try {
    if (!connection.hasToken)
      fail(
        'Z481',
        `${connection.endpoint.host} takes nothing without a token`,
        'HF_TOKEN, or ~/.cache/huggingface/token',
      );
    const push = new Push(connection, name);
    await push.make(options.private);
    const large = await push.largeOf(files);
    const sent = [...files].flatMap(([file, found]) => (large.has(file) ? [found] : []));
    await sendLarge(connection, push.repository, sent, options.note);
    return { commit: await push.commit(files, large, options.message), files: names };
  } finally {
    await connection.close();
  }
}
