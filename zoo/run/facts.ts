/** What the report of a run says of its model, and of the machine that trains it. */
import { cpus, release, totalmem } from 'node:os';
import { entryFlops } from '../../compiler/flops.ts';
import { sizeOf } from '../../compiler/graph/types.ts';
import { blocksOf } from '../../compiler/model/index.ts';
import type { BlockNode, Model, Recipe } from '../../compiler/model/types.ts';
import { size } from '../../runtime/report/format.ts';
import type { RunFacts } from '../../runtime/report/node/log.ts';
import type { Summary } from '../../runtime/report/types.ts';
import { version } from '../version.ts';
import type { Executor } from './devices.ts';

type Tower = Summary['towers'][number];

/** Nothing of it tells who trained, or where: no name of a host or a user, no path, no variable. */
function environmentOf(executor: Executor): Record<string, string> {
  const [cpu] = cpus();
  return {
    zooc: version,
    node: process.version,
    system: `${process.platform} ${process.arch}, ${release()}`,
    processor: cpu === undefined ? 'unknown' : `${cpu.model.trim()}, ${cpus().length} threads`,
    memory: size(totalmem()),
    adapter: executor.name,
    ...(executor.kind === 'device' && executor.driver !== undefined ? { driver: executor.driver } : {}),
  };
}

function towerOf(
  name: string,
  block: string,
  nodes: Iterable<BlockNode>,
  trained: (name: string) => boolean,
): Tower {
  const params = [...nodes].flatMap((node) => node.weights.filter((w) => w.kind === 'param'));
  const count = (list: typeof params) => list.reduce((sum, w) => sum + sizeOf(w.shape), 0);
  return { name, block, parameters: count(params), trained: count(params.filter((w) => trained(w.name))) };
}

/** The root's children and, where the root has weights of its own, those. */
function towersOf({ root }: Model, trained: (name: string) => boolean): Tower[] {
  const children = root.children.map((child) =>
    towerOf(child.name, child.definition?.name ?? child.kind, blocksOf(child), trained),
  );
  const own = towerOf('(own)', root.definition?.name ?? root.kind, [root], trained);
  return [...children, own].filter(({ parameters }) => parameters > 0);
}

const signature = (list: readonly { readonly name: string; readonly shape: string }[]) =>
  list.map(({ name, shape }) => `${name} ${shape}`).join(', ');

export function runFacts({ name, model, batch }: Recipe, executor: Executor): RunFacts {
  return {
    recipe: name,
    model: model.name,
    batch,
    parameters: model.parameters,
    entries: model.entries.map((entry) => ({
      name: entry.name,
      inputs: signature(entry.inputs),
      outputs: signature(entry.outputs),
      flops: entryFlops(model, entry.name),
    })),
    environment: environmentOf(executor),
    towers: (trained) => towersOf(model, trained),
  };
}
