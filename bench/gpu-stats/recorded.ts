/** The numbers that the repository keeps: `results/DEVICE.json`, a line for each family, and `results/README.md` for people. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { devices, type PretendedDevice } from './devices.ts';
import type { Family } from './families.ts';
import { reasonFor } from './known.ts';

export interface Recorded {
  readonly device: string;
  /** The compiler, by the driver's own words. */
  readonly driver: string;
  readonly families: Readonly<Record<string, Family>>;
}

export const resultsFolder = fileURLToPath(new URL('results/', import.meta.url));

/** What was recorded for a device; nothing at first. */
export function readRecorded({ name }: PretendedDevice, folder = resultsFolder): Recorded {
  const path = join(folder, `${name}.json`);
  if (!existsSync(path)) return { device: name, driver: '', families: {} };
  return JSON.parse(readFileSync(path, 'utf8')) as Recorded;
}

export function printRecorded({ device, driver, families }: Recorded): string {
  const lines = Object.entries(families).map(
    ([name, family]) => `    ${JSON.stringify(name)}: ${JSON.stringify(family)}`,
  );
  const head = `  "device": ${JSON.stringify(device)},\n  "driver": ${JSON.stringify(driver)},\n`;
  return `{\n${head}  "families": {\n${lines.join(',\n')}\n  }\n}\n`;
}

const head = [
  'family',
  'kernels',
  'registers',
  'spilled',
  'workgroup memory',
  'waves',
  'loop over K: instructions',
  'loads',
  'waits',
  'alone',
];

function row(name: string, { kernels, registers, spills, memory, waves, loop }: Family): string {
  const own = [name, kernels, registers, spills, memory ?? '', waves];
  const ofLoop =
    loop === undefined ? ['', '', '', ''] : [loop.instructions, loop.loads, loop.waits, loop.alone];
  return `| ${[...own, ...ofLoop].join(' | ')} |`;
}

/** What is known of a device and why. */
function reasons({ device, families }: Recorded): string[] {
  const found = Object.keys(families).flatMap((family) => {
    const { spills, loop } = families[family]!;
    const of = (what: 'spills' | 'alone', number: number): string[] =>
      number === 0 ? [] : [reasonFor(device, family, what) ?? `no reason is given for ${what} of ${family}`];
    return [...of('spills', spills), ...of('alone', loop?.alone ?? 0)];
  });
  return [...new Set(found)].map((reason) => `- ${reason}`);
}

/** The table of a device, for the terminal and for the file. */
export function table(recorded: Recorded): string {
  const { title, waves } = devices.find(({ name }) => name === recorded.device)!;
  const names = head.map((name) => (name === 'waves' ? waves : name));
  const lines = [
    `## ${recorded.device}: ${title}`,
    '',
    recorded.driver,
    '',
    `| ${names.join(' | ')} |`,
    `| --- |${' ---: |'.repeat(names.length - 1)}`,
    ...Object.entries(recorded.families).map(([name, family]) => row(name, family)),
  ];
  const known = reasons(recorded);
  return [...lines, ...(known.length === 0 ? [] : ['', 'Known:', '', ...known])].join('\n');
}

export function printAll(all: readonly Recorded[]): string {
  const intro = `# What compilers make of our kernels

Written by \`npm run gpu-stats -- --update\`; see [bench/README.md](../../README.md#compilers-of-gpus-that-are-not-there). The worst of each family over all plans: of waves the fewest, of all else the most.
*Waits*: how often a turn of the loop over K waits until no load from memory is under way; *alone*: those for a single load. Empty: the driver does not tell, or there is no such loop.`;
  return `${[intro, ...all.map(table)].join('\n\n')}\n`;
}
