/** Compare. */
import type { Context, Part } from '../app/context.ts';
import { h } from '../ui/dom.ts';

export function makeCompare(_context: Context): Part {
  return { element: h('section', { 'aria-label': 'Compare' }, h('h1', {}, 'Compare')) };
}
