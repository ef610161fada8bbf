/**
 * Makes AST nodes out of what the grammar rules found, and checks what a context-free rule cannot.
 *
 * The rules in `rules/` only say what follows what. Here are precedence (flat operator chains are folded),
 * literals and their escapes, axis patterns (read as lists first, since only the `->` behind tells), and the
 * bound on the depth of expressions, so that every later stage may recurse. Codes: see `syntax-errors.ts`.
 */

import type { IToken } from 'chevrotain';
import type * as ast from './ast.ts';
import type { Code } from './codes.ts';
import type { Diagnostic } from './diagnostics.ts';
import { joinSpans, type SourceFile, type Span } from './source.ts';

/** Deepest expression that is built; longer chains are an error at their place. */
const maxDepth = 400;

/** One piece of a flat operator chain: prefixes, an operand, and the infix operator in front of it. */
export interface ChainLink {
  readonly infix?: IToken;
  readonly prefixes: readonly IToken[];
  readonly operand: ast.Expr;
}

/** Binding powers, loosest to tightest; `not` and unary `-` lie between their neighbours. */
const power: Record<string, number> = {
  '?:': 1,
  or: 2,
  and: 3,
  '==': 5,
  '!=': 5,
  '<': 5,
  '<=': 5,
  '>': 5,
  '>=': 5,
  '+': 6,
  '-': 6,
  '*': 7,
  '/': 7,
  '%': 7,
  '@': 7,
  '^': 9,
};
const notPower = 4;
const minusPower = 8;

const simpleEscapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\' };

const staticTypes = ['int', 'float', 'bool', 'string', 'fn', 'block'] as const;
type StaticName = ast.StaticTypeExpr['name'];
const isStaticName = (text: string): text is StaticName => (staticTypes as readonly string[]).includes(text);

export class AstBuilder {
  readonly file: SourceFile;
  readonly diagnostics: Diagnostic[] = [];
  private readonly depths = new Map<object, number>();
  /** `(h d)` seen where an expression may stand; fine only if it turns out to be part of an axis pattern. */
  private readonly axisGroups = new Map<ast.ErrorExpr, readonly ast.Identifier[]>();

  constructor(file: SourceFile) {
    this.file = file;
  }

  report(code: Code, span: Span, message: string, more: Partial<Diagnostic> = {}): void {
    this.diagnostics.push({ code, severity: 'error', span, message, ...more });
  }

  /** Gives a node its depth; in a chain that is too long, an error instead. */
  node<T extends ast.Expr>(node: T, ...children: readonly object[]): T | ast.ErrorExpr {
    let depth = 1;
    for (const child of children) {
      depth = Math.max(depth, 1 + (this.depths.get(child) ?? 0));
    }
    if (depth > maxDepth) {
      this.report('Z105', node.span, `this expression is nested more than ${maxDepth} levels deep`, {
        help: 'name parts of it with `let`',
      });
      return this.error(node.span);
    }
    this.depths.set(node, depth);
    return node;
  }

  error(span: Span): ast.ErrorExpr {
    return { kind: 'error', span };
  }

  tokenSpan(token: IToken): Span {
    return { file: this.file, start: token.startOffset, end: token.startOffset + token.image.length };
  }

  // ── literals ─────────────────────────────────────────────────────────────────────────────────────────────

  int(token: IToken): ast.Expr {
    const span = this.tokenSpan(token);
    const value = Number(token.image);
    if (!Number.isSafeInteger(value)) {
      this.report('Z103', span, `the integer \`${token.image}\` is too large`, {
        help: `integers go up to ${Number.MAX_SAFE_INTEGER}`,
      });
      return this.error(span);
    }
    return { kind: 'int', value, span };
  }

  float(token: IToken): ast.Expr {
    const span = this.tokenSpan(token);
    const value = Number(token.image);
    if (!Number.isFinite(value)) {
      this.report('Z103', span, `the number \`${token.image}\` is too large`);
      return this.error(span);
    }
    return { kind: 'float', value, text: token.image, span };
  }

  /** The characters a string literal stands for. */
  unescape(token: IToken): string {
    const closed = token.image.length > 1 && token.image.endsWith('"');
    const inner = token.image.slice(1, closed ? -1 : undefined);
    return inner.replace(
      /\\(?:u\{([0-9A-Fa-f]{1,6})\}|(.))/gsu,
      (whole, code: string, letter: string, at: number) => {
        const value = code === undefined ? simpleEscapes[letter] : codePoint(code);
        if (value === undefined) {
          const start = token.startOffset + 1 + at;
          this.report(
            'Z104',
            { file: this.file, start, end: start + whole.length },
            `unknown escape \`${whole}\``,
            {
              help: 'escapes are \\" \\\\ \\n \\t \\r and \\u{...}',
            },
          );
          return whole;
        }
        return value;
      },
    );
  }

  // ── operators ────────────────────────────────────────────────────────────────────────────────────────────

  /** Folds a flat chain by precedence: `a + b * -c ^ d`. `^` is right associative, all others left. */
  fold(links: readonly ChainLink[]): ast.Expr {
    const first = links[0]!;
    const count = links.length + links.reduce((sum, link) => sum + link.prefixes.length, 0);
    const span = joinSpans(this.linkSpan(first), links.at(-1)!.operand.span);
    if (count > maxDepth) {
      this.report('Z105', span, `this expression has ${count} operators in a row, more than ${maxDepth}`, {
        help: 'name parts of it with `let`',
      });
      return this.error(span);
    }
    return new Fold(this, links).run();
  }

  private linkSpan(link: ChainLink): Span {
    const prefix = link.prefixes[0];
    return prefix === undefined ? link.operand.span : this.tokenSpan(prefix);
  }

  /** What an index runs over: a range; of anything else the error says how it is written. */
  rangeOfLoop(index: ast.Identifier, start: ast.Expr, end: ast.Expr | undefined): ast.RangeExpr {
    if (end !== undefined) return { kind: 'range', start, end, span: joinSpans(start.span, end.span) };
    const text = this.file.text.slice(start.span.start, start.span.end);
    const count = /^range\(([^,()]*)\)$/.exec(text)?.[1];
    if (start.kind !== 'error') {
      this.report('Z106', start.span, `\`${index.text}\` must run over a range such as \`0..n\``, {
        help:
          count === undefined
            ? `write \`for i in 0..len(${text})\` and \`${text}[i]\` for \`${index.text}\``
            : `write \`for ${index.text} in 0..${count}\``,
      });
    }
    return { kind: 'range', start, end: this.error(start.span), span: start.span };
  }

  /** `"visual.**" as LoRALinear(rank = 4)` behind `with`. */
  replacement(path: ast.PathExpr, value: ast.Expr, span: Span): ast.ReplaceClause {
    const [first, ...more] = path.segments;
    const text = path.segments.map((s) => s.text).join('.');
    if (first?.quoted !== true || more.length > 0) {
      this.report('Z106', path.span, 'the blocks to replace are a pattern in quotes', {
        help: `write \`"${text}" as ...\``,
      });
    }
    return { kind: 'replace', pattern: { kind: 'string', value: text, span: path.span }, value, span };
  }

  // ── axis patterns ────────────────────────────────────────────────────────────────────────────────────────

  /** `(n h d)` in an expression's place: an error node for now, a group if a `->` follows. */
  axisGroup(first: ast.Expr, more: readonly ast.Identifier[], span: Span): ast.Expr {
    const node = this.error(span);
    const head = this.axisName(first);
    this.axisGroups.set(node, head === undefined ? more : [head, ...more]);
    return node;
  }

  /** `[b, t, (h d)] -> to`: the list in front of the arrow as an axis pattern. */
  arrow(left: ast.Expr, operandsBefore: readonly ast.Argument[], to: ast.AxisPattern, span: Span): ast.Expr {
    if (left.kind === 'list') {
      const from: ast.AxisPattern = { kind: 'axes', axes: this.axes(left.items), span: left.span };
      return this.node({ kind: 'arrow', from, operands: [], to, span });
    }
    const operands = [...operandsBefore.map((argument) => argument.value), left].map((value) =>
      this.operand(value),
    );
    return this.node({ kind: 'arrow', operands, to, span }, ...operands.map((operand) => operand.value));
  }

  private operand(value: ast.Expr): ast.ArrowExpr['operands'][number] {
    if (value.kind === 'index') {
      const bracket = { file: this.file, start: value.object.span.end, end: value.span.end };
      return {
        value: value.object,
        axes: { kind: 'axes', axes: this.axes(value.subscripts), span: bracket },
      };
    }
    if (value.kind !== 'error') {
      this.report('Z108', value.span, 'the left of `->` is not an axis pattern', {
        help: 'write `[b, t, (h d)] -> ...` in rearrange, `x[b, i], y[b, j] -> ...` in einsum',
      });
    }
    return { value: this.error(value.span), axes: { kind: 'axes', axes: [], span: value.span } };
  }

  private axes(items: readonly (ast.Expr | ast.SliceSubscript)[]): ast.AxisItem[] {
    return items.flatMap((item) => this.axis(item) ?? []);
  }

  private axis(item: ast.Expr | ast.SliceSubscript): ast.AxisItem | undefined {
    if (item.kind === 'int' && item.value === 1) {
      return { kind: 'one', span: item.span };
    }
    if (item.kind === 'error') {
      const names = this.axisGroups.get(item);
      this.axisGroups.delete(item);
      return names === undefined ? undefined : { kind: 'group', names, span: item.span };
    }
    if (item.kind === 'group' && item.inner.kind === 'name') {
      const { text, span } = item.inner;
      return { kind: 'group', names: [{ text, span, quoted: false }], span: item.span };
    }
    const name = this.axisName(item);
    return name === undefined ? undefined : { kind: 'axis', name };
  }

  private axisName(item: ast.Expr | ast.SliceSubscript): ast.Identifier | undefined {
    if (item.kind === 'name') {
      return { text: item.text, span: item.span, quoted: false };
    }
    if (item.kind !== 'error') {
      this.report('Z108', item.span, 'an axis pattern holds names, groups such as `(h d)` and `1` only');
    }
    return undefined;
  }

  /** Reports the axis groups that were no part of a pattern. */
  finish(): void {
    for (const node of this.axisGroups.keys()) {
      this.report('Z108', node.span, 'an axis group can only stand in a pattern of rearrange or einsum', {
        help: 'operators and commas are missing if this is a value',
      });
    }
  }

  // ── types ────────────────────────────────────────────────────────────────────────────────────────────────

  /** A type that is one word: `int`, `block`, ... */
  namedType(name: ast.Identifier): ast.TypeExpr {
    if (isStaticName(name.text)) {
      return { kind: 'static-type', name: name.text, list: false, span: name.span };
    }
    if (name.text !== '') {
      this.report('Z109', name.span, `\`${name.text}\` is not a type`, {
        help: `types are ${staticTypes.join(', ')}, lists such as [int], and tensors such as [B, width] or i32[B, 77]`,
      });
    }
    return { kind: 'error-type', span: name.span };
  }

  /** `[B, width]`; `[int]` is a list type. */
  bracketType(dims: ast.TensorTypeExpr['dims'], span: Span): ast.TypeExpr {
    const only = dims.length === 1 ? dims[0] : undefined;
    if (only?.kind === 'name' && isStaticName(only.text)) {
      return { kind: 'static-type', name: only.text, list: true, span };
    }
    return { kind: 'tensor-type', dims, span };
  }

  /** The type of a weight must be a tensor's. */
  weightType(type: ast.TypeExpr): ast.TensorTypeExpr {
    if (type.kind === 'tensor-type') {
      return type;
    }
    if (type.kind !== 'error-type') {
      this.report('Z109', type.span, 'a weight is a tensor: its type is a shape', {
        help: 'write `[width]`, or `[]` for a scalar',
      });
    }
    return { kind: 'tensor-type', dims: [this.error(type.span)], span: type.span };
  }
}

function codePoint(hex: string): string | undefined {
  const value = Number.parseInt(hex, 16);
  return value <= 0x10ffff ? String.fromCodePoint(value) : undefined;
}

/** Precedence climbing over the links of one chain; recursion is bounded by the chain's length. */
class Fold {
  private at = 0;
  private prefix = 0;
  private readonly builder: AstBuilder;
  private readonly links: readonly ChainLink[];

  constructor(builder: AstBuilder, links: readonly ChainLink[]) {
    this.builder = builder;
    this.links = links;
  }

  run(): ast.Expr {
    return this.climb(0);
  }

  private climb(least: number): ast.Expr {
    let left = this.unary(least);
    for (;;) {
      const operator = this.links[this.at + 1]?.infix;
      const strength = operator === undefined ? -1 : power[operator.image]!;
      if (operator === undefined || strength < least) {
        return left;
      }
      this.at++;
      this.prefix = 0;
      const right = this.climb(operator.image === '^' ? strength : strength + 1);
      left = this.join(operator, left, right);
    }
  }

  private unary(least: number): ast.Expr {
    const link = this.links[this.at]!;
    const token = link.prefixes[this.prefix];
    if (token === undefined) {
      return link.operand;
    }
    this.prefix++;
    const op = token.image === '-' ? '-' : 'not';
    const start = this.builder.tokenSpan(token);
    if (op === 'not' && least > notPower) {
      this.builder.report('Z107', start, '`not` binds looser than the operator in front of it', {
        help: 'put `not ...` in parentheses',
      });
    }
    const operand = this.climb(op === '-' ? minusPower : notPower);
    return this.builder.node({ kind: 'unary', op, operand, span: joinSpans(start, operand.span) }, operand);
  }

  private join(operator: IToken, left: ast.Expr, right: ast.Expr): ast.Expr {
    const span = joinSpans(left.span, right.span);
    if (operator.image === '?:') {
      return this.builder.node({ kind: 'elvis', left, right, span }, left, right);
    }
    const op = operator.image as ast.BinaryOp;
    const opSpan = this.builder.tokenSpan(operator);
    if (power[op] === power['=='] && left.kind === 'binary' && power[left.op] === power['==']) {
      this.builder.report(
        'Z107',
        opSpan,
        `comparisons do not chain: \`${left.op}\` and \`${op}\` are both here`,
        {
          help: 'write `a < b and b < c`',
        },
      );
    }
    return this.builder.node({ kind: 'binary', op, left, right, opSpan, span }, left, right);
  }
}
