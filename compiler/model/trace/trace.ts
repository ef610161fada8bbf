/**
 * Graphs of a model: what its forward, an entry beside it, or an objective over its forward computes.
 */
import { type Graph, movedPrefix, type Output } from '../../graph/types.ts';
import type { Root } from '../build/tree.ts';
import type { EntryName, ObjectiveChoice } from '../types.ts';
import { entryNamed } from '../values/instance.ts';
import type { Session } from '../values/session.ts';
import type { TraceOptions, Tracer } from '../values/tracer.ts';
import { openTrace, type Traced, traceDeclared, traceForward } from './callable.ts';
import { boundGraph } from './indices.ts';
import type { Trace } from './inputs.ts';
import { applyObjective, lossEntry } from './objective.ts';
import { towersOf } from './tower.ts';

/** What a model declares under this name is given beside its loss. */
const companion = 'logits';

/** Traces an entry by name: `forward`, `loss`, or one that the root block declares. */
function traceNamed(trace: Trace, entry: EntryName, options: TraceOptions): Traced | undefined {
  if (entry === 'forward') return traceForward(trace);
  const declared = entryNamed(trace.root.instance, entry);
  if (declared !== undefined) return traceDeclared(trace, declared);
  const forward = traceForward(trace);
  if (forward === undefined) return undefined;
  if (entry === lossEntry) return traceLoss(trace, forward, options.objective);
  const tower = towersOf(trace, forward).find(({ name }) => name === entry);
  if (tower === undefined) throw new Error(`there is no entry ${entry}`);
  return tower.traced;
}

/** The loss over a traced forward, beside the outputs of `logits` where the model declares it. */
export function traceLoss(trace: Trace, forward: Traced, objective?: ObjectiveChoice): Traced | undefined {
  const loss = applyObjective(trace, forward, objective);
  return loss && { ...loss, outputs: [...companionOf(trace, forward), ...loss.outputs] };
}

/** Outputs of `logits`, where it takes what the forward takes. */
function companionOf(trace: Trace, forward: Traced): readonly Output[] {
  const declared = entryNamed(trace.root.instance, companion);
  const logits = declared && traceDeclared(trace, declared);
  return logits?.inputs.every((input) => forward.inputs.includes(input)) ? logits.outputs : [];
}

/** The graph of one entry, or undefined after a report. */
export function traceRoot(
  root: Root,
  entry: EntryName,
  session: Session,
  options: TraceOptions,
): Graph | undefined {
  const traced = (with_: TraceOptions) => {
    const trace = openTrace(root, session, with_);
    const found = traceNamed(trace, entry, with_);
    return found && { trace, found };
  };
  let made = traced(options);
  if (made?.trace.tracer.randomness.used && options.batch !== undefined) {
    // An objective draws nothing: the forward says all.
    const { batch: _, ...open } = options;
    const trace = openTrace(root, session, open);
    const found = entry === lossEntry ? traceForward(trace) : traceNamed(trace, entry, open);
    const learnt = found && trace.tracer.randomness.learnt;
    made = learnt && traced({ ...options, randomRows: learnt });
  }
  if (made === undefined || session.hasErrors) return undefined;
  const { trace, found } = made;
  const outputs = [...found.outputs, ...movedStatistics(trace, found.outputs)];
  const graph = trace.tracer.builder.finish(outputs);
  const bound = boundGraph(graph, trace);
  if (options.gives !== undefined) tellGiven(trace, outputs, options.gives);
  return session.hasErrors ? undefined : bound;
}

/** What blocks gave, each call once, and none that the outputs do without. */
function tellGiven(
  { tracer }: Trace,
  outputs: readonly Output[],
  gives: NonNullable<TraceOptions['gives']>,
): void {
  const reached = reachedFrom(tracer, outputs);
  const told = new Set<string>();
  for (const { block, nodes } of tracer.given) {
    const key = `${block} ${nodes.join()}`;
    if (told.has(key) || nodes.length === 0 || !nodes.every((id) => reached.has(id))) continue;
    told.add(key);
    gives(
      block,
      nodes.map((id) => tracer.builder.type(id)),
    );
  }
}

/** The nodes that outputs need. */
function reachedFrom({ builder }: Tracer, outputs: readonly Output[]): Set<number> {
  const reached = new Set<number>();
  const pending = outputs.map((o) => o.node);
  while (pending.length > 0) {
    const id = pending.pop()!;
    if (reached.has(id)) continue;
    reached.add(id);
    pending.push(...builder.node(id).inputs);
  }
  return reached;
}

/** The running statistics that the part of the model behind `outputs` moves, as `buffer.<name>`. */
function movedStatistics({ tracer }: Trace, outputs: readonly Output[]): Output[] {
  const reached = reachedFrom(tracer, outputs);
  return [...tracer.statistics].flatMap(([name, { node, from }]) =>
    reached.has(from) ? [{ name: movedPrefix + name, node }] : [],
  );
}
