/** Train. */
import type { Context, Part } from '../app/context.ts';
import { h } from '../ui/dom.ts';

export function makeTrain(_context: Context): Part {
  return { element: h('section', { 'aria-label': 'Train' }, h('h1', {}, 'Train')) };
}
