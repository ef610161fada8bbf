/** The day with a GPU: its programs are bounded, its time is shared out, and what it has is printed at any time. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { casesFor } from '../../../../bench/gpu/cases.ts';
import { estimateFor } from '../../../../bench/gpu/estimates.ts';
import { Clock, runFor } from '../../../../bench/gpu/stages.ts';
import { lavapipeProfile } from '../../../../compiler/profile.ts';
import { planCase } from '../../../../zoo/bench/cases.ts';
import { nodeHost } from '../../../../zoo/host.ts';

const script = (text: string, seconds = 60) => runFor(seconds, process.execPath, ['-e', text]);

describe('a stage of the day', () => {
  it('keeps what a program printed, and says in a line how it failed', async () => {
    expect(await script('console.log(1)')).toEqual({ stdout: '1\n' });
    expect(await script('console.log(1); console.error("no\\nmemory"); process.exit(3)')).toEqual({
      stdout: '1\n',
      failure: 'exit code 3: memory',
    });
    expect((await runFor(60, 'no-such-program', [])).failure).toMatch(/ENOENT/);
  });

  it('is ended with all that it started, and what it printed before is kept', async () => {
    // A child that holds the output open would keep a stage from ending.
    const holding = 'setInterval(() => {}, 1000)';
    const text = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(holding)}], { stdio: "inherit" });
      console.log("begun"); ${holding}`;
    expect(await script(text, 10)).toEqual({ stdout: 'begun\n', failure: 'ended after 10 s' });
  });

  it('has what earlier ones left over, and no more than is left of all', () => {
    let now = 0;
    const clock = new Clock(100, () => now);
    expect(clock.grant(30)).toBe(30);
    now = 10_000;
    expect(clock.grant(30)).toBe(50);
    now = 90_000;
    expect(clock.grant(80)).toBe(10);
    now = 120_000;
    expect(clock.grant(10)).toBe(0);
  });

  it('is started by a script that bash can read', () => {
    const { status, stderr } = spawnSync('bash', ['-n', 'bench/gpu/start'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('the cases of the day', () => {
  it.each(casesFor(true).map((test) => [test.name, test] as const))(
    'have a small %s for trials',
    (_, test) => {
      const plan = planCase(nodeHost(), test, lavapipeProfile, 'mixed');
      expect(plan.batch).toBe(4);
      expect(plan.memory.total).toBeLessThan(200e6);
    },
  );

  it('halve down to a smallest batch of interest', () => {
    for (const { batch, least } of casesFor(false))
      expect(Number.isInteger(Math.log2(batch / least))).toBe(true);
  });

  it('have estimates under names that exist, for the cards that they were made for', () => {
    const names = casesFor(false).map((c) => c.name);
    expect(names).toEqual(expect.arrayContaining(['vit-b32-train', 'vit-b32-image', 'vit-b32-text']));
    expect(estimateFor('AMD Radeon RX 7900 XTX (RADV NAVI31)', 'vit-b32-train mixed')).toBe(78.9);
    expect(estimateFor('NVIDIA H200', 'vit-b32-image f32')).toBe(87);
    expect(estimateFor('NVIDIA H200', 'vit-l14-train f32')).toBeUndefined();
    expect(estimateFor('llvmpipe', 'vit-b32-train mixed')).toBeUndefined();
  });
});
