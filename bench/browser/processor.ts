/**
 * Processor time of Chromium's process for WebGPU, from Linux's /proc; undefined elsewhere. A software driver works in it, and
 * on a machine that others use as well its time says more than a clock does.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // A process or thread that has ended meanwhile.
    return '';
  }
}

function parentOf(pid: number): number {
  const stat = textOf(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

/** The process for graphics among the descendants of this one. */
export function graphicsProcess(): number | undefined {
  if (!existsSync('/proc/self/stat')) return undefined;
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const parents = new Map(pids.map((pid) => [pid, parentOf(pid)]));
  const isOwn = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === process.pid || isOwn(parent));
  };
  return pids.find((pid) => textOf(`/proc/${pid}/cmdline`).includes('--type=gpu-process') && isOwn(pid));
}

/** Of all its threads so far. */
export function processorSeconds(pid: number | undefined): number | undefined {
  if (pid === undefined) return undefined;
  const tasks = readdirSync(`/proc/${pid}/task`);
  return (
    tasks.reduce(
      (sum, task) => sum + Number(textOf(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0]),
      0,
    ) / 1e9
  );
}
