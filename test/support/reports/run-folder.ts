/** Folders of runs as training writes them, without training. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Evaluation, Summary } from '../../../runtime/report/types.ts';
import type { PicturesFile } from '../../../runtime/train/pictures.ts';

export const summary: Summary = {
  version: 1,
  recipe: 'quick',
  model: 'tiny',
  batch: 8,
  parameters: 1_234_567,
  trained: 1_000_000,
  towers: [
    { name: 'visual', block: 'VisionTransformer', parameters: 1_000_000, trained: 1_000_000 },
    { name: 'text', block: 'TextTransformer', parameters: 234_567, trained: 0 },
  ],
  entries: [
    { name: 'encode_image', inputs: 'images [B, 3, 8, 8]', outputs: 'image_features [B, 4]', flops: 2.5e6 },
  ],
  settings: { batch: 8, 'optimizer.lr': 0.001, seed: 1 },
  starts: [
    {
      step: 0,
      end: 100,
      at: '2026-11-30T13:00:00.000Z',
      environment: { zooc: '0.1.0', adapter: 'an adapter' },
      plan: {
        kernels: 5,
        dispatches: 9,
        flops: 1e9,
        memory: { weights: 4096, workspace: 8192, total: 12288 },
      },
    },
  ],
};

/** Row of a step: the loss falls, with one spike. */
export const row = (step: number, more: object = {}): object => ({
  ...{ step, loss: 5 * 0.99 ** step, lr: 0.001, logit_scale: 2.6, grad_norm: 1 },
  ...{ samples_per_second: 80, data_wait_ms: 10, skipped: 0, epoch: 0 },
  ...more,
});

export async function picturesOf(captions: readonly string[], side = 8): Promise<PicturesFile> {
  const png = async (i: number) => {
    const background = { r: 20 * i, g: 100, b: 200 };
    const bytes = await sharp({ create: { width: side, height: side, channels: 3, background } })
      .png()
      .toBuffer();
    return bytes.toString('base64');
  };
  const best = captions.map((_, i) => [
    { caption: 0, probability: i === 0 ? 0.75 : 0.5 },
    { caption: i, probability: 0.25 },
  ]);
  return {
    pictures: await Promise.all(
      captions.map(async (caption, i) => ({ png: await png(i), caption, tokens: [i] })),
    ),
    rankings: [{ step: 50, best }],
  };
}

export interface FolderContent {
  readonly rows: readonly object[];
  readonly summary?: Summary;
  readonly pictures?: PicturesFile;
  readonly results?: readonly Evaluation[];
  readonly programs?: Readonly<Record<string, string>>;
  readonly changes?: readonly object[];
}

export function writeRun(folder: string, content: FolderContent): string {
  const write = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));
  mkdirSync(join(folder, 'checkpoints'), { recursive: true });
  const { changes } = content;
  write('run.json', {
    version: 1,
    recipe: 'quick',
    model: 'tiny',
    ...(changes === undefined ? {} : { changes }),
  });
  writeFileSync(join(folder, 'metrics.jsonl'), content.rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
  if (content.summary !== undefined) write('summary.json', content.summary);
  if (content.pictures !== undefined) write('pictures.json', { version: 1, ...content.pictures });
  if (content.results !== undefined) write('results.json', content.results);
  for (const [name, text] of Object.entries(content.programs ?? {})) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, 'checkpoints', 'step-00000050.safetensors'), 'x'.repeat(2048));
  return folder;
}
