/**
 * Checkpoints, metrics and resume under a failing disk and under kills: every system call of a run is made to
 * fail once, and a run is cut at every one of them and resumed.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  openSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from '../../../runtime/data/safetensors/file.ts';
import { CheckpointStore, checkSameRun, restoreState } from '../../../runtime/train/node/checkpoints.ts';
import { keptRows } from '../../../runtime/train/node/metrics.ts';
import { FakeSession, fakeRun } from '../../support/training/fake-training.ts';

/** The disk: every call is counted; one may fail, and after a kill all do. */
const disk = vi.hoisted(() => ({
  calls: 0,
  failAt: Number.POSITIVE_INFINITY,
  mode: 'full' as 'full' | 'kill',
  log: [] as string[],
}));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const counted = ['open', 'mkdir', 'rename', 'rm', 'readdir', 'readFile', 'stat'] as const;
  const onHandle = ['write', 'sync', 'truncate', 'appendFile', 'read', 'readFile'] as const;

  /** Counts a call; true when it must fail. */
  function fails(name: string): boolean {
    const at = disk.calls++;
    disk.log.push(name);
    return disk.mode === 'kill' ? at >= disk.failAt : at === disk.failAt;
  }
  function failure(name: string): Error {
    const code = disk.mode === 'kill' ? 'KILLED' : 'ENOSPC';
    return Object.assign(new Error(`${code}: ${name}`), disk.mode === 'kill' ? {} : { code });
  }
  function wrapHandle(handle: FileHandle): FileHandle {
    return new Proxy(handle, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (typeof value !== 'function') return value;
        if (!(onHandle as readonly PropertyKey[]).includes(key)) return value.bind(target);
        return async (...args: unknown[]) => {
          const name = `handle.${String(key)}`;
          if (!fails(name)) return value.apply(target, args);
          // The disk takes half of a write before it refuses.
          const [bytes] = args;
          if (key === 'write' && disk.calls - 1 === disk.failAt && bytes instanceof Uint8Array)
            await target.write(bytes, 0, bytes.byteLength >> 1);
          if (key === 'appendFile' && disk.calls - 1 === disk.failAt && typeof bytes === 'string')
            await target.appendFile(bytes.slice(0, bytes.length >> 1));
          throw failure(name);
        };
      },
    });
  }
  const wrapped = Object.fromEntries(
    counted.map((name) => [
      name,
      async (...args: unknown[]) => {
        if (fails(name)) throw failure(name);
        const call = real[name] as (...args: unknown[]) => Promise<unknown>;
        const result = await call(...args);
        return name === 'open' ? wrapHandle(result as FileHandle) : result;
      },
    ]),
  );
  return { ...real, ...wrapped };
});

/** In memory where the system offers it: a run flushes some hundred times, which a real disk does slowly. */
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(base, 'zooc-checkpoints-'));
  disk.calls = 0;
  disk.failAt = Number.POSITIVE_INFINITY;
  disk.mode = 'full';
});
afterEach(() => {
  disk.failAt = Number.POSITIVE_INFINITY;
  rmSync(folder, { recursive: true, force: true });
});

const steps = 5;
const every = 2;

/** The parts of a finished run that must not depend on how often it was cut. */
function resultOf(out: string): { weights: string; checkpoint: string; metrics: unknown[] } {
  const latest = JSON.parse(readFileSync(join(out, 'checkpoints/latest.json'), 'utf8')) as { file: string };
  const metrics = readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { samples_per_second: _, data_wait_ms: __, ...row } = JSON.parse(line) as Record<string, unknown>;
      return row;
    });
  return {
    weights: readFileSync(join(out, 'weights.safetensors')).toString('hex'),
    checkpoint: readFileSync(join(out, 'checkpoints', latest.file)).toString('hex'),
    metrics,
  };
}

function leftovers(out: string): string[] {
  if (!existsSync(out)) return [];
  return (readdirSync(out, { recursive: true }) as string[]).filter((name) => name.endsWith('.tmp'));
}

/** For checkpoints that are whole. */
const silent = (): never => {
  throw new Error('warned');
};

const run = (out: string, resume = false, session = new FakeSession(), keep = 2) =>
  fakeRun({ out, steps, every, resume, session, keep });

describe('a run folder', () => {
  it('holds metrics, checkpoints, texts and final weights', async () => {
    const out = join(folder, 'run');
    const result = await run(out);
    expect(result).toMatchObject({ steps: 5, stopped: false, weights: join(out, 'weights.safetensors') });
    expect(readdirSync(out).sort()).toEqual([
      'checkpoints',
      'metrics.jsonl',
      'model.zoo',
      'run.json',
      'weights.safetensors',
    ]);
    expect(readdirSync(join(out, 'checkpoints')).sort()).toEqual([
      'latest.json',
      'step-00000004.safetensors',
      'step-00000005.safetensors',
    ]);
    expect(resultOf(out).metrics).toHaveLength(5);
  });

  it('counts every chunk that batch norm saw, across a stop as well', async () => {
    const out = join(folder, 'run');
    const chunks = { out, every, session: new FakeSession(), counters: ['batches'], seenPerStep: 3 };
    await fakeRun({ ...chunks, steps: 2, resume: false });
    await fakeRun({ ...chunks, steps: 5, resume: true });
    const weights = await openSafetensors(join(out, 'weights.safetensors'));
    expect((await weights.read('batches')).data).toEqual(BigInt64Array.of(1n + 5n * 3n));
    await weights.close();
  });

  it('is not touched when it holds something else, or a run that is not to be resumed', async () => {
    writeFileSync(join(folder, 'thesis.txt'), 'years of work');
    await expect(run(folder)).rejects.toThrow(/Z613: .* is not empty/);
    await expect(run(folder, true)).rejects.toThrow(/Z613: .* holds no training run/);
    expect(readdirSync(folder)).toEqual(['thesis.txt']);
    const out = join(folder, 'run');
    await run(out);
    const before = resultOf(out);
    await expect(run(out)).rejects.toThrow(/Z613/);
    expect(resultOf(out)).toEqual(before);
    await expect(run(join(folder, 'thesis.txt'))).rejects.toThrow(/Z613: .*thesis\.txt is not a folder/);
  });

  it('resumes a finished run to the same result, and a run that never was from its start', async () => {
    const out = join(folder, 'run');
    await run(out, true);
    const before = resultOf(out);
    const again = await run(out, true);
    expect(again.steps).toBe(5);
    expect(resultOf(out)).toEqual(before);
  });

  it('stops in good order and goes on exactly', async () => {
    const [whole, cut] = [join(folder, 'whole'), join(folder, 'cut')];
    await run(whole);
    let asked = 0;
    const signal = {
      get requested() {
        return ++asked === 4;
      },
      release: () => {},
    };
    const stopped = await fakeRun({
      out: cut,
      steps,
      every,
      resume: false,
      session: new FakeSession(),
      signal,
    });
    expect(stopped).toMatchObject({ steps: 3, stopped: true });
    expect(stopped.weights).toBeUndefined();
    await run(cut, true);
    expect(resultOf(cut)).toEqual(resultOf(whole));
  });
});

describe('a full disk', () => {
  it('is one clear message at every system call, and never breaks the checkpoint before', async () => {
    const whole = join(folder, 'whole');
    await run(whole);
    const total = disk.calls;
    const expected = resultOf(whole);
    expect(total).toBeGreaterThan(40);
    for (let at = 0; at < total; at++) {
      const out = join(folder, `full-${at}`);
      disk.calls = 0;
      disk.failAt = at;
      const error = await run(out).then(
        () => undefined,
        (e: Error) => e,
      );
      disk.failAt = Number.POSITIVE_INFINITY;
      if (error !== undefined) {
        expect(error.message, disk.log.at(-1)).toMatch(/^Z\d{3}: cannot .*no space left on the device$/);
        expect(leftovers(out)).toEqual([]);
      }
      await run(out, true);
      expect(resultOf(out), `after call ${at}`).toEqual(expected);
    }
  });
});

describe('a kill', () => {
  it('at any system call leaves the old checkpoint or the new one, and resume gives the same bits', async () => {
    const whole = join(folder, 'whole');
    await run(whole);
    const total = disk.calls;
    const expected = resultOf(whole);
    disk.mode = 'kill';
    for (let at = 0; at < total; at++) {
      const out = join(folder, `kill-${at}`);
      disk.calls = 0;
      disk.failAt = at;
      await expect(run(out)).rejects.toThrow();
      disk.failAt = Number.POSITIVE_INFINITY;
      // Its holder is over in truth.
      rmSync(join(out, 'run.lock'), { force: true });
      await run(out, true);
      expect(resultOf(out), `after call ${at}`).toEqual(expected);
      expect(leftovers(out)).toEqual([]);
    }
  });

  it('in the middle of a step costs no more than the steps behind the checkpoint', async () => {
    const whole = join(folder, 'whole');
    await run(whole);
    for (let at = 0; at < steps; at++) {
      const out = join(folder, `step-${at}`);
      const dying = new FakeSession(0, (n) => {
        if (n === at) throw new Error('killed');
      });
      await expect(run(out, false, dying)).rejects.toThrow('killed');
      let ran = 0;
      await run(out, true, new FakeSession(0, () => ran++));
      expect(ran).toBe(steps - Math.floor(at / every) * every);
      expect(resultOf(out)).toEqual(resultOf(whole));
    }
  });
});

describe('checkpoints', () => {
  const state = { step: 4, cursor: { epoch: 0, batch: 4, seed: 1 }, modelHash: 'abc' };

  it('keep as many as asked, the newest', async () => {
    const out = join(folder, 'run');
    await run(out, false, new FakeSession(), 1);
    expect(readdirSync(join(out, 'checkpoints')).sort()).toEqual([
      'latest.json',
      'step-00000005.safetensors',
    ]);
  });

  it('are found without latest.json, which a kill may prevent once', async () => {
    const store = new CheckpointStore(folder, 2);
    await store.save(new FakeSession(), [], state);
    rmSync(join(folder, 'checkpoints/latest.json'));
    expect((await store.latest(silent))?.state).toEqual(state);
  });

  /** Two checkpoints, then what a disk may do. */
  async function damaged(harm: (folder: string) => void): Promise<{ step?: number; warnings: string[] }> {
    const store = new CheckpointStore(folder, 2);
    for (const step of [2, 4]) await store.save(new FakeSession(), [], { ...state, step });
    harm(join(folder, 'checkpoints'));
    const warnings: string[] = [];
    const found = await store.latest(({ code, message }) => warnings.push(`${code}: ${message}`));
    return { ...(found ? { step: found.state.step } : {}), warnings };
  }

  /** Every byte of a checkpoint counts: header, metadata and tensors. */
  it('that are damaged anywhere give way to the one before, with a warning', async () => {
    const newest = 'step-00000004.safetensors';
    const harms: Record<string, (folder: string) => void> = {
      'no checkpoint': (f) => writeFileSync(join(f, newest), 'not a checkpoint'),
      empty: (f) => writeFileSync(join(f, newest), ''),
      shorter: (f) => truncateSync(join(f, newest), statSync(join(f, newest)).size - 1),
      gone: (f) => rmSync(join(f, newest)),
    };
    const size = await (async () => {
      await damaged(() => {});
      return statSync(join(folder, 'checkpoints', newest)).size;
    })();
    for (let at = 0; at < size; at += 29)
      harms[`byte ${at} of ${size}`] = (f) => {
        const bytes = readFileSync(join(f, newest));
        bytes[at]! ^= 0x10;
        writeFileSync(join(f, newest), bytes);
      };
    for (const [name, harm] of Object.entries(harms)) {
      const { step, warnings } = await damaged(harm);
      expect(step, name).toBe(2);
      expect(warnings, name).toHaveLength(1);
      expect(warnings[0], name).toMatch(/^Z618: .*step-00000004.*goes on from step-00000002\.safetensors/s);
    }
  });

  it.each(['{"file": "../../etc/passwd", "step": 1}', 'torn'])(
    'are found by their own checksums where latest.json is %s',
    async (text) => {
      const { step, warnings } = await damaged((f) => writeFileSync(join(f, 'latest.json'), text));
      expect(step).toBe(4);
      expect(warnings[0]).toMatch(/^Z618: .*latest\.json is damaged: it names no checkpoint/);
    },
  );

  it('are refused where none is whole', async () => {
    const harm = (f: string) => {
      for (const step of [2, 4]) writeFileSync(join(f, `step-0000000${step}.safetensors`), '');
    };
    await expect(damaged(harm)).rejects.toThrow(/^Z611: no checkpoint is whole: .*0004.*0002/);
  });

  it('of versions without checksums are resumed', async () => {
    const out = join(folder, 'run');
    await run(out);
    const path = join(out, 'checkpoints/step-00000005.safetensors');
    const file = await openSafetensors(path);
    const { settings: _, ...old } = JSON.parse(file.metadata.get('zooc.run')!);
    const tensors: TensorToWrite[] = [];
    for await (const tensor of file.tensors()) tensors.push(tensor);
    await file.close();
    await writeSafetensors(path, tensors, { 'zooc.run': JSON.stringify({ ...old, version: 1 }) });
    expect((await run(out, true)).steps).toBe(5);
  });

  it('with other tensors are refused by name', async () => {
    const store = new CheckpointStore(folder, 2);
    await store.save(new FakeSession(), [], state);
    const other = new FakeSession();
    const { path } = (await store.latest(silent))!;
    Object.assign(other, { state: [{ name: 'w', shape: [2], dtype: 'F32' }] });
    await expect(restoreState(path, other, () => {})).rejects.toThrow(/Z611.*w is F32 \[37\], not F32 \[2\]/);
    Object.assign(other, { state: [{ name: 'x', shape: [2], dtype: 'F32' }] });
    await expect(restoreState(path, other, () => {})).rejects.toThrow(/Z611.*x is missing/);
  });

  it('of another model or seed are refused', () => {
    const wanted = { modelHash: 'abc', cursor: { epoch: 0, batch: 0, seed: 1 } };
    checkSameRun('p', state, wanted);
    expect(() => checkSameRun('p', state, { ...wanted, modelHash: 'xyz' })).toThrow(/Z612.*another model/);
    const seeded = { ...wanted, cursor: { ...wanted.cursor, seed: 2 } };
    expect(() => checkSameRun('p', state, seeded)).toThrow(/Z612.*made with seed: 1, now 2/);
  });

  it('need a folder that can be written', async () => {
    mkdirSync(join(folder, 'run'));
    writeFileSync(join(folder, 'run/checkpoints'), 'in the way');
    const store = new CheckpointStore(join(folder, 'run'), 2);
    await expect(store.save(new FakeSession(), [], state)).rejects.toThrow(
      /Z413: cannot write .*: a part of the path is not a folder/,
    );
  });
});

describe('metrics', () => {
  const text = '{"step":0,"loss":1}\n{"step":1,"loss":0.5}\n{"step":2,"loss":0.25}\n';
  const lines = text.split('\n').map((l) => l.length + 1);
  const kept = (content: string, step: number) => {
    const { rows, gaps } = keptRows(new TextEncoder().encode(content), step);
    return { rows: rows.toString(), gaps };
  };

  it('are cut before the step that the run goes on with, wherever the last line was torn', () => {
    for (let length = 0; length <= text.length; length++) {
      for (let step = 0; step <= 4; step++) {
        const whole =
          [0, lines[0]!, lines[0]! + lines[1]!, text.length].filter((n) => n <= length).length - 1;
        const expected = [0, lines[0]!, lines[0]! + lines[1]!, text.length][Math.min(step, whole)];
        expect(kept(text.slice(0, length), step).rows).toBe(text.slice(0, expected));
      }
    }
  });

  it('keep what stands behind a line that is no row, and each step once', () => {
    const rows = (...steps: number[]) => steps.map((step) => `{"step":${step}}\n`).join('');
    expect(kept(`${rows(0)}null\n${rows(1)}`, 2)).toEqual({ rows: rows(0, 1), gaps: [] });
    expect(kept(`${rows(0)}garb\0ge\n${rows(2, 3, 6)}`, 9)).toEqual({
      rows: rows(0, 2, 3, 6),
      gaps: ['1', '4 to 5', '7 to 8'],
    });
    expect(kept(rows(0, 0, 1, 1, 0, 2), 3)).toEqual({ rows: rows(0, 1, 2), gaps: [] });
    expect(kept(rows(0, 0.5, 1), 2)).toEqual({ rows: rows(0, 1), gaps: [] });
    expect(kept('', 2)).toEqual({ rows: '', gaps: ['0 to 1'] });
  });

  it('that are lost are said when a run goes on, and the others stay', async () => {
    const out = join(folder, 'run');
    await run(out);
    const path = join(out, 'metrics.jsonl');
    const before = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, [before[0], 'x', ...before.slice(2)].join('\n'));
    const warnings: string[] = [];
    await fakeRun({ out, steps: 6, every, resume: true, session: new FakeSession(), warnings });
    expect(warnings.join()).toMatch(/Z619.*metrics\.jsonl lacks rows of steps that are done: 1$/m);
    expect(resultOf(out).metrics.map((row) => (row as { step: number }).step)).toEqual([0, 2, 3, 4, 5]);
  });
});
