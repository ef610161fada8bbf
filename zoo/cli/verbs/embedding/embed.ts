/** `zooc embed`: normalised features of images and texts, as .npy or safetensors; of shards, and of lines, elsewhere. */

import { fail } from '../../../../grammar/diagnostics.ts';
import { writeAtomically, writeFully } from '../../../../runtime/data/files/atomic.ts';
import { encodeNpy } from '../../../../runtime/data/files/npy.ts';
import { readTextArguments } from '../../../run/text-lists.ts';
import { writeSafetensors } from '../../../weights/formats/safetensors.ts';
import { closing } from '../../closing.ts';
import { note, printJson } from '../../output.ts';
import { type EmbedOptions, openModel } from './open.ts';

interface Rows {
  readonly name: string;
  readonly shape: readonly [number, number];
  readonly data: Float32Array;
}

/** Refuses before anything is computed what could not be written. */
function checkOutput(out: string, kinds: number): void {
  if (kinds === 0)
    fail(
      'Z703',
      'embed needs --images, --texts or --shards, or - for standard input',
      '--texts "a red square"',
    );
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

async function embedLists(reference: string, options: EmbedOptions): Promise<void> {
  const { images = [], out } = options;
  const texts = readTextArguments(options.texts ?? []);
  if (out === undefined) fail('Z703', 'embed needs --out', '--out features.npy');
  checkOutput(out, Number(images.length > 0) + Number(texts.length > 0));
  const rows = await closing(async (keep) => {
    const { encoder } = await openModel(reference, options, keep);
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
  await write(out, rows);
  note(`wrote ${rows.map((r) => `${r.name} [${r.shape.join(', ')}]`).join(', ')} to ${out}`);
  if (options.json === true) printJson({ out, tensors: rows.map(({ name, shape }) => ({ name, shape })) });
}

/** Options that only some ways to call it take. */
const takenBy = {
  lists: ['images', 'texts', 'out', 'json'],
  shards: ['shards', 'part', 'dtype', 'batch', 'workers', 'out', 'json'],
  lines: ['batch', 'workers', 'strict'],
} as const;

/** @throws DiagnosticError Z703 */
function refuseOthers(way: keyof typeof takenBy, named: string, options: EmbedOptions): void {
  const known: readonly string[] = takenBy[way];
  const other = Object.values(takenBy)
    .flat()
    .find((name) => options[name] !== undefined && !known.includes(name));
  if (other !== undefined) fail('Z703', `${named} does not take --${other}`);
}

export async function embed(
  reference: string,
  source: string | undefined,
  options: EmbedOptions,
): Promise<void> {
  if (source !== undefined && source !== '-')
    fail('Z703', `embed ${source}: expected - for standard input, or an option`, `--images ${source}`);
  if (source === '-') {
    refuseOthers('lines', 'embed -', options);
    await (await import('./lines.ts')).embedLines(reference, options);
  } else if (options.shards !== undefined) {
    refuseOthers('shards', 'embed --shards', options);
    await (await import('./shards.ts')).embedShardFiles(reference, options.shards, options);
  } else {
    refuseOthers('lists', 'embed without --shards', options);
    await embedLists(reference, options);
  }
}
