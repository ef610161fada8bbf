/**
 * Names of models that lie elsewhere: `hf:OWNER/REPO[@REVISION]`, `openai:NAME`, `open_clip:ARCH/TAG`.
 *
 * A name is checked here before any part of it becomes part of an address or of a path.
 */
import { fail } from '../../grammar/diagnostics.ts';
import { openClipRepositories } from './open-clip.ts';
import { openaiFiles } from './openai.ts';

/** A repository of a hub that speaks the protocol of huggingface.co. */
export interface RepositoryName {
  readonly kind: 'repository';
  readonly owner: string;
  readonly repo: string;
  /** A branch, a tag, `refs/pr/1`, or a commit. */
  readonly revision: string;
  /** The bundled model that the weights are, where the name says so. */
  readonly model?: string;
}

/** A file that OpenAI published. */
export interface PublishedFile {
  readonly kind: 'file';
  readonly url: string;
  readonly sha256: string;
  /** The bundled model that the weights are. */
  readonly model: string;
}

export type HubName = RepositoryName | PublishedFile;

const defaultRevision = 'main';
const prefixes = /^(hf|openai|open_clip):/;
const part = /^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$/;
const revisionForm = /^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}$/;

/** Whether a name is one of these; a file that is called so is named `./hf:…`. */
export function isHubName(spec: string): boolean {
  return prefixes.test(spec);
}

/** Whether a revision means the same files for ever. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** `OWNER/REPO[@REVISION]` */
function repositoryName(text: string, spec: string, model?: string): RepositoryName {
  const at = text.indexOf('@');
  const path = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? defaultRevision : text.slice(at + 1);
  const [owner = '', repo = '', ...more] = path.split('/');
  if (more.length > 0 || !part.test(owner) || !part.test(repo) || !revisionForm.test(revision))
    fail('Z480', `${spec} is no name of a repository`, 'hf:OWNER/REPO, or hf:OWNER/REPO@REVISION');
  return { kind: 'repository', owner, repo, revision, ...(model === undefined ? {} : { model }) };
}

function unknown(spec: string, prefix: string, known: Iterable<string>): never {
  fail('Z480', `${spec}: there is no such model`, [...known].map((name) => `${prefix}${name}`).join(', '));
}

/** @throws DiagnosticError Z480 for a name that is malformed or not known */
export function parseHubName(spec: string): HubName {
  const [, prefix] = prefixes.exec(spec)!;
  const rest = spec.slice(prefix!.length + 1);
  if (prefix === 'hf') return repositoryName(rest, spec);
  if (prefix === 'openai') {
    const sha256 = openaiFiles.get(rest)?.sha256 ?? unknown(spec, 'openai:', openaiFiles.keys());
    return { kind: 'file', model: rest, sha256, url: openaiFiles.get(rest)!.url };
  }
  const [name, revision] = rest.split('@', 2);
  const found = openClipRepositories.get(name!) ?? unknown(spec, 'open_clip:', openClipRepositories.keys());
  return repositoryName(revision === undefined ? found.repo : `${found.repo}@${revision}`, spec, found.model);
}

/** The repository at one commit, whose files never change. */
export function pinnedName({ owner, repo }: RepositoryName, commit: string): string {
  return `hf:${owner}/${repo}@${commit}`;
}
