/** `zooc bundle`: a model's towers as a folder that a browser runs, without the compiler; needs no GPU. */
import { exportPage } from '../../../export/page/write-page.ts';
import { closing } from '../../closing.ts';
import { type DtypeOption, floatChoice, parseCount } from '../../models.ts';
import { mebibytes, note, print, printJson } from '../../output.ts';
import { loadModelWithWeights } from '../../packages.ts';
import type { ProfileKind } from '../../planned.ts';

interface BundleOptions {
  readonly entry?: readonly string[];
  readonly batch: string;
  readonly weights?: string;
  readonly base?: string;
  readonly profile: ProfileKind;
  readonly dtype?: DtypeOption;
  readonly out: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

export async function bundle(reference: string, options: BundleOptions): Promise<void> {
  const { entry, profile, out, dtype } = options;
  const batch = parseCount('--batch', options.batch);
  const made = await closing(async (keep) => {
    const { model, weights } = await loadModelWithWeights(reference, options);
    keep(weights);
    const wanted = entry === undefined ? {} : { entries: entry };
    return exportPage({ model, weights, batch, profile, floats: floatChoice(dtype), out, ...wanted });
  });
  if (options.json === true) {
    printJson(made);
    return;
  }
  const bytes = Object.values(made.files).reduce((sum, size) => sum + size, 0);
  note(`${made.model}: ${made.entries.join(', ')}, ${mebibytes(bytes)}; browsers open it by http: only`);
  print(out);
}
