/** An exported folder as a browser gives it: files with paths that begin with the folder's name. */
import { fail } from '../../grammar/diagnostics.ts';
import type { ModelSource } from '../worker/sources.ts';

/** @throws DiagnosticError Z701 where it has no weights */
export async function readFolder(list: FileList | null): Promise<ModelSource> {
  const files: Record<string, string> = {};
  let weights: Blob | undefined;
  for (const file of list ?? []) {
    const path = file.webkitRelativePath.split('/').slice(1).join('/');
    if (path.endsWith('.zoo')) files[path] = await file.text();
    if (path === 'weights.safetensors') weights = file;
  }
  if (weights === undefined)
    fail(
      'Z701',
      'the folder has no weights.safetensors',
      'choose a folder that zooc export, or train, wrote',
    );
  return { kind: 'folder', files, weights };
}
