/**
 * What one trace accumulates: the graph under construction, the batch, and which fused kernels may stand for
 * bodies.
 */
import type { Builder } from '../../graph/builder.ts';
import { createBuilder } from '../../graph/create-builder.ts';
import type { Dim, Origin, TensorType } from '../../graph/types.ts';
import type { ObjectiveChoice, Weight } from '../types.ts';
import { Randomness } from './randomness.ts';
import type { Instance, Value } from './values.ts';

export interface TraceOptions {
  /** Rows of the batch; open (`B`) when absent. */
  readonly batch?: number;
  /** Batch norm uses the batch's own statistics and moves its running ones (outputs `buffer.<name>`). */
  readonly training?: boolean;
  /** Buffers that training leaves alone, by weight name: their batch norms keep to the running statistics. */
  readonly frozen?: (name: string) => boolean;
  /** Ranks over which batch norm takes the batch's own statistics; each knows its own rows alone by default. */
  readonly normRanks?: number;
  /** Objective of the `loss` entry; the model's own by default. */
  readonly objective?: ObjectiveChoice;
  /** What random numbers belong to, as a trace with an open batch found. */
  readonly randomRows?: Randomness['rows'];
  /** Replace bodies by fused kernels (default); `false` compiles the bodies, for comparison. */
  readonly fuse?: boolean;
  /**
   * Told what each call of a block gives, by the block's number in the tree (parents first), as far as the outputs need it. With
   * it every node says its block.
   */
  readonly gives?: (block: number, results: readonly TensorType[]) => void;
}

export class Tracer {
  readonly builder: Builder = createBuilder();
  readonly batch: Dim;
  readonly training: boolean;
  readonly normRanks: number;
  readonly fuse: boolean;
  readonly frozen: (name: string) => boolean;
  readonly randomness: Randomness;
  /**
   * Moved statistics by buffer name: the node of the new value, and the batch's mean that stands for its use.
   */
  readonly statistics = new Map<string, { readonly node: number; readonly from: number }>();

  /** The numbers of blocks, where the trace was asked for them. */
  readonly blocks: ReadonlyMap<Instance, number>;
  /** What the blocks gave, call by call. */
  readonly given: { readonly block: number; readonly nodes: readonly number[] }[] = [];

  /** What instances gave, by their arguments. */
  readonly #calls = new Map<Instance, { readonly nodes: readonly number[]; readonly value: Value }[]>();

  constructor(options: TraceOptions, blocks: Tracer['blocks'] = new Map()) {
    this.blocks = blocks;
    this.batch = options.batch ?? { symbol: 'B', mul: 1 };
    this.training = options.training ?? false;
    this.normRanks = options.normRanks ?? 1;
    this.fuse = options.fuse ?? true;
    this.frozen = options.frozen ?? (() => false);
    this.randomness = new Randomness(options.randomRows);
  }

  /** What an instance gave when it was called on these tensors before. */
  recall(instance: Instance, nodes: readonly number[]): Value | undefined {
    return this.#calls.get(instance)?.find((call) => sameNumbers(call.nodes, nodes))?.value;
  }

  remember(instance: Instance, nodes: readonly number[], value: Value): void {
    const calls = this.#calls.get(instance) ?? [];
    this.#calls.set(instance, [...calls, { nodes, value }]);
  }

  /** Notes what a block gave: tensors, alone or in records and lists. */
  give(block: number, value: Value): void {
    this.given.push({ block, nodes: tensorsIn(value) });
  }

  /** The node of a weight or buffer. */
  weight(weight: Weight, origin: Origin): number {
    const attrs = { name: weight.name, shape: weight.shape, role: weight.kind };
    return this.builder.add('param', [], attrs, origin);
  }

  /** The latest value of a running statistic: a block that is called twice moves it twice. */
  statistic(buffer: Weight, origin: Origin): number {
    return this.statistics.get(buffer.name)?.node ?? this.weight(buffer, origin);
  }
}

function tensorsIn(value: Value): number[] {
  if (value.kind === 'tensor') return [value.node];
  if (value.kind === 'record') return [...value.fields.values()].flatMap(tensorsIn);
  return value.kind === 'list' ? value.items.flatMap(tensorsIn) : [];
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}
