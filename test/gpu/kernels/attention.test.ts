/**
 * Attention and its gradients against the f64 reference, causal or not, for the sequence lengths of the
 * published models.
 *
 * Operands are slices of one [B, T, 3, H, D] buffer, as models make them, besides dense and unaligned ones.
 * Gradients get the reference's log-sum-exp, rounded to f32, and any delta: the formula holds for every
 * delta.
 *
 * The schedules of software adapters run on the device, where there is one; those of GPUs by the text of their
 * kernels, and once on the device, over 577 tokens: each kernel costs software adapters seconds of compiling.
 */
import { describe, expect, test } from 'vitest';
import { attentionLowerings } from '../../../compiler/kernels/attention/attention.ts';
import type { Lower } from '../../../compiler/kernels/text/kernel.ts';
import { opOf } from '../../../compiler/ops/index.ts';
import { appleProfile, type DeviceKind, type DeviceProfile } from '../../../compiler/profile.ts';
import { byKind, checkOp, kinds, type Runners, randomInput } from '../support/check-op.ts';
import { type Layout, openGpu, profileOf, runOp, type TestInput } from '../support/harness.ts';

const gpu = await openGpu();
const runners = byKind(gpu);
type AttentionOp = keyof typeof attentionLowerings;
const ops = Object.keys(attentionLowerings) as AttentionOp[];

interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
}

/** Where head rows lie: `packed` is a slice of q, k, v of one token side by side. */
type Placement = 'dense' | 'packed' | 'unaligned';

function placed(s: Sizes, rows: number, seed: number, placement: Placement, which = 0): TestInput {
  const shape = [s.batch, s.heads, rows, s.width];
  if (placement === 'dense') return randomInput(shape, seed);
  // Physical [B, T, heads before + H + heads behind, D].
  const odd = placement === 'unaligned' ? 1 : 0;
  const layout: Layout = {
    order: [0, 2, 1, 3],
    before: [0, which * s.heads, 0, odd],
    after: [0, (2 - which) * s.heads, odd, 0],
  };
  return randomInput(shape, seed, placement === 'packed' ? { layout, share: 'qkv' } : { layout });
}

async function checkAll(
  s: Sizes,
  causal: boolean,
  placement: Placement,
  some: readonly AttentionOp[] = ops,
  on: readonly (DeviceKind | DeviceProfile)[] = kinds,
  runner: Runners = runners,
): Promise<void> {
  const attrs = { causal, scale: 1 / Math.sqrt(s.width) };
  const q = placed(s, s.queries, 1, placement, 0);
  const k = placed(s, s.keys, 2, placement, 1);
  const v = placed(s, s.keys, 3, placement, 2);
  const dout = placed(s, s.queries, 4, placement === 'packed' ? 'dense' : placement);
  const perQuery = [s.batch, s.heads, s.queries];
  const lse = opOf('attention_lse').reference([q, k], attrs, perQuery).data.map(Math.fround);
  const delta = randomInput(perQuery, 5, { layout: { order: [0, 2, 1] } });
  const inputs = [q, k, v, dout, { shape: perQuery, data: lse }, delta];
  for (const op of some) {
    const count = op === 'attention' ? 3 : op === 'attention_lse' ? 2 : 6;
    const lower = attentionLowerings[op] as Lower<AttentionOp>;
    const given = inputs.slice(0, count);
    for (const kind of on) {
      const profile = typeof kind === 'string' ? profileOf(kind) : kind;
      await checkOp<AttentionOp>({ gpu: runner, op, lower, attrs, inputs: given, profile, terms: s.keys });
    }
  }
}

const packed: Sizes = { batch: 2, heads: 3, width: 64, queries: 77, keys: 77 };

describe('attention', () => {
  test('causal, packed heads, all gradients', () => checkAll(packed, true, 'packed'));

  test('full, packed heads, all gradients', () =>
    checkAll({ ...packed, batch: 1, heads: 2, queries: 50, keys: 50 }, false, 'packed', ops, ['gpu']));

  // Invocations have two rows instead of four.
  test('on Apple’s GPUs, all gradients', async () => {
    const sizes = { batch: 1, heads: 2, queries: 41, keys: 50, width: 72 };
    await checkAll(sizes, true, 'packed', ops, [appleProfile]);
    await checkAll({ ...sizes, queries: 7, width: 19 }, false, 'unaligned', ops, [appleProfile]);
  });

  test('widths and offsets that are no multiples of 4, more keys than queries', async () => {
    const sizes = { batch: 2, heads: 2, queries: 19, keys: 43, width: 10 };
    await checkAll(sizes, true, 'unaligned');
  });

  test('fewer keys than queries', async () => {
    const sizes = { batch: 1, heads: 2, queries: 41, keys: 9, width: 32 };
    await checkAll(sizes, false, 'dense');
  });

  // Those of software adapters are in schedules/attention.test.ts.
  test.each([1, 7])('all gradients of %i tokens', (tokens) =>
    checkAll({ batch: 1, heads: 2, queries: tokens, keys: tokens, width: 36 }, true, 'dense', ops, ['gpu']),
  );

  test.each([1, 197])('%i tokens', (tokens) =>
    checkAll({ batch: 1, heads: 2, queries: tokens, keys: tokens, width: 64 }, false, 'packed', [
      'attention',
    ]),
  );

  test.skipIf(!gpu)('577 tokens, all gradients, on the device', async () => {
    const sizes = { batch: 1, heads: 1, queries: 577, keys: 577, width: 64 };
    await checkAll(sizes, true, 'packed', ops, ['gpu'], gpu);
    await checkAll({ ...sizes, heads: 2 }, false, 'packed', ['attention'], ['cpu'], gpu);
  });

  test('heads of width 80 and 128', async () => {
    const sizes = { batch: 1, heads: 2, queries: 33, keys: 33 };
    await checkAll({ ...sizes, width: 80 }, true, 'dense', ['attention']);
    await checkAll({ ...sizes, width: 128 }, true, 'dense', ['attention', 'attention_grad_k']);
  });

  test('one query over many keys, as attention pooling', () =>
    checkAll({ batch: 3, heads: 4, queries: 1, keys: 50, width: 64 }, false, 'dense', ['attention']));

  test('large scores do not overflow', async () => {
    const shape = [1, 2, 13, 64];
    const [q, k, v] = [1, 2, 3].map((seed) => randomInput(shape, seed)) as [TestInput, TestInput, TestInput];
    // Equal scores of 64 * 3 * 3 = 576, whose exp is beyond f32; all keys weigh the same, exactly.
    const large = [q, k].map((input) => ({ ...input, data: input.data.map(() => 3) }));
    const attrs = { causal: true, scale: 1 };
    await checkOp({
      gpu: runners,
      op: 'attention',
      lower: attentionLowerings.attention,
      attrs,
      inputs: [...large, v],
    });
  });

  test.skipIf(!gpu)('reruns give the same bits', async () => {
    const { batch, heads, queries, width } = packed;
    const shape = [batch, heads, queries, width];
    const rows = [1, 2, 3, 4].map((seed) => randomInput(shape, seed));
    const inputs = [...rows, ...[5, 6].map((seed) => randomInput(shape.slice(0, 3), seed))];
    const type = { dtype: 'f32' as const, shape };
    const attrs = { causal: true, scale: 0.125 };
    const lower = attentionLowerings.attention_grad_k;
    const run = () => runOp(gpu!, lower, 'attention_grad_k', attrs, inputs, type, profileOf('cpu'));
    expect(await run()).toEqual(await run());
  });
});
