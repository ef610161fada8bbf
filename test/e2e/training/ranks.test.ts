/**
 * `zooc train` on several ranks over MPI, with each library that is there: the same bits with both, the numbers of one
 * process, and an end in words when a rank is gone.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTar } from '../../support/files/tar.ts';
import { launchers, ranksEnvironment } from '../../support/mpi.ts';
import { plainPicture } from '../../support/training/pair-source.ts';
import { commandLine, fixedBatches, type Outcome, tinyZoo, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const recipe = `${tinyZoo}
train "t" of "tiny" {
  data = tensors("batches.safetensors")
  batch = 8
  optimizer = adamw(lr = 1e-3, weight_decay = 0.1)
  schedule = cosine(warmup = 1 steps, total = 6 steps)
  clamp logit_scale in 0 .. ln(100)
  checkpoint every 2 steps keep 2
}
train "streams" of "tiny" {
  data = webdataset("{0..3}.tar.gz", lanes = 4, shuffle = 3)
  batch = 8
  optimizer = adamw(lr = 1e-3, weight_decay = 0.1)
  schedule = cosine(warmup = 1 steps, total = 6 steps)
  checkpoint every 2 steps keep 2
}
train "endless" of "tiny" {
  data = tensors("batches.safetensors")
  batch = 8
  optimizer = adamw(lr = 1e-3, weight_decay = 0.1)
  schedule = constant(total = 100000 steps)
  checkpoint every 1 steps keep 2
}
`;
const argsOf = (name: string, out: string, ...more: string[]) => [
  'train',
  `t.zoo#${name}`,
  '--out',
  out,
  '--device',
  'reference',
  ...more,
];
const train = (out: string, ...more: string[]) => commandLine(argsOf('t', out, ...more));

function onRanks(launcher: string, ranks: number, args: readonly string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(launcher, ['-np', String(ranks), process.execPath, ...args], {
    cwd: workspace.folder,
    env: ranksEnvironment,
    encoding: 'utf8',
  });
  return { code: status, stdout, stderr };
}

/** The largest difference of two runs' weights, relative to the largest number of each weight. */
function apart(run: string, other: string): number {
  const before = workspace.weights(other);
  return Math.max(
    ...[...workspace.weights(run)].map(([name, { data }]) => {
      const wanted = Float64Array.from(before.get(name)!.data as Float32Array);
      const most = Math.max(...wanted.map(Math.abs), 1e-12);
      return (
        Math.max(...Float64Array.from(data as Float32Array).map((x, i) => Math.abs(x - wanted[i]!))) / most
      );
    }),
  );
}

/** Ids of processes that train into a folder. */
function processesOf(run: string): number[] {
  const { stdout } = spawnSync('pgrep', ['-f', '--', `--out ${run} --device`], { encoding: 'utf8' });
  return stdout.split('\n').filter(Boolean).map(Number);
}

/** `--ranks 2` with a launcher as `mpirun`, once it has saved a step. */
async function startedByRanks(launcher: string, run: string) {
  const bin = workspace.path(`${launcher}-bin`);
  mkdirSync(bin, { recursive: true });
  chmodSync(workspace.write(`${launcher}-bin/mpirun`, `#!/bin/sh\nexec ${launcher} "$@"\n`), 0o755);
  const args = ['train', 't.zoo#endless', '--out', run, '--device', 'reference', '--ranks', '2'];
  const child: ChildProcess = spawn(process.execPath, commandLine(args), {
    cwd: workspace.folder,
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  });
  let stderr = '';
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stderr })),
  );
  while (!existsSync(`${run}/checkpoints/latest.json`) && child.exitCode === null) await wait(20);
  // mpirun, what starts it, and the ranks.
  expect(processesOf(run).length, stderr).toBeGreaterThanOrEqual(3);
  return { child, ended };
}

beforeAll(async () => {
  workspace.write('t.zoo', recipe);
  for (let s = 0; s < 4; s++) {
    const path = workspace.path(`${s}.tar`);
    const members: [string, string | Uint8Array][] = [];
    for (let i = 10 * s; i < 10 * s + 10; i++)
      members.push([`${i}.png`, await plainPicture(6 * i)], [`${i}.txt`, `number ${i}`]);
    await writeTar(path, members);
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
  }
  workspace.writeTensors(
    'batches.safetensors',
    fixedBatches(3, 8, { resolution: 16, context: 8, vocab: 520 }),
  );
  await workspace.succeed(['train', 't.zoo#t', '--out', 'one', '--device', 'reference']);
});

describe.skipIf(launchers.length === 0)('ranks', () => {
  it.each(launchers)('of %s end with the weights of one process', (launcher) => {
    const two = onRanks(launcher, 2, train(launcher));
    expect(two.code, two.stderr).toBe(0);
    expect(two.stdout.trim().split('\n')).toHaveLength(1);
    // Double precision: the order of sums alone, and a rounding to f32 at the end.
    expect(apart(launcher, 'one')).toBeLessThan(2e-7);
  });

  it('that each read their own lanes save the place of all, and others go on', async () => {
    await workspace.succeed(argsOf('streams', 'streams-one'));
    const half = onRanks(launchers[0]!, 2, commandLine(argsOf('streams', 'streams-cut', '--steps', '4')));
    expect(half.code, half.stderr).toBe(0);
    const rest = onRanks(launchers[0]!, 4, commandLine(argsOf('streams', 'streams-cut', '--resume')));
    expect(rest.code, rest.stderr).toBe(0);
    expect(workspace.metrics('streams-cut')).toHaveLength(6);
    expect(apart('streams-cut', 'streams-one')).toBeLessThan(2e-7);
  });

  it('that were stopped are gone on with by others', async () => {
    const half = onRanks(launchers[0]!, 4, train('cut', '--steps', '4'));
    expect(half.code, half.stderr).toBe(0);
    const rest = await workspace.call([
      'train',
      't.zoo#t',
      '--out',
      'cut',
      '--device',
      'reference',
      '--resume',
    ]);
    expect(rest.code, rest.stderr).toBe(0);
    expect(rest.stderr).toContain('ranks: 4, now none');
    expect(apart('cut', 'one')).toBeLessThan(2e-7);
  });

  it.skipIf(launchers.length < 2)('of both libraries have the same bits', () => {
    expect(workspace.changed(launchers[0]!, launchers[1]!)).toEqual([]);
  });

  it('with a device each send gradients in halves: the same bits with both libraries', () => {
    for (const launcher of launchers) {
      const run = `${launcher}-halves`;
      const args = commandLine(['train', 't.zoo#t', '--out', run, '--set', 'wire=f16']);
      const two = onRanks(launcher, 2, args);
      expect(two.code, two.stderr).toBe(0);
      // Gradients are rounded by 2^-11 twice; where those of ranks cancel, AdamW makes more of what is left.
      const wanted = workspace.metrics('one');
      for (const [i, { loss, grad_norm: norm }] of workspace.metrics(run).entries()) {
        if (i === 0) expect(Math.abs(norm! / wanted[0]!.grad_norm! - 1)).toBeLessThan(2 ** -10);
        expect(Math.abs(loss / wanted[i]!.loss - 1), `step ${i}`).toBeLessThan(5e-4);
      }
    }
    const [first, second] = launchers;
    if (second) expect(workspace.changed(`${first}-halves`, `${second}-halves`)).toEqual([]);
  });

  it('that divide what the optimizer keeps, cut and gone on with, have the bits of those that do not', () => {
    const whole = onRanks(launchers[0]!, 2, commandLine(['train', 't.zoo#t', '--out', 'whole']));
    expect(whole.code, whole.stderr).toBe(0);
    for (const launcher of launchers) {
      const run = `${launcher}-shards`;
      const args = commandLine(['train', 't.zoo#t', '--out', run, '--set', 'shard=optimizer']);
      // The first step past a checkpoint, which is one itself; with the other library as one run.
      const cut = [['--steps', '3'], ['--resume']];
      for (const more of launcher === launchers[0] ? cut : [[]]) {
        const two = onRanks(launcher, 2, [...args, ...more]);
        expect(two.code, two.stderr).toBe(0);
      }
      expect(workspace.changed('whole', run)).toEqual([]);
    }
  });

  it('started by --ranks refuse a batch that they cannot divide, once', () => {
    const { code, stderr } = workspace.zooc([
      'train',
      't.zoo#t',
      '--out',
      'three',
      '--device',
      'reference',
      '--ranks',
      '3',
    ]);
    expect(code).not.toBe(0);
    expect(stderr.match(/error\[Z632\]/g)).toHaveLength(1);
    expect(existsSync(workspace.path('three'))).toBe(false);
  });

  it.each(launchers)(
    'started by --ranks with %s save what they agree on when it is told to stop',
    async (launcher) => {
      const run = workspace.path(`${launcher}-stopped`);
      const { child, ended } = await startedByRanks(launcher, run);
      child.kill('SIGTERM');
      const { code, stderr } = await ended;
      expect(code, stderr).toBe(0);
      expect(stderr.match(/SIGTERM: finishing/g)).toHaveLength(1);
      expect(processesOf(run)).toEqual([]);
      const { step } = JSON.parse(readFileSync(`${run}/checkpoints/latest.json`, 'utf8'));
      expect(workspace.metrics(`${launcher}-stopped`)).toHaveLength(step);
      expect(stderr).toContain(`stopped after ${step} steps`);
    },
  );

  it.each(launchers)('started by --ranks with %s end at a second signal', async (launcher) => {
    const run = workspace.path(`${launcher}-twice`);
    const { child, ended } = await startedByRanks(launcher, run);
    // With one that stands still, the others cannot agree.
    process.kill(processesOf(run).at(-1)!, 'SIGSTOP');
    child.kill('SIGTERM');
    // Longer than what counts as an echo of the first.
    await wait(400);
    child.kill('SIGTERM');
    expect((await ended).code).not.toBe(0);
    while (processesOf(run).length > 0) await wait(50);
  });

  it.each(launchers)('started by --ranks with %s end when what started them is killed', async (launcher) => {
    const run = workspace.path(`${launcher}-alone`);
    const { child, ended } = await startedByRanks(launcher, run);
    child.kill('SIGKILL');
    expect((await ended).stderr).toContain('what started the ranks is gone');
    while (processesOf(run).length > 0) await wait(50);
  });

  it.each(launchers)('of %s all end when one is killed; what was saved is gone on with', async (launcher) => {
    const run = `${launcher}-killed`;
    const args = commandLine(['train', 't.zoo#endless', '--out', run, '--device', 'reference']);
    const child: ChildProcess = spawn(launcher, ['-np', '2', process.execPath, ...args], {
      cwd: workspace.folder,
      env: ranksEnvironment,
    });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    const latest = workspace.path(`${run}/checkpoints/latest.json`);
    while (!existsSync(latest) && child.exitCode === null) await wait(20);
    const victim = processesOf(run)
      .filter((pid) => pid !== child.pid)
      .at(-1)!;
    process.kill(victim, 'SIGKILL');
    expect(await ended).not.toBe(0);
    // mpirun may end before the ranks that it has told to.
    while (processesOf(run).length > 0) await wait(50);
    const { step } = JSON.parse(readFileSync(latest, 'utf8'));
    const more = ['train', 't.zoo#endless', '--out', run, '--device', 'reference', '--resume'];
    await workspace.succeed([...more, '--steps', String(step + 1)]);
  });
});
