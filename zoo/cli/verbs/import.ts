/** `zooc import`: weights of other projects as a safetensors file under our names, which are OpenAI's. */
import { existsSync } from 'node:fs';
import { fail } from '../../../grammar/diagnostics.ts';
import { isOnnx } from '../../weights/formats/open-tensors.ts';
import { writeSafetensors } from '../../weights/formats/safetensors.ts';
import type { NamingName } from '../../weights/naming.ts';
import { isRule } from '../../weights/source.ts';
import { openWeights, weightsToWrite } from '../../weights/weights.ts';
import { fetchedPath } from '../fetched.ts';
import { type DtypeOption, floatChoice } from '../models.ts';
import { count, note, print } from '../output.ts';
import { loadModel } from '../packages.ts';

interface ImportOptions {
  /** A naming, or the container whose names are those of one. */
  readonly format: NamingName | 'onnx';
  readonly model: string;
  readonly out: string;
  readonly dtype?: DtypeOption;
  readonly set: readonly string[];
}

export async function importWeights(named: string, options: ImportOptions): Promise<void> {
  const path = await fetchedPath(named);
  if (!existsSync(path)) fail('Z410', `cannot read ${path}: no such file or folder`);
  const model = await loadModel(options.model, options.set);
  // `./` keeps a file that is called `hash` from being taken for the rule of that name.
  const file = isRule(path) ? `./${path}` : path;
  const { format } = options;
  if (format === 'onnx' && !(await isOnnx(path)))
    fail(
      'Z424',
      `${path} is no ONNX file`,
      'onnx/model.onnx of an export, or what PyTorch made of a CLIPModel',
    );
  const weights = await openWeights(model, file, format === 'onnx' ? {} : { format });
  try {
    for (const remark of weights.remarks) note(remark);
    const tensors = weightsToWrite(model, weights, floatChoice(options.dtype));
    await writeSafetensors(options.out, tensors, {}, { checksum: true });
    const names = model.weights.length;
    note(`${count(names)} weights of ${model.name} from ${path} (names of ${weights.naming})`);
    print(options.out);
  } finally {
    await weights.close();
  }
}
