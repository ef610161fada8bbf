/** Bundled models as programs to begin with. */
import { zooPackages } from '../../../compiler/model/modules/imports.ts';
import type { ModuleHost } from '../../../compiler/model/types.ts';
import { namesIn } from '../../../compiler/model/values/names-in.ts';
import type { ModelDecl } from '../../../grammar/ast.ts';
import { parse } from '../../../grammar/parser.ts';
import { format } from '../../../grammar/printer.ts';
import { programPath } from './program.ts';

/** The declaration of a bundled model as its package has it, under a name of one's own, with the imports that it needs. */
export function bundledStart(host: ModuleHost, model: string): string {
  for (const name of zooPackages) {
    const file = host.bundled(name)!;
    const { program } = parse(file);
    const found = program.items.find(
      (item): item is ModelDecl => item.kind === 'model' && item.name.text === model,
    );
    if (found === undefined) continue;
    const used = new Set([...namesIn(found.value)].map(({ text }) => text));
    const own = program.items.map((item) => item.name.text);
    const imports = [
      ...program.imports.map(({ from, names }) => ({ from: from.text, names: names.map((n) => n.text) })),
      { from: name, names: own },
    ].flatMap(({ from, names }) => {
      const needed = names.filter((each) => used.has(each));
      return needed.length === 0 ? [] : [`import ${from} { ${needed.join(', ')} }\n`];
    });
    const { start, end } = found.span;
    const rest = file.text.slice(found.name.span.end, end);
    const head = file.text.slice(start, found.name.span.start);
    const text = `${imports.join('')}\n${head}${JSON.stringify(`my-${model}`)}${rest}\n`;
    return format(parse({ path: programPath, text }).program);
  }
  throw new Error(`no bundled model is called ${model}`);
}
