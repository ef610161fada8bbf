/**
 * Signals to a training process: SIGINT, SIGTERM and SIGHUP save and exit with 0, a second one ends at once,
 * SIGKILL costs nothing but time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { listenForStop } from '../../../runtime/train/node/signals.ts';

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
  /** Resolves once stderr has this text. */
  told(text: string): Promise<void>;
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
  const told = async (text: string): Promise<void> => {
    while (!errors.includes(text)) await once(child.stderr, 'data');
  };
  return { process: child, started, told, ended };
}

const finalWeights = (out: string): string => readFileSync(join(out, 'weights.safetensors')).toString('hex');

describe('a training process', () => {
  it('saves and exits with 0 on SIGTERM, SIGINT and SIGHUP, survives SIGKILL, and ends with the same bits', async () => {
    const whole = join(folder, 'whole');
    const cut = join(folder, 'cut');
    const uncut = await train(whole, 0).ended;
    expect(uncut).toMatchObject({ code: 0, errors: '' });

    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      const child = train(cut, 60);
      await child.started;
      child.process.kill(signal);
      const { code, output, errors } = await child.ended;
      expect(code).toBe(0);
      expect(output).toContain('"stopped":true');
      expect(errors).toContain(`${signal}: finishing what is under way and saving`);
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
  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends at once at a second %s', async (signal, expected) => {
    // The step under way takes longer than any test.
    const child = train(join(folder, signal), 3_600_000);
    await child.started;
    child.process.kill(signal);
    await child.told('finishing what is under way');
    await new Promise((resolve) => setTimeout(resolve, 400));
    child.process.kill(signal);
    expect((await child.ended).code).toBe(expected);
  });
});

describe('a stop signal', () => {
  it('that npm passes on right behind that of the group is the same one', () => {
    let now = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const exit = vi.spyOn(process, 'exit').mockImplementation((() => {}) as typeof process.exit);
    const told: string[] = [];
    const signal = listenForStop((text) => told.push(text));
    expect(signal.requested).toBe(false);
    process.emit('SIGINT', 'SIGINT');
    now += 20;
    process.emit('SIGINT', 'SIGINT');
    expect(signal.requested).toBe(true);
    expect(exit).not.toHaveBeenCalled();
    now += 400;
    process.emit('SIGINT', 'SIGINT');
    signal.release();
    expect(exit.mock.calls).toEqual([[130]]);
    expect(told).toEqual(['SIGINT: finishing what is under way and saving (again: stop at once)']);
    vi.restoreAllMocks();
  });
});
