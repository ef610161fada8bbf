/**
 * A contestant's own process: it loads one library, and opens and runs one row as its parent asks.
 *
 * Nothing happens here between two requests, so that the contestants do not disturb each other.
 */
import { listAdapters, openGpu } from '../runtime/node/gpu.ts';
import { type Ceiling, measureCeiling } from '../zoo/bench/measure.ts';
import { installGpu } from './gpu.ts';
import { CurrentJob, type Request } from './job.ts';

const job = new CurrentJob();

async function ceiling(runs: number): Promise<Ceiling[]> {
  const { device } = await openGpu();
  try {
    return await measureCeiling(device, runs);
  } finally {
    device.close();
  }
}

async function answer(request: Request): Promise<unknown> {
  if (request.kind === 'adapters') return listAdapters();
  if (request.kind === 'ceiling') return ceiling(request.runs);
  if (request.kind === 'open') {
    process.env.ZOOC_ADAPTER = request.adapter.name;
    installGpu(request.adapter);
    return job.open(request);
  }
  if (request.kind === 'run') return job.run();
  const residentBytes = process.memoryUsage().rss;
  const closed = await job.close();
  return { ...closed, residentBytes, peakResidentBytes: process.resourceUsage().maxRSS * 1024 };
}

process.on('message', async (request: Request) => {
  try {
    process.send!({ value: await answer(request) });
  } catch (error) {
    process.send!({ error: (error as Error).stack ?? String(error) });
  }
});
// A parent that went away leaves nothing to do.
process.on('disconnect', () => process.exit());
