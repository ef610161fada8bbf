/**
 * A file of weights by itself, without a model at hand: an adapter is opened with its base, as the tensors of
 * the model that its folder holds.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { resolveModel } from '../../compiler/model/index.ts';
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { folderHost } from '../host.ts';
import { adapterFacts } from './adapter-file.ts';
import { openTensors } from './formats/open-tensors.ts';
import type { LazyTensor, TensorFile } from './formats/tensor-file.ts';
import { namedWeights } from './named.ts';
import { openWeights, weightsToWrite } from './weights.ts';

/**
 * @param base of an adapter; by default where the adapter says
 * @throws DiagnosticError Z440 for an adapter without its model, and whatever `openWeights` throws
 */
export async function openWholeTensors(spec: string, base?: string): Promise<TensorFile> {
  const { path: weights, found } = await namedWeights(spec);
  const file = await openTensors(weights);
  if (!(await isAdapter(file))) return file;
  const { path } = file;
  const text = join(dirname(path), 'model.zoo');
  if (!existsSync(text))
    fail(
      'Z440',
      `${path} is an adapter without its model.zoo beside it, which says what the weights are`,
      'name the folder that was exported',
    );
  const model = resolveModel(found?.host ?? folderHost(dirname(path)), text);
  if (!model.ok) throw new DiagnosticError(model.diagnostics);
  const source = await openWeights(model.value, path, { base });
  return tensorFile(path, weightsToWrite(model.value, source), source.close);
}

/** Closes what is no whole set of weights. */
async function isAdapter(file: TensorFile): Promise<boolean> {
  try {
    if (adapterFacts(file) === undefined) return false;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return true;
}

function tensorFile(path: string, tensors: readonly LazyTensor[], close: () => Promise<void>): TensorFile {
  const infos = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return {
    path,
    infos,
    async read(name) {
      const { dtype, shape, data } = infos.get(name)!;
      return { dtype, shape, data: await data() };
    },
    close,
  };
}
