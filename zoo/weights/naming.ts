/** The naming of a file's weights, by the maps that lie beside this program. */
import type { Weight } from '../../compiler/model/types.ts';
import { nodeHost } from '../host.ts';
import type { StoredInfo } from './formats/tensor-file.ts';
import { bundledMaps, type Detected, type DetectOptions, detectNaming as detect } from './tensors/namings.ts';

export {
  type Detected,
  type NamingName,
  namingNames,
  prefixOf,
  triedNotes,
  wantedTensors,
  weightTensors,
} from './tensors/namings.ts';

const mapOf = bundledMaps(nodeHost);

/**
 * The naming that finds most of the weights among a file's tensors; of equals
 * the first of `namingNames`.
 */
export function detectNaming(
  weights: readonly Weight[],
  infos: ReadonlyMap<string, StoredInfo>,
  options?: DetectOptions,
): Detected {
  return detect(weights, infos, mapOf, options);
}
