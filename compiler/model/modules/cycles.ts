/** Block cycles: A has a child B, B has a child A. Found in the text, before anything is instantiated. */
import type { BlockDecl } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import type { Module } from '../values/module.ts';
import { namesIn } from '../values/names-in.ts';
import type { Session } from '../values/session.ts';
import { lookup } from './imports.ts';

interface Use {
  readonly block: BlockDecl;
  readonly module: Module;
  /** Where the user's name stands. */
  readonly span: Span;
}

/** Reports each cycle that starts in `modules`, and marks its blocks. */
export function findBlockCycles(modules: readonly Module[], session: Session): void {
  const done = new Set<BlockDecl>();
  for (const module of modules) {
    for (const item of module.program.items) {
      if (item.kind === 'block') visit({ block: item, module, span: item.name.span }, [], done, session);
    }
  }
}

function visit(use: Use, stack: Use[], done: Set<BlockDecl>, session: Session): void {
  const start = stack.findIndex((s) => s.block === use.block);
  if (start >= 0) {
    reportCycle(stack.slice(start), use, session);
    return;
  }
  if (done.has(use.block)) return;
  stack.push(use);
  for (const next of usesOf(use.block, use.module)) visit(next, stack, done, session);
  stack.pop();
  done.add(use.block);
}

function reportCycle(cycle: readonly Use[], last: Use, session: Session): void {
  const blocks = [...cycle, last];
  for (const { block } of cycle) session.cyclic.add(block);
  const names = blocks.map((u) => u.block.name.text);
  // The place where the first block names the second, then each further step.
  const steps = blocks.slice(1);
  const [first, ...rest] = steps;
  const labels = rest.map((step, i) => ({
    span: step.span,
    text: i === rest.length - 1 ? `uses ${step.block.name.text} again` : `uses ${step.block.name.text}`,
  }));
  const own = steps.length === 1;
  session.report('Z203', first!.span, `block cycle: ${names.join(' -> ')}`, {
    caption: own ? `uses ${names[0]} itself` : `uses ${first!.block.name.text}`,
    ...(labels.length === 0 ? {} : { labels }),
    help: 'blocks are trees: hand the inner block in as a parameter, `inner: block`',
  });
}

/** Blocks that a block's children, or the defaults of its block parameters, name. */
function usesOf(block: BlockDecl, module: Module): Use[] {
  const uses: Use[] = [];
  const hidden = new Set(block.params.map((p) => p.name.text));
  const parts: unknown[] = block.params.flatMap(({ type, default: given }) =>
    type.kind === 'static-type' && type.name === 'block' ? [given] : [],
  );
  for (const member of block.members) if (member.kind === 'child') parts.push(member.value);
  for (const { text, span } of namesIn(parts)) {
    const found = hidden.has(text) ? undefined : lookup(module, text);
    if (found?.kind === 'block') uses.push({ block: found.decl, module: found.module, span });
  }
  return uses;
}
