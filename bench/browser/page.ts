/** A contestant's page: loads one library, and opens and runs one row as it is asked. */

import { openGpu } from '../../runtime/node/gpu.ts';
import { describeAdapter } from '../../runtime/webgpu/adapter.ts';
import { measureCeiling } from '../../zoo/bench/measure.ts';
import { countCalls } from '../counts.ts';
import { CurrentJob, type Request } from '../job.ts';

const job = new CurrentJob();
countCalls(globalThis);

async function ceiling(runs: number) {
  const { device } = await openGpu();
  try {
    return await measureCeiling(device, runs);
  } finally {
    device.close();
  }
}

async function answer(request: Request): Promise<unknown> {
  switch (request.kind) {
    case 'adapters': {
      const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
      if (adapter === null) return [];
      return [{ report: describeAdapter(adapter, 'browser'), used: true, because: 'the page gets it' }];
    }
    case 'ceiling':
      return ceiling(request.runs);
    case 'open':
      return job.open(request);
    case 'run':
      return job.run();
    case 'close':
      return { ...(await job.close()), residentBytes: 0, peakResidentBytes: 0 };
  }
}

/** Answers cross as JSON: arrays of numbers as plain ones. */
const plain = (_key: string, value: unknown) => (value instanceof Float32Array ? Array.from(value) : value);

Object.assign(globalThis, { ask: async (request: Request) => JSON.stringify(await answer(request), plain) });
