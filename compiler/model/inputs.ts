/** The inputs of a graph, and what each can hold by its type. */
import { anyId } from '../graph/index-ranges.ts';
import type { Graph } from '../graph/types.ts';
import type { OpAttributes } from '../ops/attributes.ts';
import { randomInput } from '../ops/philox.ts';
import type { ModelInput } from './types.ts';

/** What a traced graph is fed by its caller. */
export function inputsOf({ nodes }: Graph): ModelInput[] {
  return nodes.flatMap(({ op, attrs }) =>
    op === 'input' && attrs.name !== randomInput ? [modelInput(attrs)] : [],
  );
}

/** An input by the attributes of its node: sizes are numbers, but that of the batch. */
export function modelInput({ name, dtype, shape, table, ids }: OpAttributes['input']): ModelInput {
  const sizes = (table ? shape : shape.slice(1)) as readonly number[];
  const said = { ...(table ? { table } : {}), ...(ids === undefined ? {} : { ids }) };
  return { name, dtype: dtype as ModelInput['dtype'], sizes, ...said };
}

/** How many ids an input has; undefined where no table and no declaration bounds them. */
export function vocabularyOf({ ids }: Pick<ModelInput, 'ids'>): number | undefined {
  return ids === undefined || ids.max >= anyId.max ? undefined : ids.max + 1;
}

/** Element types that a safetensors file may hold an input in. */
export const storedAs: Readonly<Record<ModelInput['dtype'], readonly string[]>> = {
  f32: ['F32'],
  i32: ['I32', 'I64'],
};

/** The name under which a file holds an input: its own, or the plural of it (`images` for `image`). */
export function storedName({ name }: ModelInput, held: ReadonlyMap<string, unknown>): string {
  return !held.has(name) && held.has(`${name}s`) ? `${name}s` : name;
}

/** `label i32[B]`, `dose [B, 3]` */
export function formatInput({ name, dtype, sizes, table }: ModelInput): string {
  return `${name} ${dtype === 'i32' ? 'i32' : ''}[${[...(table ? [] : ['B']), ...sizes].join(', ')}]`;
}

/** [B, 3, R, R] */
export function isPicture({ dtype, sizes, table }: ModelInput): boolean {
  const [channels, height, width, ...more] = sizes;
  return (
    !table &&
    dtype === 'f32' &&
    channels === 3 &&
    height === width &&
    height !== undefined &&
    more.length === 0
  );
}

/** i32[B, T] */
export function isText({ dtype, sizes, table }: ModelInput): boolean {
  return !table && dtype === 'i32' && sizes.length === 1;
}
