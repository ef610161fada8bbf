/**
 * The words of mistakes that are found twice: from the text alone (`inspect/`) and when values are there.
 *
 * Both report with the same code, place and words, so that the session shows one mistake once. `got` is a
 * noun with its article: "an int", "a tensor".
 */
import type {
  BlockDecl,
  QuantityExpr,
  RangeExpr,
  RecordTypeExpr,
  SliceSubscript,
} from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import type { Poison } from './poison.ts';
import { type Session, sourceText } from './session.ts';
import { corrected, didYouMean, spelledHere } from './suggest.ts';

/** "a dimension must be an int, got a string" */
export function wrongKind(session: Session, span: Span, what: string, wanted: string, got: string): Poison {
  const help = wanted === 'a tensor' ? joining(got) : {};
  return session.report('Z209', span, `${what} must be ${wanted}, got ${got}`, help);
}

/** A list where a tensor belongs. */
function joining(got: string): { help?: string } {
  return got === 'a list'
    ? { help: 'sum(list), concat(list, axis = 0) or stack(list, axis = 0) make one of it' }
    : {};
}

/** Of a parameter of a block or model. */
export function notStatic(session: Session, span: Span, what: string): Poison {
  return wrongType(session, span, `${what} must have a static type: int, float, bool, string, fn or block`);
}

/** `what` is the construct with the condition: "`if`". */
export function notABool(session: Session, span: Span, what: string, got: string, isTensor: boolean): Poison {
  const help = isTensor
    ? { help: 'conditions are static; where(mask, a, b) chooses element by element' }
    : {};
  return session.report('Z209', span, `${what} needs a bool, got ${got}`, help);
}

export function notATensor(session: Session, span: Span, got: string): Poison {
  return session.report('Z209', span, `a tensor belongs here, got ${got}`, joining(got));
}

/** `caption` shows both sides. */
export function notNumbers(session: Session, span: Span, op: string, got: string, caption: string): Poison {
  return session.report('Z209', span, `\`${op}\` needs numbers, got ${got}`, {
    caption,
    ...joining(got),
  });
}

/** `what`: "a range of children". */
export function notARange(session: Session, span: Span, what: string, got: string): Poison {
  return wrongType(session, span, `${what} needs ints, got ${got}`);
}

export function openAxis(session: Session, span: Span): Poison {
  return wrongType(session, span, 'a weight needs a number for every axis');
}

function wrongType(session: Session, span: Span, message: string): Poison {
  return session.report('Z209', span, message);
}

/** Behind `with "..." as`. */
export function notAReplacement(session: Session, span: Span, got: string): Poison {
  return session.report('Z209', span, `blocks are replaced by a block or a function, got ${got}`, {
    help: '"visual.**.c_fc" as LoRALinear(rank = 4)',
  });
}

// ── members, indices, calls ───────────────────────────────────────────────────────────────────────────────

export function noMember(session: Session, span: Span, got: string, name: string): Poison {
  return session.report('Z210', span, `${got} has no member \`${name}\``);
}

/** @param word whether a function is so called */
export function noMemberOfTensor(session: Session, span: Span, name: string, word: boolean): Poison {
  const method = word ? { help: `\`${name}\` is a function: ${name}(x, ...)` } : undefined;
  const help = method ?? spelledHere(name) ?? { help: 'x.T transposes a matrix' };
  return session.report('Z210', span, `a tensor has no member \`${name}\``, help);
}

/** Of a record that is written out. */
export function fieldTwice(session: Session, span: Span, name: string): Poison {
  return session.report('Z207', span, `field \`${name}\` is given twice`);
}

export function noField(session: Session, span: Span, name: string, fields: Iterable<string>): Poison {
  const known = [...fields];
  return session.report('Z210', span, `there is no field \`${name}\`${didYouMean(name, known)}`, {
    help: `fields: ${known.join(', ')}`,
    ...corrected(name, known, span),
  });
}

export function noChild(
  session: Session,
  span: Span,
  parent: string,
  name: string,
  known: readonly string[],
): Poison {
  const message = `\`${parent}\` has no child or weight \`${name}\``;
  return session.report('Z210', span, message + didYouMean(name, known), corrected(name, known, span));
}

export function noIndex(session: Session, span: Span, got: string): Poison {
  return session.report('Z210', span, `${got} cannot be indexed`);
}

/** `layers[2:5]`, as tensors are cut. */
export function colonOfChain(session: Session, span: Span, name: string, cut: SliceSubscript): Poison {
  const [start, end] = [cut.start, cut.end].map((bound) =>
    bound === undefined ? '' : sourceText(bound.span),
  );
  return session.report('Z210', span, '`:` cuts the axis of a tensor; a part of a list or chain has `..`', {
    help: `\`${name}[${start}..${end}]\``,
  });
}

/** `x[0..2]`, as lists and chains are cut. */
export function dotsOfTensor(session: Session, span: Span): Poison {
  return session.report('Z210', span, '`..` cuts a list or a chain; a part of an axis has `:`', {
    help: `write \`${sourceText(span).replace('..', ':')}\``,
  });
}

/** `text` is how the source names it. */
export function notCallable(session: Session, span: Span, text: string, got: string): Poison {
  return session.report('Z210', span, `\`${text}\` is ${got} and cannot be called`);
}

/** A call of a chain without a first argument, or with a named one. */
export function nothingToRun(session: Session, span: Span, name: string): Poison {
  return session.report(
    'Z208',
    span,
    `\`${name}\` is a chain: its first argument, without a name, runs through its links`,
    {
      help: `\`${name}(x)\`; further arguments go to every link: \`${name}(x, mask)\``,
    },
  );
}

export function noForward(session: Session, span: Span, { name }: BlockDecl): Poison {
  return session.report('Z215', span, `${name.text} has no \`forward\``, {
    labels: [{ span: name.span, text: 'declared here' }],
  });
}

// ── results, types, places ────────────────────────────────────────────────────────────────────────────────

/** `what`: "the result of f". */
export function notARecord(
  session: Session,
  span: Span,
  what: string,
  type: RecordTypeExpr,
  got: string,
): Poison {
  const wanted = `{ ${type.fields.map((f) => f.name.text).join(', ')} }`;
  return session.report('Z309', span, `${what} must be a record ${wanted}, got ${got}`);
}

export function lacksField(session: Session, span: Span, what: string, name: string): Poison {
  return session.report('Z309', span, `${what} lacks the field \`${name}\``);
}

/** `...` for the second time. */
export function secondEllipsis(session: Session, span: Span): Poison {
  return session.report('Z220', span, 'a type can have `...` once');
}

/** A range or quantity where a value belongs. */
export function misplaced(session: Session, { kind, span }: RangeExpr | QuantityExpr): Poison {
  const message =
    kind === 'range'
      ? 'a range belongs in `name[i in 0..n]`, `[f(i) for i in 0..n]`, `layers[0..2]` or `clamp`'
      : '`steps` and `epochs` belong in `train`';
  return session.report('Z220', span, message);
}
