/**
 * `zooc export --format adapter`: the weights of a model that a base has not, alone, in a folder as packages
 * are; LoRA's matrices or a prompt are kilobytes beside a model of hundreds of megabytes.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fail } from '../../grammar/diagnostics.ts';
import { elementBytes, elementCount } from '../../runtime/data/safetensors/header.ts';
import { describeRun } from '../../runtime/train/node/run-folder.ts';
import { formatBytes } from '../../runtime/webgpu/device.ts';
import { compareWithBase, locateBase, openBase } from '../weights/adapter.ts';
import { adapterMetadata, adapterNamed, pathFrom, pathIn } from '../weights/adapter-file.ts';
import { adapterWeights, tensorsPath } from '../weights/formats/open-tensors.ts';
import { writeSafetensors } from '../weights/formats/safetensors.ts';
import type { LazyTensor } from '../weights/formats/tensor-file.ts';
import { type AdapterBase, digestTensors, type Manifest } from '../weights/package.ts';
import { isNoPath, isRule, type WeightSource } from '../weights/source.ts';
import { weightsToWrite } from '../weights/weights.ts';
import { type ExportRequest, fillFolder, openSource } from './export.ts';
import { makeFolder } from './folder.ts';

/** What a run began with, from which the adapter is told apart; the base of an adapter. */
async function recordedStart(source: string): Promise<string | undefined> {
  if (isRule(source)) return undefined;
  const folder = dirname(tensorsPath(source));
  const recorded = (await describeRun(folder))?.weights;
  if (recorded === undefined) return undefined;
  const start = pathIn(folder, recorded);
  if (!isNoPath(start) && !existsSync(start))
    fail('Z441', `${folder} started from ${start}, which is not there`, '--base FILE');
  const through = await adapterNamed(start);
  return through === undefined ? start : locateBase(through.path, through.base);
}

function sizeOf(tensors: readonly LazyTensor[]): string {
  return formatBytes(tensors.reduce((n, t) => n + elementCount(t.shape) * elementBytes[t.dtype], 0));
}

function useText(base: AdapterBase): string {
  const file = base.file_sha256 === undefined ? '' : `, of its file \`${base.file_sha256}\``;
  return `\`\`\`sh
npx zooc classify . --labels "a cat,a dog" picture.jpg
npx zooc export . --model . --format zoo --out whole
\`\`\`

\`${adapterWeights}\` holds the weights that are not those of the base, \`${base.path}\`, which is not here. It is looked for at that path from
this folder, then by its name in this folder; \`--base FILE\` names it anywhere else. SHA-256 of the ${base.weights} weights that are taken from it:
\`${base.weights_sha256}\`${file}. \`model.zoo\` is the model in the language of zooc, \`model.json\` says the same as this page for programs, with a SHA-256 of every file.`;
}

/** Compares and writes. */
async function writeAdapter(request: ExportRequest, weights: WeightSource, spec: string): Promise<Manifest> {
  const { model, source, out, floats, notify } = request;
  const names = new Set(model.weights.map((w) => w.name));
  const base = await openBase(model, spec, { replaced: names });
  try {
    const { own, taken, digest } = await compareWithBase(model, weights, base);
    if (own.length === 0)
      fail('Z443', `${source} and ${spec} have the same weights, so an adapter would hold nothing`);
    if (taken === 0)
      fail(
        'Z443',
        `no weight of ${source} is that of ${spec}, so an adapter would hold all of them`,
        'name another --base, or --format zoo',
      );
    const tensors = weightsToWrite({ ...model, weights: own }, weights, floats);
    const whole = sizeOf(weightsToWrite(model, weights, floats));
    notify?.(
      `${own.length} of ${names.size} weights are not those of ${spec}: ${sizeOf(tensors)} of ${whole}`,
    );
    const about: AdapterBase = {
      path: pathFrom(out, spec),
      weights_sha256: digest,
      weights: taken,
      ...(base.file && { file_sha256: await digestTensors(base.file) }),
    };
    const metadata = adapterMetadata({ model: model.name, base: about });
    const content = {
      name: adapterWeights,
      write: (path: string) => writeSafetensors(path, tensors, metadata, { checksum: true }),
      use: useText(about),
      base: about,
    };
    return await makeFolder(out, (folder) => fillFolder(request, content, folder));
  } finally {
    await base.close();
  }
}

/**
 * Writes an adapter's package.
 * @throws DiagnosticError as `exportPackage`; Z440 and Z441 when the base is an adapter or missing, Z443 when
 * nothing or everything differs from it, Z703 when none is known
 */
export async function exportAdapter(request: ExportRequest): Promise<Manifest> {
  const { source, base } = request;
  // `--base` is the new adapter's; an adapter that is exported again has the same one.
  const weights = await openSource(request, { baseIfAdapter: base });
  try {
    const spec = base ?? weights.base ?? (await recordedStart(source));
    if (spec === undefined)
      fail(
        'Z703',
        `--format adapter needs a base: ${source} does not say what it started from`,
        '--base FILE',
      );
    return await writeAdapter(request, weights, spec);
  } finally {
    await weights.close();
  }
}
