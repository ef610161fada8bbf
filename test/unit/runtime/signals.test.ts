/** Signals to a training process: SIGINT and SIGTERM save and exit with 0, SIGKILL costs nothing but time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../support/training/train-child.ts', import.meta.url));
const steps = 40;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-signals-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Child {
  readonly process: ChildProcess;
  readonly started: Promise<void>;
  readonly ended: Promise<{ code: number | null; output: string; errors: string }>;
}

function train(out: string, delay: number): Child {
  const child = spawn(process.execPath, ['--import', 'tsx', script, out, String(steps), String(delay)]);
  let [output, errors] = ['', ''];
  child.stderr.on('data', (data) => {
    errors += data;
  });
  const started = new Promise<void>((resolve) => {
    child.stdout.on('data', (data) => {
      output += data;
      if (output.includes('started')) resolve();
    });
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, output, errors }));
  return { process: child, started, ended };
}

const finalWeights = (out: string): string => readFileSync(join(out, 'weights.safetensors')).toString('hex');

describe('a training process', () => {
  it('saves and exits with 0 on SIGTERM and SIGINT, survives SIGKILL, and ends with the same bits', async () => {
    const whole = join(folder, 'whole');
    const cut = join(folder, 'cut');
    const uncut = await train(whole, 0).ended;
    expect(uncut).toMatchObject({ code: 0, errors: '' });

    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const child = train(cut, 60);
      await child.started;
      child.process.kill(signal);
      const { code, output, errors } = await child.ended;
      expect(code).toBe(0);
      expect(output).toContain('"stopped":true');
      expect(errors).toContain(`${signal}: finishing this step and saving`);
    }
    const killed = train(cut, 60);
    await killed.started;
    await new Promise((resolve) => setTimeout(resolve, 400));
    killed.process.kill('SIGKILL');
    expect((await killed.ended).code).toBeNull();

    expect((await train(cut, 0).ended).code).toBe(0);
    expect(finalWeights(cut)).toBe(finalWeights(whole));
    const rows = readFileSync(join(cut, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
    expect(rows.map((row) => (JSON.parse(row) as { step: number }).step)).toEqual(
      Array.from({ length: steps }, (_, i) => i),
    );
  });
});
