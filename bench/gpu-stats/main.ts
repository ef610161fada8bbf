/** `npm run gpu-stats`: what the compilers of GPUs that are not there make of our kernels; see bench/README.md. */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { devices, type PretendedDevice } from './devices.ts';
import { familiesOf } from './families.ts';
import { measure } from './measure.ts';
import { prepare, type Runner } from './mesa.ts';
import { plans, type StatsPlan } from './plans.ts';
import { printAll, printRecorded, type Recorded, readRecorded, resultsFolder, table } from './recorded.ts';
import { violations } from './rules.ts';

/** Ends the run with exit code 1 and one line. */
class Refusal extends Error {}

const options = {
  devices: { type: 'string' },
  plans: { type: 'string' },
  quick: { type: 'boolean', default: false },
  update: { type: 'boolean', default: false },
  keep: { type: 'string' },
  limit: { type: 'string', default: '600' },
} as const;

function say(text: string): void {
  console.error(`gpu-stats: ${text}`);
}

function chosen<T extends { readonly name: string }>(
  list: string | undefined,
  all: readonly T[],
): readonly T[] {
  return (
    list?.split(',').map((name) => {
      const found = all.find((x) => x.name === name);
      if (found === undefined) throw new Refusal(`${name}: there is ${all.map((x) => x.name).join(', ')}`);
      return found;
    }) ?? all
  );
}

interface Job {
  readonly run: Runner;
  readonly plans: readonly StatsPlan[];
  readonly folder: string;
  readonly seconds: number;
  readonly update: boolean;
}

async function record(device: PretendedDevice, now: Recorded): Promise<void> {
  await mkdir(resultsFolder, { recursive: true });
  await writeFile(join(resultsFolder, `${device.name}.json`), printRecorded(now));
}

/** One device; its lines of what breaks a rule. */
async function check(device: PretendedDevice, job: Job): Promise<string[]> {
  const started = performance.now();
  const names = job.plans.map(({ name }) => name);
  const measured = measure(job.run, device, names, job.folder, job.seconds);
  if (!measured.ok) return [measured.reason];
  const { driver, kernels } = measured.value;
  const now: Recorded = { device: device.name, driver, families: familiesOf(kernels) };
  if (job.update) await record(device, now);
  const before = readRecorded(device);
  console.log(`${table(now)}\n`);
  const same = before.driver === driver;
  if (!same)
    say(`recorded by ${before.driver || 'nobody'}, this is ${driver}: waves and waits are not compared`);
  const added = Object.keys(now.families).filter((name) => before.families[name] === undefined);
  if (added.length > 0) say(`${device.name}: not recorded yet (--update): ${added.join(', ')}`);
  const seconds = Math.round((performance.now() - started) / 1000);
  say(
    `${device.name}: ${kernels.length} kernels of ${names.length} ${names.length === 1 ? 'plan' : 'plans'} in ${seconds} s`,
  );
  return violations(kernels, before, same);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options });
  const subset = values.quick ? { devices: 'navi31', plans: 'vit-b32-train-mixed' } : {};
  const { devices: deviceNames, plans: planNames } = { ...subset, ...values };
  if (values.update && (values.quick || planNames !== undefined))
    throw new Refusal('--update records what all plans have: leave out --plans and --quick');
  const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'zooc-gpu-stats-'));
  try {
    const found = prepare(folder);
    if (!found.ok) throw new Refusal(`did not run: ${found.reason}`);
    const job: Job = {
      run: found.value,
      plans: chosen(planNames, plans),
      folder,
      seconds: Number(values.limit),
      update: values.update,
    };
    const wrong: string[] = [];
    for (const device of chosen(deviceNames, devices)) wrong.push(...(await check(device, job)));
    if (values.update)
      await writeFile(join(resultsFolder, 'README.md'), printAll(devices.map((d) => readRecorded(d))));
    for (const line of wrong) say(line);
    if (wrong.length > 0)
      throw new Refusal(`${wrong.length} ${wrong.length === 1 ? 'rule is' : 'rules are'} broken`);
  } finally {
    if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  say(error.message);
  process.exitCode = 1;
}
