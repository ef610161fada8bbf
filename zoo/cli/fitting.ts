/** Which models weights are those of, told by names, shapes and the configuration beside them. */
import { resolveModel } from '../../compiler/model/index.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { nodeHost } from '../host.ts';
import { namedFileWeights } from '../weights/file-weights.ts';
import { openTensors, tensorsPath } from '../weights/formats/open-tensors.ts';

/**
 * @param path of a file of weights, or of a folder that holds one
 * @param candidates bundled models
 */
export async function fittingModels(path: string, candidates: readonly string[]): Promise<string[]> {
  const file = await openTensors(tensorsPath(path));
  try {
    return candidates.filter((name) => {
      const model = resolveModel(nodeHost(), name);
      if (!model.ok) throw new DiagnosticError(model.diagnostics);
      try {
        namedFileWeights(model.value, path, file, {});
        return true;
      } catch (error) {
        if (error instanceof DiagnosticError) return false;
        throw error;
      }
    });
  } finally {
    await file.close();
  }
}
