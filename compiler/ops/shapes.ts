/**
 * What shape rules share: results, refusals, and the rules that many ops have in common.
 *
 * A refusal leads with the fact and blames inputs by number, so that the tracer can add source positions.
 * Codes: Z301 shapes disagree (the default), Z302 wrong number of axes or an axis that is not there, Z303
 * element types.
 */
import type { ShapeError } from '../graph/shape-error.ts';
import type { Dim, TensorType } from '../graph/types.ts';
import { formatDim, formatShape, formatType, sameDim, sameShape } from '../graph/types.ts';
import type { ShapeResult } from './op.ts';

export function accept(type: TensorType): ShapeResult {
  return { ok: true, type };
}

export function refuse(message: string, detail: Omit<ShapeError, 'message'> = {}): ShapeResult {
  return { ok: false, error: { message, ...detail } };
}

export function isFloat(type: TensorType): boolean {
  return type.dtype !== 'i32';
}

/** Refuses integers: `cannot take exp of i32[B, 77]`. */
export function refuseIntegers(what: string, inputs: readonly TensorType[]): ShapeResult | undefined {
  const at = inputs.findIndex((t) => !isFloat(t));
  if (at < 0) return undefined;
  return refuse(`cannot ${what} ${formatType(inputs[at]!)}: it holds integers`, {
    code: 'Z303',
    blame: [{ input: at }],
    help: 'cast it to f32 first',
  });
}

/** Refuses inputs of unlike element types. */
export function refuseMixed(what: string, inputs: readonly TensorType[]): ShapeResult | undefined {
  const first = inputs[0]!;
  const at = inputs.findIndex((t) => t.dtype !== first.dtype);
  if (at < 0) return undefined;
  return refuse(`cannot ${what} ${formatType(first)} and ${formatType(inputs[at]!)}: element types differ`, {
    code: 'Z303',
    blame: [{ input: 0 }, { input: at }],
    help: 'cast one of them',
  });
}

/** Refuses an input whose rank is not `rank`; `axes` names them for the message: `[B, C, H, W]`. */
export function refuseRank(
  what: string,
  inputs: readonly TensorType[],
  input: number,
  axes: string,
): ShapeResult | undefined {
  const rank = axes === '[]' ? 0 : axes.split(',').length;
  const type = inputs[input]!;
  if (type.shape.length === rank) return undefined;
  return refuse(
    `${what} needs ${rank} ${rank === 1 ? 'axis' : 'axes'} ${axes}, got ${formatShape(type.shape)}`,
    {
      code: 'Z302',
      blame: [{ input }],
    },
  );
}

/** Refuses an input whose shape is not exactly `shape`. */
export function refuseShape(
  what: string,
  inputs: readonly TensorType[],
  input: number,
  shape: readonly Dim[],
): ShapeResult | undefined {
  const type = inputs[input]!;
  if (sameShape(type.shape, shape)) return undefined;
  return refuse(`${what} must be ${formatShape(shape)}, got ${formatShape(type.shape)}`, {
    blame: [{ input }],
  });
}

/** Refuses axes outside the rank of `type`. */
export function refuseAxes(what: string, type: TensorType, axes: readonly number[]): ShapeResult | undefined {
  const rank = type.shape.length;
  const bad = axes.find((a) => !Number.isInteger(a) || a < 0 || a >= rank);
  if (bad !== undefined)
    return refuse(`cannot ${what} axis ${bad} of ${formatShape(type.shape)}: it has ${rank} axes`, {
      code: 'Z302',
      blame: [{ input: 0 }],
    });
  if (new Set(axes).size === axes.length) return undefined;
  return refuse(
    `cannot ${what} axes [${axes.join(', ')}] of ${formatShape(type.shape)}: an axis is named twice`,
    {
      code: 'Z302',
      blame: [{ input: 0 }],
    },
  );
}

/** Refuses to work along an axis whose length is open: the samples of a batch come in any number of parts. */
export function refuseOpen(what: string, type: TensorType, axis: number): ShapeResult | undefined {
  const dim = type.shape[axis]!;
  if (typeof dim === 'number') return undefined;
  return refuse(`cannot ${what} along the batch: axis ${axis} of ${formatShape(type.shape)} is open`, {
    code: 'Z313',
    blame: [{ input: 0 }],
  });
}

/** Broadcasting aligned at the last axis: each pair equal or 1. `verb`: "add". */
export function broadcastShapes(
  verb: string,
  inputs: readonly TensorType[],
): { readonly shape: readonly Dim[] } | { readonly refusal: ShapeResult } {
  let shape: readonly Dim[] = inputs[0]?.shape ?? [];
  for (let i = 1; i < inputs.length; i++) {
    const other = inputs[i]!.shape;
    const rank = Math.max(shape.length, other.length);
    const joined: Dim[] = [];
    for (let axis = 0; axis < rank; axis++) {
      const left = axis - (rank - shape.length);
      const right = axis - (rank - other.length);
      const a = left < 0 ? 1 : shape[left]!;
      const b = right < 0 ? 1 : other[right]!;
      if (a !== 1 && b !== 1 && !sameDim(a, b))
        return { refusal: refuseBroadcast(verb, shape, other, i, left, right) };
      joined.push(a === 1 ? b : a);
    }
    shape = joined;
  }
  return { shape };
}

function refuseBroadcast(
  verb: string,
  a: readonly Dim[],
  b: readonly Dim[],
  input: number,
  left: number,
  right: number,
): ShapeResult {
  const fact =
    a.length === b.length
      ? `axis ${left} differs`
      : `axis ${left} is ${formatDim(a[left]!)} on the left, axis ${right} is ${formatDim(b[right]!)} on the right`;
  return refuse(`cannot ${verb} ${formatShape(a)} and ${formatShape(b)}: ${fact}`, {
    blame: [
      { input: input - 1, axis: left, dim: a[left]! },
      { input, axis: right, dim: b[right]! },
    ],
  });
}

/** The shape without `axes`, or with 1 in their place. */
export function reducedShape(shape: readonly Dim[], axes: readonly number[], keep: boolean): Dim[] {
  return shape.flatMap((d, i) => (axes.includes(i) ? (keep ? [1] : []) : [d]));
}

/** The first refusal of a list of checks. */
export function firstOf(...checks: (ShapeResult | undefined)[]): ShapeResult | undefined {
  return checks.find((c) => c !== undefined);
}
