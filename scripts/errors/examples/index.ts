/** The example of every code: a new code without one does not compile. */
import type { Code } from '../../../grammar/codes.ts';
import type { Example } from '../types.ts';
import { files } from './files.ts';
import { names } from './names.ts';
import { recipes } from './recipes.ts';
import { commandLine, running } from './running.ts';
import { shapes } from './shapes.ts';
import { syntax } from './syntax.ts';

export const examples: Readonly<Record<Code, Example>> = {
  ...syntax,
  ...names,
  ...shapes,
  ...files,
  ...recipes,
  ...running,
  ...commandLine,
};
