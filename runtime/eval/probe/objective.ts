/**
 * The objective of a linear probe, as scikit-learn's `LogisticRegression` states it: C Σ nll + ½|W|², the bias free.
 * More than two classes have a row of weights each (softmax); two share one row (a sigmoid), which for equal C is
 * another, stronger regularisation than two rows would be.
 */
import type { Evaluated } from './lbfgs.ts';

/** Features in rows, and what each row is. */
export interface Labelled {
  /** [rows, width]. */
  readonly features: Float32Array;
  readonly width: number;
  /** From 0. */
  readonly labels: Int32Array;
}

/** The part of the objective that depends on the data, and its gradient by weights and biases. */
export interface ProbeData {
  readonly width: number;
  readonly classes: number;
  /** Smallest relative difference of values that means something. */
  readonly precision: number;
  /**
   * Σ nll and its gradient.
   * @param parameters weights [k, width], then biases [k]; k rows as `weightRows` has them
   */
  evaluate(parameters: Float64Array): Promise<Evaluated>;
  close(): void;
}

/** Rows of weights: one for two classes. */
export function weightRows(classes: number): number {
  return classes === 2 ? 1 : classes;
}

/** A row's scores of all classes. */
export function scoresOf(
  { features, width }: Pick<Labelled, 'features' | 'width'>,
  row: number,
  parameters: Float64Array,
  into: Float64Array,
): void {
  const k = weightRows(into.length);
  // Of two classes the first one's score is 0.
  const first = into.length - k;
  into.fill(0, 0, first);
  for (let c = 0; c < k; c++) {
    let sum = parameters[k * width + c]!;
    for (let i = 0; i < width; i++) sum += features[row * width + i]! * parameters[c * width + i]!;
    into[first + c] = sum;
  }
}

/** On the host, in double precision. */
export function hostData(data: Labelled, classes: number): ProbeData {
  const { features, width, labels } = data;
  const k = weightRows(classes);
  const first = classes - k;
  const scores = new Float64Array(classes);
  const evaluate = (parameters: Float64Array): Evaluated => {
    const gradient = new Float64Array(parameters.length);
    let value = 0;
    for (const [row, label] of labels.entries()) {
      scoresOf(data, row, parameters, scores);
      const most = scores.reduce((a, b) => Math.max(a, b));
      let total = 0;
      for (const score of scores) total += Math.exp(score - most);
      value += most + Math.log(total) - scores[label]!;
      for (let c = 0; c < k; c++) {
        const error = Math.exp(scores[first + c]! - most) / total - (first + c === label ? 1 : 0);
        gradient[k * width + c]! += error;
        for (let i = 0; i < width; i++) gradient[c * width + i]! += error * features[row * width + i]!;
      }
    }
    return { value, gradient };
  };
  return {
    width,
    classes,
    precision: 1e-11,
    evaluate: async (parameters) => evaluate(parameters),
    close: () => {},
  };
}
