/**
 * The text form of a join plan: a line for each join, stable for goldens. `%3 layer_norm + %4 add :
 * epilogue`.
 */

import type { Graph } from '../graph/types.ts';
import { nodeAt } from '../graph/types.ts';
import type { JoinPlan } from './types.ts';

export function printJoins(graph: Graph, { joins, layouts }: JoinPlan): string {
  const named = (id: number) => `%${id} ${nodeAt(graph, id).op}`;
  const lines = [
    ...joins.map(({ kind, producer, consumer }) => `${named(producer)} + ${named(consumer)} : ${kind}`),
    ...[...layouts.inside].map(([id, { concat }]) => `${named(id)} : inside ${named(concat)}`),
    ...[...layouts.columns.keys()].map((id) => `${named(id)} : by columns`),
    ...[...layouts.filters].map((id) => `${named(id)} : in the order of taps`),
    ...[...layouts.parts].map((id) => `${named(id)} : in parts`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}
