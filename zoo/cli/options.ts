/** Options and words that several verbs share. */
import { Option } from '@commander-js/extra-typings';

export const modelHelp =
  'a bundled model ("ViT-B/32"), file.zoo#name, a folder that export or train wrote, or hf:OWNER/REPO';

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

export const setOption = () =>
  new Option('--set <path=value>', 'override a parameter, as `with` does; repeatable')
    .argParser(collect)
    .default([], 'none');

export const offlineOption = () =>
  new Option('--offline', 'fetch nothing: what was not pulled is refused (also ZOOC_OFFLINE=1)');
export const jsonOption = () => new Option('--json', 'print one JSON document');
export const entryHelp =
  'an entry that the model declares (encode_image, encode_text, logits), forward, or loss';
export const objectiveOption = () =>
  new Option(
    '--objective <objective>',
    'what the entry loss computes: a name, or a call: "coca(caption = 1.0)"',
  );
export const weightsOption = () =>
  new Option('--weights <weights>', 'file or folder of weights, hf:OWNER/REPO, init:SEED, or hash');
export const baseOption = () =>
  new Option('--base <weights>', "the base of an adapter (default: where the adapter's file says)");
export const dtypeOption = () =>
  new Option('--dtype <dtype>', 'element type of floats (default: as they are stored)').choices([
    'f32',
    'f16',
  ]);
export const labelsHelp = 'file (one label a line, or a JSON array) or comma-separated list';
export const templatesHelp =
  'prompts with {} for the label (one a line, or a JSON array); features are averaged';
export const deviceOption = () =>
  new Option('--device <device>', 'what executes the plan')
    .choices(['webgpu', 'reference', 'null'])
    .default('webgpu');

/** Kinds of devices that plans are made for; those of browsers' software are for pages. */
export const profileNames = ['cpu', 'gpu', 'nvidia', 'amd', 'intel', 'apple'] as const;
export const profileOption = () =>
  new Option('--profile [file]', 'time every kernel; with a file, also write a Chrome trace');
export const precisionOption = () =>
  new Option('--precision <precision>', 'arithmetic (default: f32)').choices(['f32', 'mixed']);
export const maxPixelsOption = () =>
  new Option('--max-pixels <n>', 'refuse larger pictures (default: 178956970, as Pillow does)');
export const tuneOption = () =>
  new Option(
    '--tune',
    'measure schedules for this adapter first, as far as it was not done (also ZOOC_TUNE=1)',
  );
