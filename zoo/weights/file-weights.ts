/**
 * The weights of a model in an open file, under whichever names it has them.
 *
 * A file is compared with the model by its names and shapes before a value is read: every missing, extra
 * or misshapen tensor is reported at once.
 */
import { basename } from 'node:path';
import { checkWeights } from '../../compiler/model/index.ts';
import type { Model } from '../../compiler/model/types.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { checkBeside, silenceRemarks } from './beside/compare.ts';
import { averagedWeights } from './formats/open-tensors.ts';
import { SafetensorsFile } from './formats/safetensors.ts';
import type { TensorFile } from './formats/tensor-file.ts';
import {
  type Detected,
  detectNaming,
  type NamingName,
  prefixOf,
  triedNotes,
  wantedTensors,
  weightTensors,
} from './naming.ts';
import { replacedRemarks, replacedWeights } from './replaced.ts';
import type { WeightSource } from './source.ts';
import { fileWeights, formRemarks, presentIn, refuseMisfit } from './tensors/tensor-weights.ts';

/** How a file is to fit. */
export interface FitOptions {
  /** Weights that the caller makes itself: a file may lack them or have them in another shape. */
  readonly replaced?: ReadonlySet<string>;
  /** The file may hold more than the model's weights. */
  readonly more?: boolean;
  /** Of weights that start fresh, 0 by default. */
  readonly seed?: number;
}

/**
 * The weights of a model in an open file.
 * @param spec what the user named the file by
 * @param format insists on a file with these names
 * @throws DiagnosticError Z401 that names every tensor that does not fit, Z424 for other names, Z434 for another
 * configuration beside the file
 */
export function namedFileWeights(
  model: Model,
  spec: string,
  file: TensorFile,
  { format, replaced = new Set(), more = false, seed = 0 }: FitOptions & { readonly format?: NamingName },
): WeightSource {
  const { prefix: own } = prefixOf(
    model.weights.map(({ name }) => name),
    file.infos,
  );
  const { stored, fresh, left } = replacedWeights(model, (name) => file.infos.has(own + name));
  const detected = detectNaming(stored, file.infos, { all: format !== undefined, unnamed: replaced });
  if (format !== undefined) checkNaming(model, file, detected, format);
  const wanted = wantedTensors(detected);
  const tensors = [...weightTensors(file.infos, detected)].filter(([name]) => !more || wanted.has(name));
  const problems = checkWeights(model, new Map(tensors), wanted, new Set([...replaced, ...left]));
  refuseMisfit(problems, file, detected);
  checkBeside(model, file.path, { resized: replaced.size > 0 });
  const started = new Set([...fresh].filter((name) => !replaced.has(name)));
  const remarks = replacedRemarks(file.path, started, presentIn(file, detected, stored, left));
  const plain = detected.naming.name === 'openai' && detected.prefix === '' && remarks.length === 0;
  const copyable = plain && !more && replaced.size === 0 && file instanceof SafetensorsFile;
  const averaged =
    file.path === spec || basename(file.path) !== averagedWeights
      ? []
      : [
          `${file.path}: the moving average of the weights; weights.safetensors beside it has the last step's`,
        ];
  const told = [...averaged, ...formRemarks(file, detected), ...remarks, ...silenceRemarks(model, file.path)];
  return {
    ...fileWeights(file, detected, told, seed),
    ...(copyable ? { copyable: file.path } : {}),
  };
}

/** open_clip's models without a text tower of their own have OpenAI's names. */
const acceptable: Readonly<Record<NamingName, readonly NamingName[]>> = {
  openai: ['openai'],
  open_clip: ['open_clip', 'openai'],
  hf: ['hf'],
};

/** @throws DiagnosticError Z424 when the file's names are not those insisted on */
function checkNaming(
  model: Model,
  { path, infos }: TensorFile,
  detected: Detected,
  wanted: NamingName,
): void {
  const found = detected.naming.name;
  if (detected.found > 0 && acceptable[wanted].includes(found)) return;
  const known = detected.tried.some(({ naming }) => naming.name === wanted);
  const message = known
    ? `${path} does not hold ${model.name} under the names of ${wanted}`
    : `${wanted} has no names for the weights of ${model.name}`;
  const help = detected.found > 1 ? { help: `--format ${found}` } : {};
  const notes = triedNotes(infos, detected);
  throw new DiagnosticError([{ code: 'Z424', severity: 'error', message, notes, ...help }]);
}
