/**
 * Randomness in training: `random`, `dropout`, `drop_path`. Evaluation has none.
 *
 * A number is keyed by its sample, its element there and its place in the model (ops/philox.ts), so the batch
 * has to be the first axis: an axis of c · B holds c rows of each sample. Values without the batch are drawn
 * by the key of the step.
 */
import { divideDims } from '../../graph/dims.ts';
import { type Dim, formatShape, sizeOf } from '../../graph/types.ts';
import type { Expressions } from '../../ops/expressions.ts';
import { keyWords, randomInput } from '../../ops/philox.ts';
import { asDim } from '../nodes/arithmetic.ts';
import { isInteger, shapeOf } from '../nodes/emit.ts';
import type { BuiltinParameter } from '../values/builtin.ts';
import type { Rows } from '../values/randomness.ts';
import { poison, type TensorValue, type Value } from '../values/values.ts';
import { built, number, tensorArgument } from './call.ts';
import type { BuiltinCall, BuiltinRow } from './row.ts';

/**
 * How elements belong to samples: so many rows each, or none of them to any. Where sizes are numbers, 64 tokens
 * in a batch of 32 look like two rows a sample; a trace with an open batch knows, and then this one is made
 * again.
 */
type RowsOfSample = Rows | 'to be learnt';

/** The rows of each sample along the first axis; undefined after a report. */
function rowsOfSample(call: BuiltinCall, shape: readonly Dim[], place: string): RowsOfSample | undefined {
  const { batch, randomness } = call.env.tracer!;
  if (typeof batch === 'number') return randomness.known(place) ?? 'to be learnt';
  const open = shape.map((dim) => typeof dim !== 'number');
  const rows = open[0] ? divideDims(shape[0]!, batch) : 'no sample';
  if (!open.includes(true, 1) && (rows === 'no sample' || typeof rows === 'number')) {
    randomness.learn(place, rows);
    return rows;
  }
  const message = `${call.name} of ${formatShape(shape)} cannot tell one sample's numbers from another's`;
  call.env.session.report('Z313', call.span, message, { help: 'bring the batch to the front: rearrange' });
  return undefined;
}

/**
 * Numbers of a shape, one for each element; with `perSample` of [rows, 1, ...], one for all that belongs to a
 * sample.
 */
function numbers(call: BuiltinCall, shape: readonly Dim[], perSample: boolean): TensorValue | undefined {
  const { env, span } = call;
  const tracer = env.tracer!;
  const place = tracer.randomness.place(env.path);
  if (place === undefined) {
    const message = `${call.name} belongs in the blocks of a model: objectives have no randomness`;
    env.session.report('Z209', span, message);
    return undefined;
  }
  const rows = rowsOfSample(call, shape, place.name);
  if (rows === undefined) return undefined;
  return built(call, (e) => {
    const keys = e.b.add('input', [], { name: randomInput, dtype: 'i32', shape: [tracer.batch, keyWords] });
    const column = (at: number) => e.part(keys, 1, at, at + 1);
    const zero = e.b.add('constant', [], { value: 0, dtype: 'i32', shape: [] });
    const ones = shape.slice(1).map(() => 1);
    const result = perSample ? [shape[0]!, ...ones] : shape;
    if (rows === 'to be learnt') return e.b.add('constant', [], { value: 0, dtype: 'f32', shape: result });
    if (rows === 'no sample') {
      const [key0, key1] = [2, 3].map((at) => e.reshape(e.part(column(at), 0, 0, 1), []));
      const inner = sizeOf(shape as readonly number[]);
      return e.b.add('uniform', [key0!, key1!, zero], { shape, place: place.number, inner });
    }
    /** One entry for each row, from a column of samples or a row of numbers within a sample. */
    const each = (x: number) => e.reshape(e.expand(x, [tracer.batch, rows]), [shape[0]!, ...ones]);
    const [key0, key1] = [0, 1].map((at) => each(column(at)));
    const first =
      rows === 1 || perSample ? zero : each(e.reshape(e.b.add('iota', [], { length: rows }), [1, rows]));
    return e.b.add('uniform', [key0!, key1!, first], {
      shape: result,
      place: place.number,
      inner: perSample ? 1 : sizeOf(shape.slice(1) as readonly number[]),
    });
  });
}

/** Elements (or samples) of x are 0 with probability p, the others x / (1 - p). */
function drop(call: BuiltinCall, perSample: boolean): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined) return poison;
  const { env, span } = call;
  const p = number(call, 'p', 0);
  if (p < 0 || p > 1) {
    const message = `\`p\` of ${call.name} is a probability from 0 to 1, got ${p}`;
    return env.session.report('Z313', call.spans.get('p') ?? span, message);
  }
  if (isInteger(x, env)) {
    const help = { help: 'where(random(...) < p, ...) chooses among integers' };
    return env.session.report('Z303', span, `${call.name} scales values, and integers have no scale`, help);
  }
  if (!env.tracer!.training || p === 0) return x;
  const drawn = numbers(call, shapeOf(x, env), perSample);
  if (drawn === undefined) return poison;
  const chosen = (e: Expressions) => {
    const kept = e.binary('greater_equal', drawn.node, e.scalar(x.node, p));
    // With p = 1 nothing is kept, and nothing is scaled.
    return e.where(kept, e.scale(x.node, p === 1 ? 1 : 1 / (1 - p)), e.scalar(x.node, 0));
  };
  return built(call, chosen, x.axes);
}

function random(call: BuiltinCall): Value {
  const list = call.values.get('shape');
  if (list?.kind !== 'list') return poison;
  const { tracer, session } = call.env;
  if (tracer === undefined) return session.report('Z217', call.span, 'random can only be used in `forward`');
  if (!tracer.training) {
    const help = { help: 'if training then ... else ...' };
    return session.report('Z209', call.span, 'evaluation has no randomness', help);
  }
  const shape = list.items.map((item) => asDim(item)!);
  const bad = shape.find((dim) => typeof dim === 'number' && dim < 1);
  if (bad !== undefined)
    return session.report('Z313', call.spans.get('shape')!, `an axis cannot have size ${bad}`);
  return numbers(call, shape, false) ?? poison;
}

const dropped: readonly BuiltinParameter[] = [
  { name: 'x', kind: 'tensor' },
  { name: 'p', kind: 'number' },
];

export const randomBuiltins: readonly BuiltinRow[] = [
  {
    name: 'random',
    about: 'uniform in [0, 1), only in training',
    shapes: 'the shape',
    gradient: 'none',
    source: 'torch.rand; Philox4x32-10',
    parameters: [{ name: 'shape', kind: 'shape' }],
    apply: random,
  },
  {
    name: 'dropout',
    about: 'in training, each element 0 with probability p, else x / (1 - p)',
    shapes: '[...]',
    gradient: '1 / (1 - p) where kept',
    source: 'torch.nn.functional.dropout',
    parameters: dropped,
    apply: (call) => drop(call, false),
  },
  {
    name: 'drop_path',
    about: 'in training, all of a sample 0 with probability p, else x / (1 - p)',
    shapes: '[B, ...]',
    gradient: '1 / (1 - p) where kept',
    source: 'timm.layers.drop_path',
    parameters: dropped,
    apply: (call) => drop(call, true),
  },
];
