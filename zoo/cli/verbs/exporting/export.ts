/** `zooc export`: a folder from a run or weights, for zooc itself or for another project's loader. */

import {
  type ExportRequest,
  exportAdapter,
  exportForeign,
  exportPackage,
  type ForeignFormat,
} from '../../../export/index.ts';
import { fetchedPath, fetchedWeights } from '../../fetched.ts';
import { floatChoice, parseOverrides } from '../../models.ts';
import { count, note, print, printJson } from '../../output.ts';
import { locateModel, modelAt } from '../../packages.ts';
import { checkQuantize, type QuantizeOptions, quantizing } from './quantization.ts';

interface ExportOptions extends QuantizeOptions {
  readonly model: string;
  readonly base?: string;
  readonly format: 'zoo' | 'adapter' | ForeignFormat;
  readonly out: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

async function write(request: ExportRequest, format: ExportOptions['format']) {
  if (format !== 'zoo' && format !== 'adapter') {
    const made = await exportForeign(request, format);
    return { made, files: Object.keys(made.files).length };
  }
  const made = await (format === 'zoo' ? exportPackage : exportAdapter)(request);
  return { made, files: Object.keys(made.files).length + 1 };
}

export async function exportVerb(named: string, options: ExportOptions): Promise<void> {
  const { out } = options;
  checkQuantize(options);
  const floats = floatChoice(options.dtype);
  const overrides = parseOverrides(options.set);
  const [source, base] = [await fetchedPath(named), await fetchedWeights(options.base)];
  const location = await locateModel(options.model);
  const model = modelAt(location, options.set);
  const { reference } = location;
  const request = { source, base, model, out, reference, overrides, floats, notify: note };
  const quantized = options.quantize === undefined ? undefined : await quantizing(request, options);
  const { made, files } = await write(quantized?.request ?? request, options.format);
  if (quantized !== undefined) note(quantized.told);
  if (options.json === true) {
    printJson({ ...made, ...quantized?.json });
    return;
  }
  note(`${made.name}, ${count(made.parameters)} parameters, ${files} files`);
  print(out);
}
