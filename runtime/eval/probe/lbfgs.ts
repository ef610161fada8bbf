/**
 * L-BFGS (Nocedal & Wright, algorithm 7.4): minimises a smooth function from its values and gradients, with the last
 * steps as its picture of the curvature.
 */

export interface Evaluated {
  readonly value: number;
  readonly gradient: Float64Array;
}

interface Options {
  readonly iterations: number;
  /** Relative decrease below which an iteration counts as none: what the function's rounding leaves. */
  readonly tolerance: number;
}

export interface Minimum {
  readonly at: Float64Array;
  readonly value: number;
  readonly iterations: number;
  /** False where the iterations ended it. */
  readonly converged: boolean;
}

/** Steps remembered. */
const memory = 10;
/** As many iterations without a decrease worth the name end the search. */
const patience = 3;
/** Share of the decrease promised by the slope that a step must bring (Armijo). */
const sufficient = 1e-4;
const mostHalvings = 30;

const dot = (a: Float64Array, b: Float64Array) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

/** `a + factor b`. */
const plus = (a: Float64Array, factor: number, b: Float64Array) => a.map((x, i) => x + factor * b[i]!);

interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly rho: number;
}

/** Where the quadratic picture has its minimum, seen from here: two loops over the remembered steps. */
function direction(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  let q = gradient;
  const alphas = new Array<number>(pairs.length);
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { step, change, rho } = pairs[i]!;
    alphas[i] = rho * dot(step, q);
    q = plus(q, -alphas[i]!, change);
  }
  const last = pairs.at(-1);
  const scale =
    last === undefined
      ? 1 / Math.max(1, Math.sqrt(dot(gradient, gradient)))
      : 1 / (last.rho * dot(last.change, last.change));
  q = q.map((x) => x * scale);
  for (const [i, { step, change, rho }] of pairs.entries())
    q = plus(q, alphas[i]! - rho * dot(change, q), step);
  return q.map((x) => -x);
}

/** @param evaluate the function and its gradient; arrays stay its caller's */
export async function minimize(
  evaluate: (at: Float64Array) => Promise<Evaluated>,
  start: Float64Array,
  { iterations, tolerance }: Options,
): Promise<Minimum> {
  let at = start;
  let here = await evaluate(at);
  let pairs: Pair[] = [];
  let idle = 0;
  for (let iteration = 1; iteration <= iterations; iteration++) {
    const done = (): Minimum => ({ at, value: here.value, iterations: iteration, converged: true });
    let along = direction(here.gradient, pairs);
    let slope = dot(here.gradient, along);
    if (!(slope < 0)) {
      // Rounding has spoiled the picture; the plain gradient is still right.
      pairs = [];
      along = direction(here.gradient, pairs);
      slope = dot(here.gradient, along);
      if (!(slope < 0)) return done();
    }
    let length = 1;
    let next = plus(at, length, along);
    let there = await evaluate(next);
    for (let halving = 0; !(there.value <= here.value + sufficient * length * slope); halving++) {
      if (halving === mostHalvings || -length * slope <= tolerance * Math.abs(here.value)) break;
      length /= 2;
      next = plus(at, length, along);
      there = await evaluate(next);
    }
    const decrease = here.value - there.value;
    if (!(decrease >= 0)) {
      if (pairs.length === 0) return done();
      pairs = [];
      if (++idle >= patience) return done();
      continue;
    }
    const step = plus(next, -1, at);
    const change = plus(there.gradient, -1, here.gradient);
    const curvature = dot(step, change);
    if (curvature > 1e-14 * Math.sqrt(dot(step, step) * dot(change, change)))
      pairs = [...pairs, { step, change, rho: 1 / curvature }].slice(-memory);
    idle = decrease <= tolerance * Math.abs(there.value) ? idle + 1 : 0;
    at = next;
    here = there;
    if (idle >= patience) return done();
  }
  return { at, value: here.value, iterations, converged: false };
}
