/** `zooc export --quantize q8`: what may stand beside it, and the accuracy that it costs on `--data`. */
import { fail } from '../../../../grammar/diagnostics.ts';
import { readPrompts } from '../../../evaluate/prompts.ts';
import { readEntry } from '../../../evaluate/suite.ts';
import { type ExportRequest, openSource } from '../../../export/export.ts';
import { refuseExisting } from '../../../export/folder.ts';
import {
  type Accuracy,
  accuracyText,
  measureAccuracy,
  quantizationCard,
} from '../../../export/onnx/accuracy.ts';
import { type DeviceChoice, openExecutor } from '../../../run/devices.ts';
import { closing } from '../../closing.ts';
import { type DtypeOption, parseCount, pictureLimits } from '../../models.ts';
import { note } from '../../output.ts';

export interface QuantizeOptions {
  readonly format: string;
  readonly dtype?: DtypeOption;
  readonly quantize?: 'q8';
  readonly data?: string;
  readonly templates?: string;
  readonly limit?: string;
  readonly maxPixels?: string;
  readonly device?: DeviceChoice;
}

/** @throws DiagnosticError Z703 */
export function checkQuantize({ quantize, format, dtype, ...options }: QuantizeOptions): void {
  if (quantize !== undefined && format !== 'onnx')
    fail('Z703', `--quantize belongs to --format onnx, not ${format}`);
  if (quantize !== undefined && dtype !== undefined)
    fail('Z703', '--quantize and --dtype exclude each other: what is not quantised stays f32');
  if (options.data !== undefined && quantize === undefined)
    fail('Z703', '--data measures what --quantize costs, which is missing', '--quantize q8');
  for (const name of ['templates', 'limit', 'maxPixels'] as const)
    if (options[name] !== undefined && options.data === undefined)
      fail(
        'Z703',
        `--${name === 'maxPixels' ? 'max-pixels' : name} is for the pictures of --data, which is missing`,
      );
}

/** Undefined without `--data`. */
async function measured(
  request: ExportRequest,
  { data, templates, limit, maxPixels, device = 'webgpu' }: QuantizeOptions,
): Promise<Accuracy | undefined> {
  if (data === undefined) return undefined;
  const entry = readEntry(data);
  const prompts = templates === undefined ? {} : { prompts: readPrompts(templates) };
  const most = limit === undefined ? {} : { limit: parseCount('--limit', limit) };
  const limits = pictureLimits(maxPixels);
  return closing(async (keep) => {
    const weights = keep(await openSource({ ...request, notify: () => {} }));
    const executor = keep(await openExecutor(device, { notify: note }));
    return measureAccuracy(request.model, weights, entry, {
      ...{ executor, keep, ...prompts, ...most, ...limits },
      notify: note,
      warn: ({ code, message }) => note(`warning[${code}]: ${message}`),
    });
  });
}

/** The request for quantised files, with what they cost for the card, for people and for scripts. */
export async function quantizing(request: ExportRequest, options: QuantizeOptions) {
  await refuseExisting(request.out);
  const accuracy = await measured(request, options);
  return {
    request: { ...request, quantize: true, remarks: quantizationCard(accuracy) },
    told: accuracyText(accuracy),
    json: { accuracy: accuracy ?? null },
  };
}
