/** Metrics and classifiers from features, against what scikit-learn gives (test/fixtures/generate/formulas/evaluation.py). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Tensor } from '../../../zoo/weights/formats/safetensors.ts';
import { root, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

type Numbers = readonly number[];
type Rows = readonly Numbers[];

// biome-ignore lint/suspicious/noExplicitAny: what a script of another language wrote
function golden(name: string): any {
  return JSON.parse(readFileSync(join(root, 'test', 'fixtures', 'evaluate', `${name}.json`), 'utf8'));
}

const floats = (rows: Rows): Tensor => ({
  dtype: 'F32',
  shape: [rows.length, rows[0]!.length],
  data: Float32Array.from(rows.flat()),
});
const ints = (values: Numbers): Tensor => ({
  dtype: 'I32',
  shape: [values.length],
  data: Int32Array.from(values),
});
const longs = (values: Numbers): Tensor => ({
  dtype: 'I64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

function write(name: string, tensors: Readonly<Record<string, Tensor>>): string {
  workspace.writeTensors(`${name}.safetensors`, new Map(Object.entries(tensors)));
  return `${name}.safetensors`;
}

/** Metrics of the one result. Everything here is small enough for the host: no device is opened. */
async function metrics(args: readonly string[]): Promise<Record<string, number>> {
  const { code, stderr } = await workspace.call(['evaluate', ...args, '--out', 'out.json']);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const [result, ...others] = JSON.parse(readFileSync(workspace.path('out.json'), 'utf8'));
  expect(others).toEqual([]);
  return result.metrics;
}

async function refused(args: readonly string[]): Promise<string> {
  const { code, stderr } = await workspace.call(['evaluate', ...args, '--out', 'no.json']);
  expect(code).toBe(1);
  expect(() => readFileSync(workspace.path('no.json'))).toThrow();
  return stderr;
}

describe('zero-shot scores', () => {
  it('of one right class', async () => {
    const { scores, labels, acc1, acc5, mean_per_class_recall } = golden('classification');
    const test = write('single', { scores: floats(scores), labels: longs(labels) });
    const found = await metrics(['--task', 'zeroshot', '--test', test]);
    for (const [name, value] of Object.entries({ acc1, acc5, mean_per_class_recall }))
      expect(found[name], name).toBeCloseTo(value, 12);
  });

  it('of several right classes', async () => {
    const { scores, targets, mean_average_precision, mean_eleven_point, roc_auc } = golden('multilabel');
    const flat = ints((targets as Rows).flat());
    const test = write('multi', {
      scores: floats(scores),
      targets: { ...flat, shape: [targets.length, targets[0].length] },
    });
    const found = await metrics(['--task', 'zeroshot', '--test', test]);
    expect(found.mean_average_precision).toBeCloseTo(mean_average_precision, 12);
    expect(found.eleven_point).toBeCloseTo(mean_eleven_point, 12);
    const mean = (roc_auc as Numbers).reduce((a, b) => a + b) / roc_auc.length;
    expect(found.roc_auc).toBeCloseTo(mean, 12);
  });
});

describe('retrieval', () => {
  it('counts a picture as found by any of its texts', async () => {
    const expected = golden('retrieval');
    const test = write('retrieval', {
      image_features: floats(expected.image_features),
      text_features: floats(expected.text_features),
      image_of_text: ints(expected.image_of_text),
    });
    const found = await metrics(['--task', 'retrieval', '--test', test]);
    for (const k of [1, 5, 10])
      for (const way of ['image', 'text'])
        expect(found[`${way}_retrieval_recall@${k}`], `${way} ${k}`).toBeCloseTo(
          expected[`${way}_retrieval_recall@${k}`],
          12,
        );
    expect(found.image_retrieval_median_rank).toBe(expected.median_rank_image_retrieval);
    expect(found.text_retrieval_median_rank).toBe(expected.median_rank_text_retrieval);
  });
});

describe('nearest neighbours', () => {
  const { X, y, X_test, y_test, k } = golden('knn');
  const args = () => [
    ...['--task', 'knn', '--features', write('knn-train', { features: floats(X), labels: ints(y) })],
    ...['--test', write('knn-test', { features: floats(X_test), labels: ints(y_test) })],
  ];

  it.each([
    ['all votes alike', [], 'uniform_accuracy'],
    ['votes by similarity', ['--temperature', '0.07'], 'weighted_accuracy'],
  ])('%s', async (_, temperature, key) => {
    const found = await metrics([...args(), ...temperature]);
    expect(found).toEqual({
      'knn_acc1@1': expect.closeTo(k[1][key], 12),
      'knn_acc1@10': expect.closeTo(k[10][key], 12),
      'knn_acc1@20': expect.closeTo(k[20][key], 12),
    });
  });
});

interface ProbeFit {
  readonly C: number;
  readonly objective: number;
  readonly train_accuracy: number;
  readonly test_accuracy: number;
  readonly test_mean_per_class: number;
}

interface ProbeCase {
  readonly name: string;
  readonly X: Rows;
  readonly y: Numbers;
  readonly X_test: Rows;
  readonly y_test: Numbers;
  readonly fits: readonly ProbeFit[];
}

describe('linear probe', () => {
  const { cases } = golden('linear_probe');

  const fits = cases.flatMap((data: ProbeCase) => data.fits.map((fit) => ({ ...data, ...fit })));

  it.each<ProbeCase & ProbeFit>(fits)('$name, C = $C: the optimum of scikit-learn', async (one) => {
    const { name, C } = one;
    const slug = name.replaceAll(/\W+/g, '-');
    const found = await metrics([
      ...['--task', 'probe', '--C', `${C}`],
      ...['--features', write(`${slug}-train`, { features: floats(one.X), labels: ints(one.y) })],
      ...['--test', write(`${slug}-test`, { features: floats(one.X_test), labels: ints(one.y_test) })],
    ]);
    // The reference ran to a tolerance of 1e-12; its second method agrees to 1e-6.
    expect(Math.abs(found.objective! / one.objective - 1)).toBeLessThan(1e-7);
    expect(found).toMatchObject({
      C,
      train_accuracy: expect.closeTo(one.train_accuracy, 12),
      lp_acc1: expect.closeTo(one.test_accuracy, 12),
      lp_mean_per_class_recall: expect.closeTo(one.test_mean_per_class, 12),
    });
  });

  const [four] = cases;
  const train = () => write('four-train', { features: floats(four.X), labels: ints(four.y) });
  const test = () => write('four-test', { features: floats(four.X_test), labels: ints(four.y_test) });

  it('chooses C on rows held out, the same always', async () => {
    const args = ['--task', 'probe', '--features', train(), '--test', test()];
    const found = await metrics(args);
    expect(Math.log10(found.C!) * 8).toBeCloseTo(Math.round(Math.log10(found.C!) * 8), 9);
    expect(await metrics(args)).toEqual(found);
  });

  it('chooses C on the validation rows that are given, and fits all rows with it', async () => {
    const valid = write('four-valid', { features: floats(four.X.slice(40)), labels: ints(four.y.slice(40)) });
    const half = write('four-half', {
      features: floats(four.X.slice(0, 40)),
      labels: ints(four.y.slice(0, 40)),
    });
    const base = ['--task', 'probe', '--test', test()];
    const found = await metrics([...base, '--features', half, '--validation', valid]);
    const whole = await metrics([...base, '--features', train(), '--C', `${found.C}`]);
    expect(found.objective).toBeCloseTo(whole.objective!, 6);
    expect(found.train_accuracy).toBe(whole.train_accuracy);
  });
});

describe('files that do not fit are refused', () => {
  const X = floats([
    [1, 2],
    [3, 4],
  ]);
  it.each([
    ['no --test', () => ['--task', 'zeroshot'], 'a model and data sets, or --test FILE'],
    ['no --task', () => ['--test', 'x.safetensors'], 'needs --task'],
    [
      'labels beyond the scores',
      () => ['--task', 'zeroshot', '--test', write('a', { scores: X, labels: ints([0, 2]) })],
      'labels: value 1 is 2, and they go from 0 to 1',
    ],
    [
      'more labels than rows',
      () => ['--task', 'zeroshot', '--test', write('b', { scores: X, labels: ints([0, 1, 1]) })],
      'labels is [3], and [2] would fit',
    ],
    [
      'a missing tensor',
      () => ['--task', 'zeroshot', '--test', write('c', { score: X })],
      'there is no tensor scores, F32 [N, D]; it holds score',
    ],
    [
      'numbers that are none',
      () => [
        '--task',
        'zeroshot',
        '--test',
        write('d', { scores: floats([[1, Number.NaN]]), labels: ints([0]) }),
      ],
      'scores[0, 1] is NaN',
    ],
    [
      'features of other widths',
      () => [
        ...['--task', 'knn', '--features', write('e', { features: X, labels: ints([0, 1]) })],
        ...['--test', write('f', { features: floats([[1, 2, 3]]), labels: ints([0]) })],
      ],
      'have 3 numbers each, those of e.safetensors have 2',
    ],
    [
      'one class alone',
      () => {
        const file = write('g', { features: X, labels: ints([1, 1]) });
        return ['--task', 'probe', '--C', '1', '--features', file, '--test', file];
      },
      'a probe needs two classes',
    ],
    [
      'too few rows to hold any out',
      () => {
        const file = write('h', { features: X, labels: ints([0, 1]) });
        return ['--task', 'probe', '--features', file, '--test', file];
      },
      'no class has 5 rows',
    ],
  ])('%s', async (_, args, message) => {
    expect(await refused(args())).toContain(message);
  });
});
