/** What the views of Explore have in common. */
import { type Child, h } from '../ui/dom.ts';
import type { Explored, Found, Target } from '../worker/explore/exploring.ts';

/** One view of what is explored. All of them show one selection. */
export interface Pane {
  readonly element: HTMLElement;
  /** Shows another plan, with nothing selected. */
  show(explored: Explored): void;
  /** Marks what is selected. */
  mark(found: Found | undefined): void;
}

/** A path that may be broken behind its dots. */
export function breakable(path: string): Child {
  return path.split('.').map((part, i) => (i === 0 ? part : ['.', h('wbr'), part]));
}

export type Select = (target: Target) => void;

/**
 * Scrolls a box, not the page, until an element in it is seen: as little as it takes, for what moves by keys, or into the upper part
 * of the box.
 */
export function reveal(box: HTMLElement, element: Element, how: 'near' | 'above' = 'above'): void {
  const [outer, inner] = [box.getBoundingClientRect(), element.getBoundingClientRect()];
  const margin = Math.min(32, outer.height / 4);
  const [over, under] = [inner.top - outer.top - margin, inner.bottom - outer.bottom + margin];
  if (over >= 0 && under <= 0) return;
  if (how === 'above') box.scrollTop += inner.top - outer.top - outer.height / 4;
  else box.scrollTop += over < 0 ? over : under;
}
