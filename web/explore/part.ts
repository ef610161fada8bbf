/** Explore. */
import type { Context, Part } from '../app/context.ts';
import { h } from '../ui/dom.ts';

export function makeExplore(_context: Context): Part {
  return { element: h('section', { 'aria-label': 'Explore' }, h('h1', {}, 'Explore')) };
}
