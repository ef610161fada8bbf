/**
 * Prints expressions and types. Parentheses that the user wrote are kept (`group` nodes); where a tree made
 * by a program needs others, they are added.
 *
 * Long calls, lists and records break one element per line; operator chains break in front of their
 * operators. An operand never starts a line behind `=`: a name such as `param` at the start of a line
 * would be read as a keyword.
 */
import type * as ast from '../ast.ts';
import { between, type Comments, type Element, inside, type Range } from './comments.ts';
import { concat, type Doc, group, indent, join, line } from './doc.ts';

/** Binding strengths, loosest first; the same order as in the grammar. */
const levels = {
  with: 0,
  pipe: 1,
  if: 2,
  elvis: 3,
  or: 4,
  and: 5,
  not: 6,
  compare: 7,
  add: 8,
  multiply: 9,
  negate: 10,
  power: 11,
  quantity: 12,
  postfix: 13,
  primary: 14,
} as const;

const binaryLevels: Record<ast.BinaryOp, number> = {
  or: levels.or,
  and: levels.and,
  '==': levels.compare,
  '!=': levels.compare,
  '<': levels.compare,
  '<=': levels.compare,
  '>': levels.compare,
  '>=': levels.compare,
  '+': levels.add,
  '-': levels.add,
  '*': levels.multiply,
  '/': levels.multiply,
  '%': levels.multiply,
  '@': levels.multiply,
  '^': levels.power,
};

function levelOf(expr: ast.Expr): number {
  switch (expr.kind) {
    case 'with':
    case 'pipe':
    case 'if':
    case 'elvis':
    case 'quantity':
      return levels[expr.kind];
    case 'binary':
      return binaryLevels[expr.op];
    case 'unary':
      return expr.op === 'not' ? levels.not : levels.negate;
    case 'call':
    case 'index':
    case 'member':
      return levels.postfix;
    default:
      return levels.primary;
  }
}

const escapes: Record<string, string> = { '\n': '\\n', '\t': '\\t', '\r': '\\r', '"': '\\"', '\\': '\\\\' };

/** A string literal for a text. */
function quote(text: string): string {
  const inner = Array.from(text, (character) => {
    const code = character.codePointAt(0)!;
    return escapes[character] ?? (isInvisible(code) ? `\\u{${code.toString(16)}}` : character);
  });
  return `"${inner.join('')}"`;
}

/** Control characters, line separators, the byte order mark and halves of surrogate pairs. */
function isInvisible(code: number): boolean {
  const control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
  return (
    control || code === 0x2028 || code === 0x2029 || code === 0xfeff || (code >= 0xd800 && code <= 0xdfff)
  );
}

export const identifier = (id: ast.Identifier): string => (id.quoted ? quote(id.text) : id.text);

export const path = (expr: ast.PathExpr): string => expr.segments.map(identifier).join('.');

export class ExpressionPrinter {
  protected readonly comments: Comments;

  constructor(comments: Comments) {
    this.comments = comments;
  }

  /** An expression where nothing looser than `least` may stand without parentheses. */
  expr(expr: ast.Expr, least: number = levels.with): Doc {
    const doc = this.bare(expr);
    return levelOf(expr) < least ? concat('(', doc, ')') : doc;
  }

  /** An element of a list with commas: `with` needs parentheses there. */
  item(expr: ast.Expr): Doc {
    return this.expr(expr, levels.pipe);
  }

  private bare(expr: ast.Expr): Doc {
    switch (expr.kind) {
      case 'int':
      case 'bool':
        return String(expr.value);
      case 'float':
      case 'name':
        return expr.text;
      case 'string':
        return quote(expr.value);
      case 'list':
        return this.items('[', expr.items, ']', inside(expr.span));
      case 'comprehension':
        return this.comprehension(expr);
      case 'record':
        return this.record(expr);
      case 'group':
        return concat('(', this.expr(expr.inner), ')');
      case 'call':
        return concat(this.expr(expr.callee, levels.postfix), this.callArguments(expr));
      case 'member':
        return concat(this.expr(expr.object, levels.postfix), '.', identifier(expr.member));
      case 'index':
        return this.index(expr);
      case 'quantity':
        return concat(this.expr(expr.value, levels.postfix), ' ', identifier(expr.unit));
      case 'unary':
        return expr.op === '-'
          ? concat('-', this.expr(expr.operand, levels.negate))
          : concat('not ', this.expr(expr.operand, levels.not));
      case 'arrow':
        return this.arrow(expr);
      case 'range':
        return this.range(expr);
      case 'error':
        return '';
      default:
        return this.operators(expr);
    }
  }

  private operators(expr: ast.BinaryExpr | ast.ElvisExpr | ast.PipeExpr | ast.IfExpr | ast.WithExpr): Doc {
    switch (expr.kind) {
      case 'binary':
        return expr.op === '^'
          ? concat(this.expr(expr.left, levels.quantity), ' ^ ', this.expr(expr.right, levels.negate))
          : this.chain(expr, binaryLevels[expr.op]);
      case 'elvis':
        return this.chain(expr, levels.elvis);
      case 'pipe':
        return this.chain(expr, levels.pipe);
      case 'if':
        return group(
          'if ',
          this.item(expr.condition),
          indent(line, 'then ', this.item(expr.then), line, 'else ', this.expr(expr.else, levels.if)),
        );
      case 'with': {
        const changes = expr.changes.map((change) => this.change(change));
        return group(this.item(expr.base), ' with', indent(line, join(concat(',', line), changes)));
      }
    }
  }

  private change(change: ast.WithExpr['changes'][number]): Doc {
    return change.kind === 'override'
      ? concat(path(change.path), ' = ', this.item(change.value))
      : concat(this.bare(change.pattern), ' as ', this.item(change.value));
  }

  /** Left-associative operators of one level, all broken or none. */
  private chain(expr: ast.BinaryExpr | ast.ElvisExpr | ast.PipeExpr, level: number): Doc {
    const links: Doc[] = [];
    let at: ast.Expr = expr;
    const chained = level !== levels.compare;
    while ((at.kind === 'binary' || at.kind === 'elvis' || at.kind === 'pipe') && levelOf(at) === level) {
      const sign = at.kind === 'binary' ? at.op : at.kind === 'elvis' ? '?:' : '|>';
      links.unshift(line, `${sign} `, this.expr(at.right, level + 1));
      at = at.left;
      if (!chained) {
        break;
      }
    }
    return group(this.expr(at, chained ? level : level + 1), indent(...links));
  }

  private items(open: string, items: readonly ast.Expr[], close: string, range: Range): Doc {
    const elements = items.map(
      (value): Element => ({
        span: between(value.span.start, value.span.end),
        print: () => this.item(value),
      }),
    );
    return this.comments.delimited(open, elements, close, range);
  }

  private comprehension({ item, index, range, span }: ast.ComprehensionExpr): Doc {
    const element: Element = {
      span: between(item.span.start, range.span.end),
      print: () => group(this.item(item), line, `for ${identifier(index)} in `, this.range(range)),
    };
    return this.comments.delimited('[', [element], ']', inside(span));
  }

  private record(expr: ast.RecordExpr): Doc {
    const elements = expr.fields.map(
      ({ name, value }): Element => ({
        span: between(name.span.start, value.span.end),
        print: () => concat(identifier(name), ' = ', this.item(value)),
      }),
    );
    return this.comments.delimited('{', elements, '}', inside(expr.span), { padded: true });
  }

  callArguments(call: ast.CallExpr): Doc {
    const start = this.comments.seek('(', call.callee.span.end) + 1;
    const elements = call.args.map(
      ({ name, value, span }): Element => ({
        span,
        print: () =>
          name === undefined ? this.item(value) : concat(identifier(name), ' = ', this.item(value)),
      }),
    );
    return this.comments.delimited('(', elements, ')', between(start, call.span.end - 1));
  }

  private index(expr: ast.IndexExpr): Doc {
    const subscripts = expr.subscripts.map((part): Doc => {
      if (part.kind !== 'slice') {
        return this.item(part);
      }
      const [start, end] = [part.start, part.end].map((bound) =>
        bound === undefined ? '' : this.item(bound),
      ) as [Doc, Doc];
      if (part.mark === ':') return concat(start, ':', end);
      const bounds = [part.start, part.end].filter((bound) => bound !== undefined);
      return concat(start, bounds.length < 2 || bounds.every(isSimpleBound) ? '..' : ' .. ', end);
    });
    return concat(this.expr(expr.object, levels.postfix), '[', join(', ', subscripts), ']');
  }

  private arrow(expr: ast.ArrowExpr): Doc {
    const operands = expr.operands.map(({ value, axes }) =>
      concat(this.expr(value, levels.postfix), pattern(axes)),
    );
    const from = expr.from === undefined ? operands : [pattern(expr.from)];
    return group(join(concat(',', line), from), indent(line, '-> ', pattern(expr.to)));
  }

  /** `0..layers`; spaces around `..` where an end is more than a name, a number or a call. */
  range(expr: ast.RangeExpr, spaced = false): Doc {
    const simple = [expr.start, expr.end].every(isSimpleBound);
    return concat(this.item(expr.start), simple && !spaced ? '..' : ' .. ', this.item(expr.end));
  }

  // ── types ────────────────────────────────────────────────────────────────────────────────────────────────

  type(type: ast.TypeExpr): Doc {
    switch (type.kind) {
      case 'static-type':
        return type.list ? `[${type.name}]` : type.name;
      case 'member-type':
        return `${identifier(type.object)}.${identifier(type.member)}`;
      case 'error-type':
        return '';
      case 'tensor-type': {
        const dims = type.dims.map((dim) => (dim.kind === 'ellipsis' ? '...' : this.item(dim)));
        return concat(type.element === undefined ? '' : identifier(type.element), '[', join(', ', dims), ']');
      }
      case 'record-type': {
        const elements = type.fields.map(
          (field): Element => ({
            span: between(field.name.span.start, field.type.span.end),
            print: () => concat(identifier(field.name), ': ', this.type(field.type)),
          }),
        );
        return this.comments.delimited('{', elements, '}', inside(type.span), { padded: true });
      }
    }
  }

  /** A parameter list that starts at or behind `from`; its end in the source comes back with it. */
  params(params: readonly ast.ParamDecl[], from: number): { doc: Doc; end: number } {
    const start = this.comments.seek('(', from) + 1;
    const end = this.comments.seek(')', params.at(-1)?.span.end ?? start);
    const elements = params.map(
      (param): Element => ({
        span: param.span,
        print: () => {
          const value = param.default === undefined ? '' : concat(' = ', this.item(param.default));
          const ids = param.ids === undefined ? '' : concat(' in ', this.range(param.ids));
          return concat(identifier(param.name), ': ', this.type(param.type), ids, value);
        },
      }),
    );
    return { doc: this.comments.delimited('(', elements, ')', between(start, end)), end };
  }
}

/** A name, a number or a call, also with a minus in front: `0..-1` needs no spaces. */
function isSimpleBound(bound: ast.Expr): boolean {
  const inner = bound.kind === 'unary' && bound.op === '-' ? bound.operand : bound;
  return levelOf(inner) >= levels.postfix && inner.kind !== 'group';
}

function pattern(axes: ast.AxisPattern): string {
  return `[${axes.axes.map(axis).join(', ')}]`;
}

function axis(item: ast.AxisItem): string {
  switch (item.kind) {
    case 'axis':
      return identifier(item.name);
    case 'one':
      return '1';
    case 'group':
      return `(${item.names.map(identifier).join(' ')})`;
  }
}
