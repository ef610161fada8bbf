/** What a hub says of a repository at a revision: the commit, and each file's size and digest. */
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import type { Answer, HubConnection } from './connection.ts';
import type { Digest } from './download.ts';
import { isCommit, type RepositoryName } from './names.ts';

export interface ListedFile {
  readonly bytes: number;
  readonly digest: Digest;
}

export interface Listing {
  readonly commit: string;
  /** By path in the repository, as the hub spells it: to be looked up, not to be written to. */
  readonly files: ReadonlyMap<string, ListedFile>;
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const sha1 = z.string().regex(/^[0-9a-f]{40}$/);
const size = z.int().nonnegative();
const infoSchema = z.object({
  sha: sha1,
  siblings: z
    .array(
      z.object({
        rfilename: z.string(),
        size: size.nullish(),
        blobId: sha1.nullish(),
        lfs: z.object({ sha256, size }).nullish(),
      }),
    )
    .max(50_000),
});

/** Refuses an answer about a repository, in words. */
export function refuseAnswer(
  { status, headers }: Answer,
  { owner, repo, revision }: RepositoryName,
  { endpoint, hasToken }: Pick<HubConnection, 'endpoint' | 'hasToken'>,
  file?: string,
): never {
  const name = `${owner}/${repo}`;
  const code = headers['x-error-code'];
  const token = hasToken
    ? 'the token that is set may not read it'
    : 'a token in HF_TOKEN, or in ~/.cache/huggingface/token';
  if (status === 401)
    fail(
      'Z481',
      `${endpoint.host} shows ${name} to nobody without the right: it is private, or not there (401)`,
      token,
    );
  if (status === 403)
    fail(
      'Z481',
      `${endpoint.host} does not give ${name} away unasked (403)`,
      `ask for access on its page; ${token}`,
    );
  if (status === 404) {
    if (file !== undefined) fail('Z481', `${endpoint.host} has no file ${file} in ${name} (404)`);
    if (code === 'RevisionNotFound') fail('Z481', `${name} has no revision ${revision} (404)`);
    fail('Z481', `${endpoint.host} has no repository ${name}, or no revision ${revision} of it (404)`);
  }
  fail('Z481', `${endpoint.host} answers ${status} for ${name}`);
}

/** @throws DiagnosticError Z481 */
export async function listRepository(connection: HubConnection, name: RepositoryName): Promise<Listing> {
  const { owner, repo, revision } = name;
  const url = connection.address(
    `/api/models/${owner}/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`,
  );
  const answer = await connection.patiently(url);
  if (answer.status !== 200) {
    await answer.body.dump();
    refuseAnswer(answer, name, connection);
  }
  const { sha, siblings } = await connection.json(url, infoSchema, answer);
  if (isCommit(revision) && sha !== revision)
    fail('Z482', `${connection.endpoint.host} answers with commit ${sha} where ${revision} was asked for`);
  const files = new Map<string, ListedFile>();
  for (const { rfilename, size, blobId, lfs } of siblings) {
    const bytes = lfs?.size ?? size;
    const digest: Digest | undefined = lfs
      ? { kind: 'sha256', hex: lfs.sha256 }
      : blobId
        ? { kind: 'git', hex: blobId }
        : undefined;
    // What could not be verified is as if it were not there.
    if (bytes !== undefined && bytes !== null && digest !== undefined)
      files.set(rfilename, { bytes, digest });
  }
  return { commit: sha, files };
}
