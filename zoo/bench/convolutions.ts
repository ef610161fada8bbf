/**
 * The 3×3 convolutions of RN50 beside matrix products of equal size: what it costs that nothing is unfolded.
 *
 * A convolution is a product of [pixels, 9 × channels] and [9 × channels, filters] whose left operand is
 * never made. Both take turns, so that a machine's drift meets both alike, and the fastest runs count, since
 * interruptions only add time.
 */
import { compileGraph } from '../../compiler/compile.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import type { Device, Session } from '../../runtime/types.ts';
import { fill, type MatmulShape, matmulPlan, timeOnce } from './measure.ts';

interface ConvolutionShape {
  readonly channels: number;
  readonly filters: number;
  /** Rows and columns of the result. */
  readonly side: number;
  readonly stride: number;
}

/** The name by which `--only` picks them. */
export const convolutionsName = 'convolutions';

/**
 * Every distinct 3×3 convolution of RN50 at 224 px: the three of the stem, then those of the four
 * layers, which pool behind them.
 */
export const convolutionShapes: readonly ConvolutionShape[] = [
  { channels: 3, filters: 32, side: 112, stride: 2 },
  { channels: 32, filters: 32, side: 112, stride: 1 },
  { channels: 32, filters: 64, side: 112, stride: 1 },
  { channels: 64, filters: 64, side: 56, stride: 1 },
  { channels: 128, filters: 128, side: 56, stride: 1 },
  { channels: 128, filters: 128, side: 28, stride: 1 },
  { channels: 256, filters: 256, side: 28, stride: 1 },
  { channels: 256, filters: 256, side: 14, stride: 1 },
  { channels: 512, filters: 512, side: 14, stride: 1 },
  { channels: 512, filters: 512, side: 7, stride: 1 },
];

const batch = 8;

/**
 * The convolution alone, over images as the model has them: pictures by channels, features
 * with channels innermost.
 */
export function convolutionPlan(
  { channels, filters, side, stride }: ConvolutionShape,
  profile: Device['profile'],
): VerifiedPlan {
  const b = createBuilder();
  const source = side * stride;
  const picture = channels === 3;
  const shape = picture ? [batch, channels, source, source] : [batch, source, source, channels];
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape });
  const image = picture ? x : b.add('transpose', [x], { perm: [0, 3, 1, 2] });
  const w = b.add('param', [], { name: 'w', shape: [filters, channels, 3, 3], role: 'param' });
  const y = b.add('conv2d', [image, w], { stride, padding: 1, groups: 1, dilation: 1 });
  // One element is asked for: the rest stays where a next layer would read it, without a copy.
  const one = b.add('slice', [y], { starts: [0, 0, 0, 0], ends: [1, 1, 1, 1] });
  const options = { model: 'bench', entry: 'convolution', batch, mode: 'eval', profile } as const;
  return compileGraph(b.finish([{ name: 'y', node: one }]), options);
}

export function productOf({ channels, filters, side }: ConvolutionShape): MatmulShape {
  return { m: batch * side * side, n: filters, k: 9 * channels };
}

export interface ConvolutionRate extends ConvolutionShape {
  /** GFLOP/s of the fastest run, of the convolution and of the product. */
  readonly gflops: number;
  readonly productGflops: number;
  readonly ratio: number;
}

async function openFilled(device: Device, plan: VerifiedPlan): Promise<Session> {
  const session = await device.open(plan);
  const size = (shape: readonly number[]) => shape.reduce((a, n) => a * n, 1);
  for (const { name, shape } of plan.weights) session.writeWeight(name, fill(size(shape)));
  for (const { name, shape } of plan.inputs) session.writeInput(name, fill(size(shape)));
  return session;
}

/** Rates of every shape; `runs` timed runs of each, in turns with its product. */
export async function measureConvolutions(device: Device, runs: number): Promise<ConvolutionRate[]> {
  const rates: ConvolutionRate[] = [];
  const inner = device.profile.kind === 'gpu' ? 32 : 1;
  for (const shape of convolutionShapes) {
    const convolution = await openFilled(device, convolutionPlan(shape, device.profile));
    const product = await openFilled(device, matmulPlan(productOf(shape), device.profile));
    try {
      const seconds: [number, number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      for (const session of [convolution, product]) await timeOnce(session, 1);
      for (let i = 0; i < runs; i++)
        for (const [which, session] of [convolution, product].entries())
          seconds[which] = Math.min(seconds[which]!, await timeOnce(session, inner));
      const { m, n, k } = productOf(shape);
      const [gflops, productGflops] = seconds.map((t) => (2 * m * n * k) / t / 1e9) as [number, number];
      rates.push({ ...shape, gflops, productGflops, ratio: gflops / productGflops });
    } finally {
      convolution.close();
      product.close();
    }
  }
  return rates;
}
