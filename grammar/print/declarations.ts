/**
 * Prints declarations, members and settings: one per line, bodies in braces always over several lines.
 */
import type * as ast from '../ast.ts';
import { between, type Element } from './comments.ts';
import { concat, type Doc, group, indent, join, line, wideLine } from './doc.ts';
import { ExpressionPrinter, identifier, path } from './expressions.ts';

export class DeclarationPrinter extends ExpressionPrinter {
  file(program: ast.Program): Doc {
    const elements: Element[] = [];
    if (program.package !== undefined) {
      const name = program.package;
      elements.push({ span: name.span, print: () => `package ${identifier(name)}` });
    }
    elements.push(
      ...program.imports.map((decl): Element => ({ span: decl.span, print: () => this.import(decl) })),
    );
    elements.push(...program.items.map((item, i) => this.topLevel(item, i === 0)));
    return this.comments.file(elements, { start: 0, end: program.file.text.length });
  }

  private topLevel(item: ast.Item, first: boolean): Element {
    const oneLine = item.kind === 'model' || ('body' in item && item.body.form === 'equals');
    return {
      span: item.span,
      print: () => this.declaration(item),
      apart: !oneLine ? 'around' : first ? 'before' : 'no',
    };
  }

  private declaration(item: ast.Item): Doc {
    switch (item.kind) {
      case 'block':
        return this.block(item);
      case 'fn':
      case 'objective':
        return concat(`${item.kind} ${identifier(item.name)}`, this.callable(item, item.name.span.end));
      case 'model': {
        const params = item.params.length === 0 ? '' : this.params(item.params, item.name.span.end).doc;
        return concat(`model ${identifier(item.name)}`, params, ' = ', this.expr(item.value));
      }
      case 'names':
        return this.names(item);
      case 'train':
        return this.train(item);
    }
  }

  private import(decl: ast.ImportDecl): Doc {
    const elements = decl.names.map((name): Element => ({ span: name.span, print: () => identifier(name) }));
    const range = between(this.comments.seek('{', decl.from.span.end) + 1, decl.span.end - 1);
    const names = this.comments.delimited('{', elements, '}', range, { padded: true });
    return concat(`import ${identifier(decl.from)} `, names);
  }

  // ── blocks ───────────────────────────────────────────────────────────────────────────────────────────────

  private block(decl: ast.BlockDecl): Doc {
    let header = decl.name.span.end;
    let params: Doc = '';
    if (decl.params.length > 0) {
      const list = this.params(decl.params, header);
      header = list.end;
      params = list.doc;
    }
    const elements = decl.members.map(
      (member): Element => ({ span: member.span, print: () => this.member(member) }),
    );
    const body = this.comments.braces(elements, this.bracesFrom(header, decl.span.end));
    return concat(`block ${identifier(decl.name)}`, params, ' ', body);
  }

  /** The range between the first brace behind `from` and the brace that ends at `end`. */
  private bracesFrom(from: number, end: number): { start: number; end: number } {
    return between(this.comments.seek('{', from) + 1, end - 1);
  }

  private member(member: ast.Member): Doc {
    switch (member.kind) {
      case 'require': {
        const message = member.message === undefined ? [] : [line, 'else ', this.expr(member.message)];
        return group('require ', this.item(member.condition), indent(...message));
      }
      case 'let':
        return this.let(member);
      case 'weight': {
        const init = member.init === undefined ? '' : concat(' = ', this.item(member.init));
        return concat(`${member.role} ${identifier(member.name)}: `, this.type(member.type), init);
      }
      case 'child':
        return this.child(member);
      case 'forward':
        return concat('forward', this.callable(member, member.span.start));
      case 'entry':
        return concat(
          `entry ${identifier(member.name)}`,
          this.callable(member, member.name.span.end),
          this.when(member),
        );
    }
  }

  private let(member: ast.LetMember): Doc {
    return concat(`let ${identifier(member.name)} = `, this.expr(member.value));
  }

  private child(child: ast.ChildMember): Doc {
    const array = child.array;
    const index =
      array === undefined ? '' : concat(`[${identifier(array.index)} in `, this.range(array.range), ']');
    const value = child.value.kind === 'seq' ? this.seq(child.value) : this.expr(child.value);
    return concat(
      child.inline ? 'inline ' : '',
      identifier(child.name),
      index,
      ': ',
      value,
      this.when(child),
    );
  }

  private when({ when }: { readonly when?: ast.Expr }): Doc {
    return when === undefined ? '' : group(indent(line, 'when ', this.item(when)));
  }

  private seq(seq: ast.SeqExpr): Doc {
    const elements = seq.children.map(
      (child): Element => ({ span: child.span, print: () => this.child(child) }),
    );
    return concat(
      'seq ',
      this.comments.compactBraces(elements, this.bracesFrom(seq.span.start, seq.span.end), wideLine),
    );
  }

  /** Parameters, result, kernel and body, behind the word or name that ends at or behind `from`. */
  private callable(callable: ast.Callable, from: number): Doc {
    const result = callable.result === undefined ? '' : concat(' -> ', this.type(callable.result));
    const fuses = callable.fuses === undefined ? '' : ` fuses ${identifier(callable.fuses)}`;
    return concat(this.params(callable.params, from).doc, result, fuses, ' ', this.body(callable.body));
  }

  private body(body: ast.Body): Doc {
    if (body.form === 'equals') {
      return concat('= ', this.expr(body.result));
    }
    const lets = body.lets.map((member): Element => ({ span: member.span, print: () => this.let(member) }));
    const result: Element = {
      span: body.result.span,
      print: () => concat('return ', this.expr(body.result)),
    };
    return this.comments.braces([...lets, result], between(body.span.start + 1, body.span.end - 1));
  }

  // ── maps of names, recipes ───────────────────────────────────────────────────────────────────────────────

  private names(decl: ast.NamesDecl): Doc {
    const elements = decl.rules.map(
      (rule): Element => ({
        span: rule.span,
        print: () => {
          const transforms = rule.transforms.map((transform) => concat(this.expr(transform), ' '));
          return group(this.expr(rule.from), indent(line, '-> ', ...transforms, this.expr(rule.to)));
        },
      }),
    );
    const body = this.comments.braces(elements, this.bracesFrom(decl.target.span.end, decl.span.end));
    return concat(`names ${identifier(decl.name)} for ${identifier(decl.target)} `, body);
  }

  private train(decl: ast.TrainDecl): Doc {
    const from = decl.from === undefined ? '' : concat(' from ', this.expr(decl.from));
    const header = (decl.from ?? decl.of).span.end;
    const elements = decl.settings.map(
      (setting): Element => ({ span: setting.span, print: () => this.setting(setting) }),
    );
    const body = this.comments.braces(elements, this.bracesFrom(header, decl.span.end));
    return concat(`train ${identifier(decl.name)} of `, this.expr(decl.of), from, ' ', body);
  }

  private setting(setting: ast.Setting): Doc {
    switch (setting.kind) {
      case 'assign':
        return concat(`${identifier(setting.key)} = `, this.expr(setting.value));
      case 'init':
        return concat(`init ${path(setting.path)} = `, this.expr(setting.value));
      case 'table':
        return concat(`table ${identifier(setting.name)} = `, this.expr(setting.value));
      case 'from': {
        const files = setting.files.map(
          ({ pattern, weights, span }): Element => ({
            span,
            print: () => concat(this.expr(pattern), ' = ', this.expr(weights)),
          }),
        );
        const range = this.bracesFrom(setting.span.start, setting.span.end);
        return concat('from ', this.comments.delimited('{', files, '}', range, { padded: true }));
      }
      case 'clamp':
        return concat(`clamp ${path(setting.path)} in `, this.range(setting.range, true));
      case 'remat':
      case 'freeze': {
        const patterns = setting.patterns.map((pattern) => this.expr(pattern));
        return group(`${setting.kind} `, indent(join(concat(',', line), patterns)));
      }
      case 'rate': {
        const patterns = setting.patterns.map((pattern) => this.expr(pattern));
        const list = indent(join(concat(',', line), patterns));
        return concat(group(`${setting.rate} `, list), ' = ', this.expr(setting.value));
      }
      case 'checkpoint': {
        const keep = setting.keep === undefined ? '' : concat(' keep ', this.item(setting.keep));
        return concat('checkpoint every ', this.item(setting.every), keep);
      }
      case 'evaluate': {
        const every = setting.every === undefined ? '' : concat(' every ', this.item(setting.every));
        return concat('evaluate ', this.item(setting.what), every);
      }
    }
  }
}
