/** Values as people read them, and where the numbers in a shape come from. */
import { formatDim, formatShape } from '../../compiler/graph/types.ts';
import type { Env } from '../../compiler/model/values/scope.ts';
import { placeOf } from '../../compiler/model/values/session.ts';
import { type AxisOrigin, formatValue, type Value } from '../../compiler/model/values/values.ts';

/** `[B, 50, 768]`, `i32[B, 77]`, `{ image: [B, 512] }`, `12`; undefined for what has no value of its own. */
export function valueText(value: Value, env: Env): string | undefined {
  switch (value.kind) {
    case 'tensor': {
      const type = env.tracer?.builder.type(value.node);
      return type && `${type.dtype === 'f32' ? '' : type.dtype}${formatShape(type.shape)}`;
    }
    case 'weight':
      return `[${value.weight.shape.join(', ')}]`;
    case 'record': {
      const fields = [...value.fields].map(([name, field]) => `${name}: ${valueText(field, env) ?? '?'}`);
      return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
    }
    case 'list': {
      const items = value.items.slice(0, 8).map((item) => valueText(item, env) ?? '?');
      return `[${items.join(', ')}${value.items.length > 8 ? ', …' : ''}]`;
    }
    case 'float':
      return String(Number(value.value.toPrecision(6)));
    case 'block':
    case 'fn':
    case 'builtin':
    case 'int':
    case 'bool':
    case 'string':
    case 'dim':
    case 'initializer':
      return formatValue(value);
    default:
      return undefined;
  }
}

/** `axis 1: 768, width = 768 (vision.width, clip.zoo:19)`, a line for each axis of which it is known. */
export function axisLines(value: Value, env: Env): string[] {
  if (value.kind !== 'tensor' && value.kind !== 'weight') return [];
  const shape =
    value.kind === 'weight' ? value.weight.shape : (env.tracer?.builder.type(value.node).shape ?? []);
  return value.axes.flatMap((origin, axis) => {
    const dim = shape[axis];
    const from = origin && originText(origin);
    return dim === undefined || from === undefined ? [] : [`axis ${axis}: ${formatDim(dim)}, ${from}`];
  });
}

function originText({ provenance, giver }: AxisOrigin): string | undefined {
  const parts = [
    ...(provenance === undefined ? [] : [provenanceText(provenance)]),
    ...(giver === undefined ? [] : [`given by \`${giver.name}\``]),
  ];
  return parts.length === 0 ? undefined : parts.join(', ');
}

export function provenanceText({ name, text, path, span }: NonNullable<AxisOrigin['provenance']>): string {
  const where = [...(path === undefined || path === name ? [] : [`\`${path}\``]), placeOf(span)];
  return `\`${name} = ${text}\` (${where.join(', ')})`;
}
