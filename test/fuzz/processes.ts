/** Runs cases in a process of its own: with an engine that suits them, and under another driver where that is asked for. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { underMatrixDriver } from '../../scripts/setup-matrix-driver.ts';
import type { RangeResult } from './range.ts';
import type { Share } from './worker.ts';

/** Thousands of kernels that each run once: an engine that optimises them spends three times as long on that as on running them. */
const engine = ['--always-sparkplug', '--interrupt-budget=1000000', '--max-semi-space-size=64'];

/** @throws Error where the process fails, or where the driver that is to be used is not there */
export function runShare(share: Share): Promise<RangeResult> {
  const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));
  const args = [...engine, '--import', 'tsx', worker, JSON.stringify(share)];
  const plain = { command: process.execPath, args, env: {} };
  const command = share.on === 'matrix-driver' ? underMatrixDriver(process.execPath, args) : plain;
  if (command === undefined) throw new Error('the driver with subgroup matrices is not there');
  return new Promise((resolve, reject) => {
    const child = spawn(command.command, command.args, {
      env: { ...process.env, ...command.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, complaints] = ['', ''];
    child.stdout.on('data', (text) => {
      out += text;
    });
    child.stderr.on('data', (text) => {
      complaints = (complaints + text).slice(-4000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(out) as RangeResult);
      else reject(new Error(`a process of the fuzzer ended with ${code}: ${complaints}`));
    });
  });
}
