/**
 * A server that speaks the protocol of huggingface.co as far as models are got and given, with a second one that files are
 * redirected to. It drops connections, lies and refuses as it is told.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How one path of a repository misbehaves. */
interface Fault {
  /** Ends the connection behind this many bytes of each answer. */
  readonly drop?: number;
  /** Says nothing more behind this many bytes. */
  readonly stall?: number;
  readonly status?: number;
  /** Sends these instead. */
  readonly content?: Uint8Array;
  /** Does not know ranges. */
  readonly whole?: boolean;
  /** Milliseconds before each answer. */
  readonly slow?: number;
  readonly redirect?: string;
  /** Times that it happens; always by default. */
  times?: number;
}

interface Repository {
  /** Commit by name of a branch or tag. */
  readonly revisions: Map<string, string>;
  readonly commits: Map<string, Map<string, Uint8Array>>;
}

const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
const gitName = (content: Uint8Array) =>
  createHash('sha1').update(`blob ${content.byteLength}\0`).update(content).digest('hex');
const isLarge = (name: string) => /\.(safetensors|bin|pt)$/.test(name);

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

export class HubServer {
  readonly repositories = new Map<string, Repository>();
  /** By name of the file. */
  readonly faults = new Map<string, Fault>();
  /** `GET /path range`, of both servers. */
  readonly asked: string[] = [];
  /** What came with `authorization` at the second server, where no token belongs. */
  readonly leaked: string[] = [];
  /** Only who shows this is shown anything. */
  token: string | undefined;
  /** What is listed beside the files, or instead. */
  listed: Record<string, unknown> = {};
  /** Bytes of a part of an upload; undefined for uploads in one. */
  partBytes: number | undefined;
  endpoint = '';
  /** Address of the second one. */
  files = '';
  readonly #uploads = new Map<string, Uint8Array>();
  readonly #servers = [
    createServer((request, response) => void this.#hub(request, response)),
    createServer((request, response) => void this.#store(request, response)),
  ] as const;

  async start(): Promise<void> {
    this.endpoint = await listen(this.#servers[0]);
    this.files = await listen(this.#servers[1]);
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** A new commit of a repository; returns its name. */
  commit(name: string, files: Readonly<Record<string, Uint8Array | string>>, revision = 'main'): string {
    const repository = this.repositories.get(name) ?? { revisions: new Map(), commits: new Map() };
    this.repositories.set(name, repository);
    const commit = randomBytes(20).toString('hex');
    const contents = Object.entries(files).map(([path, file]) => [path, Buffer.from(file)] as const);
    repository.commits.set(commit, new Map(contents));
    repository.revisions.set(revision, commit);
    return commit;
  }

  /** The newest files of a repository. */
  head(name: string): ReadonlyMap<string, Uint8Array> {
    const { revisions, commits } = this.repositories.get(name)!;
    return commits.get(revisions.get('main')!)!;
  }

  #faultOf(name: string): Fault {
    const fault = this.faults.get(name);
    if (fault === undefined || fault.times === 0) return {};
    if (fault.times !== undefined) fault.times--;
    return fault;
  }

  async #hub(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.endpoint);
    const { range, authorization } = request.headers;
    this.asked.push(`${request.method} ${url.pathname}${range === undefined ? '' : ` ${range}`}`);
    const say = (status: number, value: unknown, headers = {}) =>
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(value));
    if (this.token !== undefined && authorization !== `Bearer ${this.token}`)
      return void say(401, { error: 'Invalid username or password.' }, { 'x-error-code': 'RepoNotFound' });
    const path = url.pathname.split('/').slice(1).map(decodeURIComponent);
    if (request.method === 'POST') return this.#post(path, await bodyOf(request), say);
    const info = path[0] === 'api';
    const name = (info ? path.slice(2, 4) : path.slice(0, 2)).join('/');
    const repository = this.repositories.get(name);
    if (repository === undefined) return void say(404, {}, { 'x-error-code': 'RepoNotFound' });
    const revision = (info ? path[5] : path[3])!;
    const commit = repository.revisions.get(revision) ?? revision;
    const files = repository.commits.get(commit);
    if (files === undefined) return void say(404, {}, { 'x-error-code': 'RevisionNotFound' });
    if (info) {
      const fault = this.#faultOf('info');
      if (fault.status !== undefined) return void say(fault.status, {});
      const siblings = [...files].map(([rfilename, content]) => ({
        rfilename,
        size: content.byteLength,
        blobId: gitName(content),
        ...(isLarge(rfilename)
          ? { lfs: { sha256: sha256(content), size: content.byteLength, pointerSize: 134 } }
          : {}),
      }));
      return void say(200, { id: name, sha: commit, siblings, ...this.listed });
    }
    const file = path.slice(4).join('/');
    const content = files.get(file);
    const fault = this.#faultOf(file);
    if (content === undefined || fault.status !== undefined) return void say(fault.status ?? 404, {});
    if (fault.slow !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.slow));
    if (fault.redirect !== undefined) return void response.writeHead(302, { location: fault.redirect }).end();
    if (!isLarge(file)) {
      response.writeHead(200, { etag: `"${gitName(content)}"`, 'x-repo-commit': commit });
      return void response.end(fault.content ?? content);
    }
    // Once asked about, a fault of the content is the second server's.
    if (fault.times !== undefined) fault.times++;
    response
      .writeHead(302, {
        location: `${this.files}/${name}/${commit}/${file}`,
        'x-repo-commit': commit,
        'x-linked-size': content.byteLength,
        'x-linked-etag': `"${sha256(content)}"`,
      })
      .end();
  }

  async #store(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { range, authorization } = request.headers;
    this.asked.push(`${request.method} ${request.url}${range === undefined ? '' : ` ${range}`}`);
    if (authorization !== undefined) this.leaked.push(request.url!);
    const path = request.url!.split('/').slice(1);
    if (request.method === 'PUT') {
      const content = await bodyOf(request);
      const { status } = this.#faultOf('put');
      if (status !== undefined) return void response.writeHead(status).end();
      this.#uploads.set(path.join('/'), content);
      return void response.writeHead(200, { etag: `"${sha256(content)}"` }).end();
    }
    const [owner, repo, commit, ...rest] = path;
    const file = rest.join('/');
    const content = this.repositories.get(`${owner}/${repo}`)!.commits.get(commit!)!.get(file)!;
    const { drop, stall, content: other, whole } = this.#faultOf(file);
    const sent = other ?? content;
    const from = whole === true ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const part = sent.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': part.byteLength,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${sent.byteLength - 1}/${sent.byteLength}` } : {}),
    });
    if (drop !== undefined && drop < part.byteLength)
      response.write(part.subarray(0, drop), () => setTimeout(() => response.destroy(), 20));
    else if (stall !== undefined && stall < part.byteLength) response.write(part.subarray(0, stall));
    else response.end(part);
  }

  /** What gives: repositories, uploads, commits. */
  #post(path: readonly string[], body: Buffer, say: (status: number, value: unknown) => unknown): void {
    const json = () => JSON.parse(body.toString('utf8'));
    if (path[0] === 'api' && path[1] === 'repos') {
      const { name, organization } = json();
      const full = `${organization}/${name}`;
      if (this.repositories.has(full)) return void say(409, { error: 'You already created this model repo' });
      this.commit(full, { '.gitattributes': '' });
      return void say(200, { url: `${this.endpoint}/${full}` });
    }
    if (path.at(-1) === 'batch') {
      const { objects } = json() as { objects: { oid: string; size: number }[] };
      return void say(200, {
        transfer: this.partBytes ? 'multipart' : 'basic',
        objects: objects.map((o) => this.#action(o)),
      });
    }
    if (path[0] === 'complete') {
      const { oid, parts } = json() as { oid: string; parts: { partNumber: number; etag: string }[] };
      const whole = parts.map(({ partNumber }) => this.#uploads.get(`uploads/${oid}/${partNumber}`)!);
      this.#uploads.set(`uploads/${oid}`, Buffer.concat(whole));
      return void say(200, {});
    }
    const name = path.slice(2, 4).join('/');
    if (path[4] === 'preupload') {
      const { files } = json() as { files: { path: string }[] };
      return void say(200, {
        files: files.map((f) => ({
          path: f.path,
          uploadMode: isLarge(f.path) ? 'lfs' : 'regular',
          shouldIgnore: false,
        })),
      });
    }
    const files = new Map(this.head(name));
    for (const line of body.toString('utf8').trim().split('\n')) {
      const { key, value } = JSON.parse(line);
      if (key === 'file') files.set(value.path, Buffer.from(value.content, value.encoding));
      if (key === 'lfsFile') files.set(value.path, this.#uploads.get(`uploads/${value.oid}`)!);
    }
    const commit = this.commit(name, Object.fromEntries(files));
    say(200, { commitUrl: `${this.endpoint}/${name}/commit/${commit}`, commitOid: commit });
  }

  #action({ oid, size }: { oid: string; size: number }) {
    const href = `${this.files}/uploads/${oid}`;
    const known = [...this.repositories.values()].some(({ commits }) =>
      [...commits.values()].some((files) => [...files.values()].some((content) => sha256(content) === oid)),
    );
    if (known) return { oid, size };
    if (this.partBytes === undefined) return { oid, size, actions: { upload: { href } } };
    const count = Math.ceil(size / this.partBytes);
    const parts = Array.from({ length: count }, (_, i) => [`${i + 1}`, `${href}/${i + 1}`]);
    const header = { chunk_size: `${this.partBytes}`, ...Object.fromEntries(parts) };
    return { oid, size, actions: { upload: { href: `${this.endpoint}/complete`, header } } };
  }
}
