/**
 * What a run of the fuzzers has reached: kinds of joins, schedules, ops, words of programs, by kind of device. The lists of all there
 * are come from the compiler, so that a new join, schedule, op or word that no random case reaches is named.
 */
import { joinKinds } from '../../compiler/joins/rules.ts';
import type { JoinPlan } from '../../compiler/joins/types.ts';
import { scheduleIds, searchSpaces } from '../../compiler/kernels/schedules/schedules.ts';
import type { ScheduleFamily } from '../../compiler/kernels/text/choices.ts';
import { builtinNamed, builtinNames } from '../../compiler/model/builtins/builtins.ts';
import { ops } from '../../compiler/ops/index.ts';
import { forwardPassNames, runForwardPasses } from '../../compiler/passes/index.ts';
import type { FuzzCase } from './cases/fuzz-case.ts';
import { type Outcome, profileOf, type ScheduleKind, scheduleKinds } from './execute.ts';

/** Plain data, so that processes can send it. */
export interface Tally {
  readonly counts: Record<string, number>;
}

export const emptyTally = (): Tally => ({ counts: {} });

function add({ counts }: Tally, key: string, times = 1): void {
  counts[key] = (counts[key] ?? 0) + times;
}

export function merge(into: Tally, from: Tally): void {
  for (const [key, times] of Object.entries(from.counts)) add(into, key, times);
}

/** Notes a case that was compared by the schedules of a kind. */
export function note(
  tally: Tally,
  c: FuzzCase,
  kind: ScheduleKind,
  { compiled, comparisons }: Outcome,
): void {
  const { parts, plan } = compiled;
  add(tally, `cases ${kind}`);
  let before = c.graph;
  runForwardPasses(c.graph, {
    observe: (pass, graph) => {
      if (graph !== before) add(tally, `rewrite ${kind} ${pass}`);
      before = graph;
    },
  });
  for (const { verdict } of comparisons.values()) add(tally, `outputs ${verdict}`);
  for (const { joins } of parts) {
    for (const { kind: join } of joins.joins) add(tally, `join ${kind} ${join}`);
    for (const [name, nodes] of layoutsOf(joins)) add(tally, `layout ${kind} ${name}`, nodes);
  }
  for (const { schedule } of [...plan.setup, ...plan.steps])
    if (schedule) add(tally, `schedule ${kind} ${schedule.family} ${schedule.id}`);
  const used = [c.graph, ...parts.map((p) => p.graph)].flatMap(({ nodes }) =>
    nodes.flatMap((n) =>
      n.op === 'map' ? [n.op, ...n.attrs.program.instructions.map((i) => i.op)] : [n.op],
    ),
  );
  for (const op of new Set(used)) add(tally, `op ${kind} ${op}`);
  for (const word of c.words ?? []) add(tally, `word ${kind} ${word}`);
}

function layoutsOf({ layouts }: JoinPlan): [name: string, nodes: number][] {
  const { columns, filters, inside, parts } = layouts;
  return Object.entries({ columns, filters, inside, parts }).map(([name, nodes]) => [name, nodes.size]);
}

/** Words that compute something; the others start weights, whose values the fuzzers choose, or ask about children. */
const words = builtinNames().filter(
  (name) => !['of a weight', 'a bool'].includes(builtinNamed(name)!.shapes),
);

/** Everything that a long run should reach; words where it has programs. */
function wanted(programs: boolean): string[] {
  const schedules = scheduleKinds.flatMap((kind) =>
    (Object.keys(searchSpaces) as ScheduleFamily[]).flatMap((family) =>
      scheduleIds(profileOf(kind), family).map((id) => `schedule ${kind} ${family} ${id}`),
    ),
  );
  const joins = joinKinds.map((kind) => `join * ${kind}`);
  const layouts = ['columns', 'filters', 'inside', 'parts'].map((name) => `layout * ${name}`);
  return [
    ...forwardPassNames.map((name) => `rewrite * ${name}`),
    ...joins,
    ...layouts,
    ...schedules,
    ...Object.keys(ops).map((op) => `op * ${op}`),
    ...(programs ? words.map((word) => `word * ${word}`) : []),
  ];
}

/** What was not reached; `*` stands for any kind of schedules. */
export function missing({ counts }: Tally): string[] {
  const programs = Object.keys(counts).some((key) => key.startsWith('word '));
  return wanted(programs).filter((key) =>
    scheduleKinds.every((kind) => (counts[key.replace('*', kind)] ?? 0) === 0),
  );
}

/** A line for each group of counts. */
export function report({ counts }: Tally): string {
  const groups = new Map<string, string[]>();
  for (const [key, times] of Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [what, kind, ...rest] = key.split(' ') as [string, string, ...string[]];
    const group = rest.length === 0 ? what : `${what}s, ${kind}`;
    groups.set(group, [
      ...(groups.get(group) ?? []),
      `${rest.length === 0 ? kind : rest.join(' ')} ${times}`,
    ]);
  }
  return [...groups].map(([group, entries]) => `${group}: ${entries.join(', ')}`).join('\n');
}
