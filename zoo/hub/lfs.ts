/** Large files into a hub: Git LFS's batch protocol, whole or in parts. The servers that take them get no token. */
import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import type { FileDigest } from '../weights/package.ts';
import { type Answer, type Asked, type HubConnection, isPassing, Lost, retries } from './connection.ts';

export interface LargeFile extends FileDigest {
  readonly path: string;
}

const lfsType = 'application/vnd.git-lfs+json';
const headers = z.record(z.string(), z.string());
const actionSchema = z.object({ href: z.string(), header: headers.optional() });
const batchSchema = z.object({
  objects: z.array(
    z.object({
      oid: z.string(),
      actions: z.object({ upload: actionSchema, verify: actionSchema.optional() }).optional(),
      error: z.object({ message: z.string() }).optional(),
    }),
  ),
});
type Action = z.infer<typeof actionSchema>;

/** Where a hub sends us; not in the clear where it is asked over TLS. */
function addressOf(connection: HubConnection, href: string): URL {
  const url = URL.canParse(href) ? new URL(href) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== connection.endpoint.protocol))
    fail('Z481', `${connection.endpoint.host} names no address to send files to`);
  return url;
}

/** Sends bytes of a file, again from the first where the connection is lost. */
async function put(
  connection: HubConnection,
  url: URL,
  {
    path,
    from,
    bytes,
    headers = {},
  }: { path: string; from: number; bytes: number; headers?: Asked['headers'] },
): Promise<Answer> {
  for (let tries = 0; ; tries++) {
    let reason: string;
    try {
      const answer = await connection.ask(url, {
        method: 'PUT',
        headers: { ...headers, 'content-length': String(bytes) },
        body: bytes === 0 ? '' : createReadStream(path, { start: from, end: from + bytes - 1 }),
      });
      await answer.body.dump();
      if (answer.status < 300) return answer;
      reason = `${url.host} answers ${answer.status}`;
      if (!isPassing(answer.status)) fail('Z481', `${reason} for ${path}`);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      reason = error.message;
    }
    if (tries === retries) fail('Z481', `${path}: ${reason}, after ${retries} more tries`);
    await connection.pause(tries);
  }
}

async function post(connection: HubConnection, { href, header = {} }: Action, value: unknown): Promise<void> {
  const url = addressOf(connection, href);
  const answer = await connection.patiently(url, {
    method: 'POST',
    headers: { ...header, accept: lfsType, 'content-type': lfsType },
    body: JSON.stringify(value),
  });
  await answer.body.dump();
  if (answer.status >= 300) fail('Z481', `${url.host} answers ${answer.status} for a file that was sent`);
}

/** Numbers of parts and their addresses stand among the headers. */
async function putParts(
  connection: HubConnection,
  file: LargeFile,
  upload: Action,
  size: number,
): Promise<void> {
  const parts: { partNumber: number; etag: string }[] = [];
  for (let number = 1, from = 0; from < file.bytes; number++, from += size) {
    const href = upload.header?.[String(number)] ?? '';
    const bytes = Math.min(size, file.bytes - from);
    const { headers } = await put(connection, addressOf(connection, href), { path: file.path, from, bytes });
    parts.push({ partNumber: number, etag: headers.etag ?? '' });
  }
  await post(connection, { href: upload.href }, { oid: file.sha256, parts });
}

async function putFile(connection: HubConnection, file: LargeFile, upload: Action): Promise<void> {
  const size = upload.header?.chunk_size;
  if (size !== undefined) {
    if (!/^[1-9]\d{0,14}$/.test(size))
      fail('Z481', `${connection.endpoint.host} asks for parts without a size`);
    await putParts(connection, file, upload, Number(size));
    return;
  }
  const { path, bytes } = file;
  const url = addressOf(connection, upload.href);
  await put(connection, url, { path, from: 0, bytes, ...(upload.header && { headers: upload.header }) });
}

/**
 * Sends files that the hub has not yet.
 * @param repository OWNER/REPO
 * @throws DiagnosticError Z481
 */
export async function sendLarge(
  connection: HubConnection,
  repository: string,
  files: readonly LargeFile[],
  note: (text: string) => void,
): Promise<void> {
  if (files.length === 0) return;
  const url = connection.address(`/${repository}.git/info/lfs/objects/batch`);
  const answer = await connection.patiently(url, {
    method: 'POST',
    headers: { accept: lfsType, 'content-type': lfsType },
    body: JSON.stringify({
      operation: 'upload',
      transfers: ['basic', 'multipart'],
      hash_algo: 'sha256',
      objects: files.map(({ sha256, bytes }) => ({ oid: sha256, size: bytes })),
    }),
  });
  if (answer.status !== 200) {
    await answer.body.dump();
    fail('Z481', `${url.host} takes no files for ${repository} (${answer.status})`);
  }
  const { objects } = await connection.json(url, batchSchema, answer);
  for (const file of files) {
    const found = objects.find(({ oid }) => oid === file.sha256);
    if (found === undefined || found.error !== undefined)
      fail('Z481', `${url.host} does not take ${file.path}`);
    const { actions } = found;
    if (actions === undefined) continue;
    note(`sending ${file.path}`);
    await putFile(connection, file, actions.upload);
    if (actions.verify !== undefined)
      await post(connection, actions.verify, { oid: file.sha256, size: file.bytes });
  }
}
