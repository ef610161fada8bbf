/** `zooc embed`: normalised features of images and texts, as .npy or safetensors. */

import { fail } from '../../../grammar/diagnostics.ts';
import { writeAtomically, writeFully } from '../../../runtime/data/files/atomic.ts';
import { type DeviceChoice, openExecutor } from '../../run/devices.ts';
import { openEncoder } from '../../run/encoder.ts';
import { readTextArguments } from '../../run/text-lists.ts';
import { writeSafetensors } from '../../weights/formats/safetensors.ts';
import { closing } from '../closing.ts';
import { pictureLimits } from '../models.ts';
import { encodeNpy } from '../npy.ts';
import { note, printJson } from '../output.ts';
import { loadModelWithWeights } from '../packages.ts';

interface EmbedOptions {
  readonly weights?: string;
  readonly base?: string;
  readonly images?: readonly string[];
  readonly texts?: readonly string[];
  readonly out: string;
  readonly maxPixels?: string;
  readonly device: DeviceChoice;
  readonly tune?: boolean;
  readonly set: readonly string[];
  readonly json?: boolean;
}

interface Rows {
  readonly name: string;
  readonly shape: readonly [number, number];
  readonly data: Float32Array;
}

/** Refuses before anything is computed what could not be written. */
function checkOutput(out: string, kinds: number): void {
  if (kinds === 0) fail('Z703', 'embed needs --images or --texts', '--texts "a red square"');
  if (!/\.(npy|safetensors)$/.test(out)) {
    fail('Z703', `--out ${out}: the name must end in .npy or .safetensors`);
  }
  if (out.endsWith('.npy') && kinds > 1) {
    fail(
      'Z703',
      `--out ${out}: .npy holds one array, images and texts are two`,
      '--out features.safetensors',
    );
  }
}

async function write(out: string, rows: readonly Rows[]): Promise<void> {
  if (out.endsWith('.npy')) {
    const { shape, data } = rows[0]!;
    await writeAtomically(out, (file) => writeFully(file, encodeNpy(shape, data)));
  } else {
    await writeSafetensors(
      out,
      rows.map((r) => ({ ...r, dtype: 'F32' as const })),
    );
  }
}

export async function embed(reference: string, options: EmbedOptions): Promise<void> {
  const images = options.images ?? [];
  const limits = pictureLimits(options.maxPixels);
  const texts = readTextArguments(options.texts ?? []);
  checkOutput(options.out, Number(images.length > 0) + Number(texts.length > 0));
  const rows = await closing(async (keep) => {
    const { model, weights } = await loadModelWithWeights(reference, options);
    keep(weights);
    const executor = keep(await openExecutor(options.device, { tune: options.tune === true, notify: note }));
    const encoder = keep(await openEncoder(executor, model, weights, limits));
    const features = async (
      name: string,
      list: readonly string[],
      encode: (list: readonly string[]) => Promise<Float32Array>,
    ): Promise<Rows[]> =>
      list.length === 0 ? [] : [{ name, shape: [list.length, encoder.embed], data: await encode(list) }];
    return [
      ...(await features('image_features', images, encoder.encodeImages)),
      ...(await features('text_features', texts, encoder.encodeTexts)),
    ];
  });
  await write(options.out, rows);
  note(`wrote ${rows.map((r) => `${r.name} [${r.shape.join(', ')}]`).join(', ')} to ${options.out}`);
  if (options.json === true) {
    printJson({ out: options.out, tensors: rows.map(({ name, shape }) => ({ name, shape })) });
  }
}
