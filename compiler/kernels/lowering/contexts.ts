/**
 * What lowering rules see: a node with its operands whole, as the join plan has it, or one slice of it.
 *
 * A value that no view can express is copied just before its consumer.
 */
import type { Node } from '../../graph/types.ts';
import { numericShape } from '../../graph/types.ts';
import type { JoinIndex } from '../../joins/plan.ts';
import type { JoinConsumers, JoinKind } from '../../joins/types.ts';
import type { DeviceProfile } from '../../profile.ts';
import type { Kernel, LowerContext } from '../text/kernel.ts';
import { slicePart } from '../text/slices.ts';
import { isDense, type Storage, type View } from '../text/view.ts';
import { type Part, partOf } from './parts.ts';
import type { Values } from './values.ts';

abstract class Context implements LowerContext {
  protected readonly values: Values;

  constructor(values: Values) {
    this.values = values;
  }

  get profile(): DeviceProfile {
    return this.values.profile;
  }

  abstract node(id: number): Node;
  abstract view(id: number): View;
  abstract result(node: Node, strides?: readonly number[]): View;
  abstract joined<K extends JoinKind>(producer: Node, kind: K): JoinConsumers[K] | undefined;
  abstract columnCopy(node: Node): View | undefined;

  dense(id: number): View {
    const view = this.view(id);
    return isDense(view) ? view : this.values.copy(view, this.node(id));
  }

  rows(id: number, axis: number): View {
    const view = this.view(id);
    const tail = { ...view, shape: view.shape.slice(axis), strides: view.strides.slice(axis) };
    return isDense(tail) ? view : this.values.copy(view, this.node(id));
  }

  window(view: View): View {
    return this.values.windows.within(view);
  }

  scratch(elements: number, dtype: Storage['dtype'], label: string): Storage {
    return this.values.scratch(elements, dtype, label);
  }

  cached(source: View, make: () => View): View {
    return this.values.cached(source, make);
  }

  emit(kernel: Kernel): void {
    this.values.emit(kernel);
  }
}

/** A node with its operands and its result as they are. */
export class WholeContext extends Context {
  readonly #joins: JoinIndex;

  constructor(values: Values, joins: JoinIndex) {
    super(values);
    this.#joins = joins;
  }

  node(id: number): Node {
    return this.values.node(id);
  }

  view(id: number): View {
    return this.values.view(id);
  }

  result(node: Node, strides?: readonly number[]): View {
    return this.values.allocateResult(node, strides);
  }

  joined<K extends JoinKind>(producer: Node, kind: K): JoinConsumers[K] | undefined {
    return this.#joins.consumerOf(producer.id, kind);
  }

  columnCopy(node: Node): View | undefined {
    return this.values.columnCopy(node);
  }
}

/**
 * One slice of a node along its first axis: operands and result look like the slice, bound as windows of the
 * whole.
 */
export class PartContext extends Context {
  readonly #part: Part;

  constructor(values: Values, part: Part) {
    super(values);
    this.#part = part;
  }

  node(id: number): Node {
    const { sliced, count, aliases } = this.#part;
    const node = this.values.node(aliases.get(id) ?? id);
    return sliced.has(id) ? partOf(node, numericShape(node.type)[0]! / count) : node;
  }

  view(id: number): View {
    const { sliced, ownWindows, inputs, aliases } = this.#part;
    const whole = (input: number) => this.values.view(aliases.get(input) ?? input);
    if (ownWindows && !sliced.has(id)) return whole(id);
    const slice = (input: number) => (sliced.has(input) ? slicePart(whole(input), this.#part) : whole(input));
    return this.values.windows.within(slice(id), inputs.map(slice));
  }

  result(node: Node, wanted?: readonly number[]): View {
    const { results, index, count } = this.#part;
    if (results.partial) {
      const [step, ...strides] = results.partial.strides as [number, ...number[]];
      const offset = results.partial.offset + index * step;
      const shape = results.partial.shape.slice(1);
      return this.values.windows.alone({ ...results.partial, shape, strides, offset });
    }
    results.whole ??= this.values.allocateResult(this.values.node(node.id), wanted);
    return this.window(count === 1 ? results.whole : slicePart(results.whole, this.#part));
  }

  /** The plan joins nothing with a node that is done in parts. */
  joined(): undefined {
    return undefined;
  }

  columnCopy(): undefined {
    return undefined;
  }
}
