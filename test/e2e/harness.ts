/**
 * Runs the command line in a folder of its own and looks at exit code and both streams: as users do, in
 * another process, or within this one, which spares what a process takes to start.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, inject, vi } from 'vitest';
import type { MetricsRow } from '../../runtime/train/types.ts';
import { runCli } from '../../zoo/cli/main.ts';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../zoo/weights/formats/safetensors.ts';

export { tinyZoo } from '../support/models/tiny-zoo.ts';
export { firstBatch, fixedBatches } from '../support/training/fixed-batches.ts';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const main = inject('command');

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Arguments of node for one call of the command line. */
export function commandLine(args: readonly string[]): string[] {
  return [main, ...args];
}

function environment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ZOOC_DEBUG: '', ...extra };
}

function bits(tensor: Tensor | undefined): string | undefined {
  return (
    tensor && Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength).toString('hex')
  );
}

export class Workspace {
  readonly folder = mkdtempSync(join(tmpdir(), 'zooc-e2e-'));

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.path(name), content);
    return this.path(name);
  }

  writeTensors(name: string, tensors: ReadonlyMap<string, Tensor>): string {
    return this.write(name, encodeSafetensors(tensors));
  }

  bytes(name: string): Buffer {
    return readFileSync(this.path(name));
  }

  /** The weights of a file, or of a run, an export or a download. */
  weights(name: string): ReadonlyMap<string, Tensor> {
    const path = this.path(name);
    const file = statSync(path).isDirectory() ? join(path, 'weights.safetensors') : path;
    return readSafetensors(readFileSync(file)).tensors;
  }

  /** Names of the weights of one file or folder that are missing or different in another. */
  changed(name: string, other: string): string[] {
    const before = this.weights(other);
    return [...this.weights(name)].flatMap(([name, tensor]) =>
      bits(tensor) === bits(before.get(name)) ? [] : [name],
    );
  }

  /** What a training run measured, a row for each step. */
  metrics(run: string): MetricsRow[] {
    const lines = readFileSync(this.path(`${run}/metrics.jsonl`), 'utf8')
      .trimEnd()
      .split('\n');
    return lines.map((line) => JSON.parse(line));
  }

  zooc(args: readonly string[], env: Readonly<Record<string, string>> = {}): Outcome {
    const result = spawnSync(process.execPath, commandLine(args), {
      cwd: this.folder,
      env: environment(env),
      encoding: 'utf8',
      maxBuffer: 64 * 2 ** 20,
    });
    return { code: result.status, stdout: result.stdout, stderr: result.stderr };
  }

  /**
   * The same within this process, which spares the seconds that a process takes to load everything. One at a
   * time: folder, variables, streams and exit code belong to the process.
   */
  async call(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    const streams = { stdout: '', stderr: '' };
    const { cwd, exitCode } = { cwd: process.cwd(), exitCode: process.exitCode };
    const spies = (['stdout', 'stderr'] as const).map((name) =>
      vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
        streams[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
        return true;
      }),
    );
    for (const [name, value] of Object.entries({ ZOOC_DEBUG: '', ...env })) vi.stubEnv(name, value);
    process.exitCode = 0;
    process.chdir(this.folder);
    try {
      await runCli([process.execPath, main, ...args]);
      return { code: Number(process.exitCode), ...streams };
    } finally {
      process.chdir(cwd);
      process.exitCode = exitCode;
      vi.unstubAllEnvs();
      for (const spy of spies) spy.mockRestore();
    }
  }

  /** A call within this process that has to succeed. */
  async succeed(args: readonly string[]): Promise<Pick<Outcome, 'stdout' | 'stderr'>> {
    const { code, ...streams } = await this.call(args);
    expect(code, streams.stderr).toBe(0);
    return streams;
  }

  /** Starts a call and sends `signal` once `ready` says so (asked every 5 ms); resolves with the outcome. */
  interrupt(
    args: readonly string[],
    signal: NodeJS.Signals,
    ready: (pid: number) => boolean,
  ): Promise<Outcome> {
    const child = spawn(process.execPath, commandLine(args), { cwd: this.folder, env: environment({}) });
    const streams = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk) => {
        streams[name] += chunk;
      });
    }
    const timer = setInterval(() => {
      if (ready(child.pid!)) {
        clearInterval(timer);
        child.kill(signal);
      }
    }, 5);
    return new Promise((resolve) => {
      child.on('close', (code) => {
        clearInterval(timer);
        resolve({ code, ...streams });
      });
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * The models of the golden sets, `tiny_vit` and `tiny_rn`. Tests that open a device run these in batches of
 * 4: then their kernels are those that the golden tests compile, and a software adapter, which takes seconds
 * for each new one, finds them in its cache.
 */
export const goldenZoo = readFileSync(join(root, 'test/fixtures/models/tiny.zoo'), 'utf8');

/** Settings of a recipe that trains what LoRA adds to a tiny CLIP, and nothing else. */
export const loraSettings = `
  data = tensors("batches.safetensors")
  objective = contrastive
  batch = 4
  chunk = 2
  optimizer = adamw(lr = 1e-2, weight_decay = 0.1)
  schedule = constant(warmup = 1 steps)
  freeze "**", "!**.lora_*"
`;
