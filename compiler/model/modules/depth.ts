/** A guard against text nested so deeply that walking its tree would exhaust the stack. */
import type { Program } from '../../../grammar/ast.ts';
import type { Session } from '../values/session.ts';

/** Levels of the syntax tree, counted in objects: some 60 parentheses within each other. */
const maxLevels = 400;

/** Whether the program is nested too deeply; reports it. Walks without recursion. */
export function treeTooDeep(program: Program, session: Session): boolean {
  const stack: { value: unknown; level: number }[] = program.items.map((value) => ({ value, level: 0 }));
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { value, level } = top;
    if (typeof value !== 'object' || value === null) continue;
    if (level > maxLevels) {
      const span = program.items[0]!.span;
      session.report('Z314', { ...span, end: span.start + 1 }, 'this file is nested too deeply to be read');
      return true;
    }
    for (const [key, child] of Object.entries(value)) {
      if (key !== 'span' && key !== 'opSpan' && typeof child === 'object')
        stack.push({ value: child, level: level + 1 });
    }
  }
  return false;
}
