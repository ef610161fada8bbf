/**
 * A child process under a pretended GPU: plans for the adapter as it offers itself and makes every distinct pipeline, one by
 * one, so that the layer writes what the driver tells of each. Nothing is run.
 *
 * `capture.ts FOLDER PLAN,PLAN MULTIPROCESSORS` prints a `Capture`.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { PlanPipeline } from '../../compiler/plan/types.ts';
import { openGpu } from '../../runtime/node/gpu.ts';
import { planCase } from '../../zoo/bench/cases.ts';
import { nodeHost } from '../../zoo/host.ts';
import { plans } from './plans.ts';

export interface CapturedKernel {
  /** As in the plan: `matmul_64x64.3`. */
  readonly label: string;
  /** Names the layer's files in the folder. */
  readonly key: string;
}

export interface CapturedPlan {
  readonly name: string;
  readonly precision: string;
  readonly kernels: readonly CapturedKernel[];
}

export interface Capture {
  readonly adapter: string;
  readonly driver: string;
  readonly plans: readonly CapturedPlan[];
}

function keyOf({ wgsl, bindings }: PlanPipeline): string {
  return createHash('sha256')
    .update(JSON.stringify([wgsl, bindings]))
    .digest('hex')
    .slice(0, 16);
}

async function capture(folder: string, names: readonly string[], multiprocessors: number): Promise<Capture> {
  const { device, report } = await openGpu({ adapter: '' });
  const profile = { ...device.profile, multiprocessors };
  const seen = new Set<string>();
  const captured: CapturedPlan[] = [];
  for (const plan of plans.filter(({ name }) => names.includes(name))) {
    const planned = planCase(nodeHost(), plan, profile, plan.precision);
    for (const pipeline of planned.pipelines) {
      const key = keyOf(pipeline);
      if (seen.has(key)) continue;
      seen.add(key);
      process.env.GPU_STATS_OUT = join(folder, key);
      await device.compile({ ...planned, pipelines: [pipeline] });
    }
    const kernels = planned.pipelines.map((p) => ({ label: p.label, key: keyOf(p) }));
    captured.push({ name: plan.name, precision: plan.precision, kernels });
  }
  return { adapter: report.name, driver: report.driver, plans: captured };
}

const [folder, names, multiprocessors] = process.argv.slice(2);
console.log(JSON.stringify(await capture(folder!, names!.split(','), Number(multiprocessors))));
// A device that pretends need not be waited for.
process.exit(0);
