/** Runs numbered cases by all kinds of schedules, counts what they reach, and makes small what fails. */
import { printGraph } from '../../compiler/graph/print.ts';
import { printJoins } from '../../compiler/joins/print.ts';
import type { Device } from '../../runtime/types.ts';
import type { FuzzCase } from './cases/fuzz-case.ts';
import { randomGraph } from './cases/graphs.ts';
import { caseOfProgram, programText, randomProgram, statementsOf } from './cases/programs.ts';
import { emptyTally, note, type Tally } from './coverage.ts';
import { caseFor, Judge, runCase, type ScheduleKind, scheduleKinds } from './execute.ts';
import type { Mismatch } from './noise.ts';
import { type Check, shrink, sizeOfCase } from './shrink.ts';

/** Where cases come from, by the word that names one: `graph 17`. */
const sources = { graph: randomGraph, program: randomProgram } as const satisfies Record<
  string,
  (n: number) => FuzzCase
>;
export type Source = keyof typeof sources;

export interface Failure {
  /** `graph 17, cpu` */
  readonly name: string;
  /** Nodes that compute something, before and after it was made small. */
  readonly nodes: readonly [before: number, after: number];
  /** Everything that a reader needs: the graph, its joins, what differs. */
  readonly text: string;
}

export interface RangeResult {
  readonly tally: Tally;
  readonly failures: readonly Failure[];
}

export interface RangeOptions {
  readonly source: Source;
  readonly numbers: Iterable<number>;
  readonly kinds?: readonly ScheduleKind[];
  /** Runs on this adapter instead of by translated text. */
  readonly device?: Device;
  /** Failures after which to stop. */
  readonly most?: number;
  /** Called behind every case. */
  readonly progress?: (n: number) => void;
}

export async function runRange(options: RangeOptions): Promise<RangeResult> {
  const { source, numbers, kinds = scheduleKinds, device, most = 5, progress = () => {} } = options;
  const tally = emptyTally();
  const failures: Failure[] = [];
  for (const n of numbers) {
    const c = sources[source](n);
    const judge = new Judge(c);
    for (const kind of kinds) {
      const failed = await failureOf(c, judge, kind, device, tally);
      if (failed !== undefined) failures.push(await explain(source, n, kind, device));
      if (failures.length >= most) return { tally, failures };
    }
    progress(n);
  }
  return { tally, failures };
}

/** How a case fails, without numbers: `mismatch`, or the message of an error; undefined where all is well. */
async function failureOf(
  c: FuzzCase,
  judge: Judge,
  kind: ScheduleKind,
  device: Device | undefined,
  tally?: Tally,
): Promise<string | undefined> {
  try {
    const outcome = await runCase(c, judge, kind, device);
    if (tally) note(tally, c, kind, outcome);
    return outcome.mismatches.length > 0 ? 'mismatch' : undefined;
  } catch (error) {
    return withoutNumbers(error as Error);
  }
}

function withoutNumbers({ message }: Error): string {
  return message.split('\n')[0]!.replace(/\d+/g, '#').slice(0, 80);
}

async function explain(
  source: Source,
  n: number,
  kind: ScheduleKind,
  device: Device | undefined,
): Promise<Failure> {
  const check = async (next: FuzzCase) => {
    try {
      return await failureOf(next, new Judge(next), kind, device);
    } catch {
      return undefined;
    }
  };
  const whole = sources[source](n);
  const program = source === 'program' ? await smallProgram(n, check) : undefined;
  const found = program ? program.case : whole;
  const small = found.chunk ? found : await shrink(caseFor(found, kind), check);
  const name = `${whole.name}, ${kind}`;
  const { wrt, precision, remat, training, deviation } = small;
  const settings = JSON.stringify({ wrt, precision, remat, training, deviation, chunk: small.chunk?.size });
  const text = `${name}\n${program?.text ?? ''}${printGraph(small.graph)}${settings}\n${await details(small, kind, device)}`;
  return { name, nodes: [sizeOfCase(whole), sizeOfCase(small)], text };
}

/** Leaves statements of a program out for as long as it fails in the same way. */
async function smallProgram(
  n: number,
  check: Check,
): Promise<{ readonly case: FuzzCase; readonly text: string }> {
  let without: ReadonlySet<number> = new Set<number>();
  const made = () => caseOfProgram({ number: n, without });
  const failure = await check(made());
  for (let i = statementsOf({ number: n, without }) - 1; i >= 0; i--) {
    const before = without;
    without = new Set([...without, i]);
    if ((await check(made())) !== failure) without = before;
  }
  return { case: made(), text: programText({ number: n, without }) };
}

/** What differs and which joins there are, or the error. */
async function details(c: FuzzCase, kind: ScheduleKind, device: Device | undefined): Promise<string> {
  try {
    const { mismatches, compiled } = await runCase(c, new Judge(c), kind, device);
    const steps = compiled.plan.steps.map((s) => s.label).join(', ');
    const joins = compiled.parts.map((p) => printJoins(p.graph, p.joins)).join('');
    return `${joins}kernels: ${steps}\n${mismatches.map(describe).join('\n')}\n`;
  } catch (error) {
    return `${(error as Error).message.split('\n')[0]}\n`;
  }
}

function describe({ output, element, found, expected, tolerance, share }: Mismatch): string {
  const percent = `${(100 * share).toPrecision(3)} % of the largest`;
  return `${output}[${element}] is ${found}, expected ${expected} ± ${tolerance.toExponential(1)} (off by ${percent})`;
}
