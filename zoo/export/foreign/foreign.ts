/**
 * `zooc export --format openai | open_clip | hf | onnx`: a folder in the layout that another
 * project's own loader reads.
 *
 * The format says first whether it can express the model; only then is anything written, and
 * a failure leaves nothing.
 */
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { weightsToWrite } from '../../weights/weights.ts';
import { describe, readTraining } from '../describe.ts';
import { type ExportRequest, openSource } from '../export.ts';
import { makeFolder } from '../folder.ts';
import { modelCard } from '../model-card.ts';
import { hfLayout } from './hf.ts';
import type { Layout, LayoutMaker } from './layout.ts';
import { onnxLayout } from './onnx.ts';
import { openClipLayout } from './open-clip.ts';
import { openaiLayout } from './openai.ts';

const layouts = {
  openai: openaiLayout,
  open_clip: openClipLayout,
  hf: hfLayout,
  onnx: onnxLayout,
} satisfies Record<string, LayoutMaker>;
export type ForeignFormat = keyof typeof layouts;

/** What was written. */
export interface ForeignExport {
  readonly format: ForeignFormat;
  readonly name: string;
  readonly parameters: number;
  /** Bytes of each file, by name. */
  readonly files: Readonly<Record<string, number>>;
}

async function fillFolder(request: ExportRequest, layout: Layout, folder: string): Promise<string[]> {
  const { model, source, remarks } = request;
  const about = describe(model, model.name, await readTraining(source));
  const texts = new Map([...layout.texts, ['README.md', modelCard(about, { ...layout.card, remarks })]]);
  for (const [name, text] of texts) await writeFile(join(folder, name), text);
  return [...texts.keys(), ...(await layout.write(folder))].sort();
}

/**
 * Writes a model in another project's format.
 * @throws DiagnosticError Z401 to Z411 when the weights are at fault, Z432 when the format cannot express
 * the model, Z433 when the weights do not fit `floats`, Z431 when `out` exists and is not empty, Z413
 * when it cannot be written
 */
export async function exportForeign(request: ExportRequest, format: ForeignFormat): Promise<ForeignExport> {
  const { model, out, floats = 'stored', quantize = false } = request;
  const weights = await openSource(request);
  try {
    const form = quantize ? 'Q8' : floats;
    const layout = await layouts[format](model, weightsToWrite(model, weights, floats), form);
    const names = await makeFolder(out, (folder) => fillFolder(request, layout, folder));
    const sizes = await Promise.all(names.map(async (name) => [name, (await stat(join(out, name))).size]));
    return { format, name: model.name, parameters: model.parameters, files: Object.fromEntries(sizes) };
  } finally {
    await weights.close();
  }
}
