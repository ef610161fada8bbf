/**
 * Built-ins that mean one node: made from the words that ops declare beside their meaning
 * (`ops/language.ts`).
 *
 * An op with a word needs nothing here. Axes are counted from either end, numbers checked, and where a word
 * takes static numbers too it computes them with the op's own reference function.
 */
import type { Dim, TensorType } from '../../graph/types.ts';
import type { OpAttributes, OpName } from '../../ops/attributes.ts';
import { opNames, opOf } from '../../ops/index.ts';
import type { AnySetting, Word } from '../../ops/language.ts';
import { checkedFloat, checkedInt } from '../nodes/arithmetic.ts';
import { emit, shapeOf } from '../nodes/emit.ts';
import type { BuiltinParameter } from '../values/builtin.ts';
import type { AxisOrigin, TensorValue, Value } from '../values/values.ts';
import { isNumber, poison } from '../values/values.ts';
import { axesOf, axisOf, flag, intBetween, number, staticInt, tensorArgument } from './call.ts';
import type { BuiltinCall, BuiltinRow } from './row.ts';

/** A word of some op: what it asks of attributes is data here. */
type AnyWord = Word<Readonly<Record<string, unknown>>>;

/** The settings of a word by attribute, in the order of the arguments. */
function settingsOf(word: AnyWord): [attribute: string, setting: AnySetting][] {
  return Object.entries(word.settings as Readonly<Record<string, AnySetting>>);
}

const nameOf = (attribute: string, { as }: AnySetting) => as ?? attribute;

function parametersOf(word: AnyWord): BuiltinParameter[] {
  const kind = word.numbers === undefined ? 'tensor' : 'value';
  return [
    ...word.operands.map((name) => ({ name, kind }) as const),
    ...settingsOf(word).map(([attribute, setting]): BuiltinParameter => {
      const optional = setting.kind === 'axes' || setting.default !== undefined;
      return { name: nameOf(attribute, setting), kind: setting.kind, ...(optional ? { optional } : {}) };
    }),
    ...(word.anyAxis ? [{ name: 'axis', kind: 'axis', optional: true } as const] : []),
  ];
}

/** An attribute's value, or undefined after a report. */
function settingValue(
  call: BuiltinCall,
  name: string,
  setting: AnySetting,
  shape: readonly Dim[],
): number | boolean | readonly number[] | undefined {
  switch (setting.kind) {
    case 'bool':
      return flag(call, name);
    case 'number':
      return number(call, name, setting.default ?? 0);
    case 'int':
      return intBetween(call, name, setting.least, setting.default ?? setting.least);
    case 'axis':
      return axisOf(call, staticInt(call, name) ?? setting.default ?? 0, shape);
    case 'axes':
      return axesOf(call, name, shape);
  }
}

/** The op's attributes, or undefined after a report. */
function attributesOf(call: BuiltinCall, word: AnyWord, shape: readonly Dim[]) {
  const attrs = settingsOf(word).map(
    ([attribute, setting]) =>
      [attribute, settingValue(call, nameOf(attribute, setting), setting, shape)] as const,
  );
  return attrs.some(([, value]) => value === undefined) ? undefined : Object.fromEntries(attrs);
}

function apply(op: OpName, word: AnyWord, call: BuiltinCall): Value {
  const { numbers } = word;
  const first = call.values.get(word.operands[0] ?? '');
  if (numbers !== undefined && first !== undefined && isNumber(first)) {
    const value = numbers.of(first.value);
    const whole = numbers.give === 'int' || (numbers.give === 'same' && first.kind === 'int');
    return (whole ? checkedInt : checkedFloat)(call.env.session, call.span, value);
  }
  const operands = word.operands.map((name) => tensorArgument(call, name));
  if (!operands.every((operand) => operand !== undefined)) return poison;
  const shape = operands[0] === undefined ? [] : shapeOf(operands[0], call.env);
  const attrs = attributesOf(call, word, shape);
  if (attrs === undefined) return poison;
  if (word.idle?.(attrs)) return operands[0]!;
  return word.anyAxis ? alongAxis(op, operands[0]!, call) : node(op, word, operands, attrs, call);
}

function node(
  op: OpName,
  word: AnyWord,
  operands: readonly TensorValue[],
  attrs: Readonly<Record<string, unknown>>,
  call: BuiltinCall,
): Value {
  const { builder } = call.env.tracer!;
  const types = operands.map((operand): TensorType => builder.type(operand.node));
  const axes = word
    .sources?.(types, attrs)
    .map((source): AxisOrigin | undefined => source && operands[source[0]]?.axes[source[1]]);
  const names = operands.length === 1 ? ['it'] : word.operands.map((name) => `\`${name}\``);
  return emit<OpName>(call.env, op, operands, attrs as OpAttributes[OpName], call.span, {
    names,
    ...(axes === undefined ? {} : { axes }),
  });
}

/** Along any axis: the op knows the last one, others are exchanged with it and back. */
function alongAxis(op: OpName, x: TensorValue, call: BuiltinCall): Value {
  const shape = shapeOf(x, call.env);
  const axis = axisOf(call, staticInt(call, 'axis') ?? -1, shape);
  if (axis === undefined) return poison;
  const last = shape.length - 1;
  if (axis === last) return emit<OpName>(call.env, op, [x], {}, call.span);
  const perm = shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  const moved = emit(call.env, 'transpose', [x], { perm }, call.span);
  if (moved.kind === 'poison') return poison;
  const result = emit<OpName>(call.env, op, [moved], {}, call.span);
  if (result.kind === 'poison') return poison;
  return emit(call.env, 'transpose', [result], { perm }, call.span, { axes: x.axes });
}

/** The built-ins that ops declare. */
export const words: readonly BuiltinRow[] = opNames.flatMap((op) => {
  const { language } = opOf(op);
  if (language === 'none' || !('word' in language)) return [];
  const word = language.word as AnyWord;
  return [
    {
      name: word.name ?? op,
      about: word.about,
      shapes: word.shapes,
      gradient: word.gradient,
      source: word.source,
      parameters: parametersOf(word),
      apply: (call) => apply(op, word, call),
    },
  ];
});
