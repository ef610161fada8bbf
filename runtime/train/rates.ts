/**
 * Rates of single weights, from the lines of a recipe: `lr`, `weight_decay`, `layer_decay`.
 *
 * Layer decay follows the data and not the order of declarations: a weight outside of the blocks counts to the
 * first of them that is computed from it (patch embedding and positions to the first block), or has the full
 * rate (the norm and the projection behind them). Weights of other towers that a block may also read stay as
 * they are.
 */
import type { Graph } from '../../compiler/graph/types.ts';
import { blocksOf } from '../../compiler/model/build/structure.ts';
import type { BlockNode, Recipe } from '../../compiler/model/types.ts';
import { blocksMatching, matchesGlob } from '../../compiler/model/values/globs.ts';
import { rateOf, type WeightRate } from '../../compiler/optimizers.ts';

/** Rates of all weights of a recipe that sets some by pattern; undefined where none does. */
export function weightRates(recipe: Recipe, loss: Graph): ReadonlyMap<string, WeightRate> | undefined {
  const { model, optimizer, rates } = recipe;
  if (rates.length === 0) return undefined;
  const found = new Map(
    model.weights.map((w) => [w.name, { lr: optimizer.lr, layer: 1, decay: rateOf(optimizer, w).decay }]),
  );
  for (const { rate, pattern, value } of rates) {
    if (rate === 'layer_decay') {
      for (const [name, layer] of layerFactors(model.root, loss, pattern, value))
        found.get(name)!.layer = layer;
      continue;
    }
    const holds = blocksMatching([pattern]);
    for (const [name, weight] of found)
      if (holds(name) !== undefined) weight[rate === 'lr' ? 'lr' : 'decay'] = value;
  }
  return new Map(
    [...found].map(([name, { lr, layer, decay }]) => [name, { scale: (lr / optimizer.lr) * layer, decay }]),
  );
}

/** What base rates are multiplied by: 1 in the last block that fits, `decay` in the one before, and so on. */
function layerFactors(root: BlockNode, loss: Graph, pattern: string, decay: number): Map<string, number> {
  const factors = new Map<string, number>();
  for (const { tower, blocks } of chainsOf(root, pattern)) {
    const owned = blocks.map(namesIn);
    const inBlocks = new Set(owned.flatMap((names) => [...names]));
    const needed = owned.map((names) => [...namesBehind(loss, names)].filter((n) => !inBlocks.has(n)));
    const inTower = namesIn(tower);
    const near = needed.some((names) => names.some((n) => inTower.has(n))) ? inTower : namesIn(root);
    const seen = new Set<string>();
    owned.forEach((names, i) => {
      const first = needed[i]!.filter((n) => near.has(n) && !seen.has(n));
      for (const name of [...names, ...first]) {
        seen.add(name);
        factors.set(name, decay ** (blocks.length - 1 - i));
      }
    });
  }
  return factors;
}

/** Blocks of one tower that fit a pattern, in order. */
interface Chain {
  readonly tower: BlockNode;
  readonly blocks: BlockNode[];
}

/** A tower is a child of the model that holds blocks that fit; the model where they are its own children. */
function chainsOf(root: BlockNode, pattern: string): Chain[] {
  const own: Chain = { tower: root, blocks: [] };
  const chains = [own];
  for (const child of root.children) {
    if (fits(child, pattern)) own.blocks.push(child);
    else chains.push({ tower: child, blocks: child.children.flatMap((c) => outermost(c, pattern)) });
  }
  return chains;
}

/** Blocks that fit; of blocks within each other the outermost. */
function outermost(block: BlockNode, pattern: string): BlockNode[] {
  if (fits(block, pattern)) return [block];
  return block.children.flatMap((child) => outermost(child, pattern));
}

/** Blocks without weights do not count. */
function fits(block: BlockNode, pattern: string): boolean {
  return block.path !== '' && matchesGlob(pattern, block.path) && namesIn(block).size > 0;
}

function namesIn(block: BlockNode): Set<string> {
  return new Set([...blocksOf(block)].flatMap((b) => b.weights.map((w) => w.name)));
}

/** Weights that the values are computed from which meet weights of these names. */
function namesBehind({ nodes }: Graph, names: ReadonlySet<string>): Set<string> {
  const isOne = (id: number) => {
    const node = nodes[id]!;
    return node.op === 'param' && names.has(node.attrs.name);
  };
  const needed = nodes.map((node) => node.inputs.some(isOne));
  for (let id = nodes.length - 1; id >= 0; id--)
    if (needed[id]) for (const input of nodes[id]!.inputs) needed[input] = true;
  return new Set(nodes.flatMap((node, id) => (needed[id] && node.op === 'param' ? [node.attrs.name] : [])));
}
