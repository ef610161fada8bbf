/** What a block declares and nothing reads: allowed, and seldom meant. By the text alone, for every file of the user's. */
import type { BlockDecl, Identifier, Member } from '../../../grammar/ast.ts';
import { holesOf } from '../build/require.ts';
import type { Loader } from '../values/module.ts';
import { namesIn } from '../values/names-in.ts';
import type { Session } from '../values/session.ts';

/** Parameters that preparing pictures reads. */
const readOutside = ['image_mean', 'image_std'];

/** Names behind a dot, and the blocks of `vision.input`. */
function* membersIn(syntax: unknown): Generator<string> {
  if (typeof syntax !== 'object' || syntax === null) return;
  const { kind, member, object } = syntax as { kind?: string; member: Identifier; object: Identifier };
  if (kind === 'member') yield member.text;
  if (kind === 'member-type') yield object.text;
  for (const [key, child] of Object.entries(syntax))
    if (key !== 'span' && key !== 'opSpan') yield* membersIn(child);
}

function readBy(syntax: unknown): Set<string> {
  return new Set([...[...namesIn(syntax)].map(({ text }) => text), ...membersIn(syntax)]);
}

const isBody = (member: Member) => member.kind === 'forward' || member.kind === 'entry';

/** @param reached names behind a dot anywhere in the files: blocks read weights of others */
function warnUnread(block: BlockDecl, reached: ReadonlySet<string>, session: Session): void {
  const holes = block.members.flatMap((member) =>
    member.kind === 'require' && member.message !== undefined
      ? holesOf(member.message).map((h) => h.name)
      : [],
  );
  const read = new Set([...readBy(block.members), ...readBy(block.params), ...holes, ...readOutside]);
  for (const { name } of block.params)
    if (!read.has(name.text))
      session.warn('Z223', name.span, `nothing in ${block.name.text} reads its parameter \`${name.text}\``, {
        help: 'leave it out, or use it',
      });
  const bodies = block.members.filter(isBody);
  if (bodies.length === 0) return;
  const used = readBy(bodies);
  for (const member of block.members) {
    // Buffers are counters and tables that a checkpoint may hold for others.
    if (member.kind !== 'child' && (member.kind !== 'weight' || member.role === 'buffer')) continue;
    const { text, span } = member.name;
    if (used.has(text) || reached.has(text) || text === '') continue;
    const what = member.kind === 'child' ? 'the child' : 'the weight';
    session.warn('Z222', span, `no forward or entry of ${block.name.text} reads ${what} \`${text}\``, {
      help: 'it is stored and never trained: leave it out, or use it',
    });
  }
}

/** Of every user's file, where nothing is wrong: behind a misspelt name, what it meant would seem unread. */
export function warnOfUnread(loader: Loader): void {
  const { session } = loader;
  if (session.hasErrors) return;
  const modules = loader.modules().filter((module) => module.bundled === undefined);
  const reached = new Set(modules.flatMap(({ program }) => [...membersIn(program.items)]));
  for (const { program } of modules)
    for (const item of program.items) if (item.kind === 'block') warnUnread(item, reached, session);
}
