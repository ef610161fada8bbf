/**
 * What weights are named by, but rules: a file, a folder, a package, which is verified, or a name of a hub, of which only what was
 * pulled is opened: whoever may fetch has fetched before.
 */
import { pulledOrRefused } from '../hub/located.ts';
import { isHubName } from '../hub/names.ts';
import { openTensors, tensorsPath } from './formats/open-tensors.ts';
import type { TensorFile } from './formats/tensor-file.ts';
import { isOwnPackage, loadPackage } from './package.ts';

/**
 * Path of the file of weights that a name means: itself, or the one in the folder, which is verified where it is a package.
 * @throws DiagnosticError Z430, Z480 and Z483 for a name of a hub, Z410
 */
export async function namedWeights(
  spec: string,
): Promise<{ readonly path: string; readonly found?: Awaited<ReturnType<typeof loadPackage>> }> {
  const path = isHubName(spec) ? pulledOrRefused(spec) : spec;
  if (!isOwnPackage(path)) return { path: tensorsPath(path) };
  const found = await loadPackage(path);
  return { path: found.weights, found };
}

/** Opens that file. @throws whatever `namedWeights` and `openTensors` do */
export async function openNamed(spec: string): Promise<TensorFile> {
  return openTensors((await namedWeights(spec)).path);
}
