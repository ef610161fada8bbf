/** Write. */
import type { Context, Part } from '../app/context.ts';
import { h } from '../ui/dom.ts';

export function makeWrite(_context: Context): Part {
  return { element: h('section', { 'aria-label': 'Write' }, h('h1', {}, 'Write')) };
}
