/** `zooc devices`: every adapter that can be had, which one is used and why. */

import type { ListedAdapter } from '../../../runtime/node/gpu.ts';
import { listAdapters } from '../../../runtime/node/gpu.ts';
import { type AdapterReport, failWithoutAdapter } from '../../../runtime/webgpu/adapter.ts';
import { mebibytes, print, printJson } from '../output.ts';

/** `subgroup matrices (subgroups of 32): 16×16×16 f16 > f32, ...` */
function matrices({ matrixConfigs = [], subgroupSize }: AdapterReport): string[] {
  if (matrixConfigs.length === 0) return [];
  const sizes = [...new Set([subgroupSize?.min, subgroupSize?.max])].join(' to ');
  const list = matrixConfigs.map((c) => `${c.m}×${c.n}×${c.k} ${c.component} > ${c.result}`);
  return [`    subgroup matrices (subgroups of ${sizes}): ${list.join(', ')}`];
}

function describe({ report, used, because, avoid }: ListedAdapter): string {
  const { limits } = report;
  return [
    `${used ? '*' : ' '} ${report.name} (${report.type}, ${report.backend})`,
    `    vendor ${report.vendor || 'unknown'}, driver ${report.driver || 'unknown'}`,
    `    buffer ${mebibytes(limits.maxBufferSize)}, binding ${mebibytes(limits.maxStorageBufferBindingSize)}, ${limits.maxStorageBuffersPerShaderStage} storage buffers, ${limits.maxComputeInvocationsPerWorkgroup} invocations, ${limits.maxComputeWorkgroupStorageSize / 1024} KiB workgroup memory`,
    `    ${report.features.join(' ')}`,
    ...matrices(report),
    ...(used ? [`    used: ${because}`] : []),
    ...(avoid === undefined ? [] : [`    ZOOC_AVOID: goes without ${avoid.join(', ')}`]),
  ].join('\n');
}

export async function devices(options: { json?: boolean }): Promise<void> {
  const adapters = await listAdapters();
  if (options.json === true) {
    printJson(adapters.map(({ report, ...use }) => ({ ...report, ...use })));
  } else {
    for (const adapter of adapters) print(describe(adapter));
  }
  if (adapters.length === 0) failWithoutAdapter();
}
