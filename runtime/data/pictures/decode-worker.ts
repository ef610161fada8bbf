/**
 * The worker thread that decodes and fits pictures, so that neither holds up the thread that feeds the GPU.
 *
 * In: `{ id, file }`. Out: `{ id, bytes }` (RGB, moved, not copied), `{ id, kind, reason }` or `{ id, failure }`. Size and background
 * come as `workerData` and never change.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type DecodeRequest, decodeAndFit } from './decode.ts';
import type { FitSettings } from './images.ts';

const settings = workerData as FitSettings;
const port = parentPort!;

port.on('message', async ({ id, file }: DecodeRequest) => {
  const result = await decodeAndFit(file, settings);
  port.postMessage({ id, ...result }, 'bytes' in result ? [result.bytes.buffer as ArrayBuffer] : []);
});
