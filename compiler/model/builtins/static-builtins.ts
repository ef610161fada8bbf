/** Built-ins over static numbers and lists, and the initialisers of weights. */
import type { Initializer } from '../types.ts';
import { entryNamed, linksOf } from '../values/instance.ts';
import { bool, float, int, isNumber, type Value } from '../values/values.ts';
import { number } from './call.ts';
import type { BuiltinCall, BuiltinRow } from './row.ts';
import { castNode } from './tensor-builtins.ts';

/** What the reference page says of every initialiser. */
function ofWeight(source: string) {
  return { shapes: 'of a weight', gradient: 'none', source } as const;
}

function initializer(
  name: string,
  source: string,
  parameter: string,
  about: string,
  make: (value: number) => Initializer,
  valid: (value: number) => boolean = () => true,
): BuiltinRow {
  return {
    name,
    about,
    ...ofWeight(source),
    parameters: [{ name: parameter, kind: 'number' }],
    apply: (call) => initial(call, parameter, make, valid),
  };
}

function initial(
  call: BuiltinCall,
  parameter: string,
  make: (value: number) => Initializer,
  valid: (value: number) => boolean,
): Value {
  const value = call.values.get(parameter)!;
  if (!isNumber(value)) return value;
  if (valid(value.value)) return { kind: 'initializer', init: make(value.value) };
  const message = `\`${parameter}\` of ${call.name} must not be negative, got ${value.value}`;
  return call.env.session.report('Z313', call.spans.get(parameter) ?? call.span, message);
}

function constant(name: string, value: number): BuiltinRow {
  return {
    name,
    about: `initialiser: every element is ${value}`,
    ...ofWeight(`torch.nn.init.${name}_`),
    parameters: [],
    initial: value,
    apply: () => ({ kind: 'initializer', init: { kind: 'const', value } }),
  };
}

/** One that follows from the shape alone. */
function byShape(
  init: Initializer & { kind: 'xavier_uniform' | 'kaiming_normal' },
  about: string,
): BuiltinRow {
  return {
    name: init.kind,
    about,
    ...ofWeight(`torch.nn.init.${init.kind}_`),
    parameters: [],
    apply: () => ({ kind: 'initializer', init }),
  };
}

function orthogonal(call: BuiltinCall): Value {
  return { kind: 'initializer', init: { kind: 'orthogonal', gain: number(call, 'gain', 1) } };
}

function length(call: BuiltinCall): Value {
  const list = call.values.get('list')!;
  return int(list.kind === 'list' ? list.items.length : linksOf(list)!.length);
}

function asFloat(call: BuiltinCall): Value {
  const x = call.values.get('x')!;
  return isNumber(x) ? float(x.value) : castNode(call, 'f32');
}

function hasEntry(call: BuiltinCall): Value {
  const [child, name] = [call.values.get('child')!, call.values.get('name')!];
  return bool(
    child.kind === 'instance' &&
      name.kind === 'string' &&
      entryNamed(child.instance, name.value) !== undefined,
  );
}

const notNegative = (value: number) => value >= 0;

export const staticBuiltins: readonly BuiltinRow[] = [
  {
    name: 'float',
    about: 'an int, or a tensor of ints, as floats',
    shapes: '[...]',
    gradient: 'of floats 1; none through i32',
    source: 'torch.Tensor.float',
    parameters: [{ name: 'x', kind: 'value' }],
    apply: asFloat,
  },
  {
    name: 'len',
    about: 'length of a list, or of an array of children',
    shapes: 'a number',
    gradient: 'none',
    source: "Python's len",
    parameters: [{ name: 'list', kind: 'list' }],
    apply: length,
  },
  {
    name: 'has_entry',
    about: 'whether a child declares an entry, and its `when` holds',
    shapes: 'a bool',
    gradient: 'none',
    source: "Python's hasattr",
    parameters: [
      { name: 'child', kind: 'child' },
      { name: 'name', kind: 'string' },
    ],
    apply: hasEntry,
  },
  constant('zeros', 0),
  constant('ones', 1),
  initializer(
    'const',
    'torch.nn.init.constant_',
    'value',
    'initialiser: every element is `value`',
    (value) => ({
      kind: 'const',
      value,
    }),
  ),
  initializer(
    'normal',
    'torch.nn.init.normal_',
    'std',
    'initialiser: normal around 0',
    (std) => ({ kind: 'normal', std }),
    notNegative,
  ),
  initializer(
    'trunc_normal',
    'timm.layers.trunc_normal_',
    'std',
    'initialiser: normal around 0, within ±2',
    (std) => ({ kind: 'trunc_normal', std }),
    notNegative,
  ),
  byShape({ kind: 'xavier_uniform' }, 'initialiser: uniform in ±√(6 / (fan-in + fan-out))'),
  byShape({ kind: 'kaiming_normal' }, 'initialiser: normal with the deviation √(2 / fan-in)'),
  {
    name: 'orthogonal',
    about: 'initialiser: orthonormal rows or columns, times the gain',
    shapes: 'of a weight',
    gradient: 'none',
    source: 'torch.nn.init.orthogonal_',
    parameters: [{ name: 'gain', kind: 'number', optional: true }],
    apply: orthogonal,
  },
  initializer(
    'uniform',
    'torch.nn.init.uniform_',
    'bound',
    'initialiser: uniform in [-bound, bound)',
    (bound) => ({ kind: 'uniform', bound }),
    notNegative,
  ),
];
