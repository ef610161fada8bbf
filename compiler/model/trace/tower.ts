/**
 * Towers of models whose root block declares no entries: they are run as CLIP's are, by `encode_image` and
 * `encode_text`, and give what the forward gives.
 *
 * A forward of one input and one tensor is such a tower itself; of a record the fields `image` and `text` are.
 */
import { entriesOf } from '../values/instance.ts';
import type { Traced } from './callable.ts';
import type { Trace } from './inputs.ts';

interface Tower {
  readonly name: string;
  readonly traced: Traced;
}

const kinds = [
  { name: 'encode_image', field: 'image', dtype: 'f32', output: 'image_features' },
  { name: 'encode_text', field: 'text', dtype: 'i32', output: 'text_features' },
] as const;

export function towersOf({ root, tracer }: Trace, forward: Traced): Tower[] {
  if (entriesOf(root.instance).length > 0) return [];
  return kinds.flatMap(({ name, field, dtype, output }): Tower[] => {
    const alone =
      forward.value.kind === 'tensor' && forward.inputs.length === 1 && forward.inputs[0]!.dtype === dtype;
    const found = alone ? forward.outputs[0] : forward.outputs.find((o) => o.name === field);
    if (found === undefined || (!alone && forward.value.kind !== 'record')) return [];
    const outputs = [{ name: output, node: found.node }];
    const read = new Set(
      tracer.builder.finish(outputs).nodes.flatMap((n) => (n.op === 'input' ? [n.attrs.name] : [])),
    );
    return [
      { name, traced: { ...forward, outputs, inputs: forward.inputs.filter((i) => read.has(i.name)) } },
    ];
  });
}
