/** Fits a linear probe. */
import { predicted } from '../metrics/classification.ts';
import { type Minimum, minimize } from './lbfgs.ts';
import { type Labelled, type ProbeData, scoresOf, weightRows } from './objective.ts';

export interface Probe {
  readonly classes: number;
  readonly width: number;
  /** Weights [k, width], then biases [k]. */
  readonly parameters: Float64Array;
  /** C Σ nll + ½|W|² at the optimum. */
  readonly objective: number;
  readonly iterations: number;
  readonly converged: boolean;
}

/** As many as CLIP's paper allows (section A.3). */
const mostIterations = 1000;

/**
 * @param C weight of the data against the penalty; not divided by the number of rows
 * @param start parameters to begin with, those of a neighbouring C for example
 */
export async function fitProbe(data: ProbeData, C: number, start?: Float64Array): Promise<Probe> {
  const { width, classes } = data;
  const weights = weightRows(classes) * width;
  const evaluate = async (at: Float64Array) => {
    const { value, gradient } = await data.evaluate(at);
    let penalty = 0;
    const whole = gradient.map((g, i) => {
      if (i >= weights) return C * g;
      penalty += at[i]! * at[i]!;
      return C * g + at[i]!;
    });
    return { value: C * value + penalty / 2, gradient: whole };
  };
  const { at, value, iterations, converged }: Minimum = await minimize(
    evaluate,
    start ?? new Float64Array(weights + weightRows(classes)),
    { iterations: mostIterations, tolerance: data.precision },
  );
  return { classes, width, parameters: at, objective: value, iterations, converged };
}

/** Class of each row. */
export function classify(
  { parameters, classes }: Pick<Probe, 'parameters' | 'classes'>,
  data: Pick<Labelled, 'features' | 'width'>,
): number[] {
  const scores = new Float64Array(classes);
  return Array.from({ length: data.features.length / data.width }, (_, row) => {
    scoresOf(data, row, parameters, scores);
    return predicted(scores);
  });
}
