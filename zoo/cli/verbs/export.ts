/** `zooc export`: a package from a run folder or weights. */
import { checkFormat, type ExportFormat, exportPackage } from '../../export/index.ts';
import { loadModel, parseOverrides } from '../models.ts';
import { count, note, print, printJson } from '../output.ts';

interface ExportOptions {
  readonly model: string;
  readonly format: ExportFormat;
  readonly out: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

export async function exportVerb(source: string, options: ExportOptions): Promise<void> {
  checkFormat(options.format);
  const model = loadModel(options.model, options.set);
  const manifest = await exportPackage({
    source,
    model,
    out: options.out,
    reference: options.model,
    overrides: parseOverrides(options.set),
  });
  if (options.json === true) {
    printJson(manifest);
    return;
  }
  note(
    `${manifest.name}, ${count(manifest.parameters)} parameters, ${Object.keys(manifest.files).length + 1} files`,
  );
  print(options.out);
}
