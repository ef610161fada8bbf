/**
 * `npm run words`: the table of all words, each in three sizes, by WebGPU on the adapter at hand.
 *
 * `npm run words -- cumsum` for the cases with that word, `--sizes small,odd` for some sizes, `--text` by the text of kernels
 * without an adapter. A pair of errors is that of values and of gradients, of the largest element; `worst` is the largest error of
 * any result, of what rounding may make of it. Ends with 1 where something is wrong, which is printed below its line.
 */
import { parseArgs } from 'node:util';
import { formatShape } from '../../compiler/graph/types.ts';
import { openGpu } from '../../runtime/node/gpu.ts';
import { type Measured, measure } from './measure.ts';
import { type Sample, samplesOf } from './samples.ts';
import { sizes } from './word-case.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sizes: { type: 'string', default: sizes.join(',') },
    text: { type: 'boolean', default: false },
  },
});

const short = (error: number | undefined) =>
  error === undefined ? '-' : error === 0 ? '0' : error.toExponential(1);

function cellsOf({ errors, differences, worst }: Measured): string[] {
  const pairs = [...errors.values()].map((e) => `${short(e.values)} ${short(e.gradients)}`);
  return [...pairs, short(differences), worst.toFixed(2)];
}

const titles = ['f32 cpu', 'f32 gpu', 'mixed cpu', 'mixed gpu', 'differences', 'worst'];

function print(cells: readonly string[], what: string): void {
  console.log(`${cells.map((cell) => cell.padEnd(16)).join('')}${what}`);
}

function describe({ expression, shapes, batch = 1, training }: Sample): string {
  const named = Object.entries(shapes).map(([name, shape]) => `${name} ${formatShape(shape)}`);
  const mode = [...(batch === 1 ? [] : [`B ${batch}`]), ...(training ? ['training'] : [])];
  return `${expression}   ${[...named, ...mode].join(', ')}`;
}

/** Prints a line; what is wrong with it, be it that there is no plan. */
async function printed(sample: Sample): Promise<readonly string[]> {
  try {
    const measured = await measure(sample, gpu?.device);
    print(cellsOf(measured), describe(sample));
    return measured.faults;
  } catch (error) {
    print([], describe(sample));
    return [(error as Error).message];
  }
}

const wanted = (sample: Sample) =>
  positionals.length === 0 || positionals.some((word) => sample.expression.includes(word));
const gpu = values.text ? undefined : await openGpu();
print(titles, 'word');
let [count, faulty] = [0, 0];
for (const size of sizes.filter((s) => values.sizes.split(',').includes(s)))
  for (const sample of samplesOf(size).filter(wanted)) {
    const faults = await printed(sample);
    for (const fault of faults) console.log(`    ${fault}`);
    count++;
    if (faults.length > 0) faulty++;
  }
console.log(`${count} cases, ${faulty} with faults`);
gpu?.device.close();
process.exitCode = faulty > 0 || count === 0 ? 1 : 0;
