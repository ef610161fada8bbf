/** One process at a time in a run folder: who holds it is told, what is over is recognised, a move is noticed. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { RunLock, refuseLocked } from '../../../runtime/train/node/lock.ts';
import { FakeSession, fakeRun } from '../../support/training/fake-training.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const lock = () => join(folder, 'run.lock');
const since = '2026-01-02T03:04:05.000Z';
const hold = (holder: object) => writeFileSync(lock(), JSON.stringify({ since, ...holder }));
/** Of a process that is over. */
const over = (): number => spawnSync(process.execPath, ['--version']).pid;
const run = (out: string, session = new FakeSession(), resume = false) =>
  fakeRun({ out, steps: 6, every: 2, resume, session });

describe('a run folder', () => {
  it('is refused to a second run while a first one trains into it, which is named', async () => {
    const out = join(folder, 'run');
    const refused: unknown[] = [];
    const session = new FakeSession(0, (step) => {
      if (step === 3)
        for (const resume of [false, true])
          refused.push(run(out, new FakeSession(), resume).catch((error: Error) => error.message));
    });
    await run(out, session);
    for (const message of await Promise.all(refused))
      expect(message).toMatch(
        new RegExp(
          `^Z617: ${out} is in use: process ${process.pid} on this machine has trained into it since 20`,
        ),
      );
    expect(readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')).toHaveLength(6);
    expect(existsSync(join(out, 'run.lock'))).toBe(false);
    await run(out, new FakeSession(), true);
  });

  it('goes to one of two that want it at the same time', async () => {
    const tries = await Promise.allSettled([RunLock.take(folder), RunLock.take(folder)]);
    expect(tries.map((t) => t.status).sort()).toEqual(['fulfilled', 'rejected']);
    for (const t of tries) if (t.status === 'fulfilled') t.value.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['of a process that is over', () => hold({ host: hostname(), pid: over() })],
    [
      'of an earlier process with the number of a running one',
      () => hold({ host: hostname(), pid: process.pid, began: 'another day' }),
    ],
    ['that was never filled in', () => writeFileSync(lock(), '')],
    ['that names no process', () => hold({ host: hostname(), pid: -1 })],
    ['that names a process of no system', () => hold({ host: hostname(), pid: 2 ** 40 })],
  ])('is free behind a lock %s', async (_, leave) => {
    leave();
    const held = await RunLock.take(folder);
    expect(JSON.parse(readFileSync(lock(), 'utf8'))).toMatchObject({ host: hostname(), pid: process.pid });
    held.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  /** Sets when a file was touched last. */
  const touchedBefore = (seconds: number) => {
    const time = Date.now() / 1000 - seconds;
    utimesSync(lock(), time, time);
  };

  it('goes on from another machine, with a warning, once that has not touched its lock for minutes', async () => {
    hold({ host: 'node-7', pid: 1, touched: 20 });
    touchedBefore(200);
    const warned: Diagnostic[] = [];
    const take = () => RunLock.take(folder, (warning) => warned.push(warning));
    await expect(take()).rejects.toMatchObject({
      diagnostics: [{ code: 'Z617', help: expect.stringContaining('is free 5 minutes after its end') }],
    });
    await expect(refuseLocked(folder)).rejects.toThrow('Z617');
    expect(readdirSync(folder)).toEqual(['run.lock']);
    touchedBefore(400);
    await refuseLocked(folder);
    const held = await take();
    expect(warned).toMatchObject([
      { code: 'Z621', message: expect.stringContaining('from process 1 on node-7, which has trained into') },
    ]);
    expect(JSON.parse(readFileSync(lock(), 'utf8')).host).toBe(hostname());
    held.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is touched by its holder, whose words stay', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const held = await RunLock.take(folder);
    try {
      const text = readFileSync(lock(), 'utf8');
      touchedBefore(400);
      const before = statSync(lock()).mtimeMs;
      vi.advanceTimersByTime(19_000);
      await held.check();
      expect(statSync(lock()).mtimeMs).toBe(before);
      vi.advanceTimersByTime(1000);
      await held.check();
      expect(statSync(lock()).mtimeMs).toBeGreaterThan(before);
      expect(readFileSync(lock(), 'utf8')).toBe(text);
    } finally {
      held.release();
      vi.useRealTimers();
    }
  });

  it('is refused where another machine holds it that does not touch it, with what to do if that is over', async () => {
    hold({ host: 'node-7', pid: 1 });
    touchedBefore(4000);
    await expect(RunLock.take(folder)).rejects.toMatchObject({
      message: `Z617: ${folder} is in use: process 1 on node-7 has trained into it since ${since}`,
      diagnostics: [{ help: `wait for it; if it is over (nobody can tell from here), remove ${lock()}` }],
    });
    expect(JSON.parse(readFileSync(lock(), 'utf8')).host).toBe('node-7');
  });

  it.each([
    ['moved away', (out: string) => renameSync(out, `${out}-moved`)],
    ['removed', (out: string) => rmSync(out, { recursive: true })],
    [
      'replaced by another one',
      (out: string) => {
        renameSync(out, `${out}-moved`);
        mkdirSync(out);
      },
    ],
  ])('that is %s ends the run in words, and nothing is written in its old place', async (_, move) => {
    const out = join(folder, 'run');
    const session = new FakeSession(0, (step) => {
      if (step === 3) move(out);
    });
    await expect(run(out, session)).rejects.toThrow(
      `Z613: ${out} was moved or removed while this run wrote into it`,
    );
    expect(existsSync(out) ? readdirSync(out) : []).toEqual([]);
    const moved = `${out}-moved`;
    if (!existsSync(moved)) return;
    // As behind a process that is over.
    rmSync(join(moved, 'run.lock'));
    expect(await run(moved, new FakeSession(), true)).toMatchObject({ steps: 6, stopped: false });
  });
});
