/** Similarities of two sets of features: small ones on the host in double precision, large ones on the device. */
import { compileGraph } from '../../compiler/compile.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { Expressions } from '../../compiler/ops/expressions.ts';
import { hostBlocks, type Visit } from '../../runtime/eval/metrics/blocks.ts';
import type { Device, Session } from '../../runtime/types.ts';
import type { Matrix } from './data/feature-files.ts';
import { hostProducts, type OpenDevice } from './probe-data.ts';

/** Elements of a block's candidates, and of its similarities. */
const blockElements = 2 ** 24;
const mostQueries = 1024;

/** A session that multiplies `queries` [q, width] by `candidates` [n, width] to `scores` [q, n]. */
export function openProducts(
  device: Device,
  queries: number,
  candidates: number,
  width: number,
): Promise<Session> {
  const b = createBuilder();
  const input = (name: string, rows: number) =>
    b.add('input', [], { name, dtype: 'f32', shape: [rows, width] });
  const scores = new Expressions(b).matmul(
    input('queries', queries),
    input('candidates', candidates),
    false,
    true,
  );
  const graph = b.finish([{ name: 'scores', node: scores }]);
  const { profile } = device;
  return device.open(
    compileGraph(graph, { model: 'similarities', entry: 'scores', batch: queries, mode: 'eval', profile }),
  );
}

/** Rows `[first, first + count)`, filled up with zeros. */
function rowsOf({ data, width }: Matrix, first: number, count: number): Float32Array {
  const part = data.subarray(first * width, (first + count) * width);
  if (part.length === count * width) return part;
  const filled = new Float32Array(count * width);
  filled.set(part);
  return filled;
}

interface BlockSizes {
  readonly queries: number;
  readonly candidates: number;
}

/** Blocks computed on a device. */
export class DeviceSimilarities {
  readonly #session: Session;
  readonly #queries: Matrix;
  readonly #candidates: Matrix;
  readonly #sizes: BlockSizes;

  private constructor(session: Session, queries: Matrix, candidates: Matrix, sizes: BlockSizes) {
    this.#session = session;
    this.#queries = queries;
    this.#candidates = candidates;
    this.#sizes = sizes;
  }

  static async open(
    device: Device,
    queries: Matrix,
    candidates: Matrix,
    sizes: BlockSizes,
  ): Promise<DeviceSimilarities> {
    const session = await openProducts(device, sizes.queries, sizes.candidates, queries.width);
    return new DeviceSimilarities(session, queries, candidates, sizes);
  }

  /** Candidates go to the device once, whatever the number of queries. */
  readonly visit: Visit = async (each) => {
    const [session, queries, candidates] = [this.#session, this.#queries, this.#candidates];
    const { queries: rows, candidates: columns } = this.#sizes;
    for (let firstCandidate = 0; firstCandidate < candidates.rows; firstCandidate += columns) {
      const found = Math.min(columns, candidates.rows - firstCandidate);
      session.writeInput('candidates', rowsOf(candidates, firstCandidate, columns));
      for (let firstQuery = 0; firstQuery < queries.rows; firstQuery += rows) {
        session.writeInput('queries', rowsOf(queries, firstQuery, rows));
        session.run();
        const scores = (await session.read('scores')) as Float32Array;
        const asked = Math.min(rows, queries.rows - firstQuery);
        const own = found === columns ? scores : withoutPadding(scores, asked, columns, found);
        each({ scores: own, firstQuery, firstCandidate, queries: asked, candidates: found });
      }
    }
  };

  close(): void {
    this.#session.close();
  }
}

function withoutPadding(scores: Float32Array, rows: number, columns: number, found: number): Float32Array {
  const own = new Float32Array(rows * found);
  for (let row = 0; row < rows; row++)
    own.set(scores.subarray(row * columns, row * columns + found), row * found);
  return own;
}

/**
 * @param queries and `candidates` with rows of length 1 for cosines
 * @param device opened when it is needed
 * @param keep closes what was opened when all is done
 */
export async function similarities(
  queries: Matrix,
  candidates: Matrix,
  device: OpenDevice,
  keep: <C extends { close(): void }>(resource: C) => C,
): Promise<Visit> {
  const { width } = queries;
  if (candidates.width !== width) throw new Error(`features of ${width} and ${candidates.width} numbers`);
  const small = queries.rows * candidates.rows * width <= hostProducts;
  const opened = small ? undefined : await device();
  if (opened === undefined) return hostBlocks(queries.data, candidates.data, width);
  const most = Math.min(candidates.rows, Math.max(1, Math.floor(blockElements / width)));
  const together = Math.min(queries.rows, mostQueries, Math.max(1, Math.floor(blockElements / most)));
  const sizes = { queries: together, candidates: most };
  return keep(await DeviceSimilarities.open(opened, queries, candidates, sizes)).visit;
}
