/** `zooc plan`: what a step costs ranks, told to people and to scripts. */
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { root, Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const recipe = join(root, 'examples/emoji/emoji.zoo#quick');
const plan = async (...args: string[]) => {
  const { stdout, stderr } = await workspace.succeed(['plan', recipe, ...args]);
  return { stdout, stderr };
};

describe('zooc plan', () => {
  it('tells a script what a step of one rank takes, under the assumptions that it is given', async () => {
    const args = ['--ranks', '4', '--network', '10', '--latency', '0', '--tflops', '2', '--json'];
    const cost = JSON.parse((await plan(...args)).stdout);
    expect(cost).toMatchObject({
      recipe: 'quick',
      ranks: 4,
      batch: 128,
      pairs: 32,
      chunk: 32,
      chunks: 1,
      assumptions: { network: 10, latency: 0, tflops: 2, networkEfficiency: 0.8, staging: 12 },
      // 128 pictures and 128 captions of 64 numbers.
      features: 2 * 128 * 64 * 4,
    });
    const { network, staged, seconds } = cost.traffic.gradients;
    expect(network).toBe(1.5 * cost.memory.gradients);
    expect(seconds).toBeCloseTo(network / 1e9 + staged / 12e9, 12);
    expect(cost.work.encode.seconds).toBeCloseTo(cost.work.encode.flops / 2e12, 12);
    expect(cost.seconds.total).toBeCloseTo(cost.seconds.compute + cost.seconds.communication, 12);
  });

  it('tells people, with the memory of a rank and what it assumed', async () => {
    const { stdout, stderr } = await plan('--ranks', '2', '--set', 'chunk=16');
    expect(stderr).toBe('');
    expect(stdout).toContain('quick of emoji: 128 pairs a step; on each of 2 ranks 64, 4 chunks of 16');
    expect(stdout).toMatch(/^gradients +1\.\d MB +\d\.\d MB +2 /m);
    expect(stdout).toMatch(/^workspace +[\d.]+ MiB/m);
    expect(stdout).toContain('assumed: 50 TFLOP/s (--tflops), a link of 100 Gbit/s (--network)');
    expect((await plan('--ranks', '2', '--set', 'wire=f16')).stdout).toMatch(/^gradients .* in halves$/m);
    const optimizerOf = (text: string) => Number(/^optimizer +([\d.]+) MiB/m.exec(text)![1]);
    const sharded = (await plan('--ranks', '2', '--set', 'shard=optimizer')).stdout;
    expect(sharded).toMatch(/^weights .* in f32, of the rank that updates them$/m);
    // As the table rounds them; and blocks of the norm are not divided.
    expect(optimizerOf(sharded) / optimizerOf(stdout)).toBeCloseTo(0.5, 1);
    const alone = await plan('--ranks', '1');
    expect(alone.stdout).toContain('nothing is exchanged');
    expect(alone.stdout).toContain('efficiency 100.0 %');
  });

  it('says which rows of the loss a rank computes, and warns where they are all of them', async () => {
    const free = ['--network', '1e6', '--latency', '0', '--tflops', '0.001'];
    const on = (objective: string) =>
      plan('--ranks', '128', '--set', 'batch=16384', '--set', `objective=${objective}`, ...free);
    const shared = await on('contrastive');
    expect(shared.stderr).toBe('');
    expect(shared.stdout).toMatch(/^loss .* 128 rows of 16,384 pairs$/m);
    expect(shared.stdout).toMatch(/^loss .* results of rows$/m);
    // Its gradient looks for the nearest of the wrong ones.
    const whole = await on('triplet');
    expect(whole.stderr).toMatch(
      /warning\[Z639\]: every rank computes the loss of all 16,384 pairs, \d\d\.\d % of/,
    );
    expect(whole.stdout).toMatch(/^loss .* of all 16,384 pairs, on every rank$/m);
  });

  it('tells the step where gradients travel while others are computed, where there is more than a piece', async () => {
    workspace.write(
      'large.zoo',
      `train "r" of "ViT-B/32" {
        data = csv("pairs.csv")
        batch = 1024
        optimizer = adamw(lr = 1e-3)
        schedule = constant(total = 1 steps)
      }`,
    );
    const large = await workspace.succeed(['plan', 'large.zoo#r', '--ranks', '8']);
    const seconds = (pattern: RegExp) => Number(pattern.exec(large.stdout)?.[1]);
    const [whole, overlapped] = [/^step ([\d.]+) ms/m, /^where gradients travel .*: step ([\d.]+) ms/m].map(
      seconds,
    );
    expect(overlapped).toBeLessThan(whole!);
    expect((await plan('--ranks', '2')).stdout).not.toContain('where gradients travel');
  });

  it.each([
    [['--ranks', '0'], 'error[Z703]: --ranks 0'],
    [['--ranks', '3'], 'error[Z632]: recipe quick: batch = 128 cannot be divided among 3 ranks'],
    [['--ranks', '2', '--network', '0'], 'error[Z703]: --network 0: expected a number above 0'],
    [['--ranks', '2', '--latency', '-1'], 'error[Z703]: --latency -1: expected a number, 0 or more'],
    [['--ranks', '2', '--tflops', 'fast'], 'error[Z703]: --tflops fast'],
  ])('refuses %j', async (args, message) => {
    const { code, stdout, stderr } = await workspace.call(['plan', recipe, ...args]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(message);
  });
});
